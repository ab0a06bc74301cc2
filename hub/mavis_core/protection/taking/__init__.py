"""Having recovery points made: machines frozen and thawed, calls made once, members followed."""
