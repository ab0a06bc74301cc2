"""The ledger: whatever goes wrong, an effect happens once or not at all, and the rows say which.

*Turn*: what becomes of one call to the cloud. Every sequence of turns is tried, against clouds
that show what was made at once or late, and that sometimes let nobody look.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from enum import StrEnum

import pytest
import sqlalchemy as sa

from core_double import ACCOUNT, REGION, Core, call
from mavis_core import clock
from mavis_core.changes.ledger import Ledger
from mavis_core.changes.model import Call, Work
from mavis_core.db import tables
from mavis_core.errors import (
    CloudDenied,
    CloudThrottled,
    CloudUnreachable,
    Interrupted,
    MavisError,
    Unavailable,
)
from mavis_core.records import Outcome, Phase, Record
from mavis_core.testing.cloud import FakeCloud

SETTLE_S = 30.0
MAX_TRIES = 5


class Turn(StrEnum):
    OK = "ok"
    LOST_AFTER = "the answer is lost"
    LOST_BEFORE = "the call is lost"
    REFUSED = "the cloud refuses"
    KILLED_BEFORE = "killed before the effect"
    KILLED_AFTER = "killed after the effect"


HAS_EFFECT = (Turn.OK, Turn.LOST_AFTER, Turn.KILLED_AFTER)


class Killed(BaseException):
    """Stands for kill -9."""


class Time(threading.Event):
    """Passes only where somebody waits; an event, as the ledger wants it."""

    def __init__(self) -> None:
        super().__init__()
        self.now = clock.now()

    def __call__(self) -> datetime:
        return self.now

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self.now += timedelta(seconds=timeout)
        return self.is_set()


class Scripted:
    """A cloud that takes its turns from a list, and shows what it made after `shows_after_s`."""

    def __init__(
        self, time: Time, turns: Sequence[Turn], *, shows_after_s: float = 0, blind_looks: int = 0
    ) -> None:
        self.made: dict[str, tuple[str, datetime]] = {}
        self.calls = 0
        self._time = time
        self._turns = iter(turns)
        self._shows_after = timedelta(seconds=shows_after_s)
        self._blind = itertools.cycle([CloudUnreachable, CloudThrottled])
        self.blind_looks = blind_looks

    def make(self, intent: str) -> Sequence[str]:
        self.calls += 1
        turn = next(self._turns, Turn.OK)
        name = f"thing-{self.calls}"
        if turn in HAS_EFFECT:
            self.made[name] = (intent, self._time.now)
        if turn in (Turn.KILLED_AFTER, Turn.KILLED_BEFORE):
            raise Killed
        if turn in (Turn.LOST_AFTER, Turn.LOST_BEFORE):
            raise CloudUnreachable("no answer")
        if turn is Turn.REFUSED:
            raise CloudDenied("may not")
        return (name,)

    def find(self, intent: str) -> Sequence[str]:
        if self.blind_looks:
            self.blind_looks -= 1
            raise next(self._blind)("nobody may look")
        shown = self._time.now - self._shows_after
        return [name for name, (tag, when) in self.made.items() if tag == intent and when <= shown]


class Bench:
    """A ledger over a real database; each case has a target of its own."""

    def __init__(self, core: Core, run_id: str, project_id: str) -> None:
        self.core = core
        self.time = Time()
        self._run_id = run_id
        self._project_id = project_id
        self._targets = (f"target-{number}" for number in itertools.count())
        self.next()

    def next(self) -> None:
        """Begin another case."""
        self.target = next(self._targets)

    def attempt(self, cloud: Scripted, *, settle: bool = True) -> tuple[str, ...]:
        """Ask for the effect, as one attempt at a Run does."""
        ledger = Ledger(self.core.database, settle_s=SETTLE_S, stop=self.time)
        with clock.set_clock(self.time):
            return ledger.effect(
                call("olga"),
                Work(self._run_id, self._project_id, 0),
                Call("cloud.Make", self.target, "env_1", REGION),
                find=cloud.find,
                make=cloud.make,
                say=lambda _: None,
                settle=settle,
            )

    def until_it_ends(self, cloud: Scripted) -> tuple[str, ...] | MavisError:
        """Let one attempt follow the other until one is not killed."""
        while True:
            try:
                return self.attempt(cloud)
            except Killed:
                self.time.now += timedelta(seconds=16)  # the claim of the dead worker ends
            except MavisError as exc:
                return exc

    def row(self) -> sa.Row[tuple[object, ...]]:
        table = tables.intents
        with self.core.database.read() as tx:
            return tx.execute(sa.select(table).where(table.c.target == self.target)).one()

    def story(self) -> list[Record]:
        return [r for r in self.core.records() if r.object == self.target]


@pytest.fixture
def bench(core: Core, cloud: FakeCloud) -> Bench:
    cloud.launch(ACCOUNT, REGION, "web-1")
    shop = core.shop()
    run = shop.start("inventory.discover")
    return Bench(core, run.id, run.project_id)


def sequences() -> Iterator[tuple[Turn, ...]]:
    """Yield every sequence of turns up to three, but for what can never come after an end."""
    ends = (Turn.OK, Turn.REFUSED)
    for length in (1, 2, 3):
        for turns in itertools.product(Turn, repeat=length):
            if not any(turn in ends for turn in turns[:-1]):
                yield turns


@pytest.mark.parametrize("blind_looks", [0, 3])
@pytest.mark.parametrize("shows_after_s", [0, SETTLE_S - 1])
def test_whatever_happens_there_is_one_effect_or_none_and_the_rows_say_which(
    bench: Bench, shows_after_s: float, blind_looks: int
) -> None:
    for turns in sequences():
        bench.next()
        cloud = Scripted(bench.time, turns, shows_after_s=shows_after_s, blind_looks=blind_looks)
        answer = bench.until_it_ends(cloud)
        row, story = bench.row(), bench.story()
        assert len(cloud.made) <= 1, turns
        if isinstance(answer, MavisError):
            assert isinstance(answer, CloudDenied), turns
            assert not cloud.made, f"an orphan: {turns}"
            assert row.state == "failed"
            assert row.error["code"] == "cloud_denied"
            assert story[-1].outcome is Outcome.FAILED
        else:
            assert list(answer) == list(cloud.made), turns
            assert (row.state, row.made) == ("done", list(cloud.made))
            assert story[-1].outcome is Outcome.OK
        assert row.tries == cloud.calls, turns
        begun = [record for record in story if record.phase is Phase.INTENT]
        assert len(begun) == cloud.calls, f"no call without a record before it: {turns}"
        assert [record.phase for record in story].count(Phase.OUTCOME) == 1


def test_what_is_done_is_not_done_again(bench: Bench) -> None:
    cloud = Scripted(bench.time, [])
    first = bench.attempt(cloud)
    assert bench.attempt(cloud) == first
    assert cloud.calls == 1


def test_an_effect_is_adopted_even_after_the_last_try(bench: Bench) -> None:
    turns = [Turn.LOST_BEFORE] * (MAX_TRIES - 1) + [Turn.LOST_AFTER]
    cloud = Scripted(bench.time, turns, shows_after_s=SETTLE_S - 1)
    assert list(bench.attempt(cloud)) == list(cloud.made)
    assert bench.row().state == "done"


def test_a_cloud_that_never_answers_is_given_up_and_nothing_is_there(bench: Bench) -> None:
    cloud = Scripted(bench.time, [Turn.LOST_BEFORE] * 99)
    began = bench.time.now
    with pytest.raises(CloudUnreachable):
        bench.attempt(cloud)
    assert (cloud.calls, cloud.made) == (MAX_TRIES, {})
    assert bench.row().state == "failed"
    assert bench.time.now - began >= MAX_TRIES * timedelta(seconds=SETTLE_S)


def test_where_nobody_may_look_the_intent_stays_open_for_the_next_attempt(bench: Bench) -> None:
    cloud = Scripted(bench.time, [Turn.LOST_AFTER], blind_looks=1000)
    with pytest.raises((CloudUnreachable, CloudThrottled)):
        bench.attempt(cloud)
    assert bench.row().state == "open"
    assert cloud.calls == 1, "it is not called again blindly"
    cloud.blind_looks = 0
    assert list(bench.attempt(cloud)) == list(cloud.made)
    assert bench.row().state == "done"


def test_a_worker_that_ends_while_it_looks_leaves_the_intent_open(bench: Bench) -> None:
    cloud = Scripted(bench.time, [Turn.LOST_AFTER], shows_after_s=5)
    bench.time.set()
    with pytest.raises(Interrupted):
        bench.attempt(cloud)
    assert bench.row().state == "open"
    bench.time.clear()
    assert list(bench.attempt(cloud)) == list(cloud.made)


def test_what_a_failing_part_of_the_appliance_interrupts_stays_open(bench: Bench) -> None:
    cloud = Scripted(bench.time, [])

    def full(intent: str) -> Sequence[str]:
        cloud.make(intent)
        raise Unavailable("the disk is full")

    broken = Scripted(bench.time, [])
    broken.make = full  # type: ignore[method-assign]  # a cloud whose call meets our own trouble
    with pytest.raises(Unavailable):
        bench.attempt(broken)
    assert bench.row().state == "open"
    assert list(bench.attempt(cloud)) == list(cloud.made)
    assert cloud.calls == 1


def test_what_was_refused_may_be_tried_again_in_the_same_line(bench: Bench) -> None:
    cloud = Scripted(bench.time, [Turn.REFUSED])
    with pytest.raises(CloudDenied):
        bench.attempt(cloud)
    assert list(bench.attempt(cloud)) == list(cloud.made)
    row = bench.row()
    assert (row.state, row.tries) == ("done", 2)


def test_a_repeatable_call_does_not_wait_for_the_cloud_to_settle(bench: Bench) -> None:
    cloud = Scripted(bench.time, [Turn.LOST_BEFORE, Turn.LOST_BEFORE])
    began = bench.time.now
    bench.attempt(cloud, settle=False)
    assert bench.time.now == began
    assert cloud.calls == 3


def test_a_call_that_begins_long_after_its_intent_has_its_whole_time_to_settle(
    bench: Bench,
) -> None:
    class Slow(Scripted):
        def make(self, intent: str) -> Sequence[str]:
            bench.time.now += timedelta(seconds=2 * SETTLE_S)  # what is done before it
            return super().make(intent)

    cloud = Slow(bench.time, [Turn.LOST_AFTER], shows_after_s=SETTLE_S / 2)
    assert list(bench.attempt(cloud)) == list(cloud.made)
    assert cloud.calls == 1


def test_a_slow_look_that_began_before_the_end_is_no_proof_of_absence(bench: Bench) -> None:
    """What it was shown is what the cloud had to show when it began."""
    cloud = Scripted(bench.time, [Turn.KILLED_AFTER], shows_after_s=SETTLE_S - 1)
    with pytest.raises(Killed):
        bench.attempt(cloud)
    look = cloud.find

    def slow_look(intent: str) -> Sequence[str]:
        found = look(intent)
        bench.time.now += timedelta(seconds=SETTLE_S)
        return found

    cloud.find = slow_look  # type: ignore[method-assign]  # the same cloud, behind a slow line
    assert bench.attempt(cloud) == ("thing-1",)
    assert cloud.calls == 1


def test_no_call_is_made_where_the_intent_cannot_be_written(bench: Bench) -> None:
    cloud = Scripted(bench.time, [])
    with bench.core.database.write() as tx:
        tx.exec_driver_sql(
            "CREATE TRIGGER no_records BEFORE INSERT ON records"
            " BEGIN SELECT RAISE(ABORT, 'the disk is full'); END"
        )
    with pytest.raises(MavisError):
        bench.attempt(cloud)
    assert cloud.calls == 0
    with bench.core.database.read() as tx:
        assert tx.scalar(sa.select(sa.func.count()).select_from(tables.intents)) == 0
