"""The calendar of a plan, and when one point goes."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mavis_core.errors import InvalidInput
from mavis_core.protection.retention.forecast import (
    LOOK_AHEAD,
    MOST_DAYS,
    MOST_POINTS,
    Due,
    Outlook,
    explain,
    forecast,
)
from mavis_core.protection.retention.policy import Fate, Keep, Point, Why, decide

BERLIN = ZoneInfo("Europe/Berlin")
START = datetime(2026, 11, 24, 9, tzinfo=UTC)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


def every(span: timedelta, *, rule: str = "daily", first: datetime = START) -> Iterator[Due]:
    due_at = first
    while True:
        yield rule, due_at
        due_at += span


def point(taken_at: datetime, **more: object) -> Point:
    return Point(f"{taken_at:%Y-%m-%dT%H:%M}", "web-1", taken_at, **more)  # type: ignore[arg-type]  # fields by name


def days_of(points: tuple[Point, ...]) -> list[int]:
    return [found.taken_at.day for found in points]


# The calendar


def test_a_day_tells_what_is_made_what_goes_and_what_stays() -> None:
    found = forecast(every(DAY), Keep(last=2), zone=BERLIN, start=START, days=4)
    assert [day.date for day in found] == [date(2026, 11, 24 + n) for n in range(4)]
    assert [[made.rule for made in day.made] for day in found] == [["daily"]] * 4
    assert [days_of(day.goes) for day in found] == [[], [], [24], [25]]
    assert [day.left for day in found] == [1, 2, 2, 2]


def test_a_point_may_be_made_and_go_on_the_same_day() -> None:
    first, second = forecast(
        every(HOUR, rule="hourly"), Keep(daily=1), zone=BERLIN, start=START, days=2
    )
    assert (len(first.made), len(first.goes), first.left) == (14, 13, 1)
    assert (len(second.made), len(second.goes), second.left) == (24, 24, 1)


def test_the_points_of_several_rules_are_kept_together() -> None:
    noon = every(DAY, rule="noon", first=START + 2 * HOUR)
    schedule = heapq.merge(every(DAY), noon, key=lambda due: due[1])
    found = forecast(schedule, Keep(last=3), zone=BERLIN, start=START, days=3)
    assert [made.rule for made in found[1].made] == ["daily", "noon"]
    assert [day.left for day in found] == [2, 3, 3]


def test_what_is_there_already_goes_in_its_time_and_what_was_due_is_not_made() -> None:
    existing = [point(START - n * DAY) for n in (1, 2, 3)]
    schedule = every(DAY, first=START - 5 * DAY)
    found = forecast(schedule, Keep(last=3), zone=BERLIN, start=START, days=2, existing=existing)
    assert [len(day.made) for day in found] == [1, 1]
    assert [days_of(day.goes) for day in found] == [[21], [22]]


def test_locks_and_holds_last_and_readers_end() -> None:
    existing = [
        point(START - 4 * DAY, held=True),
        point(START - 3 * DAY, locked_until=START + 2 * DAY),
        point(START - 2 * DAY, in_use=True),
        point(START - DAY, usable=False),
    ]
    found = forecast(every(DAY), Keep(last=1), zone=BERLIN, start=START, days=3, existing=existing)
    assert [days_of(day.goes) for day in found] == [[22, 23], [24], [21, 25]]
    assert found[-1].left == 2


def test_a_day_on_which_the_clocks_change_has_its_own_length() -> None:
    start = datetime(2026, 10, 24, 22, tzinfo=UTC)
    schedule = every(HOUR, rule="hourly", first=start)
    found = forecast(schedule, Keep(), zone=BERLIN, start=start, days=2)
    assert [(day.date.day, len(day.made)) for day in found] == [(25, 25), (26, 24)]


def test_a_plan_without_slots_keeps_what_it_has() -> None:
    found = forecast([], Keep(last=1), zone=BERLIN, start=START, days=9, existing=[point(START)])
    assert [(day.made, day.goes, day.left) for day in found] == [((), (), 1)] * 9


@pytest.mark.parametrize("days", [0, -1, MOST_DAYS + 1])
def test_a_calendar_has_bounds(days: int) -> None:
    with pytest.raises(InvalidInput) as caught:
        forecast([], Keep(), zone=BERLIN, start=START, days=days)
    assert caught.value.field == "days"


def test_more_points_than_can_be_run_through_are_refused() -> None:
    schedule = every(timedelta(milliseconds=1))
    with pytest.raises(InvalidInput, match="50,000 points"):
        forecast(schedule, Keep(last=1), zone=BERLIN, start=START, days=1)


# One point


def look(
    asked: Point, *others: Point, keep: Keep, schedule: Iterator[Due] | None = None
) -> Outlook:
    return explain(
        asked, [asked, *others], keep, zone=BERLIN, now=START, schedule=schedule or iter(())
    )


@pytest.mark.parametrize(
    ("asked", "keep", "goes_at"),
    [
        pytest.param(point(START - DAY), Keep(last=3), START + 3 * DAY, id="last"),
        pytest.param(point(START - DAY), Keep(daily=1), START + DAY, id="daily"),
        pytest.param(
            point(START - DAY), Keep(monthly=1), datetime(2026, 11, 25, 9, tzinfo=UTC), id="monthly"
        ),
        pytest.param(
            point(datetime(2026, 10, 31, 9, tzinfo=UTC)),
            Keep(monthly=2),
            datetime(2026, 12, 1, 9, tzinfo=UTC),
            id="the last one of a month",
        ),
        pytest.param(
            point(START - DAY), Keep(yearly=2), datetime(2027, 1, 1, 9, tzinfo=UTC), id="oldest"
        ),
        pytest.param(point(START - DAY), Keep(within=3 * DAY), START + 2 * DAY, id="within"),
        pytest.param(
            point(START - DAY, locked_until=START + DAY / 2),
            Keep(last=1),
            START + DAY,
            id="its place lasts longer than its lock",
        ),
        pytest.param(
            point(START - DAY, locked_until=START + 9 * DAY + HOUR),
            Keep(last=1),
            START + 9 * DAY + HOUR,
            id="its lock lasts longer than its place",
        ),
        pytest.param(point(START - HOUR, usable=False), Keep(), START + 23 * HOUR, id="incomplete"),
        pytest.param(
            point(START + 40 * DAY), Keep(last=2), START + 41 * DAY, id="taken in the future"
        ),
        pytest.param(
            point(START + 40 * DAY, usable=False), Keep(last=1), START + 41 * DAY, id="both"
        ),
    ],
)
def test_a_point_goes_when_the_plan_has_run_so_far(
    asked: Point, keep: Keep, goes_at: datetime
) -> None:
    found = look(asked, keep=keep, schedule=every(DAY, first=START + DAY))
    assert (found.verdict.fate, found.goes_at) == (Fate.KEEP, goes_at)


def test_the_sentence_names_the_day_in_the_plans_zone() -> None:
    found = look(point(START), keep=Keep(last=2), schedule=every(DAY, first=START + DAY))
    assert found.sentence == (
        "goes on Thu 26 Nov 2026, 10:00 CET at the earliest, if the plan runs as scheduled"
    )


@pytest.mark.parametrize(
    ("asked", "keep", "sentence"),
    [
        pytest.param(
            point(START - DAY, held=True),
            Keep(last=1),
            "stays as long as the legal hold is on it",
            id="held",
        ),
        pytest.param(point(START - DAY), Keep(), "stays: the plan keeps everything", id="no rule"),
        pytest.param(
            point(START - DAY),
            Keep(last=10_000),
            "stays until Fri 28 Nov 2031, 10:00 CET at least",
            id="longer than is looked ahead",
        ),
    ],
)
def test_of_some_points_no_end_is_seen(asked: Point, keep: Keep, sentence: str) -> None:
    found = look(asked, point(START), keep=keep, schedule=every(DAY, first=START + DAY))
    assert (found.goes_at, found.sentence) == (None, sentence)


def test_a_point_to_come_may_lie_before_one_of_a_wrong_clock() -> None:
    asked, other = point(START + 40 * DAY + HOUR), point(START + 50 * DAY)
    found = look(asked, other, keep=Keep(last=1), schedule=every(DAY))
    assert found.goes_at == START + 41 * DAY


def test_without_points_to_come_the_last_good_one_stays() -> None:
    found = look(point(START - 900 * DAY), keep=Keep(daily=1))
    assert found.goes_at is None
    assert found.seen_until == START + LOOK_AHEAD


def test_what_is_due_goes_now() -> None:
    found = look(point(START - DAY), point(START), keep=Keep(last=1))
    assert [reason.why for reason in found.verdict.reasons] == [Why.UNWANTED]
    assert (found.goes_at, found.sentence) == (START, "goes now: no rule of the plan wants it")


def test_what_is_kept_by_a_reader_alone_goes_when_nothing_reads_it() -> None:
    found = look(point(START - DAY, in_use=True), point(START), keep=Keep(last=1))
    assert (found.goes_at, found.sentence) == (START, "goes as soon as nothing reads it")


def test_a_point_need_not_be_among_the_points() -> None:
    alone = explain(
        point(START - DAY), [point(START)], Keep(last=1), zone=BERLIN, now=START, schedule=()
    )
    assert alone == look(point(START - DAY), point(START), keep=Keep(last=1))


def test_looking_ahead_ends_after_so_many_points() -> None:
    schedule = every(timedelta(seconds=20), first=START)
    found = look(point(START), keep=Keep(yearly=5), schedule=schedule)
    assert found.goes_at is None
    assert found.seen_until == START + (MOST_POINTS - 1) * timedelta(seconds=20)


# Compared with deciding again and again


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Point], list[Due]]:
    """Return points that are there, some of them odd, and odd slots to come."""
    points = []
    for age in draw(st.lists(st.integers(-20_000, 100_000), max_size=8, unique=True)):
        locked = draw(st.none() | st.none() | st.integers(0, 100_000))
        until = None if locked is None else START + timedelta(minutes=locked)
        usable, held = draw(st.sampled_from([(True, False)] * 5 + [(False, False), (True, True)]))
        found = point(START - timedelta(minutes=age), locked_until=until, usable=usable, held=held)
        points.append(found)
    slots, at = [], START
    for gap in draw(st.lists(st.sampled_from([5, 60, 61, 700, 1440, 9000]), max_size=60)):
        at += timedelta(minutes=gap)
        slots.append(("odd", at))
    return points, slots


keeps = st.builds(
    Keep,
    last=st.integers(0, 3),
    hourly=st.integers(0, 3),
    daily=st.integers(0, 3),
    weekly=st.integers(0, 2),
    monthly=st.integers(0, 2),
    yearly=st.integers(0, 2),
    within=st.none() | st.sampled_from([9 * HOUR, 4 * DAY]),
)


def run_through(points: list[Point], slots: list[Due], keep: Keep) -> dict[str, datetime]:
    """Apply retention after each slot and at each end; return what went, and when."""
    ends = [point.taken_at + DAY for point in points] + [point.taken_at for point in points]
    ends += [point.locked_until for point in points if point.locked_until]
    gone: dict[str, datetime] = {}
    there = list(points)
    for turn in sorted({START, *ends, *(due_at for _, due_at in slots)}):
        if turn < START:
            continue
        there += [Point(f"new {turn}", "web-1", turn) for _, due_at in slots if due_at == turn]
        verdicts = decide(there, keep, zone=BERLIN, now=turn)
        there = [verdict.point for verdict in verdicts if verdict.fate is Fate.KEEP]
        gone |= {v.point.id: turn for v in verdicts if v.fate is Fate.EXPIRE}
    return gone


@given(history=histories(), keep=keeps)
@settings(max_examples=150)
def test_a_point_goes_at_the_first_moment_at_which_retention_lets_it_go(
    history: tuple[list[Point], list[Due]], keep: Keep
) -> None:
    points, slots = history
    gone = run_through(points, slots, keep)
    for asked in points:
        found = explain(asked, points, keep, zone=BERLIN, now=START, schedule=slots)
        assert found.goes_at == gone.get(asked.id)


@given(history=histories(), keep=keeps)
@settings(max_examples=150)
def test_the_calendar_is_what_retention_does_day_by_day(
    history: tuple[list[Point], list[Due]], keep: Keep
) -> None:
    points, slots = history
    gone = run_through(points, slots, keep)
    days = forecast(slots, keep, zone=BERLIN, start=START, days=400, existing=points)
    left = len(points)
    for day in days:
        goes = [at for at in gone.values() if at.astimezone(BERLIN).date() == day.date]
        made = [due for _, due in slots if due.astimezone(BERLIN).date() == day.date]
        left += len(made) - len(goes)
        assert (len(day.made), len(day.goes), day.left) == (len(made), len(goes), left)
        assert {found.id for found in day.goes if found in points} == {
            found.id
            for found in points
            if found.id in gone and gone[found.id].astimezone(BERLIN).date() == day.date
        }
