"""What follows a backup: locks, copies, retention. Each is a Run or a queue of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import sqlalchemy as sa

from mavis_core.contract import LockMode
from mavis_core.db import Database, tables
from mavis_core.projects.service import project_of
from mavis_core.protection import points
from mavis_core.protection.backup_plans import Copy as Target
from mavis_core.protection.model import Lock, PointState, RecoveryPoint
from mavis_core.protection.plans import BackupPlan
from mavis_core.scheduling.jobs import Progress
from mavis_core.scheduling.model import Run
from mavis_core.scheduling.service import Runs
from mavis_core.scheduling.store import active

__all__ = ["AfterBackup"]


class Queue(Protocol):
    """Plans copies of points; one that is planned already stays as it is."""

    def __call__(
        self, tx: sa.Connection, points: Sequence[RecoveryPoint], targets: Sequence[Target], /
    ) -> None: ...


class Locks(Protocol):
    """Locks points in the cloud."""

    def lock_points(
        self, run: Run, points: Sequence[RecoveryPoint], lock: Lock, progress: Progress
    ) -> None: ...


class AfterBackup:
    """Begins what a plan wants of its new recovery points.

    Parameters
    ----------
    database
        The main database.
    runs
        Where the Runs of copies and retention are asked for.
    queue, locks
        Plan copies, and lock points in the cloud.
    """

    def __init__(self, database: Database, runs: Runs, *, queue: Queue, locks: Locks) -> None:
        self._database = database
        self._runs = runs
        self._queue = queue
        self._locks = locks

    def begin(self, run: Run, plan: BackupPlan, progress: Progress) -> Mapping[str, Any] | None:
        """Lock the complete points of `run`, queue their copies, and let retention look.

        Repeating begins nothing twice: a point has one copy in a place, a Run one retention.
        """
        definition = plan.definition
        with self._database.read() as tx:
            good = [p for p in points.of_run(tx, run.id) if p.state is PointState.COMPLETE]
        if definition.lock is not None and good:
            until = run.created_at + definition.lock.length  # the same in every attempt
            lock = Lock(LockMode(definition.lock.mode), until)
            self._locks.lock_points(run, good, lock, progress)
        wanted = [
            copy
            for rule in definition.rules
            if rule.name == run.plan.arguments["rule"] or run.plan.arguments["rule"] is None
            for copy in definition.copies_of(rule)
        ]
        begun: dict[str, str] = {}
        with self._database.write() as tx:
            project, ctx = project_of(tx, run.project_id), run.context("worker")
            if wanted and good:
                self._queue(tx, good, list(dict.fromkeys(wanted)))
                if not active(tx, run.project_id, "copies.run"):
                    begun["copies"] = self._runs.start_in(
                        tx, ctx, project, action="copies.run", resource=None, arguments={}
                    ).id
            slot = f"retention/{run.id}"
            if not _there(tx, slot) and not active(tx, run.project_id, "retention.apply"):
                begun["retention"] = self._runs.start_in(
                    tx,
                    plan.context("worker"),
                    project,
                    action="retention.apply",
                    resource=plan.id,
                    arguments={},
                    slot=slot,
                ).id
        progress.say(", ".join(begun) or "nothing to begin", percent=100)
        return {"began": begun} if begun else None


def _there(tx: sa.Connection, slot: str) -> bool:
    table = tables.runs
    return tx.scalar(sa.select(table.c.id).where(table.c.slot == slot)) is not None
