"""What people do with the objects of the contract: mixins of the classes that are made from it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # they are made with these mixins
    from mavis_kernel.models import generated

__all__ = ["BackupPlan", "ProtectionReport", "RecoveryPoint", "Restore", "Run"]

_FINAL = frozenset({"succeeded", "failed", "refused", "cancelled"})


class Run:
    """Whether it is over, and how it went."""

    state: generated.RunState

    @property
    def is_final(self) -> bool:
        """Whether nothing more will change."""
        return self.state in _FINAL

    @property
    def succeeded(self) -> bool:
        """Whether the work was done."""
        return self.state == "succeeded"


class BackupPlan:
    """Whether it runs."""

    definition: generated.BackupPlanDefinition

    @property
    def enabled(self) -> bool:
        """Whether its slots begin by themselves."""
        return self.definition.enabled


class RecoveryPoint:
    """What it is made of where the instance is."""

    copies: tuple[generated.PointCopy, ...]

    @property
    def members(self) -> tuple[generated.PointMember, ...]:
        """The volume snapshots where the instance is; empty before there are any."""
        primary = (copy.members for copy in self.copies if copy.role == "primary")
        return next(primary, ())


class ProtectionReport:
    """What somebody should know."""

    rows: tuple[generated.ReportRow, ...]

    @property
    def findings(self) -> tuple[generated.ReportRow, ...]:
        """The rows with which something is the matter."""
        return tuple(row for row in self.rows if row.finding != "ok")


class Restore:
    """Whether it can be undone."""

    kind: generated.RestoreKind
    state: generated.RestoreState
    before: generated.RestoreBefore | None
    undo_until: datetime | None

    def can_be_undone(self, now: datetime | None = None) -> bool:
        """Return whether the old volumes can be put back now."""
        if self.kind != "in_place" or self.before is None:
            return False
        if self.state == "stranded":
            return True
        in_time = self.undo_until is not None and self.undo_until > (now or datetime.now(UTC))
        return self.state == "complete" and in_time
