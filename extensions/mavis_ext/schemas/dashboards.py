"""Dashboards and their versions."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from mavis_ext.schemas.base import Schema

__all__ = ["Dashboard", "DashboardVersion", "DashboardVersionDetail"]


class Dashboard(Schema):
    """A notebook that is published for exactly one project, as a page."""

    id: str
    project: str
    """The project's name."""
    name: str
    """What addresses and commands call it."""
    title: str
    """What people read."""
    description: str
    version: int | None
    """The number of the version that viewers see; null where it is not published now."""
    created_at: datetime
    created_by: str
    changed_at: datetime
    """When it was published, set to another version, or taken away."""
    changed_by: str


class DashboardVersion(Schema):
    """One notebook that was published; it never changes."""

    number: int
    hash: str
    """SHA-256 of the notebook as it was published, in hexadecimal digits."""
    size_bytes: int
    note: str
    """What is new in it, as its publisher says."""
    shipped: str | None
    """The name under which Mavis brought it; null where it is somebody's own."""
    published_at: datetime
    published_by: str
    current: bool
    """Whether viewers see it."""


class DashboardVersionDetail(DashboardVersion):
    """A version with its notebook."""

    notebook: dict[str, Any]
    """The notebook without outputs, as nbformat 4."""
