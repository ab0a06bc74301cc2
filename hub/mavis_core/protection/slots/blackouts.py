"""Blackouts: when no backup begins.

*Weekly*: a stretch of local time on some days of every week. *Span*: one stretch of local time.
Both include their first moment and not their last. Where a local time at an edge comes twice, the
blackout is the longer of the two readings.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from enum import StrEnum
from typing import TypeAlias
from zoneinfo import ZoneInfo

from mavis_core.protection.slots.zones import first_moment, last_moment, wall

__all__ = ["Blackout", "Span", "Weekday", "Weekly", "covered_until"]


class Weekday(StrEnum):
    """The days of a week, in their order."""

    MONDAY = "mon"
    TUESDAY = "tue"
    WEDNESDAY = "wed"
    THURSDAY = "thu"
    FRIDAY = "fri"
    SATURDAY = "sat"
    SUNDAY = "sun"


_WEEK = tuple(Weekday)


@dataclass(frozen=True, slots=True)
class Weekly:
    """A stretch of local time on some days of every week.

    Parameters
    ----------
    days
        The days on which it begins.
    begins, ends
        Local times. Where `ends` is not later than `begins` it is on the next day; the same time
        twice is 24 hours.
    """

    days: tuple[Weekday, ...]
    begins: time
    ends: time

    def ends_at(self, moment: datetime, zone: ZoneInfo) -> datetime | None:
        """Return when the stretch that covers `moment` ends; None where none does."""
        today = wall(moment, zone).date()
        over_midnight = timedelta(days=1 if self.ends <= self.begins else 0)
        found = None
        for day in (today - timedelta(days=1), today):
            if _WEEK[day.weekday()] in self.days:
                begins = datetime.combine(day, self.begins)
                ends = datetime.combine(day + over_midnight, self.ends)
                found = Span(begins, ends).ends_at(moment, zone) or found
        return found

    def covers(self, moment: datetime, zone: ZoneInfo) -> bool:
        """Return whether nothing begins at `moment`."""
        return self.ends_at(moment, zone) is not None


@dataclass(frozen=True, slots=True)
class Span:
    """One stretch of local time, from `begins` to `ends`; both are without a zone."""

    begins: datetime
    ends: datetime

    def ends_at(self, moment: datetime, zone: ZoneInfo) -> datetime | None:
        """Return when it ends; None where it does not cover `moment`."""
        end = last_moment(self.ends, zone)
        return end if moment < end and first_moment(self.begins, zone) <= moment else None

    def covers(self, moment: datetime, zone: ZoneInfo) -> bool:
        """Return whether nothing begins at `moment`."""
        return self.ends_at(moment, zone) is not None


Blackout: TypeAlias = Weekly | Span


def covered_until(
    blackouts: Iterable[Blackout], moment: datetime, zone: ZoneInfo
) -> datetime | None:
    """Return the latest end of those blackouts that cover `moment`; None where none does.

    Another one may begin before that end, or at it: ask again then.
    """
    ends = (blackout.ends_at(moment, zone) for blackout in blackouts)
    return max((end for end in ends if end is not None), default=None)
