"""Bringing recovery points back, taking that away again, and proving that it can be done."""
