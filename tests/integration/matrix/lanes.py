"""A lane: a simulator and a folder, in which one case after the other is carried out."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from cloud.accounts import Held
from cloud.client import Simulator, running, write_aws_config
from cloud.witness import Witness
from integration.matrix.cases import Case, CloudCall, Fault, Write, calls_of
from integration.matrix.forks import Child, Forks
from integration.matrix.orders import SETTLE_S, Facts, Order, Report
from integration.matrix.scenarios import SCENARIOS
from integration.matrix.stage import PROFILE

_HALF_MADE_S = 8.0  # that snapshots take which are begun by a Run that is cut
_RESTS_S = 0.4  # so long no call comes before a worker is killed
_SPEED = {"snapshot_s": 0.05, "instance_s": 0.03, "volume_s": 0.02}
_ATTEMPTS = 14  # more than a Run may have
_LONGEST_S = 90.0
_LATER_S = 25 * 3600.0
_MORE_TICKS, _TICKS_AFTER_S = 2, 900.0
_ON_ITS_WAY = "SELECT 1 FROM copies WHERE state IN ('planned', 'running') LIMIT 1"
_BEFORE_S = 600.0  # so long ago worlds were made: nothing in them is new to the Run
_LATE_SETTLE_S = 20.0  # a late effect comes before it is over, however slow this machine is


class Stuck(AssertionError):
    """An attempt does not end."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A scenario's world, kept in files, and the calls of its clean run."""

    scenario: str
    cloud: Path
    database: Path
    facts: Facts
    calls: tuple[CloudCall, ...] = ()
    writes: tuple[Write, ...] = ()


@dataclass(frozen=True, slots=True)
class Course:
    """What happened in a case.

    Parameters
    ----------
    met
        Whether the call came that the fault waited for.
    attempts
        Processes that it took.
    bugs
        Tracebacks.
    now
        What the clock of the last one said at its end, in seconds since 1970.
    writes
        How often the first one that ended made its database durable.
    """

    met: bool
    attempts: int
    bugs: tuple[str, ...]
    now: float
    writes: int = 0


class Lane:
    """See `lane`."""

    def __init__(self, forks: Forks, simulator: Simulator, home: Path) -> None:
        self._forks = forks
        self.simulator = simulator
        self.home = home
        self.database = home / "mavis.sqlite"
        self._clients = Held(simulator.url)
        self.witness = Witness(simulator.url, self._clients)

    def prepare(self, scenario: str, folder: Path) -> Prepared:
        """Make a scenario's world, and keep it in `folder`; its clean run is still to come."""
        self._forget()
        self.close()
        self.simulator.reset()
        self.simulator.settings(**_SPEED)
        report = self._end(self._begin(time.time() - _BEFORE_S, prepare=scenario))
        assert report is not None, f"the process that prepares {scenario} has died"
        assert not report.bugs, report.bugs[0]
        assert report.facts is not None
        return self.keep(scenario, report.facts, folder)

    def close(self) -> None:
        """Close the witness's clients; a new look opens them again."""
        self._clients.drop()

    def keep(self, scenario: str, facts: Facts, folder: Path) -> Prepared:
        """Keep the lane's world as it is now in the new folder."""
        folder.mkdir()
        made = Prepared(scenario, folder / "cloud.sqlite", folder / "mavis.sqlite", facts)
        self.simulator.save(made.cloud)
        _copy(self.database, made.database)
        return made

    def clean_run(self, prepared: Prepared) -> tuple[Prepared, Course]:
        """Carry a scenario out without a fault, and return it with its calls.

        It is done twice: how often it is looked while something is waited for is chance, and
        only calls that come each time are counted on.
        """
        once, first = self._clean_run(prepared)
        twice, course = self._clean_run(prepared)
        calls = tuple(each for each in twice if each in set(once))
        writes = tuple(map(Write, range(1, min(first.writes, course.writes) + 1)))
        return replace(prepared, calls=calls, writes=writes), course

    def _clean_run(self, prepared: Prepared) -> tuple[list[CloudCall], Course]:
        self.restore(prepared)
        since = self._cut(prepared)
        self._refuse(prepared)
        course = self._attempts(None)
        return calls_of(self.simulator.calls(since=since)), course

    def _cut(self, prepared: Prepared) -> int:
        """Where the scenario has it so, let a worker die and a person cancel the Run.

        Returns
        -------
        int
            The number of the last call that has come.
        """
        cut = SCENARIOS[prepared.scenario].cut
        if cut is None:
            return 0
        self.simulator.settings(snapshot_s=_HALF_MADE_S)
        self.simulator.fault(cut.action, "hold_reply", skip=cut.number - 1, seconds=_LONGEST_S)
        assert self._kill_when_held(self._begin(time.time()), rests=True), "it ended before"
        self._let_go()
        report = self._end(self._begin(self._free_at(), cancel=prepared.facts.run_id))
        assert report is not None
        assert not report.bugs, report.bugs[0]
        self.simulator.settings(**_SPEED)
        return int(self.simulator.calls()[-1]["seq"])

    def _refuse(self, prepared: Prepared) -> None:
        """Where the scenario has it so, let a call be refused."""
        refusal = SCENARIOS[prepared.scenario].refusal
        if refusal is not None:
            self.simulator.fault(refusal.action, "deny", skip=refusal.number - 1)

    def carry_out(self, prepared: Prepared, case: Case) -> Course:
        """Carry a scenario out with the case's fault, until nothing is due."""
        self.restore(prepared)
        self._cut(prepared)
        call, fault = case.call, case.fault
        if isinstance(call, Write):
            self._refuse(prepared)
            course = self._attempts(None, call.number, fault.effect)
            self._quiet()
            return course
        self.simulator.fault(
            call.action,
            fault.effect,
            region=call.region,
            account=call.account,
            service=call.service,
            skip=call.number - 1,
            times=fault.times,
            seconds=fault.hidden_s or 60.0,
            hidden_s=fault.hidden_s,
        )
        self._refuse(prepared)
        waiting = self.simulator.faults_left(call.action, fault.effect)
        course = self._attempts(fault)
        left = self.simulator.faults_left(call.action, fault.effect)
        course = replace(course, met=left < waiting)
        self.simulator.clear_faults()  # nobody else is to meet them
        self._quiet()
        return course

    def a_day_later(self, course: Course) -> Course:
        """Let the timetable begin what is due a day later, and carry that out.

        Where something is on its way then, it looks some more times.
        """
        course = self._tick(replace(course, now=course.now + _LATER_S))
        for _ in range(_MORE_TICKS):
            if not self._ask(_ON_ITS_WAY):
                break
            course = self._tick(replace(course, now=course.now + _TICKS_AFTER_S))
        return course

    def _tick(self, course: Course) -> Course:
        now, bugs, attempts = course.now, course.bugs, 0
        while attempts == 0 or (self._unfinished() and attempts < _ATTEMPTS):
            report = self._end(self._begin(max(now, self._free_at()), tick=not attempts))
            assert report is not None, "an attempt has died that nobody killed"
            now, bugs, attempts = report.now + 0.1, bugs + report.bugs, attempts + 1
        return replace(course, bugs=bugs, now=now)

    def _attempts(self, fault: Fault | None, write: int = 0, effect: str = "") -> Course:
        now, bugs, attempts = time.time(), (), 0
        writes, met = 0, not effect
        rate = fault.rate if fault is not None else 1.0
        to_kill = fault is not None and fault.kills
        late = fault is not None and fault.effect == "late"
        settle_s = _LATE_SETTLE_S if late else SETTLE_S
        while attempts == 0 or (self._unfinished() and attempts < _ATTEMPTS):
            child = self._begin(
                max(now, self._free_at()),
                rate=rate,
                settle_s=settle_s,
                write=0 if met else write,
                effect="" if met else effect,
            )
            attempts += 1
            if to_kill and self._kill_when_held(child):
                to_kill = False
                if not late:
                    self._let_go()
                continue
            report = self._end(child)
            if not met:
                met = True
                if report is None and effect.startswith("kill"):
                    continue
            assert report is not None, "an attempt has died that nobody killed"
            now, bugs = report.now + 0.1, bugs + report.bugs
            writes = writes or report.writes
        return Course(
            met=True, attempts=attempts, bugs=bugs, now=max(now, self._free_at()), writes=writes
        )

    def _kill_when_held(self, child: Child, *, rests: bool = False) -> bool:
        """Kill a process when its call is held; return False where it ended before.

        Parameters
        ----------
        rests
            Not before it has done everything else that it can.
        """
        end = time.monotonic() + _LONGEST_S
        while not self.simulator.wait_for_held(0.2):
            if child.ended(0):
                return False
            if time.monotonic() > end:
                child.kill()
                raise Stuck("the call never came, and the attempt does not end")
        if rests:
            self._rest()
        child.kill()
        return True

    def _rest(self) -> None:
        """Wait until no more calls come."""
        before, came = -1, 0
        while came != before:
            time.sleep(_RESTS_S)
            before, came = came, len(self.simulator.calls())

    def _let_go(self) -> None:
        """Let the held call go on, and wait until it is over."""
        self.simulator.release()
        self._quiet()

    def _begin(
        self,
        now: float,
        *,
        rate: float = 1.0,
        settle_s: float = SETTLE_S,
        prepare: str = "",
        cancel: str = "",
        tick: bool = False,
        write: int = 0,
        effect: str = "",
    ) -> Child:
        return self._forks.begin(
            Order(
                self.home,
                self.simulator.url,
                now,
                rate=rate,
                prepare=prepare,
                cancel=cancel,
                tick=tick,
                settle_s=settle_s,
                write=write,
                effect=effect,
            )
        )

    def _end(self, child: Child) -> Report | None:
        if not child.ended(_LONGEST_S):
            child.kill()
            raise Stuck(f"an attempt does not end within {_LONGEST_S:.0f} s")
        return child.report()

    def restore(self, prepared: Prepared) -> None:
        """Have a kept world again."""
        self._let_go()
        self.simulator.load(prepared.cloud)
        self._forget()
        _copy(prepared.database, self.database)

    def _quiet(self) -> None:
        """Wait until every call that came is over."""
        end = time.monotonic() + _LONGEST_S
        while any(call["status"] is None for call in self.simulator.calls()):
            if time.monotonic() > end:
                raise Stuck("a call to the simulator is never over")
            time.sleep(0.02)

    def _forget(self) -> None:
        for ending in ("", "-wal", "-shm"):
            self.database.with_name(self.database.name + ending).unlink(missing_ok=True)

    def _unfinished(self) -> bool:
        return bool(self._ask("SELECT 1 FROM runs WHERE state IN ('queued', 'running') LIMIT 1"))

    def _free_at(self) -> float:
        """Return when nobody has a claim on a Run any more, in seconds since 1970."""
        sql = "SELECT max(lease_until) FROM runs WHERE state IN ('queued', 'running')"
        found = self._ask(sql)[0][0]
        return _moment(found) + 0.05 if found else 0.0

    def _ask(self, sql: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.database)) as database:
            return database.execute(sql).fetchall()


@contextmanager
def lane(forks: Forks, home: Path) -> Iterator[Lane]:
    """Have a lane of its own in the new folder `home`."""
    home.mkdir()
    with running() as simulator:
        write_aws_config(home / "aws-config", simulator.url, [PROFILE])
        simulator.settings(**_SPEED)
        with closing(Lane(forks, simulator, home)) as made:
            yield made


def _copy(before: Path, after: Path) -> None:
    with closing(sqlite3.connect(before)) as source, closing(sqlite3.connect(after)) as file:
        source.backup(file)


def _moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
