"""The version of the installed client."""

from __future__ import annotations

from functools import cache
from importlib import metadata

__all__ = ["client_version"]


@cache
def client_version() -> str:
    """Return the version of the installed distribution."""
    try:
        return metadata.version("mavis-ops")
    except metadata.PackageNotFoundError:
        return "0+unknown"
