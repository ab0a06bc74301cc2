"""What the log process is made of: its parts, and what it answers over HTTP."""
