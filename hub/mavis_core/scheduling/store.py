"""Rows of Runs and steps.

Whatever is changed here lets the Run's version grow in the same transaction, so that whoever
follows it needs to look at one number. A claim that is renewed changes nothing that is shown and is
not counted (`Execution.renew`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from mavis_core import clock
from mavis_core.access import Scope
from mavis_core.changes.model import Plan
from mavis_core.db import tables
from mavis_core.errors import NotFound
from mavis_core.scheduling.model import Run, RunChange, RunState, Step, StepState

__all__ = [
    "active",
    "changes",
    "insert",
    "load",
    "load_many",
    "put_steps",
    "run_of",
    "steps_of",
    "update",
    "update_step",
    "versions",
]


def insert(tx: sa.Connection, run: Run) -> None:
    """Write a new Run."""
    tx.execute(
        sa.insert(tables.runs).values(
            id=run.id,
            project_id=run.project_id,
            kind=run.kind,
            state=run.state,
            subject=run.subject,
            plan=run.plan.to_json(),
            plan_hash=run.plan_hash,
            person=run.person,
            groups=sorted(run.groups),
            scopes=sorted(run.scopes),
            correlation_id=run.correlation_id,
            request_id=run.request_id,
            created_at=run.created_at,
            attempt=run.attempt,
            result={},
            not_before=run.not_before,
            slot=run.slot,
            version=run.version,
            changed_at=run.created_at,
        )
    )


def load(tx: sa.Connection, run_id: str) -> Run:
    """Return a Run with its steps.

    Raises
    ------
    NotFound
        There is none of that id.
    """
    row = tx.execute(sa.select(tables.runs).where(tables.runs.c.id == run_id)).mappings().first()
    if row is None:
        raise NotFound(f"No Run {run_id[:60]!r}")
    return run_of(row, steps_of(tx, run_id))


def load_many(tx: sa.Connection, run_ids: Collection[str]) -> tuple[Run, ...]:
    """Return the Runs of those ids that there are, with their steps, the oldest first."""
    table = tables.runs
    query = sa.select(table).where(table.c.id.in_(run_ids)).order_by(table.c.id)
    rows = tx.execute(query).mappings().all()
    steps = _steps_of_many(tx, run_ids)
    return tuple(run_of(row, tuple(steps[row["id"]])) for row in rows)


def versions(tx: sa.Connection, run_ids: Collection[str]) -> dict[str, int]:
    """Return the versions of the Runs of those ids that there are."""
    table = tables.runs
    query = sa.select(table.c.id, table.c.version).where(table.c.id.in_(run_ids))
    return {row.id: row.version for row in tx.execute(query)}


def changes(
    tx: sa.Connection, project_ids: Collection[str], since: datetime, *, limit: int
) -> tuple[RunChange, ...]:
    """Return which Runs of those projects have changed since, the `limit` newest in order."""
    table = tables.runs
    query = (
        sa.select(table.c.id, table.c.project_id, table.c.version, table.c.changed_at)
        .where(table.c.project_id.in_(project_ids), table.c.changed_at > since)
        .order_by(table.c.changed_at.desc(), table.c.id.desc())
        .limit(limit)
    )
    return tuple(RunChange(*row) for row in reversed(tx.execute(query).all()))


def active(tx: sa.Connection, project_id: str, action: str, subject: str | None = None) -> bool:
    """Whether a Run of that action is queued or at work in a project."""
    table = tables.runs
    query = sa.select(table.c.id).where(
        table.c.project_id == project_id,
        table.c.kind == action,
        table.c.state.in_((RunState.QUEUED, RunState.RUNNING)),
    )
    if subject is not None:
        query = query.where(table.c.subject == subject)
    return tx.scalar(query.limit(1)) is not None


def update(tx: sa.Connection, run_id: str, *where: sa.ColumnElement[bool], **values: Any) -> bool:
    """Change a Run where it is as `where` says; return whether it was."""
    table = tables.runs
    done = tx.execute(
        sa.update(table)
        .where(table.c.id == run_id, *where)
        .values(version=table.c.version + 1, changed_at=clock.now(), **values)
    )
    return done.rowcount == 1


def steps_of(tx: sa.Connection, run_id: str) -> tuple[Step, ...]:
    """Return a Run's steps in order."""
    return tuple(_steps_of_many(tx, [run_id])[run_id])


def _steps_of_many(tx: sa.Connection, run_ids: Collection[str]) -> Mapping[str, list[Step]]:
    """Return the steps in order, by Run; none for one that has none."""
    table = tables.steps
    query = sa.select(table).where(table.c.run_id.in_(run_ids)).order_by(table.c.position)
    found: defaultdict[str, list[Step]] = defaultdict(list)
    for row in tx.execute(query):
        found[row.run_id].append(
            Step(
                row.name,
                StepState(row.state),
                row.detail,
                row.progress_percent,
                row.started_at,
                row.finished_at,
            )
        )
    return found


def put_steps(tx: sa.Connection, run_id: str, names: Sequence[str]) -> None:
    """Write the steps of an attempt; those that an earlier one wrote stay as they are."""
    table = tables.steps
    there = set(tx.scalars(sa.select(table.c.position).where(table.c.run_id == run_id)))
    new = [(position, name) for position, name in enumerate(names) if position not in there]
    for position, name in new:
        tx.execute(
            sa.insert(table).values(
                run_id=run_id, position=position, name=name, state=StepState.PENDING, detail=""
            )
        )
    if new:
        update(tx, run_id)


def update_step(tx: sa.Connection, run_id: str, position: int, **values: Any) -> None:
    """Change one step of a Run."""
    table = tables.steps
    tx.execute(
        sa.update(table)
        .where(table.c.run_id == run_id, table.c.position == position)
        .values(**values)
    )
    update(tx, run_id)


def run_of(row: sa.RowMapping, steps: tuple[Step, ...] = ()) -> Run:
    """Return the Run of a row."""
    return Run(
        id=row["id"],
        project_id=row["project_id"],
        kind=row["kind"],
        state=RunState(row["state"]),
        subject=row["subject"],
        plan=Plan.from_json(row["plan"]),
        plan_hash=row["plan_hash"],
        person=row["person"],
        groups=frozenset(row["groups"]),
        scopes=frozenset(Scope(scope) for scope in row["scopes"]),
        correlation_id=row["correlation_id"],
        request_id=row["request_id"],
        created_at=row["created_at"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        attempt=row["attempt"],
        flow_run=row["flow_run"],
        result=row["result"],
        error=row["error"],
        steps=steps,
        last_alive=row["last_alive"],
        not_before=row["not_before"],
        slot=row["slot"],
        cancelled_by=(row["cancel"] or {}).get("by"),
        version=row["version"],
    )
