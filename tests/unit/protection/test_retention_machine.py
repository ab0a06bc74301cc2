"""Retention over any history, compared with a reference of a few lines.

Points are made at odd times, fail, are completed late, lose members, are held, locked and read; the
plan is edited and the clock jumps. After each step the verdicts are those of the reference, and
what the module's docstring promises holds.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import groupby
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from mavis_core.protection.retention.policy import (
    Fate,
    Keep,
    Point,
    Verdict,
    Why,
    at_most,
    decide,
)

ZONES = ["UTC", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Pacific/Apia"]
GRACE = timedelta(hours=24)
FORMS = {
    "hourly": "%Y-%m-%d %H",
    "daily": "%Y-%m-%d",
    "weekly": "%G-%V",
    "monthly": "%Y-%m",
    "yearly": "%Y",
}
BY_A_RULE = set(Why) - {Why.HELD, Why.LOCKED, Why.IN_USE, Why.FUTURE, Why.RECENT}

numbers = st.sampled_from([0, 0, 1, 2, 3, 7])
keeps = st.builds(
    Keep,
    last=numbers,
    hourly=numbers,
    daily=numbers,
    weekly=numbers,
    monthly=numbers,
    yearly=numbers,
    within=st.none() | st.sampled_from([timedelta(hours=5), timedelta(days=9)]),
)
minutes = st.sampled_from([0, 1, 20, 59, 61, 1440, 10_000]) | st.integers(0, 60_000)
zones = st.sampled_from(ZONES).map(ZoneInfo)


def reference(points: list[Point], keep: Keep, zone: ZoneInfo, now: datetime) -> set[str]:
    """Return the ids of what stays."""
    ordered = sorted(points, key=lambda point: (point.taken_at, point.id), reverse=True)
    good = [point for point in ordered if point.usable and point.taken_at <= now]
    stays = {point.id for point in good[: max(keep.last, 1)]}
    for name, form in FORMS.items():
        number = getattr(keep, name)
        local = [(f"{point.taken_at.astimezone(zone):{form}}", point.id) for point in good]
        newest = [next(period)[1] for _, period in groupby(local, key=lambda named: named[0])]
        stays |= set(newest[:number])
        if len(newest) < number:
            stays |= {point.id for point in good[-1:]}
    if keep == Keep():
        stays |= {point.id for point in good}
    if keep.within:
        stays |= {point.id for point in good if good[0].taken_at - point.taken_at < keep.within}
    stays |= {point.id for point in points if not point.usable and now - point.taken_at < GRACE}
    return stays | {
        point.id
        for point in points
        if point.held
        or point.in_use
        or point.taken_at > now
        or (point.locked_until and point.locked_until > now)
    }


class Retention(RuleBasedStateMachine):
    """A group of points, a plan and a clock."""

    def __init__(self) -> None:
        super().__init__()
        self.points: dict[str, Point] = {}
        self.made = 0
        self.keep = Keep(daily=2)
        self.zone = ZoneInfo("Europe/Berlin")
        self.now = datetime(2026, 10, 24, 20, tzinfo=UTC)
        self.before: dict[str, Verdict] = {}
        self.counted: set[str] = set()
        self.edited = self.took_back = False

    def verdicts(self, points: list[Point] | None = None) -> dict[str, Verdict]:
        given = list(self.points.values()) if points is None else points
        found = decide(given, self.keep, zone=self.zone, now=self.now, grace=GRACE)
        return {verdict.point.id: verdict for verdict in found}

    def change(self, data: st.DataObject, **values: object) -> None:
        name = data.draw(st.sampled_from(sorted(self.points)))
        self.points[name] = replace(self.points[name], **values)  # type: ignore[arg-type]

    def delete(self, names: set[str]) -> None:
        self.points = {name: point for name, point in self.points.items() if name not in names}

    @rule(later=minutes, usable=st.booleans() | st.just(True))
    def a_point_is_made(self, later: int, usable: bool) -> None:
        self.now += timedelta(minutes=later)
        self.made += 1
        name = f"{self.made:04}"
        self.points[name] = Point(name, "web-1", self.now, usable=usable)

    @precondition(lambda self: self.points)
    @rule(data=st.data(), usable=st.booleans())
    def a_point_is_completed_or_loses_a_member(self, data: st.DataObject, usable: bool) -> None:
        self.change(data, usable=usable)
        self.took_back = not usable

    @precondition(lambda self: self.points)
    @rule(data=st.data(), held=st.booleans())
    def a_point_is_held_or_released(self, data: st.DataObject, held: bool) -> None:
        self.change(data, held=held)

    @precondition(lambda self: self.points)
    @rule(data=st.data(), in_use=st.booleans())
    def a_restore_begins_or_ends(self, data: st.DataObject, in_use: bool) -> None:
        self.change(data, in_use=in_use)

    @precondition(lambda self: self.points)
    @rule(data=st.data(), length=minutes)
    def a_point_is_locked(self, data: st.DataObject, length: int) -> None:
        self.change(data, locked_until=self.now + timedelta(minutes=length))

    @rule(keep=keeps, zone=zones)
    def the_plan_is_edited(self, keep: Keep, zone: ZoneInfo) -> None:
        self.keep, self.zone, self.edited = keep, zone, True

    @rule(days=st.sampled_from([-366, -31, -1, 1, 31, 366]))
    def the_clock_jumps(self, days: int) -> None:
        self.now += timedelta(days=days)
        self.took_back = days < 0

    @rule()
    def retention_is_applied(self) -> None:
        due = {name for name, found in self.verdicts().items() if found.fate is Fate.EXPIRE}
        self.delete(due)
        assert all(found.fate is Fate.KEEP for found in self.verdicts().values())

    @rule(share=st.floats(0, 1))
    def retention_is_applied_to_a_share(self, share: float) -> None:
        batch = at_most(self.verdicts().values(), share, len(self.points))
        self.delete({verdict.point.id for verdict in batch.due})
        due = {name for name, found in self.verdicts().items() if found.fate is Fate.EXPIRE}
        assert due == {verdict.point.id for verdict in batch.deferred}

    @rule(chosen=st.integers(0, 255))
    def any_part_of_what_is_due_is_deleted(self, chosen: int) -> None:
        due = sorted(name for name, found in self.verdicts().items() if found.fate is Fate.EXPIRE)
        gone = {name for nth, name in enumerate(due) if chosen >> nth % 8 & 1}
        self.delete(gone)
        after = {name for name, found in self.verdicts().items() if found.fate is Fate.EXPIRE}
        assert after == set(due) - gone

    @invariant()
    def the_reference_says_the_same(self) -> None:
        stays = {name for name, found in self.verdicts().items() if found.fate is Fate.KEEP}
        assert stays == reference(list(self.points.values()), self.keep, self.zone, self.now)

    @invariant()
    def every_verdict_has_a_reason(self) -> None:
        assert all(found.reasons for found in self.verdicts().values())

    @invariant()
    def the_last_good_one_stays(self) -> None:
        good = [point for point in self.points.values() if point.usable]
        if good:
            newest = max(good, key=lambda point: (point.taken_at, point.id))
            assert self.verdicts()[newest.id].fate is Fate.KEEP

    @invariant()
    def what_is_held_locked_or_read_stays(self) -> None:
        for found in self.verdicts().values():
            until = found.point.locked_until
            if found.point.held or found.point.in_use or (until and until > self.now):
                assert found.fate is Fate.KEEP

    @invariant()
    def unusable_points_make_no_difference_to_usable_ones(self) -> None:
        usable = [point for point in self.points.values() if point.usable]
        alone, together = self.verdicts(usable), self.verdicts()
        assert alone == {name: together[name] for name in alone}

    @invariant()
    def what_was_wanted_stays_until_a_point_comes_and_what_was_due_stays_due(self) -> None:
        verdicts = self.verdicts()
        counted = {
            point.id
            for point in self.points.values()
            if point.usable and point.taken_at <= self.now
        }
        for name in self.before.keys() & counted:
            before, after = self.before[name], verdicts[name]
            wanted = any(reason.why in BY_A_RULE for reason in before.reasons)
            if before.fate is Fate.KEEP and wanted and not (self.edited or counted - self.counted):
                assert after.fate is Fate.KEEP
            counts_still = name in self.counted and not (self.edited or self.took_back)
            if before.fate is Fate.EXPIRE and counts_still:
                assert not any(reason.why in BY_A_RULE - {Why.UNWANTED} for reason in after.reasons)
        self.before, self.counted = verdicts, counted
        self.edited = self.took_back = False


Retention.TestCase.settings = settings(max_examples=200, stateful_step_count=50)
TestRetention = Retention.TestCase


END = datetime(2012, 1, 10, tzinfo=UTC)


@given(
    points=st.lists(
        st.builds(
            Point,
            id=st.uuids().map(str),
            group=st.just("web-1"),
            taken_at=st.integers(0, 800 * 1440).map(lambda age: END - timedelta(minutes=age)),
            usable=st.sampled_from([True, True, False]),
        ),
        max_size=40,
    ),
    keep=keeps,
    zone=st.sampled_from([*ZONES, "Antarctica/Troll"]).map(ZoneInfo),
)
@settings(max_examples=300)
def test_years_with_odd_clocks_are_decided_as_the_reference_says(
    points: list[Point], keep: Keep, zone: ZoneInfo
) -> None:
    """Samoa left a day out; Newfoundland's clocks changed at a minute past midnight."""
    now = END - timedelta(days=90)
    found = decide(points, keep, zone=zone, now=now, grace=GRACE)
    stays = {verdict.point.id for verdict in found if verdict.fate is Fate.KEEP}
    assert stays == reference(points, keep, zone, now)
