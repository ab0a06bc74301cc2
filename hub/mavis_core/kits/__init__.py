"""Expansion kits, one folder each, found by their entry point in the group ``mavis.kits``."""
