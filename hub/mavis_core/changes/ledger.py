"""The ledger: no call to a cloud that makes something without a line here before it.

AWS has no client token for CreateSnapshots and others: a call whose answer is lost cannot simply
be repeated. `Ledger.effect` therefore

1. commits an intent, with its record, before the call;
2. makes the call, which tags what it makes with the intent's id from its first moment;
3. commits outcome and record, with the change of the domain that goes with them.

Where a crash or a lost answer leaves an intent open, the next attempt looks for the tag first and
adopts what it finds. A cloud that shows nothing is no proof of absence until `settle_s` seconds
have passed since the call may last have been made; only then is it made again.

`Ledger.effects` does the same for many calls at once: intents and outcomes are committed in
groups, the calls run in threads. A call begins at once when its intent is committed.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import (
    ALL_COMPLETED,
    FIRST_COMPLETED,
    Executor,
    Future,
    ThreadPoolExecutor,
    wait,
)
from contextvars import copy_context
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

import sqlalchemy as sa

from mavis_core import clock
from mavis_core.access import CallContext
from mavis_core.changes import intents
from mavis_core.changes.model import Call, Intent, IntentState, Outcome, Work
from mavis_core.db import Database
from mavis_core.errors import (
    Cancelled,
    CloudThrottled,
    CloudUnreachable,
    Internal,
    Interrupted,
    MavisError,
    Unavailable,
)

__all__ = ["TAG", "Effects", "Ledger", "Note"]

Note = Callable[[sa.Connection, Sequence[Outcome]], None]

TAG = "mavis:intent"
_MAX_TRIES = 5
_LOOK_EVERY_S = 1.0
_GATHER_S = 0.1  # calls that end within this time of each other share a transaction


@dataclass(frozen=True, slots=True)
class Effects:
    """How a kind of call is made, found and noted.

    Parameters
    ----------
    find
        Given intents, return by an intent's id the ids of what carries it as its tag; for calls
        that end something, the ids of what has ended.
    make
        Make a call that has the intent of that id; return the ids of what it made.
    note
        Change the domain in the transaction that commits some outcomes.
    settle
        Whether the cloud must be given time to show what was made. False for calls that may be
        repeated without harm.
    threads
        Calls at a time.
    """

    find: Callable[[Sequence[Intent]], Mapping[str, Sequence[str]]]
    make: Callable[[Call, str], Sequence[str]]
    note: Note = lambda _tx, _outcomes: None
    settle: bool = True
    threads: int = 1


class Ledger:
    """Intents and their outcomes.

    Parameters
    ----------
    database
        The main database.
    settle_s
        Seconds after which an effect that the cloud does not show was not made.
    stop
        Set when the process ends: waiting stops, the intent stays open for the next attempt.
    """

    def __init__(
        self, database: Database, *, settle_s: float, stop: threading.Event | None = None
    ) -> None:
        self._database = database
        self._settle = timedelta(seconds=settle_s)
        self._stop = stop or threading.Event()

    def effect(
        self,
        ctx: CallContext,
        work: Work,
        call: Call,
        *,
        find: Callable[[str], Sequence[str]],
        make: Callable[[str], Sequence[str]],
        say: Callable[[str], None],
        note: Note = lambda _tx, _outcomes: None,
        settle: bool = True,
    ) -> tuple[str, ...]:
        """Have one effect exactly once, over crashes and lost answers, and return its ids.

        Parameters
        ----------
        find, make
            Given the intent's id: what carries it as its tag; make the call.
        say
            Told what is waited for.
        note, settle
            See `Effects`.

        Raises
        ------
        CloudError
            The cloud refused; or gave no clear answer in `_MAX_TRIES` tries and shows nothing of
            any of them; or lets nobody look, in which case the intent stays open.
        Cancelled
            A person has ended the Run; the call was not made.
        Unavailable
            The process ends, or a part of the appliance is down; the intent stays open.
        """
        one = Effects(
            find=lambda intents: {intent.id: find(intent.id) for intent in intents},
            make=lambda _call, intent: make(intent),
            note=note,
            settle=settle,
        )
        (outcome,) = self.effects(ctx, work, [call], one, say)
        if outcome.error is not None:
            raise outcome.error
        return outcome.made

    def effects(
        self,
        ctx: CallContext,
        work: Work,
        calls: Sequence[Call],
        how: Effects,
        say: Callable[[str], None],
    ) -> list[Outcome]:
        """Have many effects, each exactly once, and return what became of each.

        Raises
        ------
        CloudError
            The cloud lets nobody look for what may have happened; those intents stay open.
        Cancelled, Unavailable
            As of `effect`. What had been begun is written down before.
        """
        with self._database.read() as tx:
            there = intents.known(tx, work, calls)
        round_ = _Round(self._database, ctx, work, how)
        for call in calls:
            round_.sort(call, there.get((call.action, call.target)))
        while True:
            if round_.unclear:
                self._look(round_, say)
            if not (round_.fresh or round_.again):
                return [round_.outcomes[call.action, call.target] for call in calls]
            round_.make()
            if round_.unclear:
                say(f"no clear answer to {len(round_.unclear)} calls; looking what happened")

    def resolve(
        self,
        ctx: CallContext,
        work: Work,
        open_: Sequence[Intent],
        how: Effects | None,
        say: Callable[[str], None],
    ) -> list[Outcome]:
        """Find out what became of calls that nobody will make again, and write it down.

        Parameters
        ----------
        work
            The attempt that looks, which need not be at the Run that the calls belong to.
        how
            Its `make` is never called; its `note` may have to be told of what was found. None:
            nobody can see what such calls have done, and that is what is written down.

        Raises
        ------
        CloudError
            The cloud lets nobody look; the intents stay open.
        Unavailable
            As of `effect`.
        """
        seen = how or Effects(find=lambda _open: {}, make=_never, settle=False)
        doubt = _UNSEEN if how is None else _NOT_THERE
        round_ = _Round(self._database, ctx, work, seen, unclear=list(open_), tries=0, doubt=doubt)
        self._look(round_, say)
        return list(round_.outcomes.values())

    def _look(self, round_: _Round, say: Callable[[str], None]) -> None:
        """Look for what unclear calls made until all show, or had their time to settle.

        A look that fails while there is time is no end either. What counts is when a look began:
        one that takes long may have seen the cloud as it was before the time was over.
        """
        while round_.unclear:
            began = clock.now()
            error: MavisError | None = None
            made: Mapping[str, Sequence[str]] = {}
            try:
                made = round_.how.find(tuple(round_.unclear))
            except (CloudThrottled, CloudUnreachable) as exc:
                error = exc
            found = {
                intent: tuple(made[intent.id]) for intent in round_.unclear if made.get(intent.id)
            }
            if found:
                say(f"found what an earlier try made: {', '.join(_first(found.values()))}")
                round_.adopt(found)
            left_s = self._settle_over(round_, error, began)
            if left_s > 0 and round_.unclear:
                words = error.message if error else "nothing yet of an unanswered call"
                say(f"{words}; sure in {left_s:.0f} s")
                if self._stop.wait(min(_LOOK_EVERY_S, left_s)):
                    raise Interrupted(
                        "Stopped while waiting to see whether"
                        f" {round_.unclear[0].call.action} of {round_.unclear[0].call.target}"
                        " had happened"
                    )

    def _settle_over(self, round_: _Round, error: MavisError | None, looked_at: datetime) -> float:
        """Give up waiting for those whose time was over; return how long the others had."""
        ends = {intent: round_.since(intent) + self._settle for intent in round_.unclear}
        over = [
            intent
            for intent in round_.unclear
            if ends[intent] <= looked_at or not round_.how.settle
        ]
        if over and error is not None:
            raise error  # nobody may look: the intents stay open
        round_.not_there(over)
        left = [(ends[intent] - looked_at).total_seconds() for intent in round_.unclear]
        return min(left, default=0.0)


@dataclass(frozen=True, slots=True)
class _Doubt:
    """What is written down of a call that got no answer and shows no effect.

    Parameters
    ----------
    how
        See `mavis_core.changes.model.Outcome`.
    words
        With the names of the call's action and target.
    """

    how: str
    words: str


_UNSEEN = _Doubt("unknown", "Nobody knows whether {action} of {target} has happened")
_NOT_THERE = _Doubt("failed", "{action} of {target} got no answer, and its effect is not there")


@dataclass(slots=True)
class _Round:
    """Calls on their way: those to make, those of which nobody knows, and outcomes."""

    database: Database
    ctx: CallContext
    work: Work
    how: Effects
    fresh: deque[Call] = field(default_factory=deque)
    again: deque[Intent] = field(default_factory=deque)
    unclear: list[Intent] = field(default_factory=list)
    outcomes: dict[tuple[str, str], Outcome] = field(default_factory=dict)
    tries: int = _MAX_TRIES
    doubt: _Doubt = _UNSEEN
    _ours: set[str] = field(default_factory=set)
    _errors: dict[str, CloudUnreachable] = field(default_factory=dict)
    _unanswered: dict[str, datetime] = field(default_factory=dict)

    def sort(self, call: Call, intent: Intent | None) -> None:
        """Put a call where it belongs by what the ledger knows of it."""
        if intent is None:
            self.fresh.append(call)
        elif intent.state is IntentState.DONE:
            self._ended(intent, Outcome(call, intent.id, intent.made, "known"))
        elif intent.state is IntentState.FAILED:
            self.again.append(intent)  # refused before: a new attempt may try, in the same line
        else:
            self.unclear.append(intent)

    def since(self, intent: Intent) -> datetime:
        """Return when the call of an intent may last have been made.

        A call may begin long after its intent: what is done around it takes its time.
        """
        alive = self.work.last_alive
        if intent.id in self._ours:
            return max(intent.called_at, self._unanswered.get(intent.id, intent.called_at))
        if alive is None:
            return intent.called_at
        return max(intent.called_at, alive)

    def adopt(self, found: Mapping[Intent, tuple[str, ...]]) -> None:
        """Write down that an earlier try had its effect."""
        self._commit(
            [
                (intent, Outcome(intent.call, intent.id, made, "adopted"))
                for intent, made in found.items()
            ]
        )
        self.unclear = [intent for intent in self.unclear if intent not in found]

    def not_there(self, over: Iterable[Intent]) -> None:
        """Let calls that had no effect be made again, or fail where they were tried enough."""
        for intent in over:
            self.unclear.remove(intent)
            if intent.tries < self.tries:
                self.again.append(intent)
                continue
            call, error, how = intent.call, self._errors.get(intent.id), "failed"
            if error is None:
                words, how = self.doubt.words, self.doubt.how
                error = CloudUnreachable(words.format(action=call.action, target=call.target))
            self._commit([(intent, Outcome(call, intent.id, (), how, error))])

    def make(self) -> None:
        """Make every call that waits; those without a clear answer are `unclear` after it."""
        threads = min(self.how.threads, len(self.fresh) + len(self.again))
        if threads == 1:
            self._make_all(_Here(), 1)
            return
        with ThreadPoolExecutor(threads, thread_name_prefix="cloud") as pool:
            self._make_all(pool, threads)

    def _make_all(self, pool: Executor, threads: int) -> None:
        flying: dict[Future[Sequence[str]], Intent] = {}
        ended: list[tuple[Intent, Outcome]] = []
        end: BaseException | None = None
        while flying or ended or (end is None and (self.fresh or self.again)):
            room = 0 if end is not None else threads - len(flying)
            try:
                begun = self._commit(ended, room)
            except Cancelled as exc:
                end, begun = exc, self._commit(ended)
            for intent in begun:
                call = partial(self.how.make, intent.call, intent.id)
                flying[pool.submit(copy_context().run, call)] = intent
            ended = []
            for future in _done(flying):
                intent = flying.pop(future)
                problem = future.exception()
                if problem is not None and not isinstance(problem, Exception):
                    raise problem  # the process ends: nothing more is written
                end = self._judge(intent, future, problem, ended) or end
        if end is not None:
            raise end

    def _judge(
        self,
        intent: Intent,
        future: Future[Sequence[str]],
        problem: BaseException | None,
        ended: list[tuple[Intent, Outcome]],
    ) -> BaseException | None:
        """Sort a call that has ended; return what ends all of them."""
        call = intent.call
        if problem is None:
            ended.append((intent, Outcome(call, intent.id, tuple(future.result()))))
        elif isinstance(problem, CloudUnreachable):  # the one error after which nobody knows
            self.unclear.append(intent)
            self._errors[intent.id] = problem
            self._unanswered[intent.id] = clock.now()
        elif isinstance(problem, Unavailable) or not isinstance(problem, MavisError):
            return problem  # a part of the appliance, or a bug: the next attempt looks
        else:
            ended.append((intent, Outcome(call, intent.id, (), "failed", problem)))
        return None

    def _commit(self, ended: Sequence[tuple[Intent, Outcome]], room: int = 0) -> list[Intent]:
        """Write down outcomes, and the intents of the next calls, in one transaction."""
        fresh = [self.fresh[number] for number in range(min(room, len(self.fresh)))]
        more = [self.again[number] for number in range(min(room - len(fresh), len(self.again)))]
        begun: list[Intent] = []
        if not (ended or fresh or more):
            return begun
        with self.database.write() as tx:
            intents.keep_hold(tx, self.work, beginning=bool(fresh or more))
            if ended:
                intents.end(tx, self.ctx, self.work, ended)
                self.how.note(tx, [outcome for _, outcome in ended])
            if fresh:
                begun += intents.begin(tx, self.ctx, self.work, fresh)
            if more:
                begun += intents.again(tx, self.ctx, self.work, more)
        for intent, outcome in ended:
            self._ended(intent, outcome)
        for _ in fresh:
            self.fresh.popleft()
        for _ in more:
            self.again.popleft()
        self._ours.update(intent.id for intent in begun)
        return begun

    def _ended(self, intent: Intent, outcome: Outcome) -> None:
        self.outcomes[intent.call.action, intent.call.target] = outcome


class _Here(Executor):
    """Runs a call in the thread that submits it: one call needs no other."""

    def submit(self, fn, /, *args, **kwargs):  # type: ignore[no-untyped-def]  # Executor's form
        future: Future[Sequence[str]] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as exc:  # noqa: BLE001  # what was raised is the answer
            future.set_exception(exc)
        return future


def _never(call: Call, _intent: str) -> Sequence[str]:
    raise Internal(f"{call.action} of {call.target} is only looked for")


def _done(flying: Mapping[Future[Sequence[str]], Intent]) -> Iterable[Future[Sequence[str]]]:
    """Return calls that have ended, those that end within a moment of each other together."""
    if not flying:
        return ()
    wait(flying, return_when=FIRST_COMPLETED)
    return wait(flying, timeout=_GATHER_S, return_when=ALL_COMPLETED).done


def _first(found: Iterable[Sequence[str]], limit: int = 5) -> list[str]:
    ids = [one for made in found for one in made]
    return [*ids[:limit], "..."] if len(ids) > limit else ids
