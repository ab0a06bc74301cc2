"""The command ``mavis``: nouns and verbs, data on stdout, the rest on stderr.

Starting must be quick, so a noun's module is imported when it is called (`root`), the client
with the first request (`state`), and httpx with the client's first request.
"""

from mavis_kernel.cli.root import main

__all__ = ["main"]
