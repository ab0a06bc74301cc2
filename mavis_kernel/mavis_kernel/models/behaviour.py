"""What people do with the objects of the contract: mixins of the classes that are made from it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # they are made with these mixins
    import pandas as pd

    from mavis_kernel.models import generated

__all__ = ["BackupPlan", "ProtectionReport", "RecoveryPoint", "Restore", "Run", "SqlAnswer"]

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


class SqlAnswer:
    """The answer as others hold tables."""

    columns: tuple[generated.SqlColumn, ...]
    rows: tuple[tuple[object, ...], ...]

    def to_dicts(self) -> list[dict[str, object]]:
        """Return a dictionary for each row, by the names of the columns."""
        names = [column.name for column in self.columns]
        return [dict(zip(names, row, strict=True)) for row in self.rows]

    def to_pandas(self) -> pd.DataFrame:
        """Return the answer as a frame of pandas; its dtypes follow the types of the columns.

        Whole numbers are ``int64`` (``Int64`` where some are missing), moments
        ``datetime64[us, UTC]``, texts ``str``; what is nested is an object.

        Raises
        ------
        BadSettings
            pandas is not installed.
        """
        from mavis_kernel.frames import frame_of  # noqa: PLC0415 - most calls need no pandas

        return frame_of(self.columns, self.rows)

    def to_arrow(self) -> Any:
        """Return the answer as a ``pyarrow.Table``; what is nested is JSON in text.

        Raises
        ------
        BadSettings
            pyarrow or pandas is not installed.
        """
        from mavis_kernel.frames import arrow_of  # noqa: PLC0415 - as above

        return arrow_of(self.columns, self.rows)
