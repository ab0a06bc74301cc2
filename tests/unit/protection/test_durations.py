"""Lengths of time: what people write, and what is written for them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mavis_core.errors import InvalidInput
from mavis_core.protection.durations import duration, written


@pytest.mark.parametrize(
    ("text", "length", "canonical"),
    [
        ("90s", timedelta(seconds=90), "90s"),
        ("60s", timedelta(minutes=1), "1m"),
        ("15m", timedelta(minutes=15), "15m"),
        ("36h", timedelta(hours=36), "36h"),
        ("48h", timedelta(days=2), "2d"),
        ("7d", timedelta(days=7), "1w"),
        ("10d", timedelta(days=10), "10d"),
        ("8w", timedelta(weeks=8), "8w"),
        ("0m", timedelta(0), "0s"),
        ("007d", timedelta(days=7), "1w"),
    ],
)
def test_a_length_is_read_and_written_in_its_largest_unit(
    text: str, length: timedelta, canonical: str
) -> None:
    assert duration(text, field="f") == length
    assert written(length) == canonical


@pytest.mark.parametrize(
    "text", ["", "5", "m", "5 m", "-5m", "1.5h", "5M", "5m5s", "٣d", "5m\n", "1y"]
)
def test_what_is_no_length_is_told_the_form(text: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        duration(text, field="rules[0].grace")
    assert refused.value.field == "rules[0].grace"
    assert "90s, 15m, 36h" in refused.value.mend


@pytest.mark.parametrize("text", ["59s", "121m", "999999999999w"])
def test_a_length_out_of_bounds_is_told_the_bounds(text: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        duration(text, field="f", least=timedelta(minutes=1), most=timedelta(hours=2))
    assert "from 1m to 2h" in refused.value.message


@given(seconds=st.integers(0, 36_600 * 86_400))
def test_what_is_written_is_read_as_the_same(seconds: int) -> None:
    length = timedelta(seconds=seconds)
    assert duration(written(length), field="f") == length
