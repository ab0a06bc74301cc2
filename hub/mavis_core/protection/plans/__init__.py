"""Backup plans: what they say, what they select and who may write them."""
