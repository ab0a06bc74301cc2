"""A number of a stream that never came is a gap; one that came late or twice is none."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from mavis_core.logs.completeness import Completeness, Gap


def line(stream: object, sequence: object, time: str = "2030-01-31T12:00:00.000000Z") -> bytes:
    value = {"stream": stream, "sequence": sequence, "time": time}
    return json.dumps(value, separators=(",", ":")).encode()


@given(numbers=st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 30)), max_size=60))
def test_gaps_are_what_a_look_at_all_numbers_finds(numbers: list[tuple[str, int]]) -> None:
    found = Completeness()
    for name, number in numbers:
        found.add(line(name, number))
    missing = {
        (name, number)
        for name in {name for name, _ in numbers}
        for number in range(1, max(n for it, n in numbers if it == name))
        if (name, number) not in numbers
    }
    told = [(gap.stream, number) for gap in found.gaps for number in range(gap.first, gap.last + 1)]
    assert set(told) == missing
    assert len(told) == len(missing)
    assert told == sorted(told)
    touching = zip(found.gaps, found.gaps[1:], strict=False)
    assert all(a.stream != b.stream or a.last + 1 < b.first for a, b in touching)
    assert (found.records, found.streams) == (len(numbers), len({name for name, _ in numbers}))


def test_a_gap_says_when_it_was_seen() -> None:
    found = Completeness()
    found.add(line("krn_1", 1))
    found.add(line("krn_1", 4, "2030-01-31T12:00:05.000000Z"))
    assert found.gaps == [Gap("krn_1", 2, 3, "2030-01-31T12:00:05.000000Z")]


def test_what_has_no_number_is_passed_over() -> None:
    found = Completeness()
    for each in (
        b"",
        b'{"stream":',
        line(None, None),
        line("a", None),
        line("a", True),
        line("a", 0),
        line(7, 3),
        b'["stream":1]',
        b'["\\"stream\\":", 1]',
    ):
        found.add(each)
    assert (found.records, found.streams, found.gaps) == (0, 0, [])
