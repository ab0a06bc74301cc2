"""Searches of the log are kept by a name, each person's for themselves."""

from __future__ import annotations

import pytest

from core_double import Core, call
from mavis_core.errors import InvalidInput, OverLimit
from mavis_core.logs import searches
from mavis_core.logs.searches import Search, Searches

FAILED = Search("what failed", {"outcome": "failed", "person": "Doe\\, Jane"})


@pytest.fixture
def kept(core: Core) -> Searches:
    return Searches(core.database)


def test_each_person_keeps_their_own(kept: Searches) -> None:
    olga, ben = call("olga"), call("ben")
    other = Search("all", {"project": "shop"})
    kept.keep(olga, FAILED)
    kept.keep(olga, other)
    assert kept.list(olga) == (other, FAILED)
    assert kept.list(ben) == ()
    kept.forget(ben, FAILED.name)
    kept.forget(olga, other.name)
    assert kept.list(olga) == (FAILED,)
    kept.forget(olga, "nothing")


def test_one_of_the_same_name_takes_the_place_of_another(
    kept: Searches, monkeypatch: pytest.MonkeyPatch
) -> None:
    olga = call("olga")
    monkeypatch.setattr(searches, "MOST_SEARCHES", 1)
    kept.keep(olga, FAILED)
    changed = Search(FAILED.name, {"outcome": "refused"})
    kept.keep(olga, changed)
    assert kept.list(olga) == (changed,)
    with pytest.raises(OverLimit, match="keeps 1 searches already"):
        kept.keep(olga, Search("one more", {"q": "x"}))
    assert kept.list(olga) == (changed,)
    kept.keep(call("ben"), FAILED)


@pytest.mark.parametrize("name", ["", " x", "x" * 61, "a\nb", "\ud800"])
def test_a_name_is_a_short_line(kept: Searches, name: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        kept.keep(call("olga"), Search(name, {"q": "x"}))
    assert caught.value.field == "name"


def test_what_looks_for_everything_is_not_kept(kept: Searches) -> None:
    with pytest.raises(InvalidInput, match="looks for everything"):
        kept.keep(call("olga"), Search("all", {"q": ""}))
