"""What a rule does now: on time, caught up once, held by a blackout, never twice."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mavis_core.protection.slots.blackouts import Span, Weekday, Weekly
from mavis_core.protection.slots.due import (
    CatchUp,
    Decision,
    Timing,
    begins_at,
    decide,
    jitter_offset,
)
from mavis_core.protection.slots.schedule import Schedule, Slot, between

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)

once = Timing("plan_1", "hourly", Schedule("0 * * * *", "UTC"), CatchUp.ONCE, 15 * MINUTE)
never = replace(once, catch_up=CatchUp.NEVER)
noon = (Weekly(tuple(Weekday), time(11, 30), time(13, 30)),)


def moment(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-06-10T{text}").replace(tzinfo=UTC)


def at(now: str, timing: Timing, *, since: str, begun: Iterable[str] = ()) -> Decision:
    keys = {f"2026-06-10T{key}" for key in begun}
    return decide(timing, handled_until=moment(since), now=moment(now), begun=keys)


def told(decision: Decision) -> tuple[str, list[str]]:
    """Return what begins, and what was skipped, as a reader would say it."""
    begin = decision.begin
    skipped = [
        f"{each.count} {each.reason}: {each.first.key[11:]} to {each.last.key[11:]}"
        for each in decision.skipped
    ]
    return f"{begin.slot.key[11:]} {begin.start}" if begin else "nothing", skipped


@pytest.mark.parametrize(
    ("decision", "begins", "skipped"),
    [
        pytest.param(at("09:59", once, since="09:58"), "nothing", [], id="before it is due"),
        pytest.param(at("10:00", once, since="09:59"), "10:00 on time", [], id="when it is due"),
        pytest.param(at("10:15", once, since="09:59"), "10:00 on time", [], id="within the grace"),
        pytest.param(at("10:16", once, since="09:59"), "10:00 catch-up", [], id="after the grace"),
        pytest.param(
            at("10:16", never, since="09:59"),
            "nothing",
            ["1 missed: 10:00 to 10:00"],
            id="after the grace, never caught up",
        ),
        pytest.param(
            at("15:30", once, since="10:30"),
            "15:00 catch-up",
            ["4 missed: 11:00 to 14:00"],
            id="of several only the newest",
        ),
        pytest.param(
            at("15:05", once, since="10:30"),
            "15:00 on time",
            ["4 missed: 11:00 to 14:00"],
            id="one on time makes up for those missed",
        ),
        pytest.param(
            at("15:05", never, since="10:30"),
            "15:00 on time",
            ["4 missed: 11:00 to 14:00"],
            id="never caught up, one on time",
        ),
        pytest.param(
            at("15:30", never, since="10:30"),
            "nothing",
            ["5 missed: 11:00 to 15:00"],
            id="never caught up, none on time",
        ),
        pytest.param(
            at("10:05", once, since="09:59", begun=["10:00"]),
            "nothing",
            ["1 already begun: 10:00 to 10:00"],
            id="begun before",
        ),
        pytest.param(
            at("12:30", once, since="09:30", begun=["12:00", "10:00"]),
            "nothing",
            ["2 already begun: 10:00 to 12:00", "1 missed: 11:00 to 11:00"],
            id="nothing is caught up where a newer one has begun",
        ),
        pytest.param(
            at("12:30", once, since="09:30", begun=["10:00"]),
            "12:00 catch-up",
            ["1 already begun: 10:00 to 10:00", "1 missed: 11:00 to 11:00"],
            id="a newer one is caught up where an older one has begun",
        ),
    ],
)
def test_what_begins_and_what_is_skipped(
    decision: Decision, begins: str, skipped: list[str]
) -> None:
    assert told(decision) == (begins, skipped)


@pytest.mark.parametrize(
    ("now", "catch_up", "begins", "skipped"),
    [
        pytest.param("11:29", CatchUp.ONCE, "11:00 catch-up", [], id="before it"),
        pytest.param("12:00", CatchUp.ONCE, "nothing", [], id="inside it"),
        pytest.param("13:29", CatchUp.ONCE, "nothing", [], id="at its last minute"),
        pytest.param(
            "13:30",
            CatchUp.ONCE,
            "13:00 catch-up",
            ["1 missed: 11:00 to 11:00", "1 blackout: 12:00 to 12:00"],
            id="when it ends",
        ),
        pytest.param(
            "13:30",
            CatchUp.NEVER,
            "nothing",
            ["1 missed: 11:00 to 11:00", "2 blackout: 12:00 to 13:00"],
            id="when it ends, never caught up",
        ),
    ],
)
def test_inside_a_blackout_nothing_begins_and_the_newest_begins_once_when_it_ends(
    now: str, catch_up: CatchUp, begins: str, skipped: list[str]
) -> None:
    timing = replace(once, blackouts=noon, catch_up=catch_up)
    assert told(at(now, timing, since="10:30")) == (begins, skipped)


def test_inside_a_blackout_the_watermark_stands_and_its_end_is_told() -> None:
    decision = at("12:00", replace(once, blackouts=noon), since="10:30")
    assert decision.handled_until == moment("10:30")
    assert decision.held_until == moment("13:30")


def test_a_slot_of_a_blackout_is_not_on_time_even_within_the_grace() -> None:
    short = (Weekly(tuple(Weekday), time(11, 55), time(12, 5)),)
    begins, skipped = told(at("12:05", replace(never, blackouts=short), since="11:30"))
    assert (begins, skipped) == ("nothing", ["1 blackout: 12:00 to 12:00"])
    assert told(at("12:05", replace(once, blackouts=short), since="11:30"))[0] == "12:00 catch-up"


def test_a_slot_before_a_short_blackout_may_still_be_on_time_after_it() -> None:
    brief = (Span(*(moment(text).replace(tzinfo=None) for text in ("12:02", "12:06"))),)
    assert told(at("12:06", replace(never, blackouts=brief), since="11:30"))[0] == "12:00 on time"


def test_the_watermark_is_now_and_just_before_a_slot_that_waits() -> None:
    assert at("10:05", once, since="09:30").handled_until == moment("10:05")
    timing = replace(once, jitter_s=1200)
    slot = Slot(moment("10:00").replace(tzinfo=None), moment("10:00"))
    planned_at = begins_at(timing, slot)
    assert moment("10:00") < planned_at <= moment("10:20")
    waits = decide(
        timing, handled_until=moment("09:30"), now=planned_at - timedelta(seconds=1), begun=()
    )
    assert waits.begin is None
    assert waits.handled_until < moment("10:00")
    begins = decide(timing, handled_until=waits.handled_until, now=planned_at, begun=())
    assert begins.begin is not None
    assert (begins.begin.slot, begins.begin.planned_at) == (slot, planned_at)


def test_a_missed_slot_does_not_wait_for_the_jitter_of_the_next() -> None:
    timing = replace(once, jitter_s=1200)
    decision = at("11:00", timing, since="09:30")
    assert told(decision) == ("10:00 catch-up", [])
    assert decision.handled_until == moment("11:00") - timedelta.resolution


# Clocks that are set


def test_a_clock_set_forward_by_a_year_is_one_catch_up_and_a_number() -> None:
    decision = decide(
        once, handled_until=moment("10:30"), now=moment("10:30") + 365 * DAY, begun=()
    )
    assert decision.begin is not None
    assert decision.begin.slot.key == "2027-06-10T10:00"
    (missed,) = decision.skipped
    assert (missed.count, missed.first.key) == (8759, "2026-06-10T11:00")
    assert missed.last.key == "2027-06-10T09:00"


def test_a_long_outage_tells_every_slot_once_and_the_newest_by_their_reasons() -> None:
    timing = replace(once, blackouts=noon)
    start, end = moment("10:30"), moment("14:30") + 40 * DAY
    begun = {slot.key for slot in between(once.schedule, end - 9 * DAY, end - 8 * DAY)}
    told_counts = {
        str(each.reason): each.count
        for each in decide(timing, handled_until=start, now=end, begun=begun).skipped
    }
    # Of the newest 300 the begun day is told as begun; the others lost 12:00 and 13:00 each day.
    assert told_counts["already begun"] == 24
    assert told_counts["blackout"] == 2 * 12
    assert sum(told_counts.values()) + 1 == len(list(between(once.schedule, start, end)))


def test_a_clock_set_back_takes_the_watermark_with_it_and_no_slot_begins_twice() -> None:
    back = at("09:30", once, since="10:30")
    assert (told(back), back.handled_until) == (("nothing", []), moment("09:30"))
    again = decide(
        once, handled_until=back.handled_until, now=moment("10:00"), begun={"2026-06-10T10:00"}
    )
    assert told(again) == ("nothing", ["1 already begun: 10:00 to 10:00"])


def test_what_is_on_time_after_the_clock_was_set_back_begins() -> None:
    assert told(at("10:05", once, since="23:59")) == ("10:00 on time", [])
    assert told(at("10:05", once, since="23:59", begun=["10:00"]))[0] == "nothing"
    assert told(at("10:16", once, since="23:59")) == ("nothing", [])


def test_a_slot_begun_in_one_zone_does_not_begin_again_in_another() -> None:
    west = replace(once, schedule=Schedule("0 10 * * *", "America/New_York"))
    decision = at("14:00", west, since="10:00", begun=["10:00"])
    assert told(decision) == ("nothing", ["1 already begun: 10:00 to 10:00"])


# Jitter

slots = st.datetimes(allow_imaginary=False).map(
    lambda local: Slot(local.replace(second=0, microsecond=0), local.replace(tzinfo=UTC))
)


@given(slot=slots, plan=st.text(), rule=st.text(), jitter_s=st.integers(0, 6 * 3600))
def test_the_jitter_is_within_its_bound_and_the_same_again(
    slot: Slot, plan: str, rule: str, jitter_s: int
) -> None:
    found = jitter_offset(plan, rule, slot, jitter_s)
    assert timedelta(0) <= found <= timedelta(seconds=jitter_s)
    assert found == jitter_offset(plan, rule, slot, jitter_s)


def test_the_jitter_is_the_same_on_every_machine() -> None:
    slot = Slot(moment("02:30").replace(tzinfo=None), moment("02:30"))
    assert jitter_offset("plan_1", "daily", slot, 600) == timedelta(seconds=241)


def test_the_jitter_spreads_plans_that_share_a_cron() -> None:
    slot = Slot(moment("02:30").replace(tzinfo=None), moment("02:30"))
    offsets = [
        jitter_offset(f"plan_{index}", "daily", slot, 599).seconds // 60 for index in range(1000)
    ]
    assert all(60 <= offsets.count(minute) <= 140 for minute in range(10))


def test_the_jitter_takes_a_slot_at_most_half_the_way_to_the_next() -> None:
    timing = replace(once, schedule=Schedule("*/5 * * * *", "UTC"), jitter_s=6 * 3600)
    for slot in between(timing.schedule, moment("00:00"), moment("12:00")):
        assert slot.due_at <= begins_at(timing, slot) <= slot.due_at + timedelta(seconds=150)
