"""Trying cases: each in whichever lane is free, several at the same time."""

from __future__ import annotations

import queue
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from integration.matrix import judge
from integration.matrix.cases import Case
from integration.matrix.evidence import Evidence, ids_in
from integration.matrix.forks import forks
from integration.matrix.lanes import Course, Lane, Prepared, lane
from integration.matrix.outcomes import Kind, Outcome, Tally
from integration.matrix.scenarios import SCENARIOS

T = TypeVar("T")
Choice = Callable[[Prepared], list[Case]]
_LANES = 4  # cases mostly wait
_WAITING = 200  # threads that wait for cases


@dataclass(frozen=True, slots=True)
class World:
    """A prepared scenario, and what was in its cloud before its Run.

    Parameters
    ----------
    log
        Every call of ours that came, while it was prepared and without a fault afterwards.
    """

    prepared: Prepared
    before: frozenset[str]
    log: tuple[dict[str, Any], ...] = ()


class Trial:
    """Tries scenarios with faults; see `trial`."""

    def __init__(
        self,
        lanes: Sequence[Lane],
        pool: ThreadPoolExecutor,
        waiting: ThreadPoolExecutor,
        folder: Path,
    ) -> None:
        self.tally = Tally()
        self._free: queue.SimpleQueue[Lane] = queue.SimpleQueue()
        for each in lanes:
            self._free.put(each)
        self._pool = pool
        self._waiting = waiting
        self._folder = folder
        self._lock = threading.Lock()
        self._worlds: dict[str, Future[World]] = {}

    def world(self, scenario: str) -> Future[World]:
        """Return a scenario's world; it is made when it is first asked for."""
        with self._lock:
            if scenario not in self._worlds:
                self._worlds[scenario] = self.in_a_lane(lambda lane: self._make(lane, scenario))
            return self._worlds[scenario]

    def begin(self, scenario: str, choose: Choice) -> Future[list[Outcome]]:
        """Try the cases of a scenario that `choose` takes from its calls, when lanes are free."""

        def do() -> list[Outcome]:
            world = self.world(scenario).result()
            cases = choose(world.prepared)
            begun = [
                self.in_a_lane(lambda lane, case=case: self._try(lane, world, case))  # type: ignore[misc]
                for case in cases
            ]
            return [each.result() for each in begun]

        self.world(scenario)
        return self._waiting.submit(do)

    def in_a_lane(self, work: Callable[[Lane], T]) -> Future[T]:
        """Do something as soon as a lane is free."""

        def do() -> T:
            lane = self._free.get()
            try:
                return work(lane)
            finally:
                self._free.put(lane)

        return self._pool.submit(do)

    def _make(self, lane: Lane, scenario: str) -> World:
        prepared = lane.prepare(scenario, self._folder / scenario)
        log = _ours(lane)
        before = ids_in(lane, prepared.facts)
        prepared, course = lane.clean_run(prepared)
        world = World(prepared, before)
        evidence, wrong = _judged(lane, world, course)
        world = replace(world, log=(*log, *_ours(lane)))
        run = evidence.run
        ends = SCENARIOS[scenario].ends
        assert run.state == ends, f"{scenario} without a fault: {run.state}, {run.code}"
        assert not wrong, f"{scenario} without a fault: {wrong}"
        return world

    def _try(self, lane: Lane, world: World, case: Case) -> Outcome:
        began = time.monotonic()
        try:
            course = lane.carry_out(world.prepared, case)
            outcome = _outcome(lane, world, case, course)
        except Exception:  # noqa: BLE001  # the case is wrong, and the others go on
            outcome = Outcome(case, Kind.WRONG, 0, "", (traceback.format_exc(),), 0.0)
        outcome = replace(outcome, seconds=time.monotonic() - began)
        self.tally.add(outcome)
        return outcome


def _ours(lane: Lane) -> list[dict[str, Any]]:
    return [call for call in lane.simulator.calls() if "mavis person/" in call["user_agent"]]


def _outcome(lane: Lane, world: World, case: Case, course: Course) -> Outcome:
    run, wrong = _judged(lane, world, course)
    kind = Kind.AT_ONCE if course.attempts == 1 else Kind.LATER
    if run.run.state not in ("succeeded", SCENARIOS[case.scenario].ends):
        kind = Kind.BLIND if run.blind else Kind.FAILED
    if not course.met:
        kind = Kind.UNMET
    if wrong:
        kind = Kind.WRONG
    return Outcome(case, kind, course.attempts, run.run.code, wrong, 0.0)


def _judged(lane: Lane, world: World, course: Course) -> tuple[Evidence, tuple[str, ...]]:
    """Return what was to be seen at the end, and what is wrong then or a day later."""
    scenario, facts = world.prepared.scenario, world.prepared.facts

    def look(may_go: frozenset[str]) -> Evidence:
        return Evidence(lane, facts, world.before, may_go=may_go)

    now = look(facts.may_go)
    wrong = judge.wrong_now(scenario, now)
    course = lane.a_day_later(course)
    wrong += judge.wrong_later(scenario, look(facts.may_go | facts.may_go_later))
    return now, (*wrong, *course.bugs)


@contextmanager
def trial(folder: Path) -> Iterator[Trial]:
    """Have lanes and the processes that work in them; everything is below `folder`."""
    with ExitStack() as stack:
        server = stack.enter_context(forks(folder))
        pool = stack.enter_context(ThreadPoolExecutor(_LANES, thread_name_prefix="lane"))
        opened = pool.map(
            lambda number: stack.enter_context(lane(server, folder / f"lane-{number}")),
            range(_LANES),
        )
        lanes = list(opened)
        waiting = stack.enter_context(ThreadPoolExecutor(_WAITING, thread_name_prefix="waiting"))
        stack.callback(pool.shutdown, cancel_futures=True)  # where somebody stops before the end
        yield Trial(lanes, pool, waiting, folder)
