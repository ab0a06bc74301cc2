"""Logins by browser when several act at the same moment, on both databases."""

from __future__ import annotations

from functools import partial

import pytest

from core_double import Core, at_once, call
from mavis_core.errors import LoginNotGiven, NotFound, TooManyRequests
from mavis_core.logins.model import Grant, State

ROUNDS = 8
OLGA, EVE = call("olga"), call("eve")


def collect(core: Core, code: str) -> str:
    def make(grant: Grant) -> str:
        return f"{grant.person}: {grant.authority.decode()}"

    return core.logins.collect(code, make, program="mavis", source="", request_id="req_1")


@pytest.mark.parametrize("number", range(ROUNDS))
def test_of_two_who_fetch_one_gets_it(shop_core: Core, number: int) -> None:
    login, code = shop_core.logins.begin(program="mavis", client="laptop", source="192.0.2.7")
    shop_core.logins.allow(OLGA, login.id, b"hers")
    told = at_once(*[partial(collect, shop_core, code)] * 3)
    assert [each for each in told if isinstance(each, str)] == ["olga: hers"]
    assert [type(each) for each in told if not isinstance(each, str)] == [LoginNotGiven] * 2


@pytest.mark.parametrize("number", range(ROUNDS))
def test_of_two_who_answer_the_first_counts(shop_core: Core, number: int) -> None:
    login, code = shop_core.logins.begin(program="mavis", client="laptop", source="192.0.2.7")
    at_once(
        partial(shop_core.logins.allow, OLGA, login.id, b"hers"),
        partial(shop_core.logins.deny, EVE, login.user_code),
        partial(shop_core.logins.allow, EVE, login.id, b"eve's"),
    )
    answers = [
        (record["action"], record["person"])
        for record in shop_core.records_ever()
        if record["action"] in ("login.allow", "login.deny")
    ]
    assert len(answers) == 1
    found = shop_core.logins.look(OLGA, login.user_code)
    assert answers[0][1] == found.person
    if found.state is State.DENIED:
        assert answers[0] == ("login.deny", "eve")
        return
    assert collect(shop_core, code) == {"olga": "olga: hers", "eve": "eve: eve's"}[found.person]


def test_guessing_in_parallel_gives_no_more_guesses(shop_core: Core) -> None:
    guess = partial(shop_core.logins.look, EVE, "BBBB-BBBB")
    with pytest.raises(NotFound):  # so that the row is there for which the others queue
        guess()
    told = [type(each) for each in at_once(*[guess] * 8)]
    assert told.count(NotFound) == 4
    assert told.count(TooManyRequests) == 4


def test_a_row_says_what_a_text_cannot(shop_core: Core) -> None:
    """What a machine is called goes through both databases as it is."""
    login, _ = shop_core.logins.begin(program="mavis", client="bücher-7 (日本)", source="::1")
    assert shop_core.logins.look(OLGA, login.user_code) == login.__class__(
        **{name: getattr(login, name) for name in login.__slots__} | {"person": "olga"}
    )
