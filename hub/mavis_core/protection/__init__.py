"""Protection: snapshots of instances, and what they can be restored from."""
