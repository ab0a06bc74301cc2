"""Stretches of time that fit a span, so that a person's days are days. Pure.

*Edges*: where buckets begin, and where the last one ends. Days, weeks, months and their halves and
quarters begin by the clock of a zone, so that a day over a change of the clock has 23 or 25 hours;
what is shorter has the same length everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, available_timezones

from mavis_core.errors import InvalidInput

__all__ = ["MOST", "Buckets", "buckets_of", "zone_of"]

MOST = 120
_FIRST, _LAST = datetime(1970, 1, 2, tzinfo=UTC), datetime(2970, 1, 1, tzinfo=UTC)
_SECOND, _MINUTE, _HOUR, _DAY = 1, 60, 3600, 86400
# By elapsed time, in seconds.
_SHORT = {
    **{f"{n}s": n * _SECOND for n in (1, 2, 5, 10, 15, 30)},
    **{f"{n}m": n * _MINUTE for n in (1, 2, 5, 10, 15, 30)},
    "1h": _HOUR,
}
# By the clock: hours of a day, days of weeks, months.
_HOURS = {f"{n}h": n for n in (2, 3, 6, 12)}
_MONTHS = {"1mo": 1, "3mo": 3, "1y": 12, "10y": 120}
_EPOCH_MONDAY = date(1970, 1, 5)


@dataclass(frozen=True, slots=True)
class Buckets:
    """Stretches that follow each other without a gap.

    Parameters
    ----------
    step
        How long each is: ``30s``, ``5m``, ``6h``, ``1d``, ``1w``, ``1mo``, ``1y``.
    edges
        In UTC; one more than there are buckets.
    """

    step: str
    edges: tuple[datetime, ...]


def zone_of(name: str) -> ZoneInfo:
    """Return the zone with a name of the IANA's.

    Raises
    ------
    InvalidInput
        There is none.
    """
    if name not in available_timezones():
        raise InvalidInput(
            f"There is no time zone {name[:60]!r}",
            mend="Write a name of the IANA's, such as Europe/Vienna or UTC.",
            field="zone",
        )
    return ZoneInfo(name)


def buckets_of(since: datetime, until: datetime, zone: ZoneInfo) -> Buckets:
    """Return the shortest buckets of which at most `MOST` hold all from `since` to `until`.

    Examples
    --------
    >>> from zoneinfo import ZoneInfo
    >>> a_day = datetime(2030, 3, 31, tzinfo=UTC), datetime(2030, 4, 1, tzinfo=UTC)
    >>> buckets_of(*a_day, ZoneInfo("UTC")).step
    '15m'
    """
    since = min(max(since, _FIRST), _LAST)
    until = min(max(until, since + timedelta(seconds=1)), _LAST + timedelta(days=1))
    span_s = (until - since).total_seconds()
    for step, length_s in _SHORT.items():
        if span_s / length_s + 1 <= MOST:
            return Buckets(step, tuple(_even(since, until, length_s, zone)))
    local = since.astimezone(zone)
    for step, hours in _HOURS.items():
        if span_s / (hours * _HOUR) + 3 <= MOST:
            times = (time(hour) for hour in range(0, 24, hours))
            return Buckets(step, _by_clock(_days(local.date(), 1), [*times], since, until, zone))
    for step, days in (("1d", 1), ("1w", 7)):
        if span_s / (days * _DAY) + 3 <= MOST:
            return Buckets(step, _by_clock(_days(local.date(), days), [time()], since, until, zone))
    for step, months in _MONTHS.items():
        if span_s / (months * 28 * _DAY) + 3 <= MOST or step == "10y":
            return Buckets(step, _by_clock(_months(local, months), [time()], since, until, zone))
    raise AssertionError("the longest step fits the longest span")


def _even(since: datetime, until: datetime, length_s: int, zone: ZoneInfo) -> Iterator[datetime]:
    """Yield edges at whole lengths by the clock at `since`."""
    offset = since.astimezone(zone).utcoffset() or timedelta()
    past_s = (since + offset).timestamp() % length_s
    edge = since - timedelta(seconds=past_s)
    yield edge
    while edge < until:
        edge += timedelta(seconds=length_s)
        yield edge


def _days(first: date, days: int) -> Iterator[date]:
    """Yield the days at which buckets of so many days begin; weeks begin on Monday."""
    day = first - timedelta(days=(first - _EPOCH_MONDAY).days % days)
    while True:
        yield day
        day += timedelta(days=days)


def _months(local: datetime, months: int) -> Iterator[date]:
    month = (local.year * 12 + local.month - 1) // months * months
    while True:
        yield date(month // 12, month % 12 + 1, 1)
        month += months


def _by_clock(
    days: Iterator[date], times: list[time], since: datetime, until: datetime, zone: ZoneInfo
) -> tuple[datetime, ...]:
    """Return edges at `times` of `days`, from the last one at or before `since` on."""
    edges: list[datetime] = []
    for day in days:
        for at in times:
            edge = datetime.combine(day, at, zone).astimezone(UTC)
            if edges and edge <= edges[-1]:  # an hour that the clock leaves out
                continue
            if edge <= since:
                edges.clear()
            edges.append(edge)
            if edge >= until:
                return tuple(edges)
    raise AssertionError("days do not end")
