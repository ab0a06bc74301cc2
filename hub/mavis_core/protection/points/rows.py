"""Rows of recovery points, their copies and members.

Whatever changes the state of a copy goes through `put_members`, `end_copy` or `begin_expiry`;
each writes the state of the recovery point anew, so that the two never tell different things.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from mavis_core import clock
from mavis_core.contract import LockMode
from mavis_core.db import tables
from mavis_core.errors import NotFound
from mavis_core.ids import new_id
from mavis_core.protection.points.manifests import Manifest
from mavis_core.protection.points.model import (
    Copy,
    CopyRole,
    Hold,
    Lock,
    Member,
    MemberState,
    PointState,
    RecoveryPoint,
    check_step,
    overall,
)

__all__ = [
    "copies_of",
    "insert",
    "insert_copy",
    "load",
    "of_run",
    "planned",
    "points_of",
    "put_members",
    "set_copy",
    "update",
]

_CHUNK = (
    500  # ids in one statement: SQLite takes 32,766 variables, PostgreSQL plans better with few
)


def insert(tx: sa.Connection, points: Sequence[RecoveryPoint]) -> None:
    """Write new recovery points with their copies and members."""
    if not points:
        return
    tx.execute(sa.insert(tables.recovery_points), [_point_row(point) for point in points])
    insert_copy(tx, [copy for point in points for copy in point.copies])


def insert_copy(tx: sa.Connection, copies: Sequence[Copy]) -> None:
    """Write new copies with their members."""
    if not copies:
        return
    columns = [column.key for column in tables.copies.columns]
    tx.execute(
        sa.insert(tables.copies),
        [{name: getattr(copy, name) for name in columns} for copy in copies],
    )
    members = [
        {"copy_id": copy.id, **{name: getattr(each, name) for name in Member.__slots__}}
        for copy in copies
        for each in copy.members
    ]
    if members:
        tx.execute(sa.insert(tables.copy_members), members)


def planned(
    *,
    project_id: str,
    project: str,
    environment_id: str,
    environment: str,
    account: str,
    region: str,
    instance_id: str,
    instance_name: str,
    description: str,
    created_by: str,
    run_id: str,
    manifest: Manifest,
    plan_id: str | None = None,
    plan: str | None = None,
    rule: str | None = None,
    slot: str | None = None,
) -> RecoveryPoint:
    """Return a new recovery point that nothing has been done for yet."""
    point_id, now = new_id("rp"), clock.now()
    members = tuple(
        Member(disk.volume_id, disk.device, None, MemberState.PLANNED, 0, disk.size_gib)
        for disk in manifest.disks
    )
    copy = Copy(
        id=new_id("cop"),
        point_id=point_id,
        role=CopyRole.PRIMARY,
        environment_id=environment_id,
        environment=environment,
        account=account,
        region=region,
        kms_key=None,
        state=PointState.PLANNED,
        run_id=run_id,
        created_at=now,
        completed_at=None,
        error=None,
        members=members,
    )
    return RecoveryPoint(
        id=point_id,
        project_id=project_id,
        project=project,
        plan_id=plan_id,
        plan=plan,
        rule=rule,
        slot=slot,
        environment_id=environment_id,
        environment=environment,
        account=account,
        region=region,
        instance_id=instance_id,
        instance_name=instance_name,
        state=PointState.PLANNED,
        description=description,
        created_by=created_by,
        created_at=now,
        taken_at=None,
        completed_at=None,
        run_id=run_id,
        error=None,
        manifest=manifest,
        copies=(copy,),
    )


def put_members(tx: sa.Connection, found: Iterable[tuple[str, Member]]) -> None:
    """Note what the cloud says of members, by copy; one that was not planned is added."""
    table = tables.copy_members
    for copy_id, member in found:
        values = asdict(member)
        where = (table.c.copy_id == copy_id, table.c.volume_id == member.volume_id)
        known = {name: value for name, value in values.items() if name != "volume_id"}
        if not member.device:
            del known["device"]
        if not tx.execute(sa.update(table).where(*where).values(**known)).rowcount:
            tx.execute(sa.insert(table).values(copy_id=copy_id, **values))


def set_copy(
    tx: sa.Connection,
    copy: Copy,
    state: PointState,
    *,
    error: Mapping[str, str] | None = None,
    taken_at: datetime | None = None,
) -> None:
    """Bring a copy, and with it the recovery point, to `state`.

    Parameters
    ----------
    copy
        As it is now.
    error
        Why it is partial or failed.
    taken_at
        The moment in whose state the volumes are, where that is known now.

    Raises
    ------
    Internal
        A copy in its state cannot come to `state`.
    """
    check_step(copy.state, state, what=f"The copy {copy.id} of {copy.point_id}")
    now = clock.now()
    complete = state is PointState.COMPLETE
    values: dict[str, Any] = {"state": state, "error": dict(error) if error else None}
    if complete:
        values["completed_at"] = now
    tx.execute(sa.update(tables.copies).where(tables.copies.c.id == copy.id).values(**values))
    _sum_up(tx, copy, taken_at=taken_at, error=error, completed_at=now if complete else None)


def _sum_up(
    tx: sa.Connection,
    copy: Copy,
    *,
    taken_at: datetime | None,
    error: Mapping[str, str] | None,
    completed_at: datetime | None,
) -> None:
    table = tables.copies
    states = tx.scalars(sa.select(table.c.state).where(table.c.point_id == copy.point_id)).all()
    values: dict[str, Any] = {"state": overall(PointState(state) for state in states)}
    if copy.role is CopyRole.PRIMARY:
        values["error"] = dict(error) if error else None
        if taken_at is not None:
            values["taken_at"] = taken_at
        if completed_at is not None:
            values["completed_at"] = completed_at
    points = tables.recovery_points
    tx.execute(sa.update(points).where(points.c.id == copy.point_id).values(**values))


def update(tx: sa.Connection, point_id: str, **values: Any) -> None:
    """Change what stands beside the state of a recovery point: hold, lock, proof."""
    table = tables.recovery_points
    plain = {name: _plain(value) for name, value in values.items()}
    tx.execute(sa.update(table).where(table.c.id == point_id).values(**plain))


def load(tx: sa.Connection, project_id: str, point_id: str) -> RecoveryPoint:
    """Return one recovery point with its copies.

    Raises
    ------
    NotFound
        The project has none of that id.
    """
    table = tables.recovery_points
    query = sa.select(table).where(table.c.project_id == project_id, table.c.id == point_id)
    for point in points_of(tx, tx.execute(query).mappings().all()):
        return point
    raise NotFound(
        f"No recovery point {point_id[:60]!r} in this project",
        mend="`mavis recovery-point list` shows what there is.",
    )


def of_run(tx: sa.Connection, run_id: str) -> list[RecoveryPoint]:
    """Return the recovery points that a Run makes, in the order of their ids."""
    table = tables.recovery_points
    query = sa.select(table).where(table.c.run_id == run_id).order_by(table.c.id)
    return points_of(tx, tx.execute(query).mappings().all())


def copies_of(tx: sa.Connection, rows: Sequence[sa.RowMapping]) -> list[Copy]:
    """Return the copies of `rows` with their members."""
    members = _members_of(tx, [row["id"] for row in rows])
    return [_copy(row, members.get(row["id"], ())) for row in rows]


def points_of(tx: sa.Connection, rows: Sequence[sa.RowMapping]) -> list[RecoveryPoint]:
    """Return the recovery points of `rows` with their copies and members."""
    ids = [row["id"] for row in rows]
    table = tables.copies
    found: list[sa.RowMapping] = []
    for some in _chunks(ids):
        # sorted here: SQLite might read the whole table in the order of ids instead
        query = sa.select(table).where(table.c.point_id.in_(some))
        found += sorted(tx.execute(query).mappings(), key=lambda row: row["id"])
    copies: dict[str, list[Copy]] = {point_id: [] for point_id in ids}
    for copy in copies_of(tx, found):
        copies[copy.point_id].append(copy)
    names = _project_names(tx, {row["project_id"] for row in rows})
    return [_point(row, names[row["project_id"]], tuple(copies[row["id"]])) for row in rows]


def _members_of(tx: sa.Connection, copy_ids: Sequence[str]) -> dict[str, tuple[Member, ...]]:
    table = tables.copy_members
    found: dict[str, list[Member]] = {}
    for some in _chunks(copy_ids):
        query = sa.select(table).where(table.c.copy_id.in_(some)).order_by(table.c.volume_id)
        for row in tx.execute(query):
            found.setdefault(row.copy_id, []).append(
                Member(
                    row.volume_id,
                    row.device,
                    row.cloud_id,
                    MemberState(row.state),
                    row.progress_percent,
                    row.size_gib,
                )
            )
    return {copy_id: tuple(members) for copy_id, members in found.items()}


def _chunks(ids: Sequence[str]) -> Iterable[Sequence[str]]:
    return (ids[start : start + _CHUNK] for start in range(0, len(ids), _CHUNK))


def _project_names(tx: sa.Connection, project_ids: Iterable[str]) -> dict[str, str]:
    table = tables.projects
    query = sa.select(table.c.id, table.c.name).where(table.c.id.in_(list(project_ids)))
    return {row.id: row.name for row in tx.execute(query)}


def _copy(row: sa.RowMapping, members: tuple[Member, ...]) -> Copy:
    values = {**row, "role": CopyRole(row["role"]), "state": PointState(row["state"])}
    return Copy(**values, members=members)


def _point(row: sa.RowMapping, project: str, copies: tuple[Copy, ...]) -> RecoveryPoint:
    values: dict[str, Any] = dict(row)
    values["state"] = PointState(row["state"])
    values["manifest"] = Manifest.from_json(row["manifest"])
    if hold := row["hold"]:
        values["hold"] = Hold(hold["by"], clock.parse(hold["at"]), hold["reason"])
    if lock := row["lock"]:
        values["lock"] = Lock(LockMode(lock["mode"]), clock.parse(lock["until"]))
    return RecoveryPoint(**values, project=project, copies=copies)


def _point_row(point: RecoveryPoint) -> dict[str, Any]:
    columns = [column.key for column in tables.recovery_points.columns]
    return {name: _plain(getattr(point, name)) for name in columns}


def _plain(value: Any) -> Any:
    if isinstance(value, Manifest):
        return value.to_json()
    if isinstance(value, Hold):
        return {"by": value.by, "at": clock.iso(value.at), "reason": value.reason}
    if isinstance(value, Lock):
        return {"mode": value.mode, "until": clock.iso(value.until)}
    return value
