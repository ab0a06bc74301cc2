"""Hours, days, ISO weeks, months and years of a zone, and moments as people read them.

The texts are the same in every locale: ``strftime`` would follow the process's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

__all__ = ["PERIODS", "Period", "day_text", "moment_text"]

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True, slots=True)
class Period:
    """A kind of period.

    Parameters
    ----------
    name
        ``hourly`` and so on: the rule of retention that counts such periods.
    key
        Gives equal values for the local times of one period, and only for them.
    text
        Names the period that a local time lies in.
    """

    name: str
    key: Callable[[datetime], object]
    text: Callable[[datetime], str]


def day_text(local: datetime) -> str:
    """Return the day as people read it: ``Tue 24 Nov 2026``."""
    return f"{_DAYS[local.weekday()]} {local.day} {_month_text(local)}"


def moment_text(moment: datetime, zone: ZoneInfo) -> str:
    """Return the moment in `zone` as people read it: ``Tue 24 Nov 2026, 10:30 CET``."""
    local = moment.astimezone(zone)
    return f"{day_text(local)}, {local.hour:02}:{local.minute:02} {local.tzname()}"


def _hour_text(local: datetime) -> str:
    return f"{day_text(local)}, {local.hour:02}h"


def _week_text(local: datetime) -> str:
    year, week, _ = local.isocalendar()
    return f"week {week} of {year}"


def _month_text(local: datetime) -> str:
    return f"{_MONTHS[local.month - 1]} {local.year}"


PERIODS = (
    Period("hourly", lambda at: (at.year, at.month, at.day, at.hour), _hour_text),
    Period("daily", lambda at: (at.year, at.month, at.day), day_text),
    Period("weekly", lambda at: at.isocalendar()[:2], _week_text),
    Period("monthly", lambda at: (at.year, at.month), _month_text),
    Period("yearly", lambda at: at.year, lambda at: str(at.year)),
)
