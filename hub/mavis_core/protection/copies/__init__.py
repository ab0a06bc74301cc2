"""Copies in other regions and accounts: queued, made, shared for as long as that takes."""
