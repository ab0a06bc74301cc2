"""Snapshots.

*Snapshot*: one crash-consistent point in time of one instance, made by one Run: all its volumes,
taken together. *Member*: the snapshot of one of its volumes; what the cloud calls a snapshot and
the inventory a ``volume_snapshot``. A snapshot is complete only when every member is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from mavis_core.contract import SnapshotState as CloudState
from mavis_core.contract import VolumeSnapshot

__all__ = ["Member", "Snapshot", "SnapshotState", "overall_percent", "tags_of"]


class SnapshotState(StrEnum):
    """How far a snapshot is."""

    PLANNED = "planned"
    RUNNING = "running"
    COMPLETE = "complete"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Member:
    """The snapshot of one volume.

    Parameters
    ----------
    cloud_id
        The cloud's id, once made.
    state
        ``planned`` before the call, then the cloud's word.
    """

    volume_id: str
    cloud_id: str | None
    state: str
    progress_percent: int
    size_gib: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One crash-consistent point in time of one instance; `project` is the project's name."""

    id: str
    project_id: str
    project: str
    environment: str
    account: str
    region: str
    instance_id: str
    instance_name: str
    state: SnapshotState
    description: str
    created_by: str
    created_at: datetime
    completed_at: datetime | None
    run_id: str
    error: Mapping[str, str] | None
    members: tuple[Member, ...] = ()


def tags_of(
    *, project: str, snapshot_id: str, run_id: str, person: str, instance: str
) -> dict[str, str]:
    """Return the tags that every member carries from its first moment.

    By them alone the catalogue can be found again, and Mavis knows its own.
    """
    return {
        "Name": f"{instance} {snapshot_id}",
        "mavis:project": project,
        "mavis:snapshot": snapshot_id,
        "mavis:run": run_id,
        "mavis:person": person,
    }


def overall_percent(members: Iterable[VolumeSnapshot]) -> int:
    """Return how far the members are together, weighed by size, 0 to 100."""
    sizes = [(max(member.size_gib, 1), _percent(member)) for member in members]
    total = sum(size for size, _ in sizes)
    return sum(size * percent for size, percent in sizes) // total if total else 0


def _percent(member: VolumeSnapshot) -> int:
    return 100 if member.state is CloudState.COMPLETED else min(member.progress_percent, 99)
