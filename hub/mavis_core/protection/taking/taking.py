"""Taking recovery points: one call to the cloud for each instance, then waiting for all of them.

`Taking.take` may be interrupted anywhere: the ledger has a line before each call, so the next
attempt goes on with what is not yet taken and finds what was. `Taking.wait` follows all members
of a Run together, with one look for each region.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from contextvars import copy_context
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from mavis_core import clock
from mavis_core.changes import intents
from mavis_core.changes.ledger import TAG, Effects, Ledger
from mavis_core.changes.model import Call, Intent, Outcome
from mavis_core.contract import Connection, Snapshots, VolumeSnapshot
from mavis_core.db import Database
from mavis_core.errors import (
    CloudError,
    CloudThrottled,
    CloudUnreachable,
    Internal,
    Interrupted,
    MavisError,
    from_told,
    told,
)
from mavis_core.inventory.connections import Clouds
from mavis_core.protection.points import rows as points
from mavis_core.protection.points.manifests import OwnTags, pack
from mavis_core.protection.points.model import PointState, RecoveryPoint
from mavis_core.protection.taking import taken
from mavis_core.scheduling.jobs import Progress
from mavis_core.scheduling.model import Run

__all__ = ["ACTION", "RUN_TAG", "Around", "Taking", "attached_as_planned", "by_intent", "pause"]

ACTION = "cloud.CreateSnapshots"
RUN_TAG = "mavis:run"
Around = Callable[[RecoveryPoint, Connection, Progress], AbstractContextManager[None]]
Which = Callable[[sa.Connection], list[RecoveryPoint]]
Attached = Callable[[RecoveryPoint], Sequence[str] | None]
_FIRST_LOOK_S, _LAST_LOOK_S = 0.5, 15.0
_LOOK_COSTS_S = 0.005  # for each point: so long the first look at many waits, since it is dear
_ASK_EVERY_S = 2.0
_SHOWS_WITHIN = timedelta(minutes=2)
_ENVIRONMENTS_AT_ONCE = 4
_NAMED = 5  # so many failures stand in a Run's error by name


@dataclass(frozen=True, slots=True)
class _Manner:
    """How points are taken; see `Taking.take`."""

    around: Around
    attached: Attached
    own: OwnTags


class Taking:
    """Takes the recovery points that are planned for a Run.

    Parameters
    ----------
    database, clouds, ledger
        Rows, connections, and the line before each effect.
    timeout_s
        Seconds after which a point that is not complete is told as partial.
    threads
        Calls at a time in one environment.
    stop
        Set when the process ends; waiting stops and the next attempt goes on.
    """

    def __init__(
        self,
        database: Database,
        clouds: Clouds,
        ledger: Ledger,
        *,
        timeout_s: float,
        threads: int,
        stop: threading.Event,
    ) -> None:
        self._database = database
        self._clouds = clouds
        self._ledger = ledger
        self._timeout = timedelta(seconds=timeout_s)
        self._threads = threads
        self._stop = stop

    def take(
        self,
        run: Run,
        progress: Progress,
        around: Around = lambda _point, _connection, _progress: nullcontext(),
        *,
        attached: Attached = lambda _point: None,
        own: OwnTags = OwnTags.COPIED,
    ) -> None:
        """Have the snapshots of every planned point of `run` made.

        A point that cannot be taken has failed, and says why; the others go on.

        Parameters
        ----------
        around
            What happens immediately before and after the call for one point.
        attached
            What hangs at a point's instance, where that was seen just now; see
            `mavis_core.contract.Snapshots.create`.
        own
            Whether snapshots carry the tags of their instance.
        """
        planned = [point for point in self._points(run) if point.state is PointState.PLANNED]
        by_environment: dict[str, list[RecoveryPoint]] = defaultdict(list)
        for point in planned:
            by_environment[point.environment_id].append(point)

        def one(environment_id: str) -> None:
            of_it = by_environment[environment_id]
            try:
                self._take_in(run, of_it, progress, _Manner(around, attached, own))
            except CloudError as exc:  # it cannot be opened, or lets nobody look what happened
                still = {point.id for point in of_it}
                with self._database.write() as tx:
                    now = [point for point in points.of_run(tx, run.id) if point.id in still]
                    taken.fail(tx, [p for p in now if p.state is PointState.PLANNED], exc)

        _all_of(one, list(by_environment), _ENVIRONMENTS_AT_ONCE)

    def _take_in(
        self,
        run: Run,
        planned: Sequence[RecoveryPoint],
        progress: Progress,
        manner: _Manner,
    ) -> None:
        ctx, environment_id = run.context("worker"), planned[0].environment_id
        by_instance = {point.instance_id: point for point in planned}
        seen: dict[str, Sequence[VolumeSnapshot]] = {}  # by intent
        done = 0
        with self._clouds.connect(ctx, environment_id, progress) as (_, connection):
            cloud = connection.snapshots

            def find(open_: Sequence[Intent]) -> Mapping[str, Sequence[str]]:
                made = by_intent(cloud, open_)
                seen.update(made)
                return {intent: [each.cloud_id for each in all_] for intent, all_ in made.items()}

            def make(call: Call, intent: str) -> Sequence[str]:
                point = by_instance[call.target]
                with manner.around(point, connection, progress):
                    seen[intent] = cloud.create(
                        point.region,
                        point.instance_id,
                        volume_ids=[disk.volume_id for disk in point.manifest.disks],
                        description=point.description,
                        tags=_tags(run, point, intent, manner.own),
                        attached=manner.attached(point),
                    )
                return [snapshot.cloud_id for snapshot in seen[intent]]

            def note(tx: sa.Connection, outcomes: Sequence[Outcome]) -> None:
                nonlocal done
                good = [each for each in outcomes if each.error is None]
                taken.begin(
                    tx, [(by_instance[o.call.target], seen.get(o.intent_id, ())) for o in good]
                )
                for outcome in outcomes:
                    if outcome.error is not None:
                        taken.fail(tx, [by_instance[outcome.call.target]], outcome.error)
                done += len(outcomes)

            calls = [
                Call(ACTION, point.instance_id, environment_id, point.region) for point in planned
            ]
            progress.say(f"{_machines(len(calls))} in {planned[0].environment}")
            how = Effects(find, make, note, threads=self._threads)
            self._ledger.effects(ctx, run.work, calls, how, progress.say)

    def find_out(self, run: Run, progress: Progress) -> None:
        """Find out which calls of `run` that have no outcome had their effect; make none.

        Raises
        ------
        CloudError
            The cloud lets nobody look.
        """
        ctx = run.context("worker")
        by_instance = {point.instance_id: point for point in self._points(run)}
        with self._database.read() as tx:
            open_ = [
                intent for intent in intents.open_of(tx, run.id) if intent.call.action == ACTION
            ]
        by_environment: dict[str, list[Intent]] = defaultdict(list)
        for intent in open_:
            by_environment[intent.call.environment_id].append(intent)
        for environment_id, of_it in by_environment.items():
            with self._clouds.connect(ctx, environment_id, progress) as (_, connection):
                mine = {intent.id: by_instance[intent.call.target] for intent in of_it}
                how = self.looking(connection.snapshots, mine)
                self._ledger.resolve(ctx, run.work, of_it, how, progress.say)

    @staticmethod
    def looking(cloud: Snapshots, points_: Mapping[str, RecoveryPoint]) -> Effects:
        """Return how to find what calls of `ACTION` made, and to write it down.

        Parameters
        ----------
        points_
            What each call was for, by its intent's id.
        """
        seen: dict[str, list[VolumeSnapshot]] = {}

        def find(intents_: Sequence[Intent]) -> Mapping[str, Sequence[str]]:
            seen.update(by_intent(cloud, intents_))
            return {key: [each.cloud_id for each in all_] for key, all_ in seen.items()}

        def make(call: Call, _intent: str) -> Sequence[str]:
            raise Internal(f"{call.action} of {call.target} is only looked for")

        def note(tx: sa.Connection, outcomes: Sequence[Outcome]) -> None:
            found = [each for each in outcomes if each.error is None]
            taken.begin(tx, [(points_[o.intent_id], seen.get(o.intent_id, ())) for o in found])

        return Effects(find, make, note)

    def wait(self, run: Run, progress: Progress) -> Mapping[str, object]:
        """Wait until every point of `run` has ended, and return how many ended how."""
        all_ = self.wait_for(run, progress, lambda tx: points.of_run(tx, run.id))
        complete = sum(point.state is PointState.COMPLETE for point in all_)
        progress.say(f"{complete} of {len(all_)} complete", percent=100)
        single = {"recovery_point": all_[0].id} if len(all_) == 1 else {}
        return {"recovery_points": {"complete": complete, "failed": len(all_) - complete}, **single}

    def wait_for(self, run: Run, progress: Progress, which: Which) -> list[RecoveryPoint]:
        """Wait until every one of some points has ended, and return them all.

        Each is found in the cloud by the Run that made it.
        """
        all_ = self._read(which)
        pause_s = min(_LOOK_COSTS_S * len(all_), _FIRST_LOOK_S * 2)
        while open_ := [point for point in all_ if point.state is PointState.RUNNING]:
            pause(self._stop, progress, pause_s, run.subject)
            all_ = self._look(run, open_, which, progress)
            pause_s = min(max(pause_s * 1.5, _FIRST_LOOK_S), _LAST_LOOK_S)
        return all_

    def check(self, run: Run, progress: Progress) -> None:
        """Fail where not every point of `run` is complete; the message names them.

        Raises
        ------
        CloudError
            Or whatever the first of them failed with.
        """
        all_ = self._points(run)
        bad = [point for point in all_ if point.state is not PointState.COMPLETE]
        if bad:
            raise _why(bad, len(all_))
        progress.say(f"{len(all_)} complete", percent=100)

    def _look(
        self, run: Run, open_: Sequence[RecoveryPoint], which: Which, progress: Progress
    ) -> list[RecoveryPoint]:
        """Look once at all members that are not complete, and write down what changed.

        Returns
        -------
        list of RecoveryPoint
            All points as they are then.
        """
        ctx = run.context("worker")
        by_place: dict[str, dict[str, list[RecoveryPoint]]] = defaultdict(lambda: defaultdict(list))
        for point in open_:
            by_place[point.environment_id][point.region].append(point)
        blind = False
        for environment_id, regions in by_place.items():
            try:
                with self._clouds.connect(ctx, environment_id, progress) as (_, connection):
                    for region, of_it in regions.items():
                        runs = sorted({point.run_id for point in of_it if point.run_id})
                        found = connection.snapshots.find(region, tag=RUN_TAG, values=runs)
                        self._note(run, of_it, found)
            except (CloudThrottled, CloudUnreachable) as exc:  # looking again harms nothing
                blind = True
                progress.waiting(exc.message)
                self._give_up_late(run, [p for each in regions.values() for p in each])
        all_ = self._read(which)
        if not blind:
            self._tell(all_, progress)
        return all_

    def _tell(self, all_: Sequence[RecoveryPoint], progress: Progress) -> None:
        ended = sum(point.state.ended for point in all_)
        members = [m for point in all_ for m in point.primary.members]
        percent = sum(m.progress_percent for m in members) // max(len(members), 1)
        progress.say(f"{ended} of {_machines(len(all_))} complete", percent=min(percent, 99))

    def _note(
        self, run: Run, open_: Sequence[RecoveryPoint], found: Iterable[VolumeSnapshot]
    ) -> None:
        by_volume: dict[str, dict[str, VolumeSnapshot]] = defaultdict(dict)
        for snapshot in found:
            by_volume[snapshot.tags.get("mavis:recovery-point", "")][snapshot.cloud_id] = snapshot
        now = clock.now()
        with self._database.write() as tx:
            taken.follow(
                tx,
                [(point, by_volume.get(point.id, {})) for point in open_],
                missing_after=_SHOWS_WITHIN,
                late=self._late(run, now),
                now=now,
            )

    def _late(self, run: Run, now: datetime) -> MavisError | None:
        if now <= (run.started_at or run.created_at) + self._timeout:
            return None
        return CloudUnreachable(
            f"Not complete after {self._timeout.total_seconds():.0f} s",
            mend="Look at it in the cloud's console; raise worker.snapshot_timeout_s.",
        )

    def _give_up_late(self, run: Run, open_: Sequence[RecoveryPoint]) -> None:
        late = self._late(run, clock.now())
        if late is not None:
            with self._database.write() as tx:
                taken.fail(tx, open_, late)

    def _points(self, run: Run) -> list[RecoveryPoint]:
        return self._read(lambda tx: points.of_run(tx, run.id))

    def _read(self, which: Which) -> list[RecoveryPoint]:
        with self._database.read() as tx:
            return which(tx)


def _tags(run: Run, point: RecoveryPoint, intent: str, own: OwnTags) -> Mapping[str, str]:
    head = {
        "project": point.project,
        "recovery-point": point.id,
        "plan": point.plan or "",
        "plan-id": point.plan_id or "",
        "rule": point.rule or "",
        "slot": point.slot or "",
        "run": run.id,
        "person": run.person,
        "instance": point.instance_id,
        "description": point.description,
        "intent": intent,
    }
    name = f"{point.instance_name or point.instance_id} {point.id}"
    return {"Name": name, **pack(head, point.manifest, own)}


def pause(stop: threading.Event, progress: Progress, seconds: float, subject: str) -> None:
    """Wait, and ask every few seconds whether the Run may go on.

    Raises
    ------
    Interrupted
        The process ends.
    """
    while seconds > 0:
        if stop.wait(min(seconds, _ASK_EVERY_S)):
            raise Interrupted(f"Stopped while waiting for {subject}")
        progress.check()
        seconds -= _ASK_EVERY_S


def _machines(count: int) -> str:
    return f"{count} machine{'s' * (count != 1)}"


def by_intent(cloud: Snapshots, open_: Iterable[Intent]) -> dict[str, list[VolumeSnapshot]]:
    """Return what carries each of some intents, by its id; one look for each region."""
    regions: dict[str, list[str]] = defaultdict(list)
    for intent in open_:
        regions[intent.call.region].append(intent.id)
    made: dict[str, list[VolumeSnapshot]] = defaultdict(list)
    for region, ids in regions.items():
        for snapshot in cloud.find(region, tag=TAG, values=ids):
            made[snapshot.tags[TAG]].append(snapshot)
    return made


def attached_as_planned(point: RecoveryPoint) -> Sequence[str] | None:
    """Return what hung at the instance when the point was planned, where the order is known."""
    if point.manifest.excluded:
        return None  # which of them is the root is for the kit to see
    return [disk.volume_id for disk in point.manifest.disks]


def _why(bad: Sequence[RecoveryPoint], total: int) -> MavisError:
    """Return why not all points are complete: the first error, with the names of all."""
    words = [
        f"{point.instance_name or point.instance_id}: "
        + (point.error["message"] if point.error else f"it is {point.state}")
        for point in bad
    ]
    first = bad[0].error or told(CloudError(words[0]))
    if total == 1:
        return from_told(first)
    more = f"; and {len(words) - _NAMED} more" if len(words) > _NAMED else ""
    message = f"{len(bad)} of {total} machines: {'; '.join(words[:_NAMED])}{more}"
    return from_told(first, message=message)


def _all_of(work: Callable[[str], None], items: Sequence[str], at_once: int) -> None:
    """Do `work` for each item; raise the first error when all have ended."""
    if len(items) == 1:
        work(items[0])
        return
    with ThreadPoolExecutor(at_once, thread_name_prefix="environment") as pool:
        for future in [pool.submit(copy_context().run, work, item) for item in items]:
            future.result()
