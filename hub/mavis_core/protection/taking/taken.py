"""What the cloud says of members while they are made, written down for many points at once."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from mavis_core.changes import intents
from mavis_core.contract import VolumeSnapshot
from mavis_core.db import tables
from mavis_core.errors import CloudError, CloudVanished, MavisError, told
from mavis_core.protection.points import rows as points
from mavis_core.protection.points.model import (
    Copy,
    Member,
    MemberState,
    PointState,
    RecoveryPoint,
    check_step,
    state_of_members,
)

__all__ = ["begin", "fail", "follow", "member_of", "run_failed"]

_MEMBERS, _COPIES, _POINTS = tables.copy_members, tables.copies, tables.recovery_points
_PUT_MEMBER = (
    sa.update(_MEMBERS)
    .where(
        _MEMBERS.c.copy_id == sa.bindparam("b_copy"),
        _MEMBERS.c.volume_id == sa.bindparam("b_volume"),
    )
    .values(
        cloud_id=sa.bindparam("b_cloud"),
        state=sa.bindparam("b_state"),
        progress_percent=sa.bindparam("b_percent"),
        size_gib=sa.bindparam("b_size"),
    )
)
_RUN_COPY = (
    sa.update(_COPIES)
    .where(_COPIES.c.id == sa.bindparam("b_copy"))
    .values(state=PointState.RUNNING.value, error=None)
)
_RUN_POINT = (
    sa.update(_POINTS)
    .where(_POINTS.c.id == sa.bindparam("b_point"))
    .values(
        state=PointState.RUNNING.value,
        error=None,
        taken_at=sa.bindparam("b_taken", type_=_POINTS.c.taken_at.type),
    )
)
_COMPLETE_COPY = (
    sa.update(_COPIES)
    .where(_COPIES.c.id == sa.bindparam("b_copy"))
    .values(
        state=PointState.COMPLETE.value,
        error=None,
        completed_at=sa.bindparam("b_now", type_=_COPIES.c.completed_at.type),
    )
)
_COMPLETE_POINT = (
    sa.update(_POINTS)
    .where(_POINTS.c.id == sa.bindparam("b_point"))
    .values(
        state=PointState.COMPLETE.value,
        error=None,
        completed_at=sa.bindparam("b_now", type_=_POINTS.c.completed_at.type),
    )
)


def member_of(snapshot: VolumeSnapshot, volume_id: str, device: str = "") -> Member:
    """Return what a snapshot in the cloud says of a member."""
    return Member(
        volume_id,
        device,
        snapshot.cloud_id,
        MemberState(snapshot.state.value),
        snapshot.progress_percent,
        snapshot.size_gib,
    )


def begin(
    tx: sa.Connection, made: Sequence[tuple[RecoveryPoint, Sequence[VolumeSnapshot]]]
) -> None:
    """Write down that the cloud has begun points; what it took besides or left out, too."""
    made = [(point, snapshots) for point, snapshots in made if snapshots]
    if not made:
        return
    for point, _ in made:
        check_step(point.primary.state, PointState.RUNNING, what=f"The point {point.id}")
    rows: list[dict[str, Any]] = []
    for point, snapshots in made:
        planned = {member.volume_id for member in point.primary.members}
        rows += [_row(point.primary, member_of(s, s.volume_id)) for s in snapshots]
        rows += _left_out(point, snapshots)
        points.put_members(
            tx,
            [
                (point.primary.id, member_of(snapshot, snapshot.volume_id))
                for snapshot in snapshots
                if snapshot.volume_id not in planned
            ],
        )
    tx.execute(_PUT_MEMBER, rows)
    tx.execute(_RUN_COPY, [{"b_copy": point.primary.id} for point, _ in made])
    tx.execute(
        _RUN_POINT,
        [
            {"b_point": point.id, "b_taken": min(each.started_at for each in snapshots)}
            for point, snapshots in made
        ],
    )


def _left_out(point: RecoveryPoint, snapshots: Sequence[VolumeSnapshot]) -> list[dict[str, Any]]:
    """Return rows for volumes that were planned and that the cloud did not take."""
    taken = {snapshot.volume_id for snapshot in snapshots}
    return [
        {**_row(point.primary, member), "b_state": MemberState.MISSING.value}
        for member in point.primary.members
        if member.volume_id not in taken
    ]


def follow(
    tx: sa.Connection,
    seen: Sequence[tuple[RecoveryPoint, Mapping[str, VolumeSnapshot]]],
    *,
    missing_after: timedelta,
    late: MavisError | None,
    now: datetime,
) -> None:
    """Write down what changed in the members of running points, and end those that have ended.

    Parameters
    ----------
    seen
        Points, each with what the cloud shows of it now, by the snapshots' ids.
    missing_after
        How long the cloud may not show what it has made, counted from the call's answer by our
        own clock: the cloud's may be behind, and the call may have waited for its turn.
    late
        Why points that go on are given up now; None: they may go on.
    """
    rows: list[dict[str, Any]] = []
    complete: list[RecoveryPoint] = []
    young = _young(tx, seen, now - missing_after)
    for point, found in seen:
        copy = point.primary
        members = [_now(member, found, young) for member in copy.members]
        rows += [
            _row(copy, new) for old, new in zip(copy.members, members, strict=True) if new != old
        ]
        states = [member.state for member in members]
        if all(state is MemberState.COMPLETED for state in states):
            complete.append(point)
        elif late is not None or not _goes_on(states):
            error = late or _broken(point, members, found)
            points.set_copy(tx, copy, state_of_members(states), error=told(error))
    if rows:
        tx.execute(_PUT_MEMBER, rows)
    if complete:
        tx.execute(_COMPLETE_COPY, [{"b_copy": p.primary.id, "b_now": now} for p in complete])
        tx.execute(_COMPLETE_POINT, [{"b_point": p.id, "b_now": now} for p in complete])


def fail(tx: sa.Connection, failed: Iterable[RecoveryPoint], error: MavisError) -> None:
    """Write down why points will not be complete; what is there of them makes them partial.

    One of which every member is complete already is complete, whatever came after.
    """
    for point in failed:
        if not point.state.ended:
            state = state_of_members([member.state for member in point.primary.members])
            points.set_copy(tx, point.primary, state, error=None if state.usable else told(error))


def run_failed(tx: sa.Connection, of_run: Iterable[RecoveryPoint], error: MavisError) -> None:
    """Write down that the Run that makes points has failed, and what that means for them.

    What was not taken has failed with it. What the cloud is at stays *running*: nobody has seen
    its end, and reconciliation does.
    """
    fail(tx, [point for point in of_run if point.state is PointState.PLANNED], error)


def _young(
    tx: sa.Connection,
    seen: Sequence[tuple[RecoveryPoint, Mapping[str, VolumeSnapshot]]],
    since: datetime,
) -> set[str]:
    """Return ids of what was made after `since`, of points of which the cloud does not show all."""
    runs = {
        point.run_id
        for point, found in seen
        for member in point.primary.members
        if member.cloud_id is not None and member.cloud_id not in found
    }
    return intents.made_since(tx, since, runs=sorted(run for run in runs if run))


def _now(member: Member, found: Mapping[str, VolumeSnapshot], young: Collection[str]) -> Member:
    snapshot = found.get(member.cloud_id or "")
    if snapshot is not None:
        return member_of(snapshot, member.volume_id, member.device)
    if member.cloud_id is None or member.cloud_id in young:
        return member
    return Member(
        member.volume_id, member.device, member.cloud_id, MemberState.MISSING, 0, member.size_gib
    )


def _goes_on(states: Sequence[MemberState]) -> bool:
    """Whether waiting may still bring it to an end of its own."""
    return any(state is MemberState.PENDING for state in states)


def _broken(
    point: RecoveryPoint, members: Sequence[Member], found: Mapping[str, VolumeSnapshot]
) -> MavisError:
    missing = [m.volume_id for m in members if m.state is MemberState.MISSING]
    if missing:
        return CloudVanished(
            f"The set lacks {', '.join(missing)}: detached while it was taken, or removed since",
            mend=f"Discover again and take a new one; this one does not restore. {_leaves(point)}",
        )
    words = [
        f"{m.cloud_id} of {m.volume_id}"
        + (f" ({found[m.cloud_id].message})" if m.cloud_id and found[m.cloud_id].message else "")
        for m in members
        if m.state is MemberState.ERROR
    ]
    return CloudError(
        f"The cloud could not complete {', '.join(words) or point.id}",
        mend=f"Take a new one; the broken one does not restore. {_leaves(point)}",
    )


def _leaves(point: RecoveryPoint) -> str:
    """Return what becomes of a point that is not whole: retention is a plan's."""
    if point.plan_id is not None:
        return "Its plan's retention removes it."
    return f"It stays until somebody deletes it: mavis recovery-point delete {point.id}."


def _row(copy: Copy, member: Member) -> dict[str, Any]:
    return {
        "b_copy": copy.id,
        "b_volume": member.volume_id,
        "b_cloud": member.cloud_id,
        "b_state": member.state.value,
        "b_percent": member.progress_percent,
        "b_size": member.size_gib,
    }
