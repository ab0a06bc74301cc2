"""Rows of the catalogue made anew from what clouds show, and rows compared with it.

What the catalogue has is never overwritten blindly: a member that the cloud shows differently
changes its copy, by the same steps as ever; everything else stays.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import sqlalchemy as sa

from mavis_core import clock
from mavis_core.changes.model import IntentState
from mavis_core.contract import SnapshotLock, SnapshotState, VolumeSnapshot
from mavis_core.db import tables
from mavis_core.errors import CloudVanished, told
from mavis_core.ids import new_id, time_of
from mavis_core.protection.catalogue.found_sets import FoundPoint, FoundSet, bare, tag
from mavis_core.protection.copies import calls as copy_calls
from mavis_core.protection.points import rows as points
from mavis_core.protection.points.manifests import Manifest
from mavis_core.protection.points.model import (
    Copy,
    CopyRole,
    Lock,
    Member,
    MemberState,
    PointState,
    RecoveryPoint,
    overall,
    state_of_members,
)
from mavis_core.protection.taking import taking
from mavis_core.protection.taking.taken import member_of
from mavis_core.scheduling.model import Run

__all__ = [
    "Change",
    "changes_of",
    "new_copy",
    "new_point",
    "put_change",
    "put_intents",
    "same",
    "settled",
]

_YOUNG = timedelta(minutes=2)  # clouds show what was just made after some seconds only
_CHUNK = 500
_NOT_COMPARED = (PointState.PLANNED, PointState.RUNNING, PointState.EXPIRING, PointState.GONE)
Place = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Change:
    """What a copy in the catalogue is now, by what the cloud shows."""

    copy: Copy
    members: tuple[Member, ...]

    @property
    def state(self) -> PointState:
        """What the copy becomes."""
        return state_of_members([member.state for member in self.members])


def new_point(
    found: FoundPoint, run: Run, locks: Mapping[str, SnapshotLock], homes: Mapping[str, str]
) -> RecoveryPoint:
    """Return a recovery point that the catalogue lacks, as far as its tags tell.

    Parameters
    ----------
    locks
        Locks in force, by snapshot.
    homes
        Ids of the project's environments, by name.
    """
    primary = found.primary
    copies = [new_copy(each, found) for each in found.sets]
    if primary is None:
        copies.append(_lost_primary(found, homes))
    home = next(copy for copy in copies if copy.role is CopyRole.PRIMARY)
    said = {name: tag(found.tags, name) for name in _TOLD}
    return RecoveryPoint(
        id=found.id,
        project_id=run.project_id,
        project=run.plan.project_name,
        plan_id=said["plan-id"] or None,
        plan=said["plan"] or None,
        rule=said["rule"] or None,
        slot=said["slot"] or None,
        environment_id=home.environment_id,
        environment=home.environment,
        account=home.account,
        region=home.region,
        instance_id=said["instance"],
        instance_name=found.manifest.tags.get("Name", ""),
        state=overall(copy.state for copy in copies),
        description=said["description"],
        created_by=said["person"],
        created_at=time_of(found.id),
        taken_at=found.taken_at,
        completed_at=None,
        run_id=said["run"] or None,
        error=home.error,
        manifest=found.manifest,
        lock=_lock(found, locks),
        copies=tuple(copies),
    )


_TOLD = ("plan-id", "plan", "rule", "slot", "instance", "description", "person", "run")


def new_copy(found: FoundSet, point: FoundPoint) -> Copy:
    """Return a copy that the catalogue lacks: complete only where every member is there."""
    members = _members(found, point.manifest)
    state = state_of_members([member.state for member in members])
    some = next(iter(found.members.values())).tags
    return Copy(
        id=found.copy_id or new_id("cop"),
        point_id=point.id,
        role=found.role,
        environment_id=found.environment.id,
        environment=found.environment.name,
        account=found.environment.account,
        region=found.region,
        kms_key=tag(some, "kms-key") or None,
        state=state,
        run_id=None,
        created_at=found.started_at,
        completed_at=None,
        error=None if state.usable else _lacks(members),
        members=members,
    )


def _members(found: FoundSet, manifest: Manifest) -> tuple[Member, ...]:
    devices = {disk.volume_id: disk.device for disk in manifest.disks}
    missing = [
        Member(disk.volume_id, disk.device, None, MemberState.MISSING, 0, disk.size_gib)
        for disk in manifest.disks
        if disk.volume_id not in found.members
    ]
    there = [
        member_of(snapshot, volume_id, devices.get(volume_id, ""))
        for volume_id, snapshot in found.members.items()
    ]
    return tuple(sorted([*there, *missing], key=lambda member: member.volume_id))


def _lost_primary(found: FoundPoint, homes: Mapping[str, str]) -> Copy:
    """Return the primary copy of a point of which only copies elsewhere are left."""
    region, _, rest = tag(found.tags, "home").partition("/")
    name, _, account = rest.partition("/")
    return Copy(
        id=new_id("cop"),
        point_id=found.id,
        role=CopyRole.PRIMARY,
        environment_id=homes.get(name, f"unknown:{name}"),
        environment=name,
        account=account,
        region=region,
        kms_key=None,
        state=PointState.GONE,
        run_id=None,
        created_at=time_of(found.id),
        completed_at=None,
        error=None,
        members=tuple(
            Member(disk.volume_id, disk.device, None, MemberState.GONE, 0, disk.size_gib)
            for disk in found.manifest.disks
        ),
    )


def _lock(found: FoundPoint, locks: Mapping[str, SnapshotLock]) -> Lock | None:
    """Return the lock that every member has, where each has one."""
    ids = [one.cloud_id for each in found.sets for one in each.members.values()]
    if not ids or not all(cloud_id in locks for cloud_id in ids):
        return None
    weakest = min((locks[cloud_id] for cloud_id in ids), key=lambda lock: lock.until)
    return Lock(weakest.mode, weakest.until)


def same(row: Manifest, found: Manifest) -> bool:
    """Whether the manifest of a row is the one in the tags, which may be shorter."""
    known, seen = bare(row), bare(found)
    return seen in (known, replace(known, tags={}))


def changes_of(
    point: RecoveryPoint,
    found: FoundPoint | None,
    shown: Mapping[str, VolumeSnapshot],
    places: Collection[Place],
) -> list[Change]:
    """Return what must change in the copies of a point that the catalogue has.

    Parameters
    ----------
    found
        What clouds show of it, or None.
    shown
        Every snapshot that was seen, by its id.
    places
        Accounts and regions that were seen whole.
    """
    changes = []
    for copy in point.copies:
        if copy.state in _NOT_COMPARED or (copy.account, copy.region) not in places:
            continue
        set_ = _set_of(copy, found)
        members = tuple(_now(member, set_, shown) for member in copy.members)
        pending = any(member.state is MemberState.PENDING for member in members)
        young = clock.now() < copy.created_at + _YOUNG
        if members != copy.members and not pending and not young:
            changes.append(Change(copy, members))
    return changes


def _set_of(copy: Copy, found: FoundPoint | None) -> FoundSet | None:
    for each in found.sets if found is not None else ():
        if each.role is not copy.role or each.place != (copy.account, copy.region):
            continue
        if each.copy_id in ("", copy.id):
            return each
    return None


def _now(member: Member, set_: FoundSet | None, shown: Mapping[str, VolumeSnapshot]) -> Member:
    """Return a member as the cloud shows it."""
    if member.state is MemberState.GONE:
        return member
    snapshot = shown.get(member.cloud_id or "")
    if snapshot is None and set_ is not None:
        snapshot = set_.members.get(member.volume_id)
    if snapshot is not None:
        seen = member_of(snapshot, member.volume_id, member.device)
        if snapshot.state is SnapshotState.COMPLETED and seen.state is member.state:
            return replace(member, cloud_id=seen.cloud_id)
        return replace(seen, size_gib=seen.size_gib or member.size_gib)
    if member.cloud_id is None:
        return member
    return replace(member, state=MemberState.MISSING, progress_percent=0)


def put_change(tx: sa.Connection, change: Change) -> None:
    """Write a change of a copy."""
    points.put_members(tx, [(change.copy.id, member) for member in change.members])
    error = None if change.state.usable else _lacks(change.members)
    points.set_copy(tx, change.copy, change.state, error=error)


def _lacks(members: Iterable[Member]) -> dict[str, str]:
    bad = [m.volume_id for m in members if m.state is not MemberState.COMPLETED]
    return told(
        CloudVanished(
            f"The set lacks {', '.join(bad) or 'its members'}: the cloud shows it no more",
            mend="It does not restore; its plan's retention removes it, or whoever deletes it.",
        )
    )


def put_intents(tx: sa.Connection, run: Run, sets: Iterable[FoundSet]) -> list[str]:
    """Give the ledger the calls back that made some sets; return what it knows otherwise.

    Deletion demands that a snapshot stands in the ledger as made by the call that its tag names.
    """
    table, left_alone = tables.intents, []
    for set_ in sets:
        for intent_id, made in set_.intents.items():
            row = tx.execute(sa.select(table).where(table.c.id == intent_id)).one_or_none()
            if row is None:
                _insert_intent(tx, run, set_, intent_id, made)
            elif row.project_id != run.project_id or not set(made) <= set(row.made):
                if row.state == IntentState.FAILED and row.project_id == run.project_id:
                    done = {"state": IntentState.DONE, "made": made, "error": None}
                    tx.execute(sa.update(table).where(table.c.id == intent_id).values(**done))
                elif row.state != IntentState.OPEN:
                    left_alone.append(
                        f"{', '.join(made)}: the ledger knows another effect of {intent_id}"
                    )
    return left_alone


def settled(tx: sa.Connection, project_id: str, sets: Iterable[FoundSet]) -> set[str]:
    """Return the intents of some sets that the ledger has as their members say."""
    table = tables.intents
    wanted = {intent: set(made) for each in sets for intent, made in each.intents.items()}
    ids, found = sorted(wanted), set[str]()
    for start in range(0, len(ids), _CHUNK):
        query = sa.select(table.c.id, table.c.made).where(
            table.c.id.in_(ids[start : start + _CHUNK]),
            table.c.project_id == project_id,
            table.c.state == IntentState.DONE,
        )
        found |= {row.id for row in tx.execute(query) if wanted[row.id] <= set(row.made)}
    return found


def _insert_intent(
    tx: sa.Connection, run: Run, set_: FoundSet, intent_id: str, made: Sequence[str]
) -> None:
    action = taking.ACTION if set_.role is CopyRole.PRIMARY else copy_calls.ACTION
    tx.execute(
        sa.insert(tables.intents).values(
            id=intent_id,
            run_id=run.id,
            project_id=run.project_id,
            action=action,
            target=intent_id,
            environment_id=set_.environment.id,
            region=set_.region,
            state=IntentState.DONE,
            tries=1,
            created_at=set_.started_at,
            called_at=set_.started_at,
            finished_at=set_.started_at,
            made=list(made),
        )
    )
