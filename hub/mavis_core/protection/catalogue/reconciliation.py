"""Reconciliation: what became of calls to a cloud that no Run will ask about any more.

A Run may end while the cloud lets nobody look; then an intent stays open. The job
``ledger.reconcile`` looks for what such calls made. What it finds comes into the catalogue, as
what it is: a set that is whole becomes a recovery point after all, one that is not becomes
partial and goes with retention. What shows nothing after its time to settle was not made. Calls
that nobody can look for are closed as such: nobody knows. What a Run was to delete and could not
is tried again, an hour after the last try.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from mavis_core import clock
from mavis_core.access import Permission
from mavis_core.changes import intents
from mavis_core.changes.ledger import Effects, Ledger
from mavis_core.changes.model import Intent, IntentState, Plan, Severity
from mavis_core.contract import Connection
from mavis_core.db import Database, tables
from mavis_core.errors import CloudError, InvalidInput, NotFound
from mavis_core.inventory.connections import Clouds
from mavis_core.protection.points import expiry
from mavis_core.protection.points import rows as points
from mavis_core.protection.points.expiry import Expiry
from mavis_core.protection.points.model import PointState, RecoveryPoint
from mavis_core.protection.taking import taking
from mavis_core.protection.taking.taking import Taking
from mavis_core.scheduling.jobs import BaseJob, Binding, JobStep, Load, PlanRequest, Progress
from mavis_core.scheduling.model import Run, RunState

__all__ = ["ACTION", "ReconcileJob", "due"]

ACTION = "ledger.reconcile"
Look = Callable[[Connection], Effects]
Payment = Callable[[Run, Connection, Sequence[Intent]], int]
_DELETE_EVERY = timedelta(hours=1)
_OVER = tuple(state for state in RunState if state.final)


def due(tx: sa.Connection, *, but: Collection[str] = ()) -> list[str]:
    """Return the projects in which Runs that are over have left something.

    Open intents, points that nobody follows, copies that nobody deletes.

    Parameters
    ----------
    but
        Ids of intents that only somebody else can do something about.
    """
    table = tables.intents
    query = _open().where(table.c.id.not_in(sorted(but)))
    open_ = tx.scalars(query.with_only_columns(table.c.project_id))
    expiring = expiry.left_over(tx, ended_before=clock.now() - _DELETE_EVERY)
    return sorted({*open_, *_left(tx), *expiring})


def _open() -> sa.Select[Any]:
    table, runs = tables.intents, tables.runs
    return (
        sa.select(table)
        .join(runs, table.c.run_id == runs.c.id)
        .where(table.c.state == IntentState.OPEN, runs.c.state.in_(_OVER))
    )


def _left_points() -> sa.Select[Any]:
    table, runs = tables.recovery_points, tables.runs
    return (
        sa.select(table)
        .join(runs, table.c.run_id == runs.c.id)
        .where(table.c.state == PointState.RUNNING, runs.c.state.in_(_OVER))
    )


def _left(tx: sa.Connection) -> Sequence[str]:
    return tx.scalars(_left_points().with_only_columns(tables.recovery_points.c.project_id)).all()


class ReconcileJob(BaseJob):
    """Find out what became of calls that nobody asks about any more.

    Parameters
    ----------
    database, clouds, ledger
        Rows, connections, and what stands open.
    taking, expiry
        Follows points that turned out to be there; deletes what another Run could not.
    looks
        How to find what other calls did, by action.
    owed
        How to undo what must not last, by action; returns how much was undone.
    """

    action = ACTION
    permission = Permission.POINT_CREATE
    binding = Binding.REQUEST

    def __init__(
        self,
        database: Database,
        clouds: Clouds,
        ledger: Ledger,
        taking_: Taking,
        expiry_: Expiry,
        *,
        looks: Mapping[str, Look],
        owed: Mapping[str, Payment],
    ) -> None:
        self._looks = looks
        self._owed = owed
        self._database = database
        self._clouds = clouds
        self._ledger = ledger
        self._taking = taking_
        self._expiry = expiry_

    def plan(self, tx: sa.Connection, request: PlanRequest) -> Plan:  # noqa: ARG002  # Job's form
        if request.arguments or request.resource:
            raise InvalidInput(f"{ACTION} takes no arguments", field="arguments")
        return Plan(
            ACTION,
            request.project.id,
            request.project.name,
            "the ledger",
            Severity.CHANGES,
            (),
        )

    def steps(self, run: Run) -> Sequence[JobStep]:
        return [
            JobStep("Look for what was made", lambda progress: self._look(run, progress)),
            JobStep("Follow what was found", lambda progress: self._follow(run, progress)),
            JobStep(
                "Delete what was left", lambda progress: self._delete(run, progress), Load.CALLS
            ),
        ]

    def _look(self, run: Run, progress: Progress) -> Mapping[str, Any]:
        table = tables.intents
        query = _open().where(table.c.project_id == run.project_id).order_by(table.c.id)
        with self._database.read() as tx:
            open_ = [intents.intent_of(row) for row in tx.execute(query)]
            # what an earlier attempt at this very Run has taken upon itself
            mine = intents.open_of(tx, run.id)
            open_ += [intent for intent in mine if intent.call.action in self._owed]
        by_place: dict[tuple[str, str], list[Intent]] = defaultdict(list)
        for intent in open_:
            by_place[intent.call.environment_id, intent.call.action].append(intent)
        found, unseen = 0, []
        for (environment_id, action), of_it in by_place.items():
            try:
                found += self._in(run, environment_id, action, of_it, progress)
            except (CloudError, NotFound) as exc:
                unseen.append(f"{len(of_it)} of {action}: {exc.message}")
        progress.say(f"{found} of {len(open_)} had happened", percent=100)
        return {"open": len(open_), "found": found, "unseen": unseen}

    def _in(
        self,
        run: Run,
        environment_id: str,
        action: str,
        of_it: Sequence[Intent],
        progress: Progress,
    ) -> int:
        ctx = run.context("worker")
        if not environment_id or action not in {taking.ACTION, *self._looks, *self._owed}:
            self._ledger.resolve(ctx, run.work, of_it, None, progress.say)
            return 0  # of which nobody can see whether it has happened
        with self._clouds.connect(ctx, environment_id, progress) as (_, connection):
            if action in self._owed:
                return self._owed[action](run, connection, of_it)
            how = self._how(connection, action, of_it)
            outcomes = self._ledger.resolve(ctx, run.work, of_it, how, progress.say)
        return sum(outcome.error is None for outcome in outcomes)

    def _how(self, connection: Connection, action: str, of_it: Sequence[Intent]) -> Effects:
        """Return how to find what calls of `action` did."""
        if action == taking.ACTION:
            return self._taking.looking(connection.snapshots, self._points_of(of_it))
        return self._looks[action](connection)

    def _points_of(self, of_it: Sequence[Intent]) -> dict[str, RecoveryPoint]:
        """Return the point that each intent was for, by the intent's id."""
        table, intent_table = tables.recovery_points, tables.intents
        mine = intent_table.c.id.in_([intent.id for intent in of_it])
        with self._database.read() as tx:
            runs = {
                row.id: row.run_id
                for row in tx.execute(
                    sa.select(intent_table.c.id, intent_table.c.run_id).where(mine)
                )
            }
            query = sa.select(table).where(table.c.run_id.in_(set(runs.values())))
            found = points.points_of(tx, tx.execute(query).mappings().all())
        by_run = {(point.run_id, point.instance_id): point for point in found}
        return {intent.id: by_run[runs[intent.id], intent.call.target] for intent in of_it}

    def _follow(self, run: Run, progress: Progress) -> None:
        def which(tx: sa.Connection) -> list[RecoveryPoint]:
            query = _left_points().where(tables.recovery_points.c.project_id == run.project_id)
            return points.points_of(tx, tx.execute(query).mappings().all())

        self._taking.wait_for(run, progress, which)

    def _delete(self, run: Run, progress: Progress) -> Mapping[str, Any] | None:
        with self._database.write() as tx:
            expiry.take_over(tx, run)
        found = self._expiry.carry_out(run, progress)
        return found if found["deleted"] else None
