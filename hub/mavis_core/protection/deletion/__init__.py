"""What becomes of points that nobody keeps: weighed, shown beforehand, deleted."""
