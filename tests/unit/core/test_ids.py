"""Ids sort by time, are unique, and say what they name."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mavis_core import clock
from mavis_core.errors import InvalidInput
from mavis_core.ids import Ids, check_id, id_before, new_id, time_of

MOMENTS = st.datetimes(min_value=datetime(2020, 1, 1), max_value=datetime(2090, 1, 1))  # noqa: DTZ001  # hypothesis wants naive bounds


@given(st.lists(MOMENTS, min_size=2, max_size=30))
def test_ids_of_one_process_sort_in_the_order_in_which_they_were_made(
    moments: list[datetime],
) -> None:
    """Whatever the clock does meanwhile."""
    ids = Ids()
    made = []
    for moment in moments:
        with clock.set_clock(lambda moment=moment: moment.replace(tzinfo=UTC)):
            made.append(ids.make("run"))
    assert made == sorted(made)
    assert len(set(made)) == len(made)


@given(MOMENTS)
def test_an_id_tells_when_it_was_made(moment: datetime) -> None:
    then = moment.replace(tzinfo=UTC)
    with clock.set_clock(lambda: then):
        made = Ids().make("run")
    assert abs(time_of(made) - then) <= timedelta(milliseconds=1)
    assert id_before(then, "run") <= made
    assert made < id_before(then + timedelta(milliseconds=2), "run")


def test_an_id_is_accepted_by_its_own_check() -> None:
    made = new_id("run")
    assert check_id(made, "run") == made


def test_ids_made_in_threads_are_unique() -> None:
    ids = Ids()
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: ids.make("run"), range(5000)))
    assert len(set(made)) == len(made)


def test_two_processes_do_not_meet_in_the_same_millisecond() -> None:
    now = clock.now()
    with clock.set_clock(lambda: now):
        assert len({Ids().make("run") for _ in range(2000)}) == 2000


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("", id="empty"),
        pytest.param("run_", id="no number"),
        pytest.param("prj_01m828gr570aa0cmqn15hd8fpv", id="another thing"),
        pytest.param("run_01m828gr570aa0cmqn15hd8fp", id="too short"),
        pytest.param("run_01m828gr570aa0cmqn15hd8fpv0", id="too long"),
        pytest.param("run_01m828gr570aa0cmqn15hd8fpv\n", id="line break"),
        pytest.param("RUN_01M828GR570AA0CMQN15HD8FPV", id="upper case"),
        pytest.param("run_" + "8" + "0" * 25, id="beyond 128 bits"),
        pytest.param("run_" + "0" * 25 + "u", id="letter that is none"),
        pytest.param("run_" + "0" * 25 + "\N{ARABIC-INDIC DIGIT ONE}", id="other digits"),
        pytest.param("run_x' or 1=1", id="SQL"),
    ],
)
def test_another_form_or_another_kind_is_refused(value: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_id(value, "run", field="run_id")
    assert refused.value.field == "run_id"
