"""Restores: what recovery points were brought back as."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from mavis_kernel.models.failures import Failure
from mavis_kernel.parsing import JsonObject, Model

__all__ = ["RESTORE_KINDS", "RESTORE_STATES", "Restore", "RestoreBefore", "RestoreMade"]

RESTORE_KINDS = ("volumes", "instance", "in_place", "verification")
"""What comes of a restore; of a verification nothing stays but the proof."""

RESTORE_STATES = (
    *("planned", "running", "taking_back", "complete", "failed", "cancelled"),
    *("left_over", "stranded", "undoing", "undone", "forgetting", "final"),
)
"""How far a restore is.

*Taking back*: it failed or was cancelled, and what it made is being removed. *Left over*: the cloud
would not let that be removed; Mavis tries again. *Stranded*: the cloud let neither the old nor the
new volumes be put; all are kept. *Final*: it can be undone no more.
"""


@dataclass(frozen=True, kw_only=True)
class RestoreMade(Model):
    """What a restore has made and not taken away again.

    Parameters
    ----------
    volumes
        By the original's id the new volume's.
    """

    volumes: Mapping[str, str] = field(default_factory=dict)
    instance_id: str | None = None
    group_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class RestoreBefore(Model):
    """What an instance had before its volumes were replaced.

    Parameters
    ----------
    devices
        By device name the volume that hung there.
    ran
        Whether it ran.
    disks
        Which volumes hang there now: ``old``, ``new``, or ``between``.
    """

    instance_id: str
    devices: Mapping[str, str] = field(default_factory=dict)
    ran: bool = False
    disks: str = ""


@dataclass(frozen=True, kw_only=True)
class Restore(Model):
    """One use of one copy of a recovery point.

    Parameters
    ----------
    kind, state
        One of `RESTORE_KINDS` and of `RESTORE_STATES`.
    run_id, end_run_id
        The Run that restores, and the one that undoes it or lets the old volumes go.
    arguments
        What was asked for, as it is carried out.
    before, undo_until
        Of a restore in place, once it has touched the instance.
    error
        Why it failed; of one that is complete, what could not be done besides.
    proof
        What a verification has found.
    """

    id: str
    point_id: str
    kind: str
    state: str
    created_at: datetime
    copy_id: str | None = None
    run_id: str | None = None
    end_run_id: str | None = None
    arguments: JsonObject = field(default_factory=dict)
    made: RestoreMade | None = None
    before: RestoreBefore | None = None
    undo_until: datetime | None = None
    created_by: str | None = None
    finished_at: datetime | None = None
    error: Failure | None = None
    proof: JsonObject | None = None

    def can_be_undone(self, now: datetime | None = None) -> bool:
        """Return whether the old volumes can be put back now."""
        if self.kind != "in_place" or self.before is None:
            return False
        if self.state == "stranded":
            return True
        in_time = self.undo_until is not None and self.undo_until > (now or datetime.now(UTC))
        return self.state == "complete" and in_time
