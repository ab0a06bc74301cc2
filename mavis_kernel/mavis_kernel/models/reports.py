"""How well a project is protected."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from mavis_kernel.parsing import Model

__all__ = ["FINDINGS", "ProtectionReport", "ReportRow"]

FINDINGS = ("ok", "unprotected", "never_backed_up", "rpo_missed", "failed", "skipped")
"""What is the matter with a machine or a plan; nothing where it is ``ok``."""


@dataclass(frozen=True, kw_only=True)
class ReportRow(Model):
    """One thing that somebody should know.

    Parameters
    ----------
    finding
        One of `FINDINGS`.
    machine
        Name and cloud id; empty where a whole plan is meant.
    newest_at
        When the newest good recovery point was taken, or None.
    why, mend
        A sentence each.
    """

    finding: str
    machine: str = ""
    environment: str = ""
    region: str = ""
    plan: str = ""
    newest_at: datetime | None = None
    why: str = ""
    mend: str = ""


@dataclass(frozen=True, kw_only=True)
class ProtectionReport(Model):
    """How well a project is protected at a moment."""

    project: str
    at: datetime
    machines: int
    protected: int
    rows: tuple[ReportRow, ...]

    @property
    def findings(self) -> tuple[ReportRow, ...]:
        """The rows with which something is the matter."""
        return tuple(row for row in self.rows if row.finding != "ok")
