"""Reports for people."""

from __future__ import annotations

from datetime import datetime

from mavis_core.protection.reports import Finding
from mavis_ext.schemas.base import Schema

__all__ = ["ProtectionReport"]


class ReportRow(Schema):
    """One thing that somebody should know."""

    finding: Finding
    machine: str
    """Name and cloud id; empty where a whole plan is meant."""
    environment: str
    region: str
    plan: str
    newest_at: datetime | None
    """When the newest good recovery point was taken."""
    why: str
    mend: str


class ProtectionReport(Schema):
    """How well a project is protected at a moment."""

    project: str
    at: datetime
    machines: int
    protected: int
    rows: tuple[ReportRow, ...]
    """The gravest first."""
