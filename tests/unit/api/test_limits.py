"""How often one person may call, by a clock that the test moves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mavis_core.errors import TooManyRequests
from mavis_ext.limits import Limits


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def calls(limits: Limits, person: str) -> int:
    """Return how many calls somebody can make at once."""
    for made in range(1000):
        try:
            limits.take(person)
        except TooManyRequests:
            return made
    raise AssertionError("there is no limit")


def test_after_a_rest_a_burst_goes_and_then_one_at_a_time() -> None:
    clock = Clock()
    limits = Limits(2, 5, now=clock)
    assert calls(limits, "ada") == 5
    clock.now_s += 0.5
    assert calls(limits, "ada") == 1
    clock.now_s += 3600
    assert calls(limits, "ada") == 5


def test_who_is_refused_is_told_when_the_next_call_goes() -> None:
    clock = Clock()
    limits = Limits(0.25, 1, now=clock)
    limits.take("ada")
    with pytest.raises(TooManyRequests, match=r"ada calls more often than 0\.25 times") as caught:
        limits.take("ada")
    assert caught.value.retry_after_s == 4
    clock.now_s += 4
    limits.take("ada")


def test_one_who_calls_too_often_takes_nothing_from_others() -> None:
    limits = Limits(1, 3, now=Clock())
    assert [calls(limits, "ada"), calls(limits, "ada"), calls(limits, "olga")] == [3, 0, 3]


def test_of_very_many_people_those_are_forgotten_who_were_silent_longest() -> None:
    clock = Clock()
    limits = Limits(1, 2, now=clock)
    assert calls(limits, "last to call") == 2
    for number in range(9_999):
        limits.take(f"person-{number}")
    assert calls(limits, "last to call") == 0
    for number in range(9_999, 20_000):
        limits.take(f"person-{number}")
    assert calls(limits, "last to call") == 2


@given(
    rate=st.integers(1, 50),
    burst=st.integers(1, 20),
    waits=st.lists(st.floats(0, 3, allow_nan=False), max_size=60),
)
def test_over_any_time_no_more_goes_than_burst_and_rate_allow(
    rate: int, burst: int, waits: list[float]
) -> None:
    clock = Clock()
    limits = Limits(rate, burst, now=clock)
    made, began = 0, clock.now_s
    for wait in waits:
        clock.now_s += wait
        made += calls(limits, "ada")
        assert made <= burst + rate * (clock.now_s - began) + 1e-6
