"""Blackouts: which moments they cover, and when they end."""

from __future__ import annotations

from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

import pytest

from mavis_core.protection.slots.blackouts import Blackout, Span, Weekday, Weekly, covered_until

BERLIN = ZoneInfo("Europe/Berlin")
MON, TUE, SAT, SUN = (Weekday.MONDAY, Weekday.TUESDAY, Weekday.SATURDAY, Weekday.SUNDAY)

office = Weekly((MON, TUE), time(8), time(18))
night = Weekly((MON,), time(22), time(6))
weekend = Weekly((SAT, SUN), time(0), time(0))


def span(begins: str, ends: str) -> Span:
    return Span(datetime.fromisoformat(begins), datetime.fromisoformat(ends))


def berlin(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN).astimezone(UTC)


@pytest.mark.parametrize(
    ("blackout", "local", "ends"),
    [
        pytest.param(office, "2026-06-08T07:59:59", None, id="a second before"),
        pytest.param(office, "2026-06-08T08:00", "2026-06-08T18:00", id="its first moment"),
        pytest.param(office, "2026-06-08T17:59:59", "2026-06-08T18:00", id="its last second"),
        pytest.param(office, "2026-06-08T18:00", None, id="its end"),
        pytest.param(office, "2026-06-10T12:00", None, id="another day"),
        pytest.param(night, "2026-06-08T23:00", "2026-06-09T06:00", id="before midnight"),
        pytest.param(night, "2026-06-09T05:59", "2026-06-09T06:00", id="after midnight"),
        pytest.param(night, "2026-06-08T05:00", None, id="the morning of its day"),
        pytest.param(night, "2026-06-09T23:00", None, id="the evening after"),
        pytest.param(weekend, "2026-06-06T12:00", "2026-06-07T00:00", id="24 hours"),
        pytest.param(weekend, "2026-06-07T23:59", "2026-06-08T00:00", id="the second 24 hours"),
        pytest.param(weekend, "2026-06-08T00:00", None, id="Monday"),
        pytest.param(
            span("2026-12-24T00:00", "2026-12-27T00:00"),
            "2026-12-26T12:00",
            "2026-12-27T00:00",
            id="Christmas",
        ),
        pytest.param(
            span("2026-12-24T00:00", "2026-12-27T00:00"), "2026-12-27T00:00", None, id="after it"
        ),
    ],
)
def test_a_blackout_covers_from_its_first_moment_and_ends_at_its_last(
    blackout: Blackout, local: str, ends: str | None
) -> None:
    moment = berlin(local)
    assert blackout.ends_at(moment, BERLIN) == (berlin(ends) if ends else None)
    assert blackout.covers(moment, BERLIN) is (ends is not None)


@pytest.mark.parametrize(
    ("blackout", "moment", "ends"),
    [
        pytest.param(
            span("2026-10-25T01:00", "2026-10-25T02:30"),
            "2026-10-25T01:15Z",
            "2026-10-25T01:30Z",
            id="until 02:30 that comes twice: the second one",
        ),
        pytest.param(
            span("2026-10-25T02:30", "2026-10-25T04:00"),
            "2026-10-25T00:30Z",
            "2026-10-25T03:00Z",
            id="from 02:30 that comes twice: the first one",
        ),
        pytest.param(
            Weekly((SUN,), time(1), time(2, 30)),
            "2026-03-29T00:59Z",
            "2026-03-29T01:00Z",
            id="until 02:30 that never comes: after the gap",
        ),
        pytest.param(
            Weekly((SUN,), time(2, 15), time(2, 45)),
            "2026-03-29T01:00Z",
            None,
            id="all of it never comes",
        ),
    ],
)
def test_where_clocks_are_changed_the_longer_reading_holds(
    blackout: Blackout, moment: str, ends: str | None
) -> None:
    expected = datetime.fromisoformat(ends) if ends else None
    assert blackout.ends_at(datetime.fromisoformat(moment), BERLIN) == expected


def test_of_several_blackouts_the_last_end_counts() -> None:
    both = (office, span("2026-06-08T12:00", "2026-06-08T20:00"))
    assert covered_until(both, berlin("2026-06-08T13:00"), BERLIN) == berlin("2026-06-08T20:00")
    assert covered_until(both, berlin("2026-06-08T09:00"), BERLIN) == berlin("2026-06-08T18:00")
    assert covered_until(both, berlin("2026-06-08T21:00"), BERLIN) is None
    assert covered_until((), berlin("2026-06-08T12:00"), BERLIN) is None
