"""Which points stay, rule by rule. Times are Berlin's unless a case says another zone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from mavis_core.errors import InvalidInput
from mavis_core.protection.retention.policy import (
    Batch,
    Fate,
    Keep,
    Point,
    Verdict,
    Why,
    at_most,
    decide,
)

BERLIN = ZoneInfo("Europe/Berlin")
TUESDAY = "2026-11-24"
NOW = datetime(2026, 11, 24, 18, tzinfo=UTC)
HOUR = timedelta(hours=1)


def moment(local: str, zone: ZoneInfo = BERLIN) -> datetime:
    return datetime.fromisoformat(local).replace(tzinfo=zone).astimezone(UTC)


def good(local: str, **more: object) -> Point:
    """Return a usable point, named after its local time."""
    return Point(local, "web-1", moment(local), **more)  # type: ignore[arg-type]  # fields by name


def broken(local: str, **more: object) -> Point:
    return good(local, usable=False, **more)


def verdicts(
    *points: Point, keep: Keep, now: datetime = NOW, zone: ZoneInfo = BERLIN
) -> dict[str, Verdict]:
    return {found.point.id: found for found in decide(points, keep, zone=zone, now=now)}


def kept(*points: Point, keep: Keep, now: datetime = NOW, zone: ZoneInfo = BERLIN) -> list[str]:
    """Return the ids of what stays, newest first."""
    found = verdicts(*points, keep=keep, now=now, zone=zone)
    return [name for name, verdict in found.items() if verdict.fate is Fate.KEEP]


def whys(verdict: Verdict) -> list[Why]:
    return [reason.why for reason in verdict.reasons]


def sentences(verdict: Verdict) -> list[str]:
    return [reason.sentence for reason in verdict.reasons]


# Grandfather, father, son


@pytest.mark.parametrize(
    ("keep", "stays", "goes"),
    [
        pytest.param(
            Keep(last=2),
            ["2026-11-24T10:00", "2026-11-24T09:59"],
            ["2026-11-24T09:58", "2026-11-23T10:00"],
            id="last: the newest, however close",
        ),
        pytest.param(
            Keep(hourly=2),
            ["2026-11-24T10:59", "2026-11-24T07:30"],
            ["2026-11-24T10:00", "2026-11-24T06:00"],
            id="hourly: the last one of each hour that has a point",
        ),
        pytest.param(
            Keep(daily=2),
            ["2026-11-24T00:00", "2026-11-23T23:59"],
            ["2026-11-23T00:00", "2026-11-22T12:00"],
            id="daily: days begin at local midnight",
        ),
        pytest.param(
            Keep(weekly=2),
            ["2026-11-23T00:00", "2026-11-22T23:59"],
            ["2026-11-16T00:00", "2026-11-15T12:00"],
            id="weekly: weeks begin on Monday",
        ),
        pytest.param(
            Keep(weekly=2),
            ["2026-01-01T12:00", "2025-12-28T12:00"],
            ["2025-12-30T12:00", "2025-12-21T12:00"],
            id="weekly: the last days of December may be of week 1",
        ),
        pytest.param(
            Keep(monthly=2),
            ["2026-11-01T00:00", "2026-10-31T23:59"],
            ["2026-10-01T00:00", "2026-09-30T12:00"],
            id="monthly: months begin at local midnight",
        ),
        pytest.param(
            Keep(yearly=2),
            ["2026-01-01T00:00", "2025-12-31T23:59"],
            ["2025-01-01T00:00", "2024-12-31T12:00"],
            id="yearly: years begin at local midnight",
        ),
        pytest.param(
            Keep(within=timedelta(hours=24)),
            ["2026-11-20T10:00", "2026-11-19T10:01"],
            ["2026-11-19T10:00", "2026-11-01T10:00"],
            id="within: counted from the newest point, which may be days ago",
        ),
        pytest.param(
            Keep(daily=1, monthly=2),
            ["2026-11-24T10:00", "2026-10-31T10:00"],
            ["2026-11-23T10:00", "2026-10-30T10:00"],
            id="several rules add up",
        ),
        pytest.param(
            Keep(daily=3),
            ["2026-11-24T10:00", "2026-11-23T10:00", "2026-11-23T08:00"],
            ["2026-11-23T09:00"],
            id="the oldest of all stays while a number is left",
        ),
        pytest.param(
            Keep(daily=2),
            ["2026-11-24T10:00", "2026-11-23T10:00"],
            ["2026-11-23T08:00"],
            id="the oldest of all goes when the number is used up",
        ),
        pytest.param(
            Keep(hourly=2, daily=2, monthly=2),
            ["2026-11-24T10:00", "2025-11-24T10:30"],
            ["2025-11-24T10:00", "2024-11-24T10:00"],
            id="periods of two years are two",
        ),
        pytest.param(Keep(), ["2026-11-24T10:00", "2016-11-24T10:00"], [], id="no rule: all stay"),
        pytest.param(Keep(daily=1), [], [], id="no points"),
    ],
)
def test_a_rule_keeps_the_newest_point_of_each_period(
    keep: Keep, stays: list[str], goes: list[str]
) -> None:
    points = [good(local) for local in (*goes, *stays)]
    assert kept(*points, keep=keep) == stays


@pytest.mark.parametrize(
    ("zone", "keep", "stays"),
    [
        pytest.param("UTC", Keep(daily=2), ["2026-11-24T01:00Z", "2026-11-23T23:00Z"], id="UTC"),
        pytest.param(
            "Europe/Berlin", Keep(daily=2), ["2026-11-24T01:00Z", "2026-11-23T22:00Z"], id="Berlin"
        ),
        pytest.param(
            "Asia/Kathmandu",
            Keep(hourly=2),
            ["2026-11-24T01:00Z", "2026-11-23T23:00Z"],
            id="quarters of hours",
        ),
    ],
)
def test_periods_are_those_of_the_plans_zone(zone: str, keep: Keep, stays: list[str]) -> None:
    times = ["2026-11-24T01:00Z", "2026-11-23T23:00Z", "2026-11-23T22:00Z", "2026-11-23T21:00Z"]
    points = [Point(time, "web-1", datetime.fromisoformat(time)) for time in times]
    assert kept(*points, keep=keep, zone=ZoneInfo(zone)) == stays


@pytest.mark.parametrize(
    ("zone", "begin", "hours"),
    [
        pytest.param("Europe/Berlin", "2026-10-24T23:30Z", 3, id="an hour twice is one hour"),
        pytest.param("Europe/Berlin", "2026-03-28T23:30Z", 4, id="an hour that is left out"),
        pytest.param("Australia/Lord_Howe", "2026-04-04T14:10Z", 3, id="half an hour twice"),
        pytest.param("Antarctica/Troll", "2026-10-24T23:30Z", 4, id="two hours twice are four"),
    ],
)
def test_nights_on_which_the_clocks_change_have_hours_of_their_own(
    zone: str, begin: str, hours: int
) -> None:
    """Four points, an hour apart, and how many hours they make."""
    first = datetime.fromisoformat(begin)
    points = [Point(str(n), "web-1", first + n * HOUR) for n in range(4)]
    older = Point("older", "web-1", first - timedelta(days=2))
    oldest = Point("oldest", "web-1", first - timedelta(days=3))
    stays = kept(*points, older, oldest, keep=Keep(hourly=hours), zone=ZoneInfo(zone))
    assert len([name for name in stays if name.isdigit()]) == hours
    assert "older" not in stays
    more = kept(*points, older, oldest, keep=Keep(hourly=hours + 1), zone=ZoneInfo(zone))
    assert "older" in more


def test_where_two_hours_come_twice_a_point_that_breaks_may_cost_another_its_place() -> None:
    """The one exception in the module's docstring; the points are at 01, 02, 01 and 02."""
    first, troll = datetime(2026, 10, 24, 23, 30, tzinfo=UTC), ZoneInfo("Antarctica/Troll")
    points = [Point(str(n), "web-1", first + n * HOUR) for n in range(4)]
    assert kept(*points, keep=Keep(hourly=3), zone=troll) == ["3", "2", "1"]
    points[2] = replace(points[2], usable=False)
    points.append(Point("older", "web-1", first - 2 * HOUR))
    assert kept(*points, keep=Keep(hourly=3), zone=troll) == ["3", "0", "older"]


def test_of_points_of_one_moment_the_greater_id_is_the_newer() -> None:
    at = moment("2026-11-24T10:00")
    assert kept(*(Point(name, "web-1", at) for name in ("b", "c", "a")), keep=Keep(last=1)) == ["c"]


def test_verdicts_come_newest_first() -> None:
    locals_ = ["2026-11-22T10:00", "2026-11-24T10:00", "2026-11-23T10:00"]
    found = decide(map(good, locals_), Keep(last=1), zone=BERLIN, now=NOW)
    assert [verdict.point.id for verdict in found] == sorted(locals_, reverse=True)


def test_points_of_several_groups_are_refused() -> None:
    points = [Point("1", "web-1", NOW), Point("2", "web-2", NOW)]
    with pytest.raises(ValueError, match="web-1, web-2"):
        decide(points, Keep(last=1), zone=BERLIN, now=NOW)


@pytest.mark.parametrize(
    ("values", "field"),
    [
        pytest.param({"daily": -1}, "daily", id="a number below nothing"),
        pytest.param({"last": -5, "daily": 2}, "last", id="one of two"),
        pytest.param({"within": timedelta(0)}, "within", id="no span"),
        pytest.param({"within": -HOUR}, "within", id="a span backwards"),
    ],
)
def test_a_keep_that_makes_no_sense_is_refused(values: dict[str, int], field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        Keep(**values)  # type: ignore[arg-type]  # within is a span
    assert caught.value.field == field


# What holds beyond the rules


def test_an_unusable_point_neither_counts_nor_takes_a_place() -> None:
    points = [
        broken("2026-11-24T18:00"),
        good("2026-11-24T10:00"),
        broken("2026-11-23T20:00"),
        good("2026-11-23T10:00"),
        good("2026-11-22T10:00"),
    ]
    found = verdicts(*points, keep=Keep(last=2, daily=2, within=20 * HOUR))
    assert whys(found["2026-11-24T18:00"]) == [Why.RECENT]
    assert sentences(found["2026-11-24T10:00"]) == [
        "the last good one of this machine",
        "last: one of the newest (1 of 2)",
        "daily: the last one of Tue 24 Nov 2026 (1 of 2)",
        "within 20h of the newest one",
    ]
    assert whys(found["2026-11-23T10:00"]) == [Why.LAST, Why.DAILY]
    assert found["2026-11-22T10:00"].fate is Fate.EXPIRE


@pytest.mark.parametrize(
    ("age", "fate", "why"),
    [
        pytest.param(timedelta(0), Fate.KEEP, Why.RECENT, id="just begun"),
        pytest.param(timedelta(hours=23, minutes=59), Fate.KEEP, Why.RECENT, id="in its grace"),
        pytest.param(timedelta(hours=24), Fate.EXPIRE, Why.UNUSABLE, id="its grace is over"),
    ],
)
@pytest.mark.parametrize("keep", [Keep(), Keep(last=9)], ids=["all", "last"])
def test_an_unusable_point_goes_after_its_grace(
    age: timedelta, fate: Fate, why: Why, keep: Keep
) -> None:
    (found,) = decide([Point("1", "g", NOW - age, usable=False)], keep, zone=BERLIN, now=NOW)
    assert (found.fate, whys(found)) == (fate, [why])


def test_the_last_good_one_never_goes() -> None:
    points = [
        broken("2026-11-24T10:00"),
        good("2016-01-01T10:00"),
        good("2015-01-01T10:00"),
    ]
    found = verdicts(*points, keep=Keep(hourly=1))
    assert whys(found["2016-01-01T10:00"]) == [Why.LAST_GOOD, Why.HOURLY]
    assert found["2015-01-01T10:00"].fate is Fate.EXPIRE


@pytest.mark.parametrize(
    ("more", "why", "sentence"),
    [
        pytest.param({"held": True}, Why.HELD, "legal hold", id="held"),
        pytest.param(
            {"locked_until": moment("2026-12-24T10:30")},
            Why.LOCKED,
            "locked until Thu 24 Dec 2026, 10:30 CET",
            id="locked",
        ),
        pytest.param(
            {"in_use": True},
            Why.IN_USE,
            "a restore, a verification or a copy reads it",
            id="in use",
        ),
    ],
)
@pytest.mark.parametrize("usable", [True, False], ids=["usable", "unusable"])
def test_what_is_held_locked_or_read_stays(
    usable: bool, more: dict[str, object], why: Why, sentence: str
) -> None:
    point = good("2026-01-01T10:00", usable=usable, **more)
    found = verdicts(good("2026-11-24T10:00"), point, keep=Keep(last=1))[point.id]
    assert (found.fate, whys(found), sentences(found)) == (Fate.KEEP, [why], [sentence])


def test_a_lock_that_has_ended_keeps_nothing() -> None:
    old = good("2026-01-01T10:00", locked_until=NOW)
    assert kept(good("2026-11-24T10:00"), old, keep=Keep(last=1)) == ["2026-11-24T10:00"]


def test_a_held_point_counts_like_any_other() -> None:
    points = [
        good("2026-11-24T10:00"),
        good("2026-11-23T10:00", held=True),
        good("2026-11-22T10:00"),
    ]
    assert kept(*points, keep=Keep(daily=2)) == ["2026-11-24T10:00", "2026-11-23T10:00"]


def test_a_point_of_the_future_stays_and_does_not_count() -> None:
    points = [
        good("2027-11-24T10:00"),
        broken("2027-11-23T10:00"),
        good("2026-11-24T10:00"),
        good("2026-11-23T10:00"),
        good("2026-11-22T10:00"),
    ]
    found = verdicts(*points, keep=Keep(last=2, within=HOUR))
    assert sentences(found["2027-11-24T10:00"]) == [
        "taken in the future (Wed 24 Nov 2027, 10:00 CET): a clock was wrong"
    ]
    assert whys(found["2027-11-23T10:00"]) == [Why.FUTURE]
    assert whys(found["2026-11-24T10:00"]) == [Why.LAST_GOOD, Why.LAST, Why.WITHIN]
    assert whys(found["2026-11-23T10:00"]) == [Why.LAST]
    assert found["2026-11-22T10:00"].fate is Fate.EXPIRE


# Sentences and ends


@pytest.mark.parametrize(
    ("keep", "sentence"),
    [
        pytest.param(Keep(last=5), "last: one of the newest (2 of 5)", id="last"),
        pytest.param(
            Keep(hourly=5), "hourly: the last one of Sat 31 Oct 2026, 09h (2 of 5)", id="hourly"
        ),
        pytest.param(Keep(daily=5), "daily: the last one of Sat 31 Oct 2026 (2 of 5)", id="daily"),
        pytest.param(Keep(weekly=5), "weekly: the last one of week 44 of 2026 (2 of 5)", id="week"),
        pytest.param(Keep(monthly=5), "monthly: the last one of Oct 2026 (2 of 5)", id="month"),
        pytest.param(
            Keep(yearly=5), "yearly: the oldest of all, as only 1 of 5 are there", id="oldest"
        ),
        pytest.param(Keep(within=timedelta(days=60)), "within 60d of the newest one", id="within"),
        pytest.param(Keep(), "the plan keeps everything", id="everything"),
    ],
)
def test_a_reason_says_which_place_a_point_takes(keep: Keep, sentence: str) -> None:
    points = good("2026-11-24T10:00"), good("2026-10-31T09:30")
    assert sentences(verdicts(*points, keep=keep)["2026-10-31T09:30"]) == [sentence]


@pytest.mark.parametrize(
    ("point", "keep", "ends"),
    [
        pytest.param(
            good("2026-11-23T10:00"), Keep(within=48 * HOUR), "2026-11-25T10:00", id="within"
        ),
        pytest.param(good("2026-11-23T10:00"), Keep(daily=2, within=48 * HOUR), None, id="a place"),
        pytest.param(
            good("2026-11-20T10:00", locked_until=moment("2026-11-30T10:00")),
            Keep(last=1),
            "2026-11-30T10:00",
            id="the lock",
        ),
        pytest.param(
            good("2026-11-23T10:00", locked_until=moment("2026-11-24T23:00")),
            Keep(within=48 * HOUR),
            "2026-11-25T10:00",
            id="the later of two",
        ),
        pytest.param(good("2026-11-20T10:00", held=True), Keep(last=1), None, id="a hold"),
        pytest.param(good("2026-11-20T10:00", in_use=True), Keep(last=1), None, id="in use"),
        pytest.param(broken("2026-11-24T12:00"), Keep(), "2026-11-25T12:00", id="the grace"),
        pytest.param(good("2026-11-20T10:00"), Keep(last=1), "2026-11-24T19:00", id="due: now"),
    ],
)
def test_an_end_is_told_where_it_is_certain(point: Point, keep: Keep, ends: str | None) -> None:
    found = verdicts(good("2026-11-24T11:00"), point, keep=keep)[point.id]
    assert found.expires_at == (moment(ends) if ends else None)


# How much at once


def due(count: int) -> list[Verdict]:
    points = [Point(f"{n:03}", "web-1", NOW - n * HOUR) for n in range(count + 1)]
    return list(decide(points, Keep(last=1), zone=BERLIN, now=NOW))


@pytest.mark.parametrize(
    ("count", "share", "total", "deleted"),
    [
        pytest.param(10, 0.25, 20, 5, id="a share of all points"),
        pytest.param(10, 0.29, 100, 10, id="all that is due"),
        pytest.param(60, 0.29, 100, 29, id="a share that is a little less in binary"),
        pytest.param(10, 0.25, 3, 1, id="at least one"),
        pytest.param(10, 0.0, 20, 0, id="a share of nothing"),
        pytest.param(10, 1.0, 11, 10, id="everything"),
        pytest.param(0, 1.0, 11, 0, id="nothing due"),
    ],
)
def test_a_run_deletes_the_oldest_and_at_most_its_share(
    count: int, share: float, total: int, deleted: int
) -> None:
    batch = at_most(due(count), share, total)
    names = [f"{n:03}" for n in range(count, 0, -1)]
    assert [verdict.point.id for verdict in batch.due] == names[:deleted]
    assert [verdict.point.id for verdict in batch.deferred] == names[deleted:]


def test_nothing_to_decide_is_nothing_to_delete() -> None:
    assert at_most(decide([], Keep(last=1), zone=BERLIN, now=NOW), 0.5, 0) == Batch((), ())


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_is_between_nothing_and_everything(share: float) -> None:
    with pytest.raises(InvalidInput) as caught:
        at_most([], share, 1)
    assert caught.value.field == "max_delete_share"
