"""Slots: the moments at which a schedule wants something done.

*Schedule*: five fields of cron, read on the wall clock of a zone. *Slot*: one local time of it,
due at one moment. The rule, for every zone and every kind of change of its clocks:

1. Each local time of the cron is one slot.
2. A local time that comes twice, because clocks are set back, is due when it comes first, once.
3. Local times that never come, because clocks are set forward, become together one slot. It is due
   at the first moment after the gap and bears the last of them as its local time. Where the
   schedule has a slot of its own at that very moment, they become none.

So "02:30 each day" runs once on every day of the year, and "every 15 minutes" neither bursts nor
doubles. cronsim is used for the calendar alone, on local times without a zone; like Debian's cron
it takes a day that fits both day-of-month and day-of-week where one of them begins with ``*``, and
a day that fits either otherwise. ``L``, ``LW``, ``FRI#2`` and ``FRIL`` are understood.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import takewhile
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from mavis_core.errors import InvalidInput
from mavis_core.protection.slots.zones import first_moment, none_later, wall, zone_named

__all__ = [
    "Schedule",
    "Slot",
    "between",
    "count_between",
    "last_before",
    "newest_first",
    "next_after",
    "schedule",
]

_LONGEST = 200
_FORM = (
    "Give five fields, minute hour day-of-month month day-of-week: `30 2 * * *` is 02:30 each day,"
    " `0 */6 * * MON-FRI` every six hours on weekdays."
)
_FIELDS = ("minute", "hour", "day-of-month", "month", "day-of-week")
_RANGES = (
    "0 to 59",
    "0 to 23",
    "1 to 31, L for the last day",
    "1 to 12 or JAN to DEC",
    "0 to 7 or SUN to SAT, Sunday being 0 and 7",
)
_ALIASES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}


@dataclass(frozen=True, slots=True)
class Schedule:
    """When something is wanted; make it with `schedule`, which checks it.

    Parameters
    ----------
    cron
        Five fields.
    zone
        The IANA zone on whose wall clock they are read.
    """

    cron: str
    zone: str


@dataclass(frozen=True, slots=True)
class Slot:
    """One local time of a schedule.

    Parameters
    ----------
    local
        The local time, without a zone.
    due_at
        The moment at which it is due, in UTC.
    """

    local: datetime
    due_at: datetime

    @property
    def key(self) -> str:
        """The local time as ``2026-10-25T01:30``: unique within a rule of a plan, and sortable."""
        return self.local.isoformat(timespec="minutes")


def schedule(cron: str, zone: str, *, field: str, zone_field: str = "zone") -> Schedule:
    """Return the schedule of `cron` on the wall clock of `zone`.

    Parameters
    ----------
    field, zone_field
        The input fields that they came from, for errors.

    Raises
    ------
    InvalidInput
        The cron does not have five good fields or never comes, or there is no such zone.
    """
    zone_named(zone, field=zone_field)
    return Schedule(_checked_cron(cron, field), zone)


def between(plan: Schedule, after: datetime, until: datetime) -> Iterator[Slot]:
    """Yield the slots that are due after `after` and not after `until`, the oldest first."""
    return takewhile(lambda slot: slot.due_at <= until, _oldest_first(plan, after))


def next_after(plan: Schedule, moment: datetime) -> Slot:
    """Return the first slot that is due after `moment`."""
    return next(_oldest_first(plan, moment))


def last_before(plan: Schedule, moment: datetime, *, horizon: timedelta) -> Slot | None:
    """Return the last slot that is due at `moment` or before it, or None.

    Parameters
    ----------
    horizon
        What is due so long before `moment`, or earlier, is not looked for.
    """
    found = next(newest_first(plan, moment), None)
    return found if found is not None and found.due_at > moment - horizon else None


def newest_first(plan: Schedule, until: datetime) -> Iterator[Slot]:
    """Yield the slots that are due at `until` or before it, the newest first, without an end."""
    zone = ZoneInfo(plan.zone)
    start = none_later(until, zone).replace(second=1, microsecond=0)
    above: datetime | None = None
    for local in CronSim(plan.cron, start, reverse=True):
        due_at = first_moment(local, zone)
        if due_at <= until and due_at != above:
            yield Slot(local, due_at)
        above = due_at


def count_between(plan: Schedule, after: datetime, until: datetime) -> int:
    """Return how many slots are due after `after` and not after `until`.

    Whole days on which no clock is changed are multiplied, not walked through: a year of hourly
    slots takes a few milliseconds.
    """
    zone = ZoneInfo(plan.zone)
    calendar = CronSim(plan.cron, wall(after, zone))
    a_day = len(calendar.hours) * len(calendar.minutes)
    day, begin = _first_day_after(after, zone)
    total, counted_to = 0, after
    if begin <= until:
        total, counted_to = _walked(plan, after, begin), begin
    while counted_to < until and (end := _day_begins(day + timedelta(days=1), zone)) <= until:
        if _plain(counted_to, end, zone):
            total += a_day if _has_day(calendar, day) else 0
        else:
            total += _walked(plan, counted_to, end)
        day, counted_to = day + timedelta(days=1), end
    return total + _walked(plan, counted_to, until)


def _oldest_first(plan: Schedule, after: datetime) -> Iterator[Slot]:
    zone = ZoneInfo(plan.zone)
    skipped: Slot | None = None
    for local in CronSim(plan.cron, wall(after, zone)):
        slot = Slot(local, first_moment(local, zone))
        if skipped is not None and skipped.due_at < slot.due_at:
            yield skipped
        skipped = None
        if slot.due_at <= after:
            continue
        if wall(slot.due_at, zone) == local:
            yield slot
        else:
            skipped = slot


def _walked(plan: Schedule, after: datetime, until: datetime) -> int:
    return sum(1 for _ in between(plan, after, until))


def _first_day_after(after: datetime, zone: ZoneInfo) -> tuple[date, datetime]:
    day = wall(after, zone).date() + timedelta(days=1)
    while (begin := _day_begins(day, zone)) < after:
        day += timedelta(days=1)
    return day, begin


def _day_begins(day: date, zone: ZoneInfo) -> datetime:
    """Return the last moment before `day`: what is due on it is due after that."""
    return first_moment(datetime.combine(day, time()), zone) - timedelta.resolution


def _plain(begin: datetime, end: datetime, zone: ZoneInfo) -> bool:
    """Return whether no clock is changed from `begin` to `end`, and they are a day apart."""
    offsets = {moment.astimezone(zone).utcoffset() for moment in (begin, end)}
    return len(offsets) == 1 and end - begin == timedelta(days=1)


def _has_day(calendar: CronSim, day: date) -> bool:
    return day.month in calendar.months and calendar.match_day(day)


def _checked_cron(cron: str, field: str) -> str:
    fields = cron.split()
    if len(fields) != len(_FIELDS) or len(cron) > _LONGEST or not cron.isascii():
        alias = _ALIASES.get(cron.strip().lower())
        raise InvalidInput(
            f"{field}: {cron[:60]!r} is no cron of five fields",
            mend=f"Write `{alias}`." if alias else _FORM,
            field=field,
        )
    _check_fields(fields, field)
    return " ".join(fields)


def _check_fields(fields: list[str], field: str) -> None:
    for index, (name, text) in enumerate(zip(_FIELDS, fields, strict=True)):
        alone = ["*"] * len(_FIELDS)
        alone[index] = text
        if not _comes(" ".join(alone)):
            raise InvalidInput(
                f"{field}: {text[:60]!r} is no {name}",
                mend=f"The {name} takes {_RANGES[index]}; *, lists 1,3, ranges 1-5, steps */2.",
                field=field,
            )
    if not _comes(" ".join(fields)):
        raise InvalidInput(
            f"{field}: {' '.join(fields)!r} never comes: no such day is in the calendar",
            mend="Choose a day that its month has.",
            field=field,
        )


def _comes(cron: str) -> bool:
    try:
        # cronsim gives up after 50 years; within 28 of these every date has every weekday.
        return next(CronSim(cron, datetime(2001, 1, 1)), None) is not None  # noqa: DTZ001  # local
    except CronSimError:
        return False
