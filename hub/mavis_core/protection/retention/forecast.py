"""Forecast: which points a plan will make and lose, day by day, and when one point goes.

The plan is run ahead of time: each point to come is taken when it is due and succeeds, nobody edits
the plan, and what reads a point now ends. While points only come, a rule wants a point from the
moment it is taken until one certain moment, and never again (see `retention`). So that moment is
computed for each rule from the order of the points, instead of deciding again at each slot; tests
compare it with deciding again at each slot.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from mavis_core.errors import InvalidInput
from mavis_core.protection.retention.periods import PERIODS, Period, moment_text
from mavis_core.protection.retention.policy import GRACE, Fate, Keep, Point, Verdict, decide

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

MOST_POINTS = 50_000
"""How many points to come are run through: an hourly plan of five years."""

Due = tuple[str, datetime]
"""A rule's name, and when a point of it is due, in UTC."""

_STEPS = (timedelta(days=35), timedelta(days=400), LOOK_AHEAD)
_UNSEEN = datetime.max.replace(tzinfo=UTC)


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
    left
        How many points are there at its end.
    """

    date: date
    made: tuple[Made, ...]
    goes: tuple[Point, ...]
    left: int


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
        How far was looked ahead, in UTC; `now` where there was no need to look.
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
    lock: timedelta | None = None,
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
    lock
        For how long the cloud itself keeps each point to come; None: it does not.

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
    there = list(existing)
    dates = _days(start.astimezone(zone).date(), days)
    ends = [_midnight(day + timedelta(days=1), zone) for day in dates]
    slots = _Slots(schedule, start, there[0].group if there else "", lock)
    slots.read(ends[-1])
    if slots.full:
        raise InvalidInput(
            f"more than {MOST_POINTS:,} points are due in {days} days",
            mend="Ask for fewer days.",
            field="days",
        )
    made: list[list[Made]] = [[] for _ in dates]
    for each in slots.made:
        made[bisect_right(ends, each.point.taken_at)].append(each)
    goes: list[list[Point]] = [[] for _ in dates]
    for point, goes_at in _lives([*there, *slots.points], keep, zone, start, grace):
        if goes_at < ends[-1]:
            goes[bisect_right(ends, goes_at)].append(point)
    return _calendar(dates, made, goes, len(there))


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
        As in `forecast`; read until the point is seen to go, `LOOK_AHEAD` is over, or `MOST_POINTS`
        are due.
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
    slots = _Slots(schedule, now, point.group)
    for step in _STEPS:
        seen_until = slots.read(now + step)
        ends = _wanted_until(group + slots.points, keep, zone)
        if not point.usable or ends[point.id] <= seen_until:
            goes_at = _goes_at(point, ends, now, grace)
            return Outlook(verdict, goes_at, seen_until, _told(goes_at, zone, now))
    text = f"stays until {moment_text(seen_until, zone)} at least"
    return Outlook(verdict, None, seen_until, text)


def _told(goes_at: datetime, zone: ZoneInfo, now: datetime) -> str:
    if goes_at == now:
        return "goes as soon as nothing reads it"
    return f"goes on {moment_text(goes_at, zone)} at the earliest, if the plan runs as scheduled"


def _calendar(
    dates: Sequence[date], made: Sequence[list[Made]], goes: Sequence[list[Point]], left: int
) -> tuple[Day, ...]:
    found = []
    for day, comes, leaves in zip(dates, made, goes, strict=True):
        left += len(comes) - len(leaves)
        found.append(Day(day, tuple(comes), tuple(leaves), left))
    return tuple(found)


def _days(first: date, count: int) -> list[date]:
    return [first + timedelta(days=nth) for nth in range(count)]


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    """Return the first moment of `day`, in UTC."""
    return datetime.combine(day, time(), tzinfo=zone).astimezone(UTC)


# --- The points to come ------------------------------------------------------------------------


class _Slots:
    """The schedule from `start` on, read as far as it is asked for.

    `made` holds what was read; `full` says that `MOST_POINTS` were read and more are due.
    """

    def __init__(
        self,
        schedule: Iterable[Due],
        start: datetime,
        group: str,
        lock: timedelta | None = None,
    ) -> None:
        self.made: list[Made] = []
        self.full = False
        self._start = start
        self._group = group
        self._lock = lock
        self._rest = iter(schedule)
        self._ahead = next(self._rest, None)

    @property
    def points(self) -> list[Point]:
        return [made.point for made in self.made]

    def read(self, until: datetime) -> datetime:
        """Read what is due before `until`; return that, or how far it got if full."""
        while self._ahead is not None and self._ahead[1] < until:
            rule, due_at = self._ahead
            if due_at >= self._start:
                if len(self.made) == MOST_POINTS:
                    self.full = True
                    return self.made[-1].point.taken_at
                self.made.append(self._made(rule, due_at))
            self._ahead = next(self._rest, None)
        return until

    def _made(self, rule: str, due_at: datetime) -> Made:
        name = f"{rule} {due_at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
        locked_until = None if self._lock is None else due_at + self._lock
        return Made(rule, Point(name, self._group, due_at, locked_until=locked_until))


# --- Until when a point is wanted --------------------------------------------------------------


def _lives(
    points: Iterable[Point], keep: Keep, zone: ZoneInfo, start: datetime, grace: timedelta
) -> list[tuple[Point, datetime]]:
    """Return each point, oldest first, and when it goes; `_UNSEEN` where no point drives it out."""
    ordered = sorted(points, key=lambda point: (point.taken_at, point.id))
    ends = _wanted_until(ordered, keep, zone)
    return [(point, _goes_at(point, ends, start, grace)) for point in ordered]


def _goes_at(
    point: Point, ends: dict[str, datetime], start: datetime, grace: timedelta
) -> datetime:
    if point.held:
        return _UNSEEN
    locked_until = point.locked_until or start
    if point.usable:
        return max(start, locked_until, ends[point.id])
    return max(start, locked_until, point.taken_at + grace)


def _wanted_until(points: Iterable[Point], keep: Keep, zone: ZoneInfo) -> dict[str, datetime]:
    """Return when the last rule stops to want each usable point, by its id.

    A point of the future counts from its own moment, so the order of the points is the order in
    which they begin to count.
    """
    usable = sorted((point.taken_at, point.id) for point in points if point.usable)
    if keep.everything:
        return dict.fromkeys((name for _, name in usable), _UNSEEN)
    taken = [taken_at for taken_at, _ in usable]
    local = [taken_at.astimezone(zone) for taken_at in taken]
    ends = _until_nth_later(taken, max(1, keep.last))  # 1: the last good one
    for period in PERIODS:
        if number := getattr(keep, period.name):
            ends = list(map(max, ends, _until_period(period, number, taken, local)))
    if keep.within is not None:
        ends = list(map(max, ends, _until_younger(keep.within, taken)))
    return {name: end for (_, name), end in zip(usable, ends, strict=True)}


def _until_nth_later(taken: Sequence[datetime], number: int) -> list[datetime]:
    return [*taken[number:], *[_UNSEEN] * min(number, len(taken))]


def _until_younger(within: timedelta, taken: Sequence[datetime]) -> list[datetime]:
    later = [*taken, _UNSEEN]
    return [later[bisect_left(taken, taken_at + within)] for taken_at in taken]


def _until_period(
    period: Period, number: int, taken: Sequence[datetime], local: Sequence[datetime]
) -> list[datetime]:
    """Return until when a rule over `number` periods wants each point.

    That is until the next point of the same period comes, or as many later periods have begun as
    the rule has places; and for the oldest point at least until the last place is taken.
    """
    keys = [period.key(moment) for moment in local]
    firsts = [nth for nth, key in enumerate(keys) if nth == 0 or key != keys[nth - 1]]
    begins = [taken[nth] for nth in firsts]
    taken_up = _until_nth_later(begins, number)
    ends: list[datetime] = []
    for run, first in enumerate(firsts):
        after = firsts[run + 1] if run + 1 < len(firsts) else len(taken)
        ends += [*taken[first + 1 : after], taken_up[run]]
    if ends:
        ends[0] = max(ends[0], begins[number - 1] if number <= len(begins) else _UNSEEN)
    return ends
