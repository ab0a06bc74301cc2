"""Locks in the cloud itself: for their time nobody deletes a recovery point, Mavis included.

A *governance* lock is taken away by who has the permission; of a *compliance* lock there is no
undo. The jobs ``recovery_point.lock`` and ``recovery_point.unlock`` reach all complete copies of a
point; a copy that becomes complete later is locked as its point is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from mavis_core import clock
from mavis_core.access import Permission
from mavis_core.changes.ledger import Effects, Ledger
from mavis_core.changes.model import Call, Effect, Plan, Severity
from mavis_core.contract import Connection, LockMode, SnapshotLock
from mavis_core.db import Database
from mavis_core.errors import CloudError, Conflict, InvalidInput, MavisError, NotFound, from_told
from mavis_core.errors import told as kept
from mavis_core.inventory.connections import Clouds
from mavis_core.protection.durations import duration, written
from mavis_core.protection.points import rows as points
from mavis_core.protection.points.model import Copy, Lock, MemberState, PointState, RecoveryPoint
from mavis_core.scheduling.jobs import BaseJob, JobStep, Load, PlanRequest, Progress
from mavis_core.scheduling.model import Run

__all__ = ["LOCK", "UNLOCK", "LockJob", "Locking", "UnlockJob", "in_force", "lock_jobs"]

LOCK, UNLOCK = "cloud.LockSnapshot", "cloud.UnlockSnapshot"
_LEAST, _MOST = timedelta(days=1), timedelta(days=36_500)
_NAMED = 5


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """One volume snapshot that is locked or unlocked, and of which copy."""

    copy: Copy
    cloud_id: str


def in_force(point: RecoveryPoint) -> Lock | None:
    """Return the lock of a point, where its time is not over."""
    lock = point.lock
    return lock if lock is not None and lock.until > clock.now() else None


def _together(before: Lock | None, lock: Lock) -> Lock:
    """Return the lock that keeps what both promise: none is ever made shorter or softer."""
    if before is None:
        return lock
    both = _in_the_cloud(before).with_all_of(_in_the_cloud(lock))
    return Lock(both.mode, both.until)


def _in_the_cloud(lock: Lock) -> SnapshotLock:
    return SnapshotLock(lock.mode, lock.until)


class Locking:
    """Locks points and copies.

    Parameters
    ----------
    database, clouds, ledger
        Rows, connections, and the line before each effect.
    threads
        Calls at a time in one environment.
    """

    def __init__(self, database: Database, clouds: Clouds, ledger: Ledger, *, threads: int) -> None:
        self._database = database
        self._clouds = clouds
        self._ledger = ledger
        self._threads = threads

    def lock_points(
        self, run: Run, points_: Sequence[RecoveryPoint], lock: Lock, progress: Progress
    ) -> None:
        """Lock every complete copy of some points; a lock that is firmer or longer stays.

        Raises
        ------
        CloudError
            Some could not be locked; those that were say so.
        """

        def call(connection: Connection, one: _Snapshot) -> None:
            connection.locks.lock(one.copy.region, one.cloud_id, _in_the_cloud(lock))

        copies = [copy for point in points_ for copy in _complete(point)]
        errors = self._all(run, LOCK, copies, call, progress)
        with self._database.write() as tx:
            for point in points_:
                if not errors.keys() & {copy.id for copy in point.copies}:
                    now = points.load(tx, run.project_id, point.id)
                    points.update(tx, point.id, lock=_together(in_force(now), lock))
        _raise(errors, copies, "locked")
        progress.say(f"{len(points_)} locked until {lock.until:%Y-%m-%d %H:%M} UTC", percent=100)

    def lock_copies(
        self, run: Run, points_: Iterable[RecoveryPoint], copy_ids: set[str], progress: Progress
    ) -> None:
        """Lock copies that have come to points that are locked.

        Raises
        ------
        CloudError
            Some could not be locked.
        """
        locks = {
            copy.id: (copy, lock)
            for point in points_
            if (lock := in_force(point)) is not None
            for copy in _complete(point)
            if copy.id in copy_ids
        }

        def call(connection: Connection, one: _Snapshot) -> None:
            lock = _in_the_cloud(locks[one.copy.id][1])
            connection.locks.lock(one.copy.region, one.cloud_id, lock)

        copies = [copy for copy, _ in locks.values()]
        _raise(self._all(run, LOCK, copies, call, progress), copies, "locked")

    def unlock_points(self, run: Run, points_: Sequence[RecoveryPoint], progress: Progress) -> None:
        """Take governance locks away.

        Where that fails for one copy of a point, all of them are locked again: no point is
        locked in part, and the same may be asked for once more.

        Raises
        ------
        CloudError
            Some could not be unlocked.
        """

        def call(connection: Connection, one: _Snapshot) -> None:
            connection.locks.unlock(one.copy.region, one.cloud_id)

        copies = [copy for point in points_ for copy in _complete(point)]
        errors = self._all(run, UNLOCK, copies, call, progress)
        with self._database.write() as tx:
            for point in points_:
                if not errors.keys() & {copy.id for copy in point.copies}:
                    points.update(tx, point.id, lock=None)
        for point in points_:
            if errors.keys() & {copy.id for copy in point.copies}:
                self._lock_again(run, point, progress)
        _raise(errors, copies, "unlocked")
        progress.say(f"{len(points_)} unlocked", percent=100)

    def _lock_again(self, run: Run, point: RecoveryPoint, progress: Progress) -> None:
        """Lock what was unlocked of a point; where that fails it says no more that it is locked."""
        try:
            self.lock_copies(run, [point], {copy.id for copy in point.copies}, progress)
        except CloudError as exc:
            progress.say(exc.message)
            with self._database.write() as tx:
                points.update(tx, point.id, lock=None)

    def _all(
        self,
        run: Run,
        action: str,
        copies: Iterable[Copy],
        call: Callable[[Connection, _Snapshot], None],
        progress: Progress,
    ) -> dict[str, MavisError]:
        """Call for each member of some copies; return what went wrong, by copy."""
        by_environment: dict[str, list[Copy]] = defaultdict(list)
        for copy in copies:
            by_environment[copy.environment_id].append(copy)
        errors: dict[str, MavisError] = {}
        for environment_id, of_it in by_environment.items():
            try:
                errors |= self._in(run, action, environment_id, of_it, call, progress)
            except (CloudError, NotFound) as exc:
                errors |= {copy.id: exc for copy in of_it}
        return errors

    def _in(
        self,
        run: Run,
        action: str,
        environment_id: str,
        copies: Sequence[Copy],
        call: Callable[[Connection, _Snapshot], None],
        progress: Progress,
    ) -> dict[str, MavisError]:
        ctx = run.context("worker")
        members = {
            member.cloud_id: _Snapshot(copy, member.cloud_id)
            for copy in copies
            for member in copy.members
            if member.cloud_id is not None and member.state is MemberState.COMPLETED
        }
        with self._clouds.connect(ctx, environment_id, progress) as (_, connection):

            def make(one: Call, _intent: str) -> Sequence[str]:
                call(connection, members[one.target])
                return (one.target,)

            calls = [Call(action, cloud_id) for cloud_id in members]
            how = Effects(lambda _open: {}, make, settle=False, threads=self._threads)
            outcomes = self._ledger.effects(ctx, run.work, calls, how, progress.say)
        return {
            members[each.call.target].copy.id: each.error
            for each in outcomes
            if each.error is not None
        }


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
        after = _together(before, wanted)
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

    def _unlock(self, run: Run, progress: Progress) -> None:
        with self._database.read() as tx:
            point = points.load(tx, run.project_id, run.plan.arguments["point_id"])
        self._locking.unlock_points(run, [point], progress)


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
    copies = _complete(point)
    if not copies:
        raise Conflict(f"{point.id} is {point.state}: it has no complete copy")
    return copies


def _complete(point: RecoveryPoint) -> list[Copy]:
    return [copy for copy in point.copies if copy.state is PointState.COMPLETE]


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


def _raise(errors: Mapping[str, MavisError], copies: Sequence[Copy], word: str) -> None:
    """Raise the first of some errors, with the names of all copies that had one."""
    if not errors:
        return
    words = [
        f"{copy.point_id} in {copy.place}: {errors[copy.id].message}"
        for copy in copies
        if copy.id in errors
    ]
    more = f"; and {len(words) - _NAMED} more" if len(words) > _NAMED else ""
    message = f"{len(words)} of {len(copies)} copies not {word}: {'; '.join(words[:_NAMED])}{more}"
    raise from_told(kept(next(iter(errors.values()))), message=message)
