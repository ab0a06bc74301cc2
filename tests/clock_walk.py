"""A reference for slots that is too simple to be wrong: it walks minute by minute and looks.

It knows nothing of the code under test: neither cronsim nor the way gaps and folds are found.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Cron:
    """A cron with `text` for the code and sets for the walk; None takes everything."""

    text: str
    minutes: frozenset[int] | None = None
    hours: frozenset[int] | None = None
    weekdays: frozenset[int] | None = None  # Monday is 0

    def takes(self, local: datetime) -> bool:
        return (
            (self.minutes is None or local.minute in self.minutes)
            and (self.hours is None or local.hour in self.hours)
            and (self.weekdays is None or local.weekday() in self.weekdays)
        )


def some(*values: int) -> frozenset[int]:
    return frozenset(values)


CRONS = (
    Cron("* * * * *"),
    Cron("*/15 * * * *", some(0, 15, 30, 45)),
    Cron("7 * * * *", some(7)),
    Cron("0 */2 * * *", some(0), frozenset(range(0, 24, 2))),
    Cron("30 0 * * *", some(30), some(0)),
    Cron("0 1 * * *", some(0), some(1)),
    Cron("30 2 * * *", some(30), some(2)),
    Cron("10,50 0-3 * * *", some(10, 50), some(0, 1, 2, 3)),
    Cron("15 2,23 * * SUN", some(15), some(2, 23), some(6)),
    Cron("59 23 * * *", some(59), some(23)),
)


def clock(zone: str, begin: datetime, end: datetime) -> list[tuple[datetime, datetime]]:
    """Return each minute after `begin` up to `end`, with what the clock shows at it."""
    place = ZoneInfo(zone)
    minutes = int((end - begin) / MINUTE)
    moments = (begin + step * MINUTE for step in range(minutes + 1))
    return [(moment, moment.astimezone(place).replace(tzinfo=None, fold=0)) for moment in moments]


def slots_of(cron: Cron, shown: list[tuple[datetime, datetime]]) -> Iterator[tuple[str, datetime]]:
    """Yield key and moment of each slot after the first minute of `shown`.

    What the clock showed before `shown` begins is not known: begin well before a change.
    """
    seen = {shown[0][1]}
    latest = shown[0][1]
    for moment, local in shown[1:]:
        missed = [
            latest + step * MINUTE
            for step in range(1, int((local - latest) / MINUTE))
            if cron.takes(latest + step * MINUTE)
        ]
        if local not in seen and cron.takes(local):
            yield local.isoformat(timespec="minutes"), moment
        elif missed:
            yield missed[-1].isoformat(timespec="minutes"), moment
        seen.add(local)
        latest = max(latest, local)


@cache
def changes(zone: str, first: date, last: date) -> tuple[datetime, ...]:
    """Return the changes of a zone's clocks between two dates, to the minute, by halving."""
    place = ZoneInfo(zone)
    begin = datetime(first.year, first.month, first.day, tzinfo=UTC)
    days = [begin + timedelta(days=day) for day in range((last - first).days + 1)]
    offsets = [day.astimezone(place).utcoffset() for day in days]
    found = []
    for index in range(len(days) - 1):
        if offsets[index] != offsets[index + 1]:
            low, high = days[index], days[index + 1]
            while high - low > MINUTE:
                middle = low + int((high - low) / MINUTE / 2) * MINUTE
                if middle.astimezone(place).utcoffset() == offsets[index]:
                    low = middle
                else:
                    high = middle
            found.append(high)
    return tuple(found)
