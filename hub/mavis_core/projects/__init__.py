"""Projects, their members and their environments. Who may see what begins here."""
