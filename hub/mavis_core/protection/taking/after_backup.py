"""What follows a backup: locks, copies, retention. Each is a Run or a queue of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import sqlalchemy as sa

from mavis_core.contract import LockMode
from mavis_core.db import Database, tables
from mavis_core.errors import CloudError
from mavis_core.projects.service import project_of
from mavis_core.protection.plans.definition import Copy as Target
from mavis_core.protection.plans.service import BackupPlan
from mavis_core.protection.points import rows as points
from mavis_core.protection.points.model import Lock, PointState, RecoveryPoint
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

        Raises
        ------
        CloudError
            Points could not be locked; everything else has begun.
        """
        with self._database.read() as tx:
            good = [p for p in points.of_run(tx, run.id) if p.state is PointState.COMPLETE]
        unlocked = self._lock(run, plan, good, progress)
        begun: dict[str, str] = {}
        with self._database.write() as tx:
            if copies := self._copy(tx, run, plan, good):
                begun["copies"] = copies
            if retention := self._retain(tx, run, plan):
                begun["retention"] = retention
        if unlocked is not None:
            raise unlocked
        progress.say(", ".join(begun) or "nothing to begin", percent=100)
        return {"began": begun} if begun else None

    def _lock(
        self, run: Run, plan: BackupPlan, good: Sequence[RecoveryPoint], progress: Progress
    ) -> CloudError | None:
        """Lock points where the plan wants that; return why they are not, the rest goes on."""
        wanted = plan.definition.lock
        if wanted is None or not good:
            return None
        lock = Lock(LockMode(wanted.mode), run.created_at + wanted.length)
        try:
            self._locks.lock_points(run, good, lock, progress)
        except CloudError as exc:
            return exc
        return None

    def _copy(
        self, tx: sa.Connection, run: Run, plan: BackupPlan, good: Sequence[RecoveryPoint]
    ) -> str | None:
        """Queue copies of points; return the Run that makes them, where one was begun now."""
        rule = run.plan.arguments["rule"]
        wanted = [
            copy
            for each in plan.definition.rules
            if rule in (each.name, None)
            for copy in plan.definition.copies_of(each)
        ]
        if not (wanted and good):
            return None
        self._queue(tx, good, list(dict.fromkeys(wanted)))
        if active(tx, run.project_id, "copies.run"):
            return None
        return self._runs.start_in(
            tx,
            run.context("worker"),
            project_of(tx, run.project_id),
            action="copies.run",
            resource=None,
            arguments={},
        ).id

    def _retain(self, tx: sa.Connection, run: Run, plan: BackupPlan) -> str | None:
        """Let retention look at the plan; return its Run, where one was begun now."""
        slot = f"retention/{run.id}"
        if _there(tx, slot) or active(tx, run.project_id, "retention.apply", plan.name):
            return None
        return self._runs.start_in(
            tx,
            plan.context("worker"),
            project_of(tx, run.project_id),
            action="retention.apply",
            resource=plan.id,
            arguments={},
            slot=slot,
        ).id


def _there(tx: sa.Connection, slot: str) -> bool:
    table = tables.runs
    return tx.scalar(sa.select(table.c.id).where(table.c.slot == slot)) is not None
