"""Where the dashboards process answers, and where it asks."""

from __future__ import annotations

__all__ = ["FRAMES", "VIEWS"]

FRAMES = "/services/mavis-view"
"""Below it lie the frames, each under its ticket. It is not below the api process's address, so
that no browser sends the login of a viewer here."""

VIEWS = "/services/mavis/internal/views"
"""Below it lies what the api process answers to the dashboards process."""
