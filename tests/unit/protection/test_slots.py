"""Slots: every local time once, whatever the clocks do; compared with a walk minute by minute."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from itertools import islice, takewhile
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clock_walk import CRONS, Cron, changes, clock, slots_of
from mavis_core.errors import InvalidInput
from mavis_core.protection.slots.schedule import (
    Schedule,
    Slot,
    between,
    count_between,
    last_before,
    newest_first,
    next_after,
    schedule,
)

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
FIRST, LAST = date(2020, 1, 1), date(2035, 12, 31)

# Half an hour, two hours, twice a year around Ramadan, at midnight, at minus one o'clock, by moving
# the zone itself; and the plain ones that most people live in.
ZONES = (
    "Africa/Cairo", "Africa/Casablanca", "Africa/El_Aaiun", "Africa/Juba", "America/Asuncion",
    "America/Chicago", "America/Chihuahua", "America/Dawson", "America/Godthab", "America/Havana",
    "America/Los_Angeles", "America/Mazatlan", "America/Mexico_City", "America/Miquelon",
    "America/New_York", "America/Ojinaga", "America/Santiago", "America/Scoresbysund",
    "America/St_Johns", "Antarctica/Casey", "Antarctica/Macquarie", "Antarctica/Troll",
    "Antarctica/Vostok", "Asia/Almaty", "Asia/Amman", "Asia/Beirut", "Asia/Damascus", "Asia/Gaza",
    "Asia/Hebron", "Asia/Jerusalem", "Asia/Kolkata", "Asia/Qostanay", "Asia/Tehran",
    "Atlantic/Azores", "Australia/Adelaide", "Australia/Lord_Howe", "Australia/Sydney",
    "Europe/Berlin", "Europe/Chisinau", "Europe/Dublin", "Europe/London", "Europe/Volgograd",
    "Pacific/Apia", "Pacific/Auckland", "Pacific/Chatham", "Pacific/Easter", "Pacific/Fiji",
    "Pacific/Norfolk", "UTC",
)  # fmt: skip


def told(slots: list[Slot]) -> list[tuple[str, datetime]]:
    return [(slot.key, slot.due_at) for slot in slots]


def of(day: str, cron: str, zone: str = "Europe/Berlin") -> list[str]:
    """Return the slots that are due on a day in UTC, as `key @ UTC time`."""
    begin = datetime.fromisoformat(day).replace(tzinfo=UTC) - timedelta(seconds=1)
    found = between(Schedule(cron, zone), begin, begin + DAY)
    return [f"{slot.key[11:]} @ {slot.due_at:%H:%M}" for slot in found]


# The rule, by example


@pytest.mark.parametrize(
    ("day", "cron", "slots"),
    [
        pytest.param("2026-06-10", "30 2 * * *", ["02:30 @ 00:30"], id="a day like others"),
        pytest.param("2026-03-29", "30 2 * * *", ["02:30 @ 01:00"], id="in the gap: after it"),
        pytest.param("2026-03-29", "10,50 2 * * *", ["02:50 @ 01:00"], id="two in the gap: one"),
        pytest.param("2026-03-29", "0 3 * * *", ["03:00 @ 01:00"], id="right after the gap"),
        pytest.param("2026-03-29", "0 2,3 * * *", ["03:00 @ 01:00"], id="in it and after: its own"),
        pytest.param(
            "2026-03-29", "30 2,3 * * *", ["02:30 @ 01:00", "03:30 @ 01:30"], id="in it, and later"
        ),
        pytest.param(
            "2026-03-29",
            "30 1,2 * * *",
            ["01:30 @ 00:30", "02:30 @ 01:00", "01:30 @ 23:30"],
            id="before it, and in it",
        ),
        pytest.param("2026-10-25", "30 2 * * *", ["02:30 @ 00:30"], id="twice: the first"),
        pytest.param("2026-10-25", "0 3 * * *", ["03:00 @ 02:00"], id="after what comes twice"),
        pytest.param("2026-10-25", "0 2 * * *", ["02:00 @ 00:00"], id="where the fold begins"),
        pytest.param(
            "2026-10-25",
            "30 1-3 * * *",
            ["02:30 @ 00:30", "03:30 @ 02:30"],
            id="an hourly one has a gap of two hours",
        ),
    ],
)
def test_a_local_time_is_one_slot(day: str, cron: str, slots: list[str]) -> None:
    assert of(day, cron) == slots


@pytest.mark.parametrize(
    ("zone", "day", "cron", "slots"),
    [
        pytest.param(
            "Australia/Lord_Howe", "2026-10-03", "15 2 * * *", ["02:15 @ 15:30"], id="half an hour"
        ),
        pytest.param(
            "Antarctica/Troll", "2026-03-29", "30 1-2 * * *", ["02:30 @ 01:00", "01:30 @ 23:30"],
            id="two hours",
        ),
        pytest.param(
            "Asia/Beirut", "2026-03-28", "0 0 * * *", ["00:00 @ 22:00"], id="a gap at midnight"
        ),
        pytest.param(
            "Pacific/Apia", "2011-12-30", "0 8,20 * * *",
            ["20:00 @ 06:00", "20:00 @ 10:00", "08:00 @ 18:00"],
            id="a whole day",
        ),
    ],
)  # fmt: skip
def test_other_zones_have_other_gaps(zone: str, day: str, cron: str, slots: list[str]) -> None:
    assert of(day, cron, zone) == slots


def test_a_key_is_the_local_time_and_sorts_like_it() -> None:
    slots = list(islice(newest_first(Schedule("30 2 * * *", "Europe/Berlin"), at(2026, 10, 26)), 9))
    assert slots[0].key == "2026-10-25T02:30"
    assert sorted((slot.key for slot in slots), reverse=True) == [slot.key for slot in slots]


def at(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type, misc]


def test_while_an_hour_passes_twice_its_slots_are_those_of_the_first_time() -> None:
    plan = Schedule("45 2 * * *", "Europe/Berlin")
    second_time = at(2026, 10, 25, 1, 15)  # 02:15 again
    last = last_before(plan, second_time, horizon=DAY)
    assert last is not None
    assert (last.key, last.due_at) == ("2026-10-25T02:45", at(2026, 10, 25, 0, 45))
    assert next_after(plan, second_time).key == "2026-10-26T02:45"


# The rule, against the walk


def assert_agrees(cron: Cron, zone: str, shown: list[tuple[datetime, datetime]]) -> None:
    plan, begin, end = Schedule(cron.text, zone), shown[0][0], shown[-1][0]
    expected = list(slots_of(cron, shown))
    found = list(between(plan, begin, end))
    assert told(found) == expected, (zone, cron.text)
    back = list(takewhile(lambda slot: slot.due_at > begin, newest_first(plan, end)))
    assert back[::-1] == found, (zone, cron.text)


@pytest.mark.parametrize("zone", ZONES)
def test_the_changes_of_a_zone_2020_to_2035_agree_with_a_walk_minute_by_minute(zone: str) -> None:
    for index, change in enumerate(changes(zone, FIRST, LAST)):
        shown = clock(zone, change - 5 * HOUR, change + 4 * HOUR)
        for turn in range(3):  # every cron meets every third change; the slow test takes them all
            assert_agrees(CRONS[(3 * index + turn) % len(CRONS)], zone, shown)


@pytest.mark.slow
def test_all_changes_of_all_zones_2020_to_2035_agree_with_a_walk_minute_by_minute() -> None:
    alike: dict[tuple[object, ...], str] = {}
    for zone in sorted(available_timezones() - {"localtime", "Factory"}):
        place, moved = ZoneInfo(zone), changes(zone, FIRST, LAST)
        offsets = (each.astimezone(place).utcoffset() for each in (at(2020, 1, 1), *moved))
        alike.setdefault((*moved, *offsets), zone)
    assert len(alike) > 40
    for zone in alike.values():
        for change in changes(zone, FIRST, LAST):
            shown = clock(zone, change - 6 * HOUR, change + 6 * HOUR)
            for cron in CRONS:
                assert_agrees(cron, zone, shown)


@pytest.mark.parametrize("cron", CRONS, ids=lambda cron: cron.text)
def test_the_day_that_apia_left_out_agrees_with_the_walk(cron: Cron) -> None:
    assert_agrees(cron, "Pacific/Apia", clock("Pacific/Apia", at(2011, 12, 29), at(2012, 1, 1)))


@pytest.mark.parametrize("zone", ["Europe/Berlin", "Africa/Casablanca", "Asia/Kolkata"])
def test_a_quiet_week_agrees_with_the_walk(zone: str) -> None:
    shown = clock(zone, at(2026, 6, 7, 23, 59), at(2026, 6, 15))
    for cron in CRONS:
        assert_agrees(cron, zone, shown)


# Looking ahead, looking back, counting

LOCAL = datetime.fromisoformat("2020-01-01")
zones = st.sampled_from(ZONES)
crons = st.sampled_from([cron.text for cron in CRONS[1:]] + ["0 0 1 1 *", "0 0 L * *", "5 4 1 * 1"])
moments = st.datetimes(LOCAL, datetime.combine(LAST, LOCAL.time()), timezones=st.just(UTC))


@settings(max_examples=150)
@given(zone=zones, cron=crons, moment=moments)
def test_the_last_before_and_the_next_after_have_nothing_between_them(
    zone: str, cron: str, moment: datetime
) -> None:
    plan = Schedule(cron, zone)
    last = last_before(plan, moment, horizon=800 * DAY)
    following = next_after(plan, moment)
    assert last is not None
    assert last.due_at <= moment < following.due_at
    assert next_after(plan, last.due_at) == following
    assert last_before(plan, following.due_at, horizon=800 * DAY) == following


@settings(max_examples=40)
@given(
    zone=zones,
    cron=crons,
    moment=moments,
    length=st.timedeltas(timedelta(0), 30 * DAY) | st.just(365 * DAY),
)
def test_the_count_is_as_many_as_there_are(
    zone: str, cron: str, moment: datetime, length: timedelta
) -> None:
    plan = Schedule(cron, zone)
    assert count_between(plan, moment, moment + length) == len(
        list(between(plan, moment, moment + length))
    )


@pytest.mark.parametrize("zone", ZONES)
def test_the_count_is_right_around_every_third_change(zone: str) -> None:
    plan = Schedule("20,50 */1 * * *", zone)
    for change in changes(zone, FIRST, LAST)[::3]:
        begin, end = change - 40 * HOUR, change + 40 * HOUR
        assert count_between(plan, begin, end) == len(list(between(plan, begin, end)))


def test_the_day_that_apia_left_out_is_not_counted() -> None:
    plan = Schedule("0 */6 * * *", "Pacific/Apia")
    begin, end = at(2011, 12, 27), at(2012, 1, 4)
    assert count_between(plan, begin, end) == len(list(between(plan, begin, end))) == 32


def test_an_empty_stretch_has_no_slot() -> None:
    plan, moment = Schedule("* * * * *", "UTC"), at(2026, 1, 1)
    assert list(between(plan, moment, moment)) == []
    assert list(between(plan, moment, moment - DAY)) == []
    assert count_between(plan, moment, moment - 9 * DAY) == 0


def test_what_is_due_at_the_horizon_is_behind_it() -> None:
    plan = Schedule("0 0 1 1 *", "UTC")
    assert last_before(plan, at(2026, 1, 11), horizon=10 * DAY) is None
    assert last_before(plan, at(2026, 1, 11), horizon=11 * DAY) == Slot(
        at(2026, 1, 1).replace(tzinfo=None), at(2026, 1, 1)
    )


# What is good


@pytest.mark.parametrize(
    ("cron", "kept"),
    [
        pytest.param(" 30  2 * *\t* ", "30 2 * * *", id="spaces"),
        pytest.param("0 0 * JAN,jun MON-Fri", "0 0 * JAN,jun MON-Fri", id="names"),
        pytest.param("0 0 L * *", "0 0 L * *", id="the last day"),
        pytest.param("0 0 * * FRI#2", "0 0 * * FRI#2", id="the second Friday"),
        pytest.param("0 0 29 2 *", "0 0 29 2 *", id="the 29th of February"),
        pytest.param("0 0 * * 7", "0 0 * * 7", id="Sunday is 7, too"),
    ],
)
def test_a_good_cron_is_kept_as_it_is_written(cron: str, kept: str) -> None:
    assert schedule(cron, "Europe/Berlin", field="cron") == Schedule(kept, "Europe/Berlin")


@pytest.mark.parametrize(
    ("cron", "message", "mend"),
    [
        pytest.param("", "'' is no cron of five fields", "Give five fields", id="nothing"),
        pytest.param("* * * *", "no cron of five fields", "minute hour", id="four fields"),
        pytest.param("0 * * * * *", "no cron of five fields", "minute hour", id="seconds"),
        pytest.param("@daily", "no cron of five fields", "Write `0 0 * * *`.", id="an alias"),
        pytest.param("60 * * * *", "'60' is no minute", "0 to 59", id="minute"),
        pytest.param("0 24 * * *", "'24' is no hour", "0 to 23", id="hour"),
        pytest.param("0 0 0 * *", "'0' is no day-of-month", "1 to 31", id="day"),
        pytest.param("0 0 * 13 *", "'13' is no month", "1 to 12 or JAN", id="month"),
        pytest.param("0 0 * * FUN", "'FUN' is no day-of-week", "0 to 7 or SUN", id="weekday"),
        pytest.param("0 0 * * FRI-MON", "'FRI-MON' is no day-of-week", "lists", id="over Sunday"),
        pytest.param("*/0 * * * *", "'*/0' is no minute", "steps", id="no step"),
        pytest.param("0 0 31 2 *", "'0 0 31 2 *' never comes", "a day that", id="31 February"),
        pytest.param("0 0 */31 * 1#5", "never comes", "a day that", id="a fifth Monday, the 1st"),
        pytest.param("0 0 * * " + "1," * 99 + "1", "no cron of five", "Give five", id="too long"),
        pytest.param("٣ * * * *", "no cron of five fields", "Give five", id="other digits"),
    ],
)
def test_a_bad_cron_is_told_which_field_and_what_it_takes(
    cron: str, message: str, mend: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        schedule(cron, "Europe/Berlin", field="rules[1].cron")
    assert message in refused.value.message
    assert mend in refused.value.mend
    assert refused.value.field == "rules[1].cron"


_parts = st.text(alphabet="0123456789*/,-#LWSUNMOJA ", max_size=6)


@settings(max_examples=300)
@given(
    cron=st.lists(_parts, min_size=5, max_size=5).map(" ".join) | st.text(max_size=30),
    zone=st.sampled_from(["Europe/Berlin", "UTC"]) | st.text(max_size=30),
)
def test_garbage_is_refused_as_bad_input_or_is_a_schedule(cron: str, zone: str) -> None:
    with suppress(InvalidInput):
        found = schedule(cron, zone, field="cron")
        assert next_after(found, at(2026, 1, 1)).due_at > at(2026, 1, 1)


@pytest.mark.parametrize(
    ("zone", "mend"),
    [
        pytest.param("Europe/Berln", "Did you mean Europe/Berlin", id="misspelt"),
        pytest.param("europe/berlin", "Did you mean Europe/Berlin", id="case"),
        pytest.param("Berlin", "Did you mean Europe/Berlin", id="the town alone"),
        pytest.param("new york", "America/New_York", id="a town with a space"),
        pytest.param("", "Name a place", id="nothing"),
        pytest.param("localtime", "IANA", id="the machine's own"),
        pytest.param("right/Europe/Berlin", "Europe/Berlin", id="leap seconds"),
        pytest.param("../../etc/passwd", "Name a place", id="a path"),
        pytest.param("Europe", "", id="a folder"),
        pytest.param("\x00", "Name a place", id="no text"),
        pytest.param("x" * 5000, "Name a place", id="long"),
    ],
)
def test_an_unknown_zone_is_told_those_that_are_written_alike(zone: str, mend: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        schedule("0 0 * * *", zone, field="cron", zone_field="zone")
    assert mend in refused.value.mend
    assert refused.value.field == "zone"
