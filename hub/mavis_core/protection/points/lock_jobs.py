"""The jobs ``recovery_point.lock`` and ``recovery_point.unlock``, because somebody asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from mavis_core import clock
from mavis_core.access import Permission
from mavis_core.changes.model import Effect, Plan, Severity
from mavis_core.contract import LockMode
from mavis_core.db import Database
from mavis_core.errors import Conflict, InvalidInput, MavisError
from mavis_core.protection.durations import duration, written
from mavis_core.protection.points import rows as points
from mavis_core.protection.points.locks import Locking, complete, in_force, together
from mavis_core.protection.points.model import Copy, Lock, RecoveryPoint
from mavis_core.scheduling.jobs import BaseJob, JobStep, Load, PlanRequest, Progress
from mavis_core.scheduling.model import Run

__all__ = ["LockJob", "UnlockJob", "lock_jobs"]

_LEAST, _MOST = timedelta(days=1), timedelta(days=36_500)


class LockJob(BaseJob):
    """Lock all complete copies of a recovery point, because somebody asks."""

    action = "recovery_point.lock"
    permission = Permission.POINT_LOCK

    def __init__(self, database: Database, locking: Locking) -> None:
        self._database = database
        self._locking = locking

    def plan(self, tx: sa.Connection, request: PlanRequest) -> Plan:
        asked = _asked(request)
        point = _point(tx, request)
        before, wanted = in_force(point), asked.lock(clock.now())
        after = together(before, wanted)
        if after == before:
            raise Conflict(f"{point.id} is locked until {clock.iso(before.until)} already")
        return Plan(
            self.action,
            request.project.id,
            request.project.name,
            point.label,
            Severity.DESTROYS if after.mode is LockMode.COMPLIANCE else Severity.CHANGES,
            tuple(_effect("lock", point, copy, f"{after.mode}, {asked}") for copy in _good(point)),
            {"point_id": point.id, **request.arguments},
            (_NO_UNDO,) if after.mode is LockMode.COMPLIANCE else (),
        )

    def steps(self, run: Run) -> Sequence[JobStep]:
        return [JobStep("Lock", lambda progress: self._lock(run, progress), Load.CALLS)]

    def _lock(self, run: Run, progress: Progress) -> Mapping[str, Any]:
        lock = _Asked.of(run.plan.arguments).lock(run.created_at)
        with self._database.read() as tx:
            point = points.load(tx, run.project_id, run.plan.arguments["point_id"])
        self._locking.lock_points(run, [point], lock, progress)
        return {"locked_until": clock.iso(lock.until)}


class UnlockJob(BaseJob):
    """Take the governance lock of a recovery point away."""

    action = "recovery_point.unlock"
    permission = Permission.POINT_LOCK

    def __init__(self, database: Database, locking: Locking) -> None:
        self._database = database
        self._locking = locking

    def plan(self, tx: sa.Connection, request: PlanRequest) -> Plan:
        if request.arguments:
            raise InvalidInput(f"{self.action} takes no arguments", field="arguments")
        point = _point(tx, request)
        lock = in_force(point)
        if lock is None:
            raise Conflict(f"{point.id} is not locked")
        if lock.mode is LockMode.COMPLIANCE:
            raise Conflict(
                f"{point.id} has a compliance lock until {clock.iso(lock.until)}",
                mend="Nobody can take it away, the cloud's own support included; wait.",
            )
        return Plan(
            self.action,
            request.project.id,
            request.project.name,
            point.label,
            Severity.CHANGES,
            tuple(_effect("unlock", point, copy, f"{lock.mode}") for copy in _good(point)),
            {"point_id": point.id},
        )

    def steps(self, run: Run) -> Sequence[JobStep]:
        return [JobStep("Unlock", lambda progress: self._unlock(run, progress), Load.CALLS)]

    def failed(self, tx: sa.Connection, run: Run, error: MavisError) -> None:  # noqa: ARG002  # Job's form
        self._locking.tell_unlock(tx, run, run.plan.arguments["point_id"])

    def clean_up(self, run: Run, progress: Progress) -> None:
        """Lock again what was unlocked."""
        self._locking.take_unlock_back(run, self._point(run), progress)

    def cancelled(self, tx: sa.Connection, run: Run) -> None:
        self._locking.tell_unlock(tx, run, run.plan.arguments["point_id"])

    def _unlock(self, run: Run, progress: Progress) -> None:
        self._locking.unlock(run, self._point(run), progress)

    def _point(self, run: Run) -> RecoveryPoint:
        with self._database.read() as tx:
            return points.load(tx, run.project_id, run.plan.arguments["point_id"])


def lock_jobs(database: Database, locking: Locking) -> tuple[LockJob, UnlockJob]:
    """Return the jobs that lock and unlock recovery points."""
    return LockJob(database, locking), UnlockJob(database, locking)


_NO_UNDO = (
    "Until then nobody can delete it, no administrator and not the cloud's support; and it is"
    " paid for as long."
)


@dataclass(frozen=True, slots=True)
class _Asked:
    """The lock that somebody asks for: until a moment, or for a length of time."""

    mode: LockMode
    until: datetime | None
    length: timedelta | None

    @classmethod
    def of(cls, arguments: Mapping[str, Any]) -> _Asked:
        until, length = arguments.get("until"), arguments.get("for")
        return cls(
            LockMode(arguments["mode"]),
            clock.parse(until) if until is not None else None,
            None
            if length is None
            else duration(length, field="arguments.for", least=_LEAST, most=_MOST),
        )

    def lock(self, now: datetime) -> Lock:
        """Return the lock that is asked for at the moment `now`."""
        return Lock(self.mode, self.until or now + (self.length or _LEAST))

    def __str__(self) -> str:
        return (
            f"until {clock.iso(self.until)}"
            if self.until
            else f"for {written(self.length or _LEAST)}"
        )


def _asked(request: PlanRequest) -> _Asked:
    given = request.arguments
    if set(given) not in ({"mode", "until"}, {"mode", "for"}):
        raise InvalidInput(
            "recovery_point.lock takes a mode, and either until or for", field="arguments"
        )
    if given["mode"] not in list(LockMode):
        raise InvalidInput(f"mode is one of {', '.join(LockMode)}", field="arguments.mode")
    name = "until" if "until" in given else "for"
    if not isinstance(given[name], str):
        raise InvalidInput(f"{name} is a text", field=f"arguments.{name}")
    try:
        asked = _Asked.of(given)
    except ValueError as exc:
        raise InvalidInput(
            f"until is no moment: {exc}",
            mend="Write it with its zone: 2027-01-31T00:00:00Z.",
            field="arguments.until",
        ) from exc
    now = clock.now()
    if asked.until is not None and not now < asked.until <= now + _MOST:
        raise InvalidInput("until is not in the next hundred years", field="arguments.until")
    return asked


def _point(tx: sa.Connection, request: PlanRequest) -> RecoveryPoint:
    if not request.resource:
        raise InvalidInput("Name a recovery point by its id", field="resource")
    return points.load(tx, request.project.id, request.resource)


def _good(point: RecoveryPoint) -> list[Copy]:
    copies = complete(point)
    if not copies:
        raise Conflict(f"{point.id} is {point.state}: it has no complete copy")
    return copies


def _effect(verb: str, point: RecoveryPoint, copy: Copy, detail: str) -> Effect:
    return Effect(
        verb,
        "recovery_point",
        point.id,
        point.instance_name,
        copy.environment,
        copy.account,
        copy.region,
        f"{len(copy.members)} volume snapshots, {detail}",
    )
