"""Logins by browser through everything that people and command lines may do, in any order.

Whatever happens: a login is handed out once at most, to whoever has its device code, for the first
person who answered and allowed it, while it lasts; and a person learns of five wrong codes at most
in ten minutes.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from core_double import call, sqlite_url
from mavis_core import clock
from mavis_core.db import Database, migrate, open_database, tables
from mavis_core.errors import (
    LoginDenied,
    LoginExpired,
    LoginNotGiven,
    LoginPending,
    MavisError,
    NotFound,
    PolledTooFast,
    TooManyRequests,
    Unavailable,
)
from mavis_core.logins.model import INTERVAL, LIFETIME, Grant, State
from mavis_core.logins.service import DeviceLogins

PEOPLE = {name: call(name) for name in ("olga", "eve")}
WINDOW = timedelta(minutes=10)
NETWORKS = ("192.0.2.1", "192.0.2.2")
people = st.sampled_from(sorted(PEOPLE))


@dataclass
class Expected:
    """A login as it should be."""

    id: str
    user_code: str
    device_code: str
    network: str
    begun: datetime
    answer: State | None = None
    by: str | None = None
    polled: datetime | None = None
    given: list[str] = field(default_factory=list)

    def is_over(self, now: datetime) -> bool:
        return now >= self.begun + LIFETIME

    def state(self, now: datetime) -> State:
        if self.given:
            return State.USED
        if self.answer is State.DENIED:
            return State.DENIED
        if self.is_over(now):
            return State.EXPIRED
        return self.answer or State.WAITING


class Logins(RuleBasedStateMachine):
    database: Database
    logins = Bundle("logins")

    def __init__(self) -> None:
        super().__init__()
        with self.database.write() as tx:
            for table in (tables.device_logins, tables.wrong_codes, tables.records):
                tx.execute(sa.delete(table))
        self.now = datetime(2026, 3, 1, 12, tzinfo=UTC)
        self.all: list[Expected] = []
        self.wrong: dict[str, list[datetime]] = {name: [] for name in PEOPLE}
        self.service = DeviceLogins(self.database)
        self.open = ExitStack()
        self.open.enter_context(clock.set_clock(lambda: self.now))

    def teardown(self) -> None:
        self.open.close()

    # What happens

    @rule(seconds=st.sampled_from([1, 4, 5, 60, 299, 300, 600]))
    def time_passes(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @rule(target=logins, network=st.sampled_from(NETWORKS))
    def a_command_line_begins(self, network: str) -> object:
        waiting = [
            each
            for each in self.all
            if each.network == network and each.state(self.now) is State.WAITING
        ]
        try:
            login, code = self.service.begin(program="mavis", client="laptop", source=network)
        except TooManyRequests:
            assert len(waiting) == 10
            return multiple()
        assert len(waiting) < 10
        made = Expected(login.id, login.user_code, code, network, self.now)
        self.all.append(made)
        return made

    @rule(login=logins, name=people)
    def a_person_looks(self, login: Expected, name: str) -> None:
        self._answered(login, name, lambda: self.service.look(PEOPLE[name], login.user_code))

    @rule(login=logins, name=people)
    def a_person_denies(self, login: Expected, name: str) -> None:
        if self._answered(login, name, lambda: self.service.deny(PEOPLE[name], login.user_code)):
            login.answer, login.by = State.DENIED, name

    @rule(login=logins, name=people)
    def a_person_allows(self, login: Expected, name: str) -> None:
        authority = f"{name} for {login.id}".encode()
        before = login.state(self.now)
        try:
            found = self.service.allow(PEOPLE[name], login.id, authority)
        except NotFound:
            assert login.is_over(self.now)
            return
        if before is State.WAITING:
            login.answer, login.by = State.ALLOWED, name
        assert found.state is login.state(self.now)

    @rule(name=people)
    def a_person_guesses(self, name: str) -> None:
        try:
            self.service.look(PEOPLE[name], "BBBB-BBBB")
        except NotFound:
            assert len(self._recent(name)) < 5
            self.wrong[name].append(self.now)
        except TooManyRequests:
            assert len(self._recent(name)) == 5

    @rule(login=logins, down=st.booleans())
    def the_command_line_asks(self, login: Expected, down: bool) -> None:
        before = login.state(self.now)

        def make(grant: Grant) -> str:
            if down:
                raise Unavailable("JupyterHub does not answer")
            assert grant.authority == f"{grant.person} for {login.id}".encode()
            return grant.person

        try:
            person = self.service.collect(
                login.device_code, make, program="mavis", source="", request_id="req_1"
            )
        except Unavailable:
            assert (before, down) == (State.ALLOWED, True)
        except LoginNotGiven as exc:
            self._refused(login, before, exc)
        else:
            assert (before, down, person) == (State.ALLOWED, False, login.by)
            login.given.append(person)

    # What must hold

    @invariant()
    def each_is_handed_out_once_at_most(self) -> None:
        assert all(len(each.given) <= 1 for each in self.all)

    @invariant()
    def nothing_lies_in_clear(self) -> None:
        with self.database.read() as tx:
            kept = repr(tx.execute(sa.select(tables.device_logins)).all())
        assert not any(each.device_code in kept for each in self.all)
        assert " for dvl_" not in kept

    def _answered(self, login: Expected, name: str, act: Callable[[], object]) -> bool:
        """Return whether a person's act met a login that waits."""
        before = login.state(self.now)
        try:
            act()
        except TooManyRequests:
            assert len(self._recent(name)) == 5
            return False
        except NotFound:  # it was forgotten, so that the code is a wrong one
            assert self.now > login.begun + LIFETIME + WINDOW
            self.wrong[name].append(self.now)
            return False
        return before is State.WAITING

    def _recent(self, name: str) -> list[datetime]:
        """Return the wrong codes that count: those within ten minutes of their first one."""
        counted: list[datetime] = []
        for moment in self.wrong[name]:
            if counted and moment - counted[0] >= WINDOW:
                counted = []
            counted.append(moment)
        return counted if counted and self.now - counted[0] < WINDOW else []

    def _refused(self, login: Expected, before: State, told: MavisError) -> None:
        assert type(told) in self._refusals(login, before)
        if isinstance(told, LoginPending):
            login.polled = self.now

    def _refusals(self, login: Expected, before: State) -> set[type[MavisError]]:
        too_fast = login.polled is not None and self.now - login.polled < INTERVAL
        known: dict[State, type[MavisError]] = {
            State.USED: LoginNotGiven,
            State.DENIED: LoginDenied,
            State.EXPIRED: LoginExpired,
            State.WAITING: PolledTooFast if too_fast else LoginPending,
        }
        forgotten = self.now > login.begun + LIFETIME + WINDOW
        return {known[before], *({LoginNotGiven} if forgotten else ())}


def test_logins_by_browser_in_any_order(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path)
    migrate(url)
    Logins.database = open_database(url)
    try:
        run_state_machine_as_test(  # type: ignore[no-untyped-call]
            Logins,
            settings=settings(max_examples=40, stateful_step_count=40),
        )
    finally:
        Logins.database.close()
