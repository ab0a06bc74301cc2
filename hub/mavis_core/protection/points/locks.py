"""Locks in the cloud itself: for their time nobody deletes a recovery point, Mavis included.

A *governance* lock is taken away by who has the permission; of a *compliance* lock there is no
undo. A lock reaches all complete copies of a point; a copy that becomes complete later is locked
as its point is. An unlock is whole or not at all: a Run that was refused one of the copies locks
the others again, and once it has begun with that no later attempt unlocks any more.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from mavis_core import clock
from mavis_core.changes import intents
from mavis_core.changes.ledger import Effects, Ledger
from mavis_core.changes.model import Call, Intent, IntentState, Outcome
from mavis_core.contract import Connection, SnapshotLock
from mavis_core.db import Database, tables
from mavis_core.errors import (
    CloudError,
    CloudVanished,
    Conflict,
    Internal,
    MavisError,
    NotFound,
    from_told,
)
from mavis_core.errors import told as kept
from mavis_core.inventory.connections import Clouds
from mavis_core.protection.points import rows as points
from mavis_core.protection.points import victims
from mavis_core.protection.points.model import Copy, Lock, MemberState, PointState, RecoveryPoint
from mavis_core.scheduling.jobs import Progress
from mavis_core.scheduling.model import Run

__all__ = ["LOCK", "UNLOCK", "Locking", "complete", "in_force", "looks", "together"]

LOCK, UNLOCK = "cloud.LockSnapshot", "cloud.UnlockSnapshot"
_NAMED = 5


def in_force(point: RecoveryPoint) -> Lock | None:
    """Return the lock of a point, where its time is not over."""
    lock = point.lock
    return lock if lock is not None and lock.until > clock.now() else None


def together(before: Lock | None, lock: Lock) -> Lock:
    """Return the lock that keeps what both promise: none is ever made shorter or softer."""
    if before is None:
        return lock
    both = _in_the_cloud(before).with_all_of(_in_the_cloud(lock))
    return Lock(both.mode, both.until)


def _in_the_cloud(lock: Lock) -> SnapshotLock:
    return SnapshotLock(lock.mode, lock.until)


@dataclass(frozen=True, slots=True)
class _Act:
    """What is done with a member of a copy.

    Parameters
    ----------
    action
        How the ledger calls it.
    call
        Makes the call, given the copy and the member's id.
    done
        Whether it has been done, by the lock that the cloud shows.
    """

    action: str
    call: Callable[[Connection, Copy, str], None]
    done: Callable[[Copy, SnapshotLock | None], bool]


def _locking(lock_of: Callable[[Copy], Lock]) -> _Act:
    def call(connection: Connection, copy: Copy, cloud_id: str) -> None:
        connection.locks.lock(copy.region, cloud_id, _in_the_cloud(lock_of(copy)))

    def done(copy: Copy, lock: SnapshotLock | None) -> bool:
        return lock is not None and lock.with_all_of(_in_the_cloud(lock_of(copy))) == lock

    return _Act(LOCK, call, done)


_UNLOCKING = _Act(
    UNLOCK,
    lambda connection, copy, cloud_id: connection.locks.unlock(copy.region, cloud_id),
    lambda _copy, lock: lock is None,
)


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
        copies = [copy for point in points_ for copy in complete(point)]
        errors = self._all(run, _locking(lambda _copy: lock), copies, progress)
        with self._database.write() as tx:
            for point in points_:
                if not errors.keys() & {copy.id for copy in point.copies}:
                    now = points.load(tx, run.project_id, point.id)
                    points.update(tx, point.id, lock=together(in_force(now), lock))
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
            for copy in complete(point)
            if copy.id in copy_ids
        }
        copies = [copy for copy, _ in locks.values()]
        act = _locking(lambda copy: locks[copy.id][1])
        _raise(self._all(run, act, copies, progress), copies, "locked")

    def unlock(self, run: Run, point: RecoveryPoint, progress: Progress) -> None:
        """Take the governance lock of a point away.

        Where that fails for one copy, all of them are locked again: no point is locked in part,
        and the same may be asked for once more.

        Raises
        ------
        CloudError
            Some could not be unlocked.
        """
        copies = complete(point)
        errors = self._refused(run, copies) or self._all(run, _UNLOCKING, copies, progress)
        if errors:
            self._lock_again(run, point, progress)
            _raise(errors, copies, "unlocked")
        with self._database.write() as tx:
            points.update(tx, point.id, lock=None)
        progress.say("unlocked", percent=100)

    def take_unlock_back(self, run: Run, point: RecoveryPoint, progress: Progress) -> None:
        """Lock a point again that `run` has begun to unlock, and was cancelled.

        Raises
        ------
        CloudError
            The cloud lets nobody look what has happened.
        """
        with self._database.read() as tx:
            lines = _lines(tx, run.id)
        open_ = [line for line in lines if line.state is IntentState.OPEN]
        for environment_id in dict.fromkeys(line.call.environment_id for line in open_):
            of_it = [line for line in open_ if line.call.environment_id == environment_id]
            ctx = run.context("worker")
            with self._clouds.connect(ctx, environment_id, progress) as (_, connection):
                for action in (UNLOCK, LOCK):
                    mine = [line for line in of_it if line.call.action == action]
                    how = Effects(_finder(connection, _SHOWN[action]), _never)
                    self._ledger.resolve(ctx, run.work, mine, how, progress.say)
        if lines:
            self._lock_again(run, point, progress)

    @staticmethod
    def tell_unlock(tx: sa.Connection, run: Run, point_id: str) -> None:
        """Let a point that `run` has unlocked in part say no more that it is locked."""
        lines = _lines(tx, run.id)
        locked = {
            line.call.target
            for line in lines
            if (line.call.action, line.state) == (LOCK, IntentState.DONE)
        }
        unlocked = {
            line.call.target
            for line in lines
            if line.call.action == UNLOCK and line.state is not IntentState.FAILED
        }
        if unlocked - locked:
            points.update(tx, point_id, lock=None)

    def _refused(self, run: Run, copies: Sequence[Copy]) -> dict[str, MavisError]:
        """Return why an earlier attempt has begun to lock again, by copy; empty: none has."""
        with self._database.read() as tx:
            lines = _lines(tx, run.id)
            if all(line.call.action != LOCK for line in lines):
                return {}
            failed = [line for line in lines if line.state is IntentState.FAILED]
            errors = _errors(tx, [line for line in failed if line.call.action == UNLOCK])
        unknown = Conflict("An earlier attempt could not unlock all of it")
        return {
            copy.id: next(
                (errors[m.cloud_id] for m in copy.members if m.cloud_id in errors), unknown
            )
            for copy in copies
            if not errors or any(member.cloud_id in errors for member in copy.members)
        }

    def _lock_again(self, run: Run, point: RecoveryPoint, progress: Progress) -> None:
        """Lock what was unlocked of a point; where that fails see `tell_unlock`."""
        try:
            self.lock_copies(run, [point], {copy.id for copy in point.copies}, progress)
        except CloudError as exc:
            progress.say(exc.message)

    def _all(
        self, run: Run, act: _Act, copies: Iterable[Copy], progress: Progress
    ) -> dict[str, MavisError]:
        """Do something with each member of some copies; return what went wrong, by copy."""
        by_environment: dict[str, list[Copy]] = defaultdict(list)
        for copy in copies:
            by_environment[copy.environment_id].append(copy)
        errors: dict[str, MavisError] = {}
        for environment_id, of_it in by_environment.items():
            try:
                errors |= self._in(run, act, environment_id, of_it, progress)
            except (CloudError, NotFound) as exc:
                errors |= {copy.id: exc for copy in of_it}
        return errors

    def _in(
        self,
        run: Run,
        act: _Act,
        environment_id: str,
        copies: Sequence[Copy],
        progress: Progress,
    ) -> dict[str, MavisError]:
        ctx = run.context("worker")
        members = {
            member.cloud_id: copy
            for copy in copies
            for member in copy.members
            if member.cloud_id is not None and member.state is MemberState.COMPLETED
        }
        with self._clouds.connect(ctx, environment_id, progress) as (_, connection):

            def make(one: Call, _intent: str) -> Sequence[str]:
                act.call(connection, members[one.target], one.target)
                return (one.target,)

            find = _finder(connection, lambda one, lock: act.done(members[one], lock))
            calls = [
                Call(act.action, cloud_id, environment_id, copy.region)
                for cloud_id, copy in members.items()
            ]
            how = Effects(find, make, threads=self._threads)
            outcomes = self._ledger.effects(ctx, run.work, calls, how, progress.say)
        return {
            members[each.call.target].id: each.error for each in outcomes if each.error is not None
        }


def looks() -> Mapping[str, Callable[[Connection], Effects]]:
    """Return how to find what calls of `LOCK` and `UNLOCK` did, by action.

    Where something turns out to be unlocked its point says no more that it is locked.
    """

    def note(tx: sa.Connection, outcomes: Sequence[Outcome]) -> None:
        unlocked = [outcome.call.target for outcome in outcomes if outcome.error is None]
        for victim in victims.of(tx, unlocked):
            points.update(tx, victim.copy.point_id, lock=None)

    return {
        LOCK: lambda connection: Effects(_finder(connection, _SHOWN[LOCK]), _never),
        UNLOCK: lambda connection: Effects(_finder(connection, _SHOWN[UNLOCK]), _never, note),
    }


_Shown = Callable[[str, SnapshotLock | None], bool]
_SHOWN: Mapping[str, _Shown] = {
    LOCK: lambda _cloud_id, lock: lock is not None,
    UNLOCK: lambda _cloud_id, lock: lock is None,
}


def _never(call: Call, _intent: str) -> Sequence[str]:
    raise Internal(f"{call.action} of {call.target} is only looked for")


def _finder(
    connection: Connection, done: _Shown
) -> Callable[[Sequence[Intent]], Mapping[str, Sequence[str]]]:
    """Return a look for what has been done, by the locks that the cloud shows."""

    def find(open_: Sequence[Intent]) -> Mapping[str, Sequence[str]]:
        regions: dict[str, list[str]] = defaultdict(list)
        for intent in open_:
            regions[intent.call.region].append(intent.call.target)
        locks: dict[str, SnapshotLock] = {}
        for region, ids in regions.items():
            locks.update(_locks(connection, region, ids))
        return {
            intent.id: [intent.call.target]
            for intent in open_
            if done(intent.call.target, locks.get(intent.call.target))
        }

    return find


def _locks(connection: Connection, region: str, ids: Sequence[str]) -> Mapping[str, SnapshotLock]:
    """Return the locks of snapshots; what is gone has none."""
    try:
        return connection.locks.locks(region, ids)
    except CloudVanished:
        if len(ids) == 1:
            return {}
    return {key: lock for one in ids for key, lock in _locks(connection, region, [one]).items()}


def _lines(tx: sa.Connection, run_id: str) -> list[Intent]:
    """Return what the ledger has of a Run's locking and unlocking."""
    table = tables.intents
    query = sa.select(table).where(table.c.run_id == run_id, table.c.action.in_((LOCK, UNLOCK)))
    return [intents.intent_of(row) for row in tx.execute(query)]


def _errors(tx: sa.Connection, failed: Sequence[Intent]) -> dict[str, MavisError]:
    """Return what calls failed with, by their targets."""
    table = tables.intents
    query = sa.select(table.c.target, table.c.error).where(
        table.c.id.in_([line.id for line in failed]), table.c.error.is_not(None)
    )
    return {row.target: from_told(row.error) for row in tx.execute(query)}


def complete(point: RecoveryPoint) -> list[Copy]:
    """Return the copies of a point that are complete."""
    return [copy for copy in point.copies if copy.state is PointState.COMPLETE]


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
