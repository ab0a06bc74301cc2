"""Recovery points.

*Recovery point*: one crash-consistent point in time of one instance: all its volumes, taken
together, and what it takes to build the instance again (its `manifest`). *Copy*: its volume
snapshots in one place. The *primary* copy is where the instance is; others lie in another region
or account. *Member*: the snapshot of one volume in one copy; what the cloud calls a snapshot and
the inventory a ``volume_snapshot``.

A copy is complete only when every member is; one with a missing member is never chosen for a
restore and never counts for retention::

    planned ──> running ──> complete ──> expiring ──> gone
       │           │  └───> partial ───────┤
       └───────────┴──────> failed ────────┘

A complete copy becomes partial when a member vanishes from the cloud. A partial or failed one may
turn out to be there after all, or on its way, when reconciliation finds what a lost answer kept
from us.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from mavis_core.contract import LockMode, VolumeSnapshot
from mavis_core.contract import SnapshotState as CloudState
from mavis_core.errors import Internal
from mavis_core.protection.points.manifests import Manifest

__all__ = [
    "Copy",
    "CopyRole",
    "Hold",
    "Lock",
    "Member",
    "MemberState",
    "PointState",
    "RecoveryPoint",
    "check_step",
    "overall",
    "overall_percent",
    "state_of_members",
]


class PointState(StrEnum):
    """How far a recovery point, or one copy of it, is."""

    PLANNED = "planned"
    RUNNING = "running"
    COMPLETE = "complete"
    PARTIAL = "partial"
    FAILED = "failed"
    EXPIRING = "expiring"
    GONE = "gone"

    @property
    def usable(self) -> bool:
        """Whether a restore may begin from it."""
        return self is PointState.COMPLETE

    @property
    def ended(self) -> bool:
        """Whether nobody works on making it any more."""
        return self not in (PointState.PLANNED, PointState.RUNNING)


_S = PointState
STEPS: Mapping[PointState, frozenset[PointState]] = {
    _S.PLANNED: frozenset({_S.RUNNING, _S.COMPLETE, _S.PARTIAL, _S.FAILED}),
    _S.RUNNING: frozenset({_S.COMPLETE, _S.PARTIAL, _S.FAILED}),
    _S.COMPLETE: frozenset({_S.PARTIAL, _S.FAILED, _S.EXPIRING}),
    _S.PARTIAL: frozenset({_S.RUNNING, _S.COMPLETE, _S.FAILED, _S.EXPIRING}),
    _S.FAILED: frozenset({_S.RUNNING, _S.COMPLETE, _S.PARTIAL, _S.EXPIRING}),
    _S.EXPIRING: frozenset({_S.GONE}),
    _S.GONE: frozenset(),
}
_RANK = (
    _S.COMPLETE,
    _S.RUNNING,
    _S.PLANNED,
    _S.PARTIAL,
    _S.EXPIRING,
    _S.FAILED,
    _S.GONE,
)


def check_step(before: PointState, after: PointState, *, what: str) -> None:
    """Return where `what` may go from `before` to `after`; staying is always allowed.

    Raises
    ------
    Internal
        It may not: a bug, which must not overwrite what is known.
    """
    if before is not after and after not in STEPS[before]:
        raise Internal(f"{what} is {before} and cannot become {after}")


class MemberState(StrEnum):
    """What is known of one member.

    ``planned`` before the call; then the cloud's word; ``missing`` where the cloud took no
    snapshot of the volume or shows it no longer; ``gone`` when we have deleted it.
    """

    PLANNED = "planned"
    PENDING = "pending"
    COMPLETED = "completed"
    ERROR = "error"
    MISSING = "missing"
    GONE = "gone"


class CopyRole(StrEnum):
    """Whether a copy was taken from the volumes or made from another copy."""

    PRIMARY = "primary"
    COPY = "copy"


@dataclass(frozen=True, slots=True)
class Member:
    """The snapshot of one volume.

    Parameters
    ----------
    device
        Under which name the volume hung at its instance; empty where that is not known.
    cloud_id
        The cloud's id of the snapshot, once made.
    """

    volume_id: str
    device: str
    cloud_id: str | None
    state: MemberState
    progress_percent: int
    size_gib: int


@dataclass(frozen=True, slots=True)
class Copy:
    """A recovery point's volume snapshots in one place.

    Parameters
    ----------
    kms_key
        The key with which it was encrypted anew, or None.
    run_id
        The Run that makes it; None where the catalogue was rebuilt from the cloud.
    expire_run_id
        The Run that deletes it: no other does, unless that one has ended.
    """

    id: str
    point_id: str
    role: CopyRole
    environment_id: str
    environment: str
    account: str
    region: str
    kms_key: str | None
    state: PointState
    run_id: str | None
    created_at: datetime
    completed_at: datetime | None
    error: Mapping[str, str] | None
    expire_run_id: str | None = None
    members: tuple[Member, ...] = ()

    @property
    def place(self) -> str:
        """Environment and region, for a reader."""
        return f"{self.environment} / {self.region}"


@dataclass(frozen=True, slots=True)
class Hold:
    """A legal hold: who placed it, when and why. It has no end until somebody releases it."""

    by: str
    at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Lock:
    """A lock in the cloud itself; until then nobody can delete the point."""

    mode: LockMode
    until: datetime


@dataclass(frozen=True, slots=True)
class RecoveryPoint:
    """One crash-consistent point in time of one instance.

    Parameters
    ----------
    project, plan
        Names. `plan`, `plan_id`, `rule` and `slot` are None for one that a person asked for.
    slot
        The local time of the plan for which it was made: ``2026-10-25T01:30``.
    taken_at
        The moment in whose state the volumes are; None before the cloud took them.
    proof
        What the last verification found, or None.
    """

    id: str
    project_id: str
    project: str
    plan_id: str | None
    plan: str | None
    rule: str | None
    slot: str | None
    environment_id: str
    environment: str
    account: str
    region: str
    instance_id: str
    instance_name: str
    state: PointState
    description: str
    created_by: str
    created_at: datetime
    taken_at: datetime | None
    completed_at: datetime | None
    run_id: str | None
    error: Mapping[str, str] | None
    manifest: Manifest
    hold: Hold | None = None
    lock: Lock | None = None
    proof: Mapping[str, Any] | None = None
    copies: tuple[Copy, ...] = ()

    @property
    def primary(self) -> Copy:
        """The copy in the place of the instance."""
        return next(copy for copy in self.copies if copy.role is CopyRole.PRIMARY)

    @property
    def label(self) -> str:
        """Instance and time, for a reader."""
        moment = self.taken_at or self.created_at
        return f"{self.instance_name or self.instance_id} of {moment:%Y-%m-%d %H:%M} UTC"


def overall(states: Iterable[PointState]) -> PointState:
    """Return the state of a recovery point by those of its copies: the best of them."""
    return min(states, key=_RANK.index)


def state_of_members(states: Collection[MemberState]) -> PointState:
    """Return the state of a copy whose making has ended, by those of its members."""
    if not states:
        return PointState.FAILED
    if all(state is MemberState.COMPLETED for state in states):
        return PointState.COMPLETE
    there = {MemberState.COMPLETED, MemberState.PENDING}
    return PointState.PARTIAL if there.intersection(states) else PointState.FAILED


def overall_percent(members: Iterable[VolumeSnapshot]) -> int:
    """Return how far the members are together, weighed by size, 0 to 100."""
    sizes = [(max(member.size_gib, 1), _percent(member)) for member in members]
    total = sum(size for size, _ in sizes)
    return sum(size * percent for size, percent in sizes) // total if total else 0


def _percent(member: VolumeSnapshot) -> int:
    return 100 if member.state is CloudState.COMPLETED else min(member.progress_percent, 99)
