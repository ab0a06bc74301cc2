"""Those who follow the log are told what arrives, within bounds, by few looks at it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TypeVar

import pytest

from log_questions import make_record
from mavis_core.errors import Unavailable
from mavis_core.logs import Query
from mavis_core.logs.arrivals import Arrival, Arrived
from mavis_core.records import Record
from mavis_hub.log_process import followers as module
from mavis_hub.log_process.followers import Follower, Followers

T = TypeVar("T")
ALL = Query(projects=None)


@dataclass
class Log:
    """A log in memory that knows persons only, and how often it was asked."""

    records: list[Record] = field(default_factory=list)
    asked: int = 0
    away: bool = False
    most: int = 500

    def arrived(self, query: Query, after: int, upto: int) -> Arrived:
        self.asked += 1
        if self.away:
            raise Unavailable("The log is catching up")
        lines = list(enumerate(self.records, 1))[after:upto]
        fitting = [(at, each) for at, each in lines if query.person in (None, each.person)]
        told = fitting[-self.most :]
        return Arrived(tuple(told), len(fitting) - len(told))


@dataclass
class Scene:
    """A log and those who follow it."""

    log: Log
    followers: Followers

    def happen(self, *people: str, size: int = 1) -> None:
        """Let records arrive."""
        rng = random.Random(len(self.log.records))
        self.log.records += [
            replace(make_record(rng), person=each, summary="x" * size) for each in people
        ]
        self.followers.wake()


async def at_once(call: Callable[[], T]) -> T:
    return call()


def scene(log: Log) -> Scene:
    return Scene(log, Followers(log, lambda: len(log.records), at_once))


async def told(follower: Follower, within_s: float = 5.0) -> list[Arrival]:
    text = await follower.next(within_s)
    return [Arrival.from_line(line) for line in text.splitlines()]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PAUSE_S", 0.0)
    monkeypatch.setattr(module, "_AGAIN_S", 0.01)


def test_who_asks_for_the_same_shares_one_look_and_nothing_happening_costs_none() -> None:
    async def follow() -> None:
        each = scene(Log())
        with (
            each.followers.follow(ALL) as one,
            each.followers.follow(ALL) as two,
            each.followers.follow(replace(ALL, person="bob")) as bob,
        ):
            assert await told(one, 0.01) == [Arrival(0)]
            assert each.log.asked == 0
            each.happen("alice", "bob")
            first, second = await told(one)
            assert [first.number, second.number] == [1, 2]
            assert [first.record, second.record] == each.log.records
            assert await told(two) == [first, second]
            assert await told(bob) == [second]
            assert each.log.asked == 2
        each.happen("carol")
        await asyncio.sleep(0.02)
        assert each.log.asked == 2

    asyncio.run(follow())


@pytest.mark.parametrize(("size", "kept"), [(1, 500), (64 * 1024, 7)])
def test_one_who_is_slow_loses_the_oldest_and_hears_how_many(size: int, kept: int) -> None:
    async def follow() -> None:
        each = scene(Log())
        with each.followers.follow(ALL) as slow:
            for _ in range(8):
                each.happen(*["alice"] * 100, size=size)
                await asyncio.sleep(0.01)
            missed, *rest = await told(slow)
            assert (missed.missed, missed.number) == (800 - kept, 800 - kept)
            assert [arrival.number for arrival in rest] == list(range(801 - kept, 801))
            each.happen("alice")
            assert [arrival.number for arrival in await told(slow)] == [801]

    asyncio.run(follow())


def test_what_a_look_does_not_tell_is_counted_once() -> None:
    async def follow() -> None:
        each = scene(Log(most=3))
        with each.followers.follow(ALL) as follower:
            each.happen(*["alice"] * 10)
            missed, *rest = await told(follower)
            assert (missed.number, missed.missed) == (7, 7)
            assert [arrival.number for arrival in rest] == [8, 9, 10]

    asyncio.run(follow())


def test_one_who_comes_back_catches_up_while_more_arrives() -> None:
    async def follow() -> None:
        each = scene(Log())
        each.happen("alice", "alice", "alice")
        with each.followers.follow(ALL) as follower:
            each.happen("alice")
            await asyncio.sleep(0.02)
            await each.followers.catch_up(follower, 1)
            assert [arrival.number for arrival in await told(follower)] == [2, 3, 4]

    asyncio.run(follow())


def test_what_arrives_while_the_log_cannot_be_asked_is_told_afterwards() -> None:
    async def follow() -> None:
        each = scene(Log(away=True))
        with each.followers.follow(ALL) as follower:
            each.happen("alice")
            assert await told(follower, 0.05) == [Arrival(0)]
            each.log.away = False
            assert [arrival.number for arrival in await told(follower)] == [1]

    asyncio.run(follow())


def test_too_many_are_told_to_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST", 1)

    async def follow() -> None:
        each = scene(Log())
        with (
            each.followers.follow(ALL),
            pytest.raises(Unavailable, match="1 follow the log already"),
            each.followers.follow(ALL),
        ):
            pass
        with each.followers.follow(ALL) as follower:
            each.followers.close()
            assert follower.gone

    asyncio.run(follow())
