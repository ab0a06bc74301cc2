"""Transfers: making copies of recovery points in other regions and accounts, and following them.

One call for each member, as many at a time as the cloud takes: a place that refuses more is asked
again when something there has ended. Every member carries the tags of its set from its first
moment, and besides to which copy it belongs, of which volume it is and what it was copied from.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import sqlalchemy as sa

from mavis_core import clock
from mavis_core.changes import intents
from mavis_core.changes.ledger import Effects, Ledger
from mavis_core.changes.model import Call, Intent, IntentState, Outcome
from mavis_core.contract import Connection, VolumeSnapshot
from mavis_core.db import Database, tables
from mavis_core.errors import (
    CloudError,
    CloudQuota,
    CloudThrottled,
    CloudUnreachable,
    CloudVanished,
    Conflict,
    Forbidden,
    Internal,
    Interrupted,
    InvalidInput,
    MavisError,
    NotFound,
    from_told,
    told,
)
from mavis_core.inventory.connections import Clouds
from mavis_core.protection.copies import progress as copy_progress
from mavis_core.protection.copies import queue as copy_queue
from mavis_core.protection.copies.calls import (
    ACTION,
    COPY_TAG,
    about,
    call_for,
    finder,
    make_copy,
    need_of,
    place_of,
    source_of,
    unmade,
)
from mavis_core.protection.copies.progress import MOST_PENDING, Rooms
from mavis_core.protection.copies.queue import Transfer
from mavis_core.protection.copies.sharing import Shares
from mavis_core.protection.points.model import Copy, PointState
from mavis_core.scheduling.jobs import Progress
from mavis_core.scheduling.model import Run

__all__ = ["Transfers"]

_FIRST_LOOK_S, _LAST_LOOK_S = 0.5, 15.0
_SHOWS_WITHIN = timedelta(minutes=2)  # what was shared or made just now
_NAMED = 5
_BLIND = (CloudThrottled, CloudUnreachable)  # looking again harms nothing
_CLOSED = (NotFound, InvalidInput, Forbidden)  # the environment cannot be had any more
Also = Callable[[sa.Connection], object]


@dataclass(slots=True)
class _Way:
    """What one attempt at a Run remembers on its way.

    Parameters
    ----------
    shared_at
        Since when a copy is shared with an account, by both.
    unseen_since
        Since when the cloud does not show a snapshot, by its id.
    moved_at
        When anything last moved.
    waits_for
        Why not all goes on that could, in the cloud's words; empty where nothing waits.
    left
        Ids of copies at whose end the cloud does not let this Run look, and why.
    """

    rooms: Rooms
    shared_at: dict[tuple[str, str], datetime] = field(default_factory=dict)
    unseen_since: dict[str, datetime] = field(default_factory=dict)
    moved_at: datetime = field(default_factory=clock.now)
    waits_for: str = ""
    left: dict[str, CloudError] = field(default_factory=dict)
    last: object = None

    def moves(self, transfers: Sequence[Transfer]) -> bool:
        """Whether anything has moved since the last time."""
        now = [(each.copy.state, each.copy.members) for each in transfers]
        moved, self.last = now != self.last, now
        if moved:
            self.moved_at = clock.now()
        return moved

    def given_up(self, copy: Copy, shown: Mapping[str, VolumeSnapshot]) -> list[str]:
        """Return what the cloud has not shown for too long of a copy."""
        now, over = clock.now(), []
        for member in copy.members:
            if member.cloud_id is None or member.cloud_id in shown:
                self.unseen_since.pop(member.cloud_id or "", None)
            elif now - self.unseen_since.setdefault(member.cloud_id, now) > _SHOWS_WITHIN:
                over.append(member.cloud_id)
        return over


class Transfers:
    """Makes copies.

    Parameters
    ----------
    database, clouds, ledger, shares
        Rows, connections, the line before each effect, and what other accounts may read.
    timeout_s
        Seconds in which nothing moves and after which waiting ends.
    threads
        Calls at a time in one environment.
    stop
        Set when the process ends; the next attempt goes on.
    most
        Members that may be under way into one region of an account.
    """

    def __init__(
        self,
        database: Database,
        clouds: Clouds,
        ledger: Ledger,
        shares: Shares,
        *,
        timeout_s: float,
        threads: int,
        stop: threading.Event,
        most: int = MOST_PENDING,
    ) -> None:
        self._database = database
        self._clouds = clouds
        self._ledger = ledger
        self._shares = shares
        self._timeout = timedelta(seconds=timeout_s)
        self._threads = threads
        self._stop = stop
        self._most = most

    def carry_out(
        self, run: Run, progress: Progress, *, also: Also = lambda _tx: None
    ) -> Mapping[str, object]:
        """Make the copies of `run` and wait for them; return how many ended how.

        A copy that cannot be made has failed, and says why; the others go on. One that is under way
        and that the cloud does not let this Run look at stays so: another Run sees its end. What
        was shared for them is taken back.

        Parameters
        ----------
        also
            Called in a transaction before each round: may give `run` more copies.

        Raises
        ------
        CloudError
            A share could not be taken back yet; or copies wait for room in vain and stay in the
            queue; or the cloud does not let look at some.
        """
        way, pause_s, waits = _Way(Rooms(self._most)), _FIRST_LOOK_S, 0
        while todo := self._todo(run, way, also):
            self._round(run, todo, way, progress)
            left = self._todo(run, way)
            self._take_back(run, left, progress)
            moved = way.moves(left)
            if not left:
                continue
            if clock.now() > way.moved_at + self._timeout:
                waits = self._give_up(run, left)
                break
            self._tell(run, left, way, progress)
            pause_s = _FIRST_LOOK_S if moved else min(pause_s * 1.5, _LAST_LOOK_S)
            if self._stop.wait(pause_s):
                raise Interrupted(f"Stopped while copying for {run.subject}")
        self._shares.take_back(run, progress)
        if waits:
            raise CloudQuota(f"{waits} copies found no room and wait in the queue")
        for error in way.left.values():
            raise from_told(
                told(error),
                message=f"Nobody has seen the end of {len(way.left)} copies: {error.message}",
            )
        counts = self._counts(run)
        progress.say(f"{counts['complete']} of {sum(counts.values())} complete", percent=100)
        return {"copies": counts}

    def check(self, run: Run, progress: Progress) -> None:
        """Fail where not every copy of `run` is complete; the message names them."""
        with self._database.read() as tx:
            bad = copy_queue.of_run(tx, run, PointState.PARTIAL, PointState.FAILED)
        if not bad:
            progress.say("all complete", percent=100)
            return
        words = [
            f"{each.point.instance_name or each.point.instance_id} in {each.copy.place}: "
            + (each.copy.error or {"message": f"it is {each.copy.state}"})["message"]
            for each in bad
        ]
        first = bad[0].copy.error or told(CloudError(words[0]))
        more = f"; and {len(words) - _NAMED} more" if len(words) > _NAMED else ""
        raise from_told(first, message=f"Not copied: {'; '.join(words[:_NAMED])}{more}")

    def find_out(self, run: Run, progress: Progress) -> None:
        """Find out which calls of `run` without an outcome had their effect; make none.

        Raises
        ------
        CloudError
            The cloud lets nobody look.
        """
        ctx = run.context("worker")
        with self._database.read() as tx:
            open_ = [each for each in intents.open_of(tx, run.id) if each.call.action == ACTION]
        for environment_id in dict.fromkeys(each.call.environment_id for each in open_):
            of_it = [each for each in open_ if each.call.environment_id == environment_id]
            with self._clouds.connect(ctx, environment_id, progress) as (_, connection):
                self._ledger.resolve(ctx, run.work, of_it, self.looking(connection), progress.say)

    def looking(self, connection: Connection) -> Effects:
        """Return how to find what calls of `ACTION` made, and to write it down."""
        seen: dict[str, list[VolumeSnapshot]] = {}
        shown: dict[str, VolumeSnapshot] = {}  # of the same copies, what was known before, too
        made = finder(connection, seen)

        def find(open_: Sequence[Intent]) -> Mapping[str, Sequence[str]]:
            found = made(open_)
            regions: dict[str, set[str]] = defaultdict(set)
            for intent in open_:
                if found.get(intent.id):
                    regions[intent.call.region].add(about(intent.call)[0])
            for region, ids in regions.items():
                all_ = connection.snapshots.find(region, tag=COPY_TAG, values=sorted(ids))
                shown.update({snapshot.cloud_id: snapshot for snapshot in all_})
            return found

        def note(tx: sa.Connection, outcomes: Sequence[Outcome]) -> None:
            for outcome in outcomes:
                if outcome.error is None:
                    copy_id, volume_id = about(outcome.call)
                    copy = copy_progress.copy_of(tx, copy_id)
                    copy_progress.found(tx, copy, volume_id, seen[outcome.intent_id][0], shown)

        def make(call: Call, _intent: str) -> Sequence[str]:
            raise Internal(f"{call.action} of {call.target} is only looked for")

        return Effects(find, make, note)

    def _todo(self, run: Run, way: _Way, also: Also | None = None) -> list[Transfer]:
        if also is None:
            with self._database.read() as tx:
                found = copy_queue.of_run(tx, run)
        else:
            with self._database.write() as tx:
                also(tx)
                found = copy_queue.of_run(tx, run)
        return [each for each in found if each.copy.id not in way.left]

    def _round(self, run: Run, todo: Sequence[Transfer], way: _Way, progress: Progress) -> None:
        """Begin what there is room for, and look once at all that is under way."""
        way.waits_for = ""
        for of_it in _by_environment(self._to_begin(todo)):
            self._guarded(of_it, way, lambda some: self._begin(run, some, way, progress))
        running = [each for each in self._todo(run, way) if each.copy.state is PointState.RUNNING]
        for of_it in _by_environment(running):
            self._guarded(of_it, way, lambda some: self._look(run, some, way, progress))

    def _guarded(
        self,
        transfers: Sequence[Transfer],
        way: _Way,
        work: Callable[[Sequence[Transfer]], None],
    ) -> None:
        """Do something for copies in one environment; where it cannot be had, they fail.

        What is under way there goes on by itself, and somebody may look at it later.
        """
        try:
            work(transfers)
        except _BLIND as exc:
            way.waits_for = exc.message
        except CloudError as exc:
            with self._database.read() as tx:
                copies = [copy_progress.copy_of(tx, each.copy.id) for each in transfers]
            begun = {copy.id for copy in copies if copy.state is PointState.RUNNING}
            way.left |= dict.fromkeys(begun, exc)
            self._fail([each for each in transfers if each.copy.id not in begun], exc)
        except _CLOSED as exc:
            self._fail(transfers, exc)

    def _fail(self, transfers: Sequence[Transfer], error: MavisError) -> None:
        if not transfers:
            return
        with self._database.write() as tx:
            copies = [copy_progress.copy_of(tx, each.copy.id) for each in transfers]
            copy_queue.fail(tx, copies, error)

    def _to_begin(self, todo: Sequence[Transfer]) -> list[Transfer]:
        """Return the copies of which a member may be begun; what has no source fails."""
        wanted = [each for each in todo if each.copy.error is None and unmade(each.copy)]
        self._fail(
            [each for each in wanted if each.source is None],
            Conflict("The recovery point has no complete copy to copy from"),
        )
        return [each for each in wanted if each.source is not None]

    def _begin(
        self, run: Run, transfers: Sequence[Transfer], way: _Way, progress: Progress
    ) -> None:
        calls = self._calls(run, transfers, way.rooms)
        ours = {about(call)[0] for call in calls}
        shared = self._share(run, [t for t in transfers if t.copy.id in ours], way, progress)
        by_id = {each.copy.id: each for each in shared}
        calls = [call for call in calls if about(call)[0] in by_id]
        if not calls:
            return
        ctx, environment_id = run.context("worker"), transfers[0].copy.environment_id
        with self._clouds.connect(ctx, environment_id, progress) as (_, connection):
            seen: dict[str, list[VolumeSnapshot]] = {}

            def make(call: Call, intent: str) -> Sequence[str]:
                made = make_copy(connection, by_id[about(call)[0]], call, intent)
                seen[intent] = [made]
                return (made.cloud_id,)

            def note(tx: sa.Connection, outcomes: Sequence[Outcome]) -> None:
                for outcome in outcomes:
                    self._note(tx, by_id[about(outcome.call)[0]], outcome, seen, way)

            how = Effects(finder(connection, seen), make, note, threads=self._threads)
            outcomes = self._ledger.effects(ctx, run.work, calls, how, progress.say)
        self._learn(outcomes, by_id, way)

    def _note(
        self,
        tx: sa.Connection,
        transfer: Transfer,
        outcome: Outcome,
        seen: Mapping[str, Sequence[VolumeSnapshot]],
        way: _Way,
    ) -> None:
        copy, volume_id = copy_progress.copy_of(tx, transfer.copy.id), about(outcome.call)[1]
        if outcome.error is None:
            copy_progress.begun(tx, copy, volume_id, seen[outcome.intent_id][0])
        elif not _later(outcome.error, transfer, way):
            copy_progress.refused(tx, copy, volume_id, outcome.error)

    def _learn(
        self,
        outcomes: Sequence[Outcome],
        by_id: Mapping[str, Transfer],
        way: _Way,
    ) -> None:
        """Learn from outcomes how much room there is."""
        with self._database.read() as tx:
            under_way = copy_progress.pending(tx)
        for place in {place_of(by_id[about(each.call)[0]].copy) for each in outcomes}:
            full = [
                each.error
                for each in outcomes
                if isinstance(each.error, (CloudQuota, CloudThrottled))
                and place_of(by_id[about(each.call)[0]].copy) == place
            ]
            if full:
                way.rooms.refused(place, under_way.get(place, 0))
                way.waits_for = full[0].message
            else:
                way.rooms.taken(place)

    def _share(
        self, run: Run, transfers: Sequence[Transfer], way: _Way, progress: Progress
    ) -> list[Transfer]:
        """Share what is needed; return the copies for which that could be done."""
        ready: list[Transfer] = []
        refused: dict[tuple[str, str], CloudError] = {}
        done: set[tuple[str, str]] = set()
        for each in transfers:
            need = need_of(each)
            if need is not None and need not in done | refused.keys():
                try:
                    self._shares.share(run, source_of(each), each.copy.account, progress)
                    way.shared_at.setdefault(need, clock.now())
                    done.add(need)
                except _BLIND:
                    raise
                except CloudError as exc:
                    refused[need] = exc
            if need in refused:
                self._fail([each], refused[need])
            else:
                ready.append(each)
        return ready

    def _calls(self, run: Run, transfers: Sequence[Transfer], rooms: Rooms) -> list[Call]:
        """Return the calls that there is room for, those of the oldest copies first."""
        with self._database.read() as tx:
            under_way = copy_progress.pending(tx)
            left = {
                place: rooms.left(place, under_way.get(place, 0))
                for place in {place_of(each.copy) for each in transfers}
            }
            open_ = _open_elsewhere(tx, run, [each.copy.id for each in transfers])
        calls: list[Call] = []
        for copy in (each.copy for each in transfers):
            for member in unmade(copy):
                call = call_for(copy, member)
                if left[place_of(copy)] > 0 and call.target not in open_:
                    left[place_of(copy)] -= 1
                    calls.append(call)
        return calls

    def _look(self, run: Run, transfers: Sequence[Transfer], way: _Way, progress: Progress) -> None:
        ctx, environment_id = run.context("worker"), transfers[0].copy.environment_id
        by_region: dict[str, list[str]] = defaultdict(list)
        for each in transfers:
            by_region[each.copy.region].append(each.copy.id)
        with self._clouds.connect(ctx, environment_id, progress) as (_, connection):
            for region, ids in by_region.items():
                found = connection.snapshots.find(region, tag=COPY_TAG, values=ids)
                shown = {snapshot.cloud_id: snapshot for snapshot in found}
                with self._database.write() as tx:
                    for copy_id in ids:
                        copy = copy_progress.copy_of(tx, copy_id)
                        over = way.given_up(copy, shown)
                        if not copy.state.ended:
                            copy_progress.follow(tx, copy, shown, given_up=over)

    def _take_back(self, run: Run, left: Sequence[Transfer], progress: Progress) -> None:
        """Take back what nobody needs any more; what fails now is tried again at the end."""
        needed = [need for each in left if (need := need_of(each)) is not None]
        try:
            self._shares.take_back(run, progress, still_needed=needed)
        except CloudError as exc:
            progress.say(exc.message)

    def _give_up(self, run: Run, left: Sequence[Transfer]) -> int:
        """End what does not move any more; return how many copies wait on in the queue."""
        late = CloudUnreachable(
            f"Nothing has moved for {self._timeout.total_seconds():.0f} s",
            mend="Look at it in the cloud's console; raise worker.snapshot_timeout_s.",
        )
        with self._database.write() as tx:
            copy_queue.fail(
                tx, [each.copy for each in left if each.copy.state is PointState.RUNNING], late
            )
            copy_queue.release(tx, run)
        return sum(each.copy.state is PointState.PLANNED for each in left)

    def _counts(self, run: Run) -> dict[str, int]:
        with self._database.read() as tx:
            ended = copy_queue.of_run(tx, run, *(s for s in PointState if s.ended))
        complete = sum(each.copy.state is PointState.COMPLETE for each in ended)
        return {"complete": complete, "failed": len(ended) - complete}

    def _tell(self, run: Run, left: Sequence[Transfer], way: _Way, progress: Progress) -> None:
        done = sum(self._counts(run).values())
        waiting = sum(len(unmade(each.copy)) for each in left)
        words = f"{done} of {done + len(left)} copies ended"
        if way.waits_for:
            progress.waiting(f"{words}, {waiting} volumes wait: {way.waits_for}")
            return
        members = [member for each in left for member in each.copy.members]
        here = sum(member.progress_percent for member in members) // max(len(members), 1)
        percent = (100 * done + here * len(left)) // (done + len(left))
        progress.say(words, percent=min(percent, 99))


def _later(error: MavisError, transfer: Transfer, way: _Way) -> bool:
    """Whether a refusal means no more than that it is too early."""
    if isinstance(error, (CloudQuota, CloudThrottled)):
        return True
    shared_at = way.shared_at.get(need_of(transfer) or ("", ""))
    fresh = shared_at is not None and clock.now() <= shared_at + _SHOWS_WITHIN
    return isinstance(error, CloudVanished) and fresh  # a share shows after some seconds only


def _open_elsewhere(tx: sa.Connection, run: Run, copy_ids: Sequence[str]) -> set[str]:
    """Return targets of which another Run does not know what became: they must not be repeated."""
    table = tables.intents
    query = sa.select(table.c.target).where(
        table.c.action == ACTION,
        table.c.state == IntentState.OPEN,
        table.c.project_id == run.project_id,
        table.c.run_id != run.id,
    )
    wanted = set(copy_ids)
    return {target for target in tx.scalars(query) if target.partition("/")[0] in wanted}


def _by_environment(transfers: Iterable[Transfer]) -> Iterator[list[Transfer]]:
    found: dict[str, list[Transfer]] = defaultdict(list)
    for each in transfers:
        found[each.copy.environment_id].append(each)
    yield from found.values()
