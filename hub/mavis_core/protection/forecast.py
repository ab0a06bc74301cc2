"""Forecast: which points a plan will make and lose, day by day, and when one point goes.

The plan is run ahead of time: its points are taken when they are due, and retention is applied to
them. Every point to come is taken to succeed, and nobody edits the plan; what reads a point now is
taken to end the same day. While points only come, what is due is never wanted again (see
`retention`), so applying it once at the end of each local day loses the same points on the same
days as applying it after each one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice, takewhile
from zoneinfo import ZoneInfo

from mavis_core.errors import InvalidInput
from mavis_core.protection.periods import moment_text
from mavis_core.protection.retention import GRACE, Fate, Keep, Point, Verdict, decide

__all__ = [
    "LOOK_AHEAD",
    "MOST_DAYS",
    "MOST_POINTS",
    "Day",
    "Due",
    "Made",
    "Outlook",
    "explain",
    "forecast",
]

LOOK_AHEAD = timedelta(days=5 * 366)
"""How far `explain` looks ahead."""

MOST_DAYS = 5 * 366
"""How many days `forecast` takes on."""

MOST_POINTS = 100_000
"""How many points to come are run through, which takes some seconds."""

Due = tuple[str, datetime]
"""A rule's name, and when a point of it is due, in UTC."""


@dataclass(frozen=True, slots=True)
class Made:
    """A point that will be made, and the rule that makes it."""

    rule: str
    point: Point


@dataclass(frozen=True, slots=True)
class Day:
    """One local day of the plan.

    Parameters
    ----------
    made
        The points that this day makes, oldest first.
    goes
        The points that go on this day, oldest first; some may be of the same day.
    stays
        The points that are there at its end, oldest first.
    """

    date: date
    made: tuple[Made, ...]
    goes: tuple[Point, ...]
    stays: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Outlook:
    """Why a point is where it is, and what is to come.

    Parameters
    ----------
    verdict
        As of now.
    goes_at
        The earliest moment, in UTC, at which it goes if the plan runs as scheduled; None where it
        was not seen to go.
    seen_until
        How far was looked ahead, in UTC: `goes_at` where that is known.
    sentence
        The same in words, in the plan's zone.
    """

    verdict: Verdict
    goes_at: datetime | None
    seen_until: datetime
    sentence: str


def forecast(
    schedule: Iterable[Due],
    keep: Keep,
    *,
    zone: ZoneInfo,
    start: datetime,
    days: int,
    existing: Iterable[Point] = (),
    grace: timedelta = GRACE,
) -> tuple[Day, ...]:
    """Return the plan's next days, the first of them the local day of `start`.

    Parameters
    ----------
    schedule
        Whose points are kept by `keep`, ascending; what is due before `start` is left out. It is
        read no further than needed and may be endless.
    existing
        The points of the group that are there at `start`.
    days
        1 to `MOST_DAYS`.

    Raises
    ------
    InvalidInput
        Too many days, or so many points in them that it would take long.
    """
    if not 1 <= days <= MOST_DAYS:
        raise InvalidInput(
            f"cannot forecast {days} days",
            mend=f"Ask for 1 to {MOST_DAYS} days.",
            field="days",
        )
    there = [replace(point, in_use=False) for point in existing]
    group = there[0].group if there else ""
    found = []
    for span in islice(_spans(schedule, zone, start, group), days):
        if span.full:
            raise InvalidInput(
                f"more than {MOST_POINTS:,} points are due in {days} days",
                mend="Ask for fewer days.",
                field="days",
            )
        there += [made.point for made in span.made]
        verdicts = decide(there, keep, zone=zone, now=span.end, grace=grace)[::-1]
        there = [verdict.point for verdict in verdicts if verdict.fate is Fate.KEEP]
        goes = tuple(verdict.point for verdict in verdicts if verdict.fate is Fate.EXPIRE)
        found.append(Day(span.date, span.made, goes, tuple(there)))
    return tuple(found)


def explain(
    point: Point,
    points: Iterable[Point],
    keep: Keep,
    *,
    zone: ZoneInfo,
    now: datetime,
    schedule: Iterable[Due],
    grace: timedelta = GRACE,
) -> Outlook:
    """Return why a point is kept, and when it goes if the plan runs as scheduled.

    Parameters
    ----------
    point
        Whom it is about.
    points
        All points of its group; whether `point` is among them does not matter.
    schedule
        As in `forecast`; read until the point goes, `LOOK_AHEAD` is over, or `MOST_POINTS` came.
    """
    group = [point, *(each for each in points if each.id != point.id)]
    verdicts = decide(group, keep, zone=zone, now=now, grace=grace)
    verdict = next(verdict for verdict in verdicts if verdict.point.id == point.id)
    if verdict.fate is Fate.EXPIRE:
        return Outlook(verdict, now, now, f"goes now: {verdict.reasons[0].sentence}")
    if point.held:
        return Outlook(verdict, None, now, "stays as long as the legal hold is on it")
    if point.usable and keep.everything:
        return Outlook(verdict, None, now, "stays: the plan keeps everything")
    goes_at, seen_until = _look_ahead(
        _Asked(point.id, keep, zone, grace),
        [replace(each, in_use=False) for each in group if each.usable or each.id == point.id],
        _spans(schedule, zone, now, point.group),
        now,
    )
    return Outlook(verdict, goes_at, seen_until, _told(goes_at, seen_until, zone, now))


def _told(goes_at: datetime | None, seen_until: datetime, zone: ZoneInfo, now: datetime) -> str:
    if goes_at is None:
        return f"stays until {moment_text(seen_until, zone)} at least"
    if goes_at == now:
        return "goes as soon as nothing reads it"
    return f"goes on {moment_text(goes_at, zone)} at the earliest, if the plan runs as scheduled"


# --- Running the plan --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Span:
    """A local day from `begin` to before `end`; `full`: `MOST_POINTS` are exceeded, so stop."""

    date: date
    begin: datetime
    end: datetime
    made: tuple[Made, ...]
    full: bool


@dataclass(frozen=True, slots=True)
class _Asked:
    """The point that is asked about, and what decides on it."""

    id: str
    keep: Keep
    zone: ZoneInfo
    grace: timedelta

    def verdicts(self, points: Iterable[Point], at: datetime) -> tuple[Verdict, ...]:
        return decide(points, self.keep, zone=self.zone, now=at, grace=self.grace)

    def goes(self, verdicts: Iterable[Verdict]) -> bool:
        return any(v.point.id == self.id and v.fate is Fate.EXPIRE for v in verdicts)

    def turns(self, points: Iterable[Point], span: _Span, now: datetime) -> list[datetime]:
        """Return the moments of a span at which the point's fate may change, ascending."""
        found = {now}
        for point in points:
            found.add(point.taken_at)
            if point.id == self.id:
                found.add(point.taken_at + self.grace)
                found.add(point.locked_until or now)
        return sorted(moment for moment in found if span.begin <= moment < span.end)


def _look_ahead(
    asked: _Asked, points: list[Point], spans: Iterator[_Span], now: datetime
) -> tuple[datetime | None, datetime]:
    """Return when the point goes, or None, and how far was looked."""
    seen_until = now
    for span in takewhile(lambda span: span.end <= now + LOOK_AHEAD and not span.full, spans):
        points += [made.point for made in span.made]
        turns = asked.turns(points, span, now)
        if turns:
            verdicts = asked.verdicts(points, span.end)
            if asked.goes(verdicts):
                goes_at = next(at for at in turns if asked.goes(asked.verdicts(points, at)))
                return goes_at, goes_at
            points = [verdict.point for verdict in verdicts if verdict.fate is Fate.KEEP]
        seen_until = span.end
    return None, seen_until


def _spans(schedule: Iterable[Due], zone: ZoneInfo, start: datetime, group: str) -> Iterator[_Span]:
    """Yield the local days from that of `start` on, without end, with the points they make."""
    slots = iter(schedule)
    ahead = next(slots, None)
    day, begin, count = start.astimezone(zone).date(), start, 0
    while True:
        end = datetime.combine(day + timedelta(days=1), time(), tzinfo=zone).astimezone(UTC)
        made = []
        while ahead is not None and ahead[1] < end and count <= MOST_POINTS:
            rule, due_at = ahead
            if due_at >= start:
                made.append(_made(rule, due_at, group))
                count += 1
            ahead = next(slots, None)
        yield _Span(day, begin, end, tuple(made), count > MOST_POINTS)
        day, begin = day + timedelta(days=1), end


def _made(rule: str, due_at: datetime, group: str) -> Made:
    return Made(rule, Point(f"{rule} {due_at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}", group, due_at))
