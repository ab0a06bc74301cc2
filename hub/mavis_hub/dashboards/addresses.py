"""Where the dashboards process answers."""

from __future__ import annotations

__all__ = ["FRAMES"]

FRAMES = "/services/mavis-view"
"""Below it lie the frames, each under its ticket. It is not below the api process's address, so
that no browser sends the login of a viewer here."""
