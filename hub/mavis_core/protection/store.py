"""Rows of snapshots and their members."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from mavis_core import clock
from mavis_core.contract import VolumeSnapshot
from mavis_core.db import tables
from mavis_core.protection.model import Member, Snapshot, SnapshotState

__all__ = ["end", "insert", "of_run", "put_members", "snapshots_of"]


def insert(tx: sa.Connection, snapshot: Snapshot) -> None:
    """Write a planned snapshot with its members."""
    tx.execute(
        sa.insert(tables.snapshots).values(
            id=snapshot.id,
            project_id=snapshot.project_id,
            environment=snapshot.environment,
            account=snapshot.account,
            region=snapshot.region,
            instance_id=snapshot.instance_id,
            instance_name=snapshot.instance_name,
            state=snapshot.state,
            description=snapshot.description,
            created_by=snapshot.created_by,
            created_at=snapshot.created_at,
            run_id=snapshot.run_id,
        )
    )
    for member in snapshot.members:
        tx.execute(
            sa.insert(tables.snapshot_members).values(
                snapshot_id=snapshot.id,
                volume_id=member.volume_id,
                cloud_id=member.cloud_id,
                state=member.state,
                progress_percent=member.progress_percent,
                size_gib=member.size_gib,
            )
        )


def put_members(tx: sa.Connection, snapshot_id: str, found: Iterable[VolumeSnapshot]) -> None:
    """Note what the cloud says of the members; a snapshot with members is running."""
    table = tables.snapshot_members
    for member in found:
        tx.execute(
            sa.update(table)
            .where(table.c.snapshot_id == snapshot_id, table.c.volume_id == member.volume_id)
            .values(
                cloud_id=member.cloud_id,
                state=member.state,
                progress_percent=member.progress_percent,
                size_gib=member.size_gib,
            )
        )
    tx.execute(
        sa.update(tables.snapshots)
        .where(
            tables.snapshots.c.id == snapshot_id,
            tables.snapshots.c.state == SnapshotState.PLANNED,
        )
        .values(state=SnapshotState.RUNNING)
    )


def end(
    tx: sa.Connection,
    snapshot_id: str,
    state: SnapshotState,
    error: Mapping[str, str] | None = None,
) -> None:
    """Note that a snapshot is complete, or why it will never be."""
    tx.execute(
        sa.update(tables.snapshots)
        .where(tables.snapshots.c.id == snapshot_id)
        .values(
            state=state,
            completed_at=clock.now() if state is SnapshotState.COMPLETE else None,
            error=dict(error) if error else sa.null(),
        )
    )


def of_run(tx: sa.Connection, run_id: str) -> Snapshot | None:
    """Return the snapshot that a Run makes, or None."""
    rows = tx.execute(
        sa.select(tables.snapshots).where(tables.snapshots.c.run_id == run_id)
    ).mappings()
    return next(iter(snapshots_of(tx, rows.all())), None)


def snapshots_of(tx: sa.Connection, rows: Sequence[sa.RowMapping]) -> list[Snapshot]:
    """Return the snapshots of `rows` with their members."""
    table = tables.snapshot_members
    members: dict[str, list[Member]] = {row["id"]: [] for row in rows}
    query = sa.select(table).where(table.c.snapshot_id.in_(list(members)))
    for row in tx.execute(query.order_by(table.c.volume_id)):
        members[row.snapshot_id].append(
            Member(row.volume_id, row.cloud_id, row.state, row.progress_percent, row.size_gib)
        )
    names = _project_names(tx, {row["project_id"] for row in rows})
    return [_snapshot(row, names[row["project_id"]], tuple(members[row["id"]])) for row in rows]


def _project_names(tx: sa.Connection, project_ids: Iterable[str]) -> dict[str, str]:
    table = tables.projects
    query = sa.select(table.c.id, table.c.name).where(table.c.id.in_(list(project_ids)))
    return {row.id: row.name for row in tx.execute(query)}


def _snapshot(row: sa.RowMapping, project: str, members: tuple[Member, ...]) -> Snapshot:
    values: dict[str, Any] = {**row, "state": SnapshotState(row["state"])}
    return Snapshot(**values, project=project, members=members)
