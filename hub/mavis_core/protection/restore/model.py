"""Restores: what a recovery point was brought back as, and how far that is.

*Restore*: one use of one copy. Its *kind* says what comes of it: ``volumes`` beside the old ones,
an ``instance`` as new, new volumes ``in_place`` of those that an instance has, or a
``verification``, of which nothing stays but the proof. *Before*: what an instance had before new
volumes took its place, kept until the undo has run out::

    planned ──> running ──> complete ──> undoing ──> undone
       │         │   └──────┐   │  └───> forgetting ──> final
       │         v          │   v
       │    taking_back <───┼───┘ (cancelled in the last moment)
       v         v          v
    failed, cancelled    stranded ──> undoing

    taking_back ──> left_over ──> failed

Whatever fails or is cancelled goes through *taking back*: what was made is removed, and volumes
that were replaced come back. Of one that is *failed* or *cancelled* nothing is left. *Left over*
is one of which something may be, because the cloud would not let it be removed; Mavis tries
again, and then it has failed. *Stranded* is an instance at which the cloud let neither the old nor
the new volumes be put: all are kept, and an undo may be tried for as long as it takes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from mavis_core.errors import Internal

__all__ = [
    "IN_USE",
    "STEPS",
    "Before",
    "Disks",
    "Made",
    "Restore",
    "RestoreKind",
    "RestoreState",
    "check_restore_step",
]


class RestoreKind(StrEnum):
    """What comes of a restore."""

    VOLUMES = "volumes"
    INSTANCE = "instance"
    IN_PLACE = "in_place"
    VERIFICATION = "verification"


class RestoreState(StrEnum):
    """How far a restore is."""

    PLANNED = "planned"
    RUNNING = "running"
    TAKING_BACK = "taking_back"
    COMPLETE = "complete"
    FAILED = "failed"
    CANCELLED = "cancelled"
    LEFT_OVER = "left_over"
    STRANDED = "stranded"
    UNDOING = "undoing"
    UNDONE = "undone"
    FORGETTING = "forgetting"
    FINAL = "final"


_S = RestoreState
STEPS: Mapping[RestoreState, frozenset[RestoreState]] = {
    _S.PLANNED: frozenset({_S.RUNNING, _S.FAILED, _S.CANCELLED}),
    _S.RUNNING: frozenset({_S.COMPLETE, _S.TAKING_BACK, _S.LEFT_OVER, _S.STRANDED}),
    _S.TAKING_BACK: frozenset({_S.FAILED, _S.CANCELLED, _S.LEFT_OVER, _S.STRANDED}),
    _S.LEFT_OVER: frozenset({_S.FAILED}),
    _S.COMPLETE: frozenset({_S.TAKING_BACK, _S.UNDOING, _S.FORGETTING}),
    _S.STRANDED: frozenset({_S.UNDOING}),
    _S.UNDOING: frozenset({_S.UNDONE, _S.COMPLETE, _S.STRANDED}),
    _S.FORGETTING: frozenset({_S.FINAL, _S.COMPLETE}),
    _S.FAILED: frozenset(),
    _S.CANCELLED: frozenset(),
    _S.UNDONE: frozenset(),
    _S.FINAL: frozenset(),
}
IN_USE = frozenset({_S.PLANNED, _S.RUNNING, _S.TAKING_BACK})
"""States in which a restore needs its copy."""


def check_restore_step(before: RestoreState, after: RestoreState, *, what: str) -> None:
    """Return where `what` may go from `before` to `after`; staying is always allowed.

    Raises
    ------
    Internal
        It may not: a bug, which must not overwrite what is known.
    """
    if before is not after and after not in STEPS[before]:
        raise Internal(f"{what} is {before} and cannot become {after}")


class Disks(StrEnum):
    """Which volumes hang at the instance of a restore in place, as far as is known.

    ``old`` and ``new`` are sure; ``between`` from before the first call that may change it until
    after the last.
    """

    OLD = "old"
    BETWEEN = "between"
    NEW = "new"


@dataclass(frozen=True, slots=True)
class Before:
    """What an instance had before its volumes were replaced.

    Parameters
    ----------
    devices
        By device name the volume that hung there, root first; empty where none did.
    ran
        Whether it ran, so that it is started again.
    seen_by
        The Run that looked: it stops the instance itself, and must not look again after that.
    """

    instance_id: str
    devices: Mapping[str, str]
    ran: bool
    seen_by: str
    disks: Disks = Disks.OLD

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "instance_id": self.instance_id,
            "devices": [list(each) for each in self.devices.items()],  # objects lose their order
            "ran": self.ran,
            "seen_by": self.seen_by,
            "disks": self.disks,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Before:
        """Return what `to_json` wrote."""
        return cls(**{**value, "devices": dict(value["devices"]), "disks": Disks(value["disks"])})


@dataclass(frozen=True, slots=True)
class Made:
    """What a restore has made and not taken away again.

    Parameters
    ----------
    volumes
        By the original's id the new volume's.
    instance_id, group_id
        None: there is none.
    """

    volumes: Mapping[str, str] = field(default_factory=dict)
    instance_id: str | None = None
    group_id: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values; empty where there is nothing."""
        value: dict[str, Any] = {}
        if self.volumes:
            value["volumes"] = dict(self.volumes)
        if self.instance_id:
            value["instance_id"] = self.instance_id
        if self.group_id:
            value["group_id"] = self.group_id
        return value

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Made:
        """Return what `to_json` wrote."""
        return cls(dict(value.get("volumes", {})), value.get("instance_id"), value.get("group_id"))

    @property
    def nothing(self) -> bool:
        """Whether there is nothing."""
        return not self.to_json()


@dataclass(frozen=True, slots=True)
class Restore:
    """One use of one copy of a recovery point.

    Parameters
    ----------
    run_id
        The Run that restores.
    end_run_id
        The Run that undoes it or lets the old volumes go, or None.
    arguments
        What was asked for, as the plan has it.
    before, undo_until
        Of a restore in place, from the moment at which it touches the instance.
    error
        Why it failed or was taken back; of one that is complete, what could not be done besides.
    proof
        What a verification found, as far as it has come.
    """

    id: str
    project_id: str
    point_id: str
    copy_id: str
    kind: RestoreKind
    state: RestoreState
    run_id: str
    end_run_id: str | None
    arguments: Mapping[str, Any]
    made: Made
    before: Before | None
    undo_until: datetime | None
    created_by: str
    created_at: datetime
    finished_at: datetime | None
    error: Mapping[str, str] | None
    proof: Mapping[str, Any] | None

    @property
    def disks(self) -> Disks:
        """Which volumes hang at its instance; old where it never touched one."""
        return self.before.disks if self.before is not None else Disks.OLD
