"""Rows of restores."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from mavis_core import clock
from mavis_core.db import tables
from mavis_core.errors import MavisError, NotFound, told
from mavis_core.ids import new_id
from mavis_core.protection.restore.model import (
    IN_USE,
    Before,
    Disks,
    Made,
    Restore,
    RestoreKind,
    RestoreState,
    check_restore_step,
)
from mavis_core.scheduling.model import Run

__all__ = [
    "all_in_use",
    "at_instance",
    "due_to_clear",
    "due_to_forget",
    "forget_made",
    "in_use",
    "insert",
    "load",
    "note_made",
    "of_run",
    "put_disks",
    "restore_of",
    "set_state",
    "unfinished",
    "update",
]

_TABLE = tables.restores
_AGAIN_AFTER = timedelta(hours=1)
_ENDED_BADLY = (
    RestoreState.FAILED,
    RestoreState.CANCELLED,
    RestoreState.LEFT_OVER,
    RestoreState.STRANDED,
)
_UNFINISHED = (
    *sorted(IN_USE),
    RestoreState.UNDOING,
    RestoreState.FORGETTING,
    RestoreState.STRANDED,
)


def insert(tx: sa.Connection, run: Run, kind: RestoreKind, *, point_id: str, copy_id: str) -> str:
    """Write the restore that comes into being with `run`; return its id."""
    restore_id = new_id("rst")
    arguments = {name: value for name, value in run.plan.arguments.items() if name != "request"}
    tx.execute(
        sa.insert(_TABLE).values(
            id=restore_id,
            project_id=run.project_id,
            point_id=point_id,
            copy_id=copy_id,
            kind=kind,
            state=RestoreState.PLANNED,
            run_id=run.id,
            arguments=arguments,
            made={},
            created_by=run.person,
            created_at=clock.now(),
        )
    )
    return restore_id


def in_use(tx: sa.Connection, copy_ids: Collection[str]) -> frozenset[str]:
    """Return those of `copy_ids` that a restore or a verification still needs."""
    return all_in_use(tx).intersection(copy_ids)


def all_in_use(tx: sa.Connection) -> frozenset[str]:
    """Return the copies that a restore or a verification still needs; they are few."""
    query = sa.select(_TABLE.c.copy_id).where(_TABLE.c.state.in_(sorted(IN_USE)))
    return frozenset(tx.scalars(query))


def due_to_forget(tx: sa.Connection, now: datetime) -> list[Restore]:
    """Return the restores in place whose undo has run out, the oldest first.

    One whose old volumes could not be let go comes again an hour later.
    """
    return _due(
        tx,
        now,
        _TABLE.c.state == RestoreState.COMPLETE,
        _TABLE.c.kind == RestoreKind.IN_PLACE,
        _TABLE.c.undo_until <= now,
    )


def due_to_clear(tx: sa.Connection, now: datetime) -> list[Restore]:
    """Return the restores of which something may be left over, the oldest first.

    One of which it could not be removed comes again an hour later.
    """
    left = _TABLE.c.state == RestoreState.LEFT_OVER
    undone = (_TABLE.c.state == RestoreState.UNDONE) & _TABLE.c.error.is_not(None)
    return _due(tx, now, left | undone)


def _due(tx: sa.Connection, now: datetime, *where: sa.ColumnElement[bool]) -> list[Restore]:
    runs = tables.runs
    lately = sa.select(runs.c.id).where(
        (runs.c.finished_at > now - _AGAIN_AFTER) | runs.c.finished_at.is_(None)
    )
    query = sa.select(_TABLE).where(
        *where,
        _TABLE.c.run_id.not_in(lately),
        _TABLE.c.end_run_id.is_(None) | _TABLE.c.end_run_id.not_in(lately),
    )
    due = [restore_of(row) for row in tx.execute(query.order_by(_TABLE.c.id)).mappings()]
    ways = set(tx.scalars(sa.select(tables.environments.c.id)))  # nothing leads to the others now
    return [restore for restore in due if restore.arguments["environment_id"] in ways]


def unfinished(tx: sa.Connection, project_id: str) -> list[Restore]:
    """Return the project's restores that somebody works on, will, or must."""
    query = sa.select(_TABLE).where(
        _TABLE.c.project_id == project_id, _TABLE.c.state.in_(_UNFINISHED)
    )
    return [restore_of(row) for row in tx.execute(query.order_by(_TABLE.c.id)).mappings()]


def at_instance(tx: sa.Connection, instance_id: str) -> list[Restore]:
    """Return the restores in place of an instance, the oldest first, of whichever project."""
    query = sa.select(_TABLE).where(
        _TABLE.c.kind == RestoreKind.IN_PLACE,
        _TABLE.c.arguments["instance_id"].as_string() == instance_id,
    )
    return [restore_of(row) for row in tx.execute(query.order_by(_TABLE.c.id)).mappings()]


def load(tx: sa.Connection, project_id: str, restore_id: str) -> Restore:
    """Return one restore.

    Raises
    ------
    NotFound
        The project has none of that id.
    """
    query = sa.select(_TABLE).where(_TABLE.c.project_id == project_id, _TABLE.c.id == restore_id)
    row = tx.execute(query).mappings().first()
    if row is None:
        raise NotFound(
            f"No restore {restore_id[:60]!r} in this project",
            mend="`mavis restore list` shows what there is.",
        )
    return restore_of(row)


def of_run(tx: sa.Connection, run_id: str) -> Restore:
    """Return the restore that a Run carries out, undoes or lets go."""
    query = sa.select(_TABLE).where((_TABLE.c.run_id == run_id) | (_TABLE.c.end_run_id == run_id))
    row = tx.execute(query).mappings().first()
    if row is None:
        raise NotFound(f"The Run {run_id} has no restore")
    return restore_of(row)


def set_state(
    tx: sa.Connection, restore: Restore, state: RestoreState, *, error: MavisError | None = None
) -> Restore:
    """Bring a restore to `state`, and return it.

    Parameters
    ----------
    restore
        As it is now.
    error
        Why; an earlier reason stays where there is no new one.

    Raises
    ------
    Internal
        A restore in its state cannot come to `state`.
    """
    check_restore_step(restore.state, state, what=f"The restore {restore.id}")
    values: dict[str, Any] = {"state": state}
    if error is not None:
        values["error"] = told(error)
    if state is RestoreState.COMPLETE and restore.finished_at is None:
        values["finished_at"] = clock.now()
    if state in _ENDED_BADLY:
        values["finished_at"] = clock.now()
    update(tx, restore.id, **values)
    return load(tx, restore.project_id, restore.id)


def note_made(tx: sa.Connection, restore_id: str, made: Made) -> None:
    """Add to what a restore has made."""
    known = _made(tx, restore_id)
    update(
        tx,
        restore_id,
        made=Made(
            {**known.volumes, **made.volumes},
            made.instance_id or known.instance_id,
            made.group_id or known.group_id,
        ).to_json(),
    )


def forget_made(tx: sa.Connection, restore_id: str, gone: Collection[str]) -> None:
    """Take things, by their ids, out of what a restore has made."""
    known = _made(tx, restore_id)
    left = Made(
        {origin: made for origin, made in known.volumes.items() if made not in gone},
        None if known.instance_id in gone else known.instance_id,
        None if known.group_id in gone else known.group_id,
    )
    update(tx, restore_id, made=left.to_json())


def put_disks(tx: sa.Connection, restore: Restore, disks: Disks) -> None:
    """Note which volumes hang at the instance of a restore in place."""
    if restore.before is not None:
        update(tx, restore.id, before=replace(restore.before, disks=disks).to_json())


def update(tx: sa.Connection, restore_id: str, **values: Any) -> None:
    """Change columns of a restore; its state through `set_state` only."""
    tx.execute(sa.update(_TABLE).where(_TABLE.c.id == restore_id).values(**values))


def _made(tx: sa.Connection, restore_id: str) -> Made:
    query = sa.select(_TABLE.c.made).where(_TABLE.c.id == restore_id)
    return Made.from_json(tx.execute(query).scalar_one())


def restore_of(row: sa.RowMapping) -> Restore:
    """Return the restore of a row."""
    return Restore(
        **{
            **row,
            "kind": RestoreKind(row["kind"]),
            "state": RestoreState(row["state"]),
            "made": Made.from_json(row["made"]),
            "before": Before.from_json(row["before"]) if row["before"] else None,
        }
    )
