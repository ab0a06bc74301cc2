"""What the cloud says of copies while they are made, written down.

A copy that is being made keeps the first reason that speaks against it; it ends when nothing of
it is on its way any more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import sqlalchemy as sa

from mavis_core.contract import SnapshotState, VolumeSnapshot
from mavis_core.db import tables
from mavis_core.errors import CloudError, CloudVanished, MavisError, told
from mavis_core.protection.points import rows as points
from mavis_core.protection.points.model import (
    Copy,
    CopyRole,
    Member,
    MemberState,
    PointState,
    state_of_members,
)
from mavis_core.protection.taking.taken import member_of

__all__ = ["MOST_PENDING", "Rooms", "begun", "copy_of", "follow", "found", "pending", "refused"]

MOST_PENDING = 20
"""Copies that EC2 has under way into one region of an account at a time.

https://docs.aws.amazon.com/ebs/latest/userguide/ebs-copy-snapshot.html
"""

_COPIES, _MEMBERS = tables.copies, tables.copy_members
Place = tuple[str, str]  # account and region


@dataclass(slots=True)
class Rooms:
    """How many members may be under way into each place.

    Where the cloud refuses one more, what is under way then is all that may be; the room grows by
    one with every round that is taken whole, for others use the account, too.
    """

    most: int = MOST_PENDING
    _found: dict[Place, int] = field(default_factory=dict)

    def left(self, place: Place, under_way: int) -> int:
        """Return how many more may be begun."""
        return max(self._found.get(place, self.most) - under_way, 0)

    def refused(self, place: Place, under_way: int) -> None:
        """Note that the cloud takes no more than what is under way; one is always tried."""
        self._found[place] = max(under_way, 1)

    def taken(self, place: Place) -> None:
        """Note that the cloud took all that was asked of it."""
        if place in self._found:
            self._found[place] = min(self._found[place] + 1, self.most)


def pending(tx: sa.Connection) -> dict[Place, int]:
    """Return how many members of copies are under way into each place, whoever makes them."""
    query = (
        sa.select(_COPIES.c.account, _COPIES.c.region, sa.func.count().label("number"))
        .join(_MEMBERS, _MEMBERS.c.copy_id == _COPIES.c.id)
        .where(
            _COPIES.c.role == CopyRole.COPY,
            _COPIES.c.state == PointState.RUNNING,
            _MEMBERS.c.state == MemberState.PENDING,
        )
        .group_by(_COPIES.c.account, _COPIES.c.region)
    )
    return {(row.account, row.region): row.number for row in tx.execute(query)}


def copy_of(tx: sa.Connection, copy_id: str) -> Copy:
    """Return a copy as it is now."""
    query = sa.select(_COPIES).where(_COPIES.c.id == copy_id)
    (copy,) = points.copies_of(tx, tx.execute(query).mappings().all())
    return copy


def begun(tx: sa.Connection, copy: Copy, volume_id: str, snapshot: VolumeSnapshot) -> None:
    """Write down that the cloud has begun to copy one member."""
    member = _as_seen(_member(copy, volume_id), snapshot)
    points.put_members(tx, [(copy.id, member)])
    points.set_copy(tx, copy, PointState.RUNNING, error=copy.error)


def refused(tx: sa.Connection, copy: Copy, volume_id: str, error: MavisError) -> None:
    """Write down that one member will not be made."""
    member = replace(_member(copy, volume_id), state=MemberState.ERROR)
    points.put_members(tx, [(copy.id, member)])
    points.set_copy(tx, copy, PointState.RUNNING, error=copy.error or told(error))


def follow(
    tx: sa.Connection,
    copy: Copy,
    shown: Mapping[str, VolumeSnapshot],
    *,
    given_up: Iterable[str] = (),
) -> None:
    """Write down what changed in the members of a running copy, and end it where it has ended.

    Parameters
    ----------
    shown
        What the cloud shows of it now, by the snapshots' ids.
    given_up
        Ids of snapshots that the cloud has not shown for too long.
    """
    members = [_now(member, shown, frozenset(given_up)) for member in copy.members]
    changed = [new for old, new in zip(copy.members, members, strict=True) if new != old]
    points.put_members(tx, [(copy.id, member) for member in changed])
    states = [member.state for member in members]
    error = copy.error or _broken(members, shown)
    if all(state is MemberState.COMPLETED for state in states):
        points.set_copy(tx, copy, PointState.COMPLETE)
    elif error is None or MemberState.PENDING in states:
        if error != copy.error:
            points.set_copy(tx, copy, PointState.RUNNING, error=error)
    else:
        points.set_copy(tx, copy, state_of_members(states), error=error)


def found(
    tx: sa.Connection,
    copy: Copy,
    volume_id: str,
    snapshot: VolumeSnapshot,
    shown: Mapping[str, VolumeSnapshot],
) -> None:
    """Write down that a call had its effect after all, of which nobody knew.

    A copy that had ended without it becomes what it is now; whole and still under way, it waits
    in the queue for somebody to follow it.

    Parameters
    ----------
    shown
        What the cloud shows of the copy's other members, by the snapshots' ids.
    """
    members = [
        _as_seen(member, snapshot)
        if member.volume_id == volume_id
        else _now(member, shown, frozenset())
        for member in copy.members
    ]
    points.put_members(tx, [(copy.id, member) for member in members])
    states = [member.state for member in members]
    if copy.state in (PointState.EXPIRING, PointState.GONE):
        return  # expiry finds it among the members
    if not copy.state.ended:
        points.set_copy(tx, copy, PointState.RUNNING, error=copy.error)
    elif copy.state in (PointState.FAILED, PointState.PARTIAL) and _under_way(states):
        points.set_copy(tx, copy, PointState.RUNNING)
        tx.execute(sa.update(_COPIES).where(_COPIES.c.id == copy.id).values(run_id=None))
    else:
        state = state_of_members(states)
        points.set_copy(tx, copy, state, error=None if state.usable else copy.error)


def _under_way(states: Sequence[MemberState]) -> bool:
    alive = {MemberState.PENDING, MemberState.COMPLETED}
    return MemberState.PENDING in states and alive.issuperset(states)


def _member(copy: Copy, volume_id: str) -> Member:
    return next(member for member in copy.members if member.volume_id == volume_id)


def _as_seen(member: Member, snapshot: VolumeSnapshot) -> Member:
    """Return a member as the cloud shows it; at first it may not know the size of a copy."""
    seen = member_of(snapshot, member.volume_id, member.device)
    return seen if seen.size_gib else replace(seen, size_gib=member.size_gib)


def _now(member: Member, shown: Mapping[str, VolumeSnapshot], given_up: frozenset[str]) -> Member:
    snapshot = shown.get(member.cloud_id or "")
    if snapshot is not None:
        return _as_seen(member, snapshot)
    if member.cloud_id in given_up:
        return replace(member, state=MemberState.MISSING, progress_percent=0)
    return member


def _broken(
    members: Sequence[Member], shown: Mapping[str, VolumeSnapshot]
) -> Mapping[str, str] | None:
    """Return what speaks against a copy, as rows keep it, or None."""
    missing = [m.volume_id for m in members if m.state is MemberState.MISSING]
    if missing:
        error: MavisError = CloudVanished(
            f"The copies of {', '.join(missing)} are gone in the cloud",
            mend="Ask for the copy again; what is left of this one does not restore.",
        )
        return told(error)
    for member in members:
        snapshot = shown.get(member.cloud_id or "")
        if snapshot is not None and snapshot.state is SnapshotState.ERROR:
            why = snapshot.message or "it does not say why"
            error = CloudError(
                f"The cloud could not copy {member.volume_id} ({snapshot.cloud_id}): {why}",
                mend="See whether the key of encryption may be used there; then copy again.",
            )
            return told(error)
    return None
