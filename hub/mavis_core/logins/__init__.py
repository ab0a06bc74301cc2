"""Logging in a command line with a browser, in the style of RFC 8628."""
