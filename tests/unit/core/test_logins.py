"""Logins by browser: what a command line is told, who may answer, and that nothing piles up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from core_double import Core, call
from mavis_core import clock
from mavis_core.db import tables
from mavis_core.errors import (
    InvalidInput,
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
from mavis_core.logins import service
from mavis_core.logins.model import (
    INTERVAL,
    LIFETIME,
    DeviceLogin,
    Grant,
    State,
    network_of,
    new_device_code,
    new_user_code,
    user_code,
)
from mavis_core.testing.cloud import FakeCloud

OLGA, EVE = call("olga"), call("eve")
AUTHORITY = b"what olga's browser brought"
WRONG = "BBBB-BBBB"


@dataclass
class Time:
    """The clock of a test."""

    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def passes(self, by: timedelta) -> None:
        self.now += by


@pytest.fixture
def time() -> Iterator[Time]:
    found = Time()
    with clock.set_clock(lambda: found.now):
        yield found


def begin(core: Core, source: str = "192.0.2.7") -> tuple[DeviceLogin, str]:
    return core.logins.begin(program="mavis", client="laptop", source=source)


def collect(core: Core, code: str, program: str = "mavis") -> bytes:
    def make(grant: Grant) -> bytes:
        return grant.person.encode() + b": " + grant.authority

    return core.logins.collect(
        code, make, program=program, source="192.0.2.7", request_id="req_poll"
    )


def rows(core: Core, table: sa.Table = tables.device_logins) -> list[dict[str, object]]:
    with core.database.read() as tx:
        return [dict(row) for row in tx.execute(sa.select(table)).mappings()]


def told(core: Core) -> list[tuple[object, ...]]:
    return [
        (each["action"], each["person"], each["outcome"], each["source"])
        for each in core.records_ever()
        if str(each["action"]).startswith("login.")
    ]


def test_what_a_person_allows_is_handed_out_once(core: Core, time: Time) -> None:
    login, code = begin(core)
    with pytest.raises(LoginPending):
        collect(core, code)
    assert core.logins.look(OLGA, login.user_code).client == "laptop"
    assert core.logins.allow(OLGA, login.id, AUTHORITY).state is State.ALLOWED
    time.passes(INTERVAL)
    assert collect(core, code) == b"olga: " + AUTHORITY
    with pytest.raises(LoginNotGiven, match="happens once"):
        collect(core, code)
    assert core.logins.look(OLGA, login.user_code).state is State.USED


def test_each_step_has_a_record_with_person_machine_and_address(core: Core, time: Time) -> None:
    login, code = begin(core)
    assert told(core) == []  # strangers write none
    core.logins.look(OLGA, login.user_code)
    core.logins.look(OLGA, login.user_code)
    core.logins.allow(OLGA, login.id, AUTHORITY)
    collect(core, code)
    assert told(core) == [
        ("login.ask", "olga", "ok", "test"),
        ("login.allow", "olga", "ok", "test"),
        ("login.give", "olga", "ok", "192.0.2.7"),
    ]
    records = core.records_ever()[-3:]
    assert {each["correlation_id"] for each in records} == {login.correlation_id}
    for record in records:
        assert record["data"] == {"client": "laptop", "address": "192.0.2.7"}
        assert "mavis login from laptop (192.0.2.7)" in str(record["summary"])
    assert records[-1]["request_id"] == "req_poll"


def test_a_denied_login_stays_denied(core: Core) -> None:
    login, code = begin(core)
    assert core.logins.deny(OLGA, login.user_code).state is State.DENIED
    assert core.logins.allow(EVE, login.id, AUTHORITY).state is State.DENIED
    for _ in range(2):
        with pytest.raises(LoginDenied, match="olga"):
            collect(core, code)
    assert told(core)[-1] == ("login.deny", "olga", "ok", "test")


def test_the_first_answer_counts(core: Core) -> None:
    login, code = begin(core)
    core.logins.allow(OLGA, login.id, AUTHORITY)
    assert core.logins.allow(EVE, login.id, b"another's").person == "olga"
    assert core.logins.deny(EVE, login.user_code).state is State.ALLOWED
    assert collect(core, code) == b"olga: " + AUTHORITY


def test_nobody_s_answer_comes_too_late_to_matter(core: Core, time: Time) -> None:
    login, code = begin(core)
    time.passes(LIFETIME)
    assert core.logins.look(OLGA, login.user_code).state is State.EXPIRED
    assert core.logins.allow(OLGA, login.id, AUTHORITY).state is State.EXPIRED
    assert core.logins.deny(OLGA, login.user_code).state is State.EXPIRED
    with pytest.raises(LoginExpired):
        collect(core, code)
    assert told(core) == []


def test_what_is_not_fetched_in_time_is_not_handed_out(core: Core, time: Time) -> None:
    login, code = begin(core)
    time.passes(LIFETIME - timedelta(seconds=1))
    core.logins.allow(OLGA, login.id, AUTHORITY)
    time.passes(timedelta(seconds=1))
    with pytest.raises(LoginExpired):
        collect(core, code)


def test_whoever_asks_too_fast_is_told_so_and_writes_nothing(core: Core, time: Time) -> None:
    _, code = begin(core)
    with pytest.raises(LoginPending):
        collect(core, code)
    before = rows(core)
    time.passes(INTERVAL - timedelta(milliseconds=1))
    with pytest.raises(PolledTooFast):
        collect(core, code)
    assert rows(core) == before
    time.passes(timedelta(milliseconds=1))
    with pytest.raises(LoginPending):
        collect(core, code)


def test_an_unknown_code_and_another_program_get_nothing(core: Core) -> None:
    login, code = begin(core)
    core.logins.allow(OLGA, login.id, AUTHORITY)
    for given_code, program in ((new_device_code(), "mavis"), ("", "mavis"), (code, "other")):
        with pytest.raises(LoginNotGiven) as caught:
            collect(core, given_code, program)
        assert type(caught.value) is LoginNotGiven
    assert collect(core, code)


def test_neither_code_nor_authority_lies_in_the_database(core: Core) -> None:
    login, code = begin(core)
    core.logins.allow(OLGA, login.id, AUTHORITY)
    (row,) = rows(core)
    kept = repr(row) + repr(core.records_ever())
    assert code not in kept
    assert AUTHORITY.decode() not in kept
    assert row["authority"] is not None
    collect(core, code)
    assert rows(core)[0]["authority"] is None


def test_what_was_sealed_for_one_login_does_not_open_as_another_s(core: Core) -> None:
    mine, my_code = begin(core)
    other, _ = begin(core)
    core.logins.allow(OLGA, mine.id, AUTHORITY)
    core.logins.allow(OLGA, other.id, AUTHORITY)
    swapped = {row["id"]: row["authority"] for row in rows(core)}
    table = tables.device_logins
    with core.database.write() as tx:
        change = sa.update(table).where(table.c.id == mine.id)
        tx.execute(change.values(authority=swapped[other.id]))
    with pytest.raises(MavisError):
        collect(core, my_code)


def test_a_hub_that_is_down_costs_nobody_their_login(core: Core) -> None:
    login, code = begin(core)
    core.logins.allow(OLGA, login.id, AUTHORITY)

    def down(grant: Grant) -> bytes:
        raise Unavailable("JupyterHub does not answer")

    with pytest.raises(Unavailable):
        core.logins.collect(code, down, program="mavis", source="", request_id="req_1")
    assert collect(core, code) == b"olga: " + AUTHORITY


def test_a_login_that_the_hub_refuses_is_over_and_recorded(core: Core) -> None:
    login, code = begin(core)
    core.logins.allow(OLGA, login.id, AUTHORITY)

    def refuse(grant: Grant) -> bytes:
        raise LoginNotGiven("The Hub says no")

    with pytest.raises(LoginNotGiven, match="The Hub says no"):
        core.logins.collect(code, refuse, program="mavis", source="192.0.2.7", request_id="req_1")
    assert told(core)[-1] == ("login.give", "olga", "failed", "192.0.2.7")
    assert core.records_ever()[-1]["error_code"] == "invalid_grant"
    assert rows(core)[0]["authority"] is None
    with pytest.raises(LoginNotGiven, match="happens once"):
        collect(core, code)


# Guessing


def test_five_wrong_codes_are_all_that_a_person_has(core: Core, time: Time) -> None:
    login, _ = begin(core)
    for _ in range(5):
        with pytest.raises(NotFound):
            core.logins.look(EVE, WRONG)
    for code in (WRONG, login.user_code):
        with pytest.raises(TooManyRequests, match="5 wrong codes"):
            core.logins.look(EVE, code)
        with pytest.raises(TooManyRequests):
            core.logins.deny(EVE, code)
    assert told(core) == [("login.guess", "eve", "refused", "test")]
    assert core.logins.look(OLGA, login.user_code).state is State.WAITING
    time.passes(timedelta(minutes=10))
    assert core.logins.look(EVE, login.user_code).state is State.EXPIRED


def test_the_time_of_wrong_codes_begins_with_the_first(core: Core, time: Time) -> None:
    for _ in range(4):
        with pytest.raises(NotFound):
            core.logins.look(EVE, WRONG)
    time.passes(timedelta(minutes=10))
    for _ in range(5):
        with pytest.raises(NotFound):
            core.logins.look(EVE, WRONG)
    with pytest.raises(TooManyRequests):
        core.logins.look(EVE, WRONG)


def test_a_right_code_and_a_mistyped_one_are_no_guesses(core: Core) -> None:
    login, _ = begin(core)
    for text in ("", "ABC", "AAAA-AAAA", "WDJBMJHTX", "wdjb mjh"):
        with pytest.raises(InvalidInput):
            core.logins.look(EVE, text)
    for _ in range(9):
        core.logins.look(EVE, login.user_code)
    (row,) = rows(core, tables.wrong_codes)
    assert row["count"] == 0


@given(st.integers(0, 6), st.sampled_from(["{}", "{}-{}", " {} {} ", "{}\t{}"]), st.booleans())
def test_a_code_is_taken_however_it_is_typed(at: int, form: str, lower: bool) -> None:
    code = new_user_code()
    letters = code.replace("-", "")
    typed = letters if form == "{}" else form.format(letters[:at], letters[at:])
    assert user_code(typed.lower() if lower else typed) == code


@given(st.text(max_size=12))
def test_whatever_else_is_typed_is_no_code(text: str) -> None:
    try:
        code = user_code(text)
    except InvalidInput:
        return
    assert set(code) <= set("BCDFGHJKLMNPQRSTVWXZ-")
    assert len(code) == 9


# Bounds


def test_ten_logins_wait_for_one_network(core: Core, time: Time) -> None:
    for _ in range(10):
        last, _ = begin(core, "192.0.2.7")
    with pytest.raises(TooManyRequests, match=r"192\.0\.2\.7"):
        begin(core, "192.0.2.7")
    begin(core, "192.0.2.8")
    core.logins.deny(OLGA, last.user_code)
    begin(core, "192.0.2.7")
    time.passes(LIFETIME)
    begin(core, "192.0.2.7")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.7", "192.0.2.8", False),
        ("2001:db8:1:2::7", "2001:db8:1:2:ffff::1", True),
        ("2001:db8:1:2::7", "2001:db8:1:3::7", False),
        ("::ffff:192.0.2.7", "192.0.2.7", True),
        ("unknown", "unknown", True),
    ],
)
def test_addresses_of_one_subscriber_count_together(one: str, other: str, same: bool) -> None:
    assert (network_of(one) == network_of(other)) is same


def test_there_is_room_for_so_many_and_no_more(
    core: Core, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "_AT_MOST", 3)
    for number in range(3):
        last, _ = begin(core, f"192.0.2.{number}")
    core.logins.deny(OLGA, last.user_code)
    with pytest.raises(Unavailable, match="Too many"):
        begin(core, "192.0.2.99")
    time.passes(LIFETIME * 2 + timedelta(seconds=1))
    begin(core, "192.0.2.99")
    assert len(rows(core)) == 1


def test_what_is_over_is_forgotten_after_a_while(core: Core, time: Time) -> None:
    login, code = begin(core)
    with pytest.raises(NotFound):
        core.logins.look(EVE, WRONG)
    time.passes(LIFETIME + timedelta(minutes=9))
    begin(core)
    with pytest.raises(LoginExpired):
        collect(core, code)
    time.passes(timedelta(minutes=2))
    begin(core)
    with pytest.raises(LoginNotGiven, match="No login waits"):
        collect(core, code)
    assert rows(core, tables.wrong_codes) == []
    with pytest.raises(NotFound):
        core.logins.allow(OLGA, login.id, AUTHORITY)


@pytest.mark.parametrize("client", ["", "  ", "x" * 101, "lap\ntop", "lap\u202etop", "\x1b[31m"])
def test_a_machine_has_a_name_that_can_be_shown(core: Core, client: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        core.logins.begin(program="mavis", client=client, source="192.0.2.7")
    assert caught.value.field == "client_name"


def test_codes_are_long_and_never_the_same(core: Core, cloud: FakeCloud) -> None:
    made = [begin(core, f"192.0.2.{number}") for number in range(50)]
    assert len({login.user_code for login, _ in made}) == 50
    assert len({code for _, code in made}) == 50
    assert all(len(code) == 43 for _, code in made)  # 256 bits in base 64
