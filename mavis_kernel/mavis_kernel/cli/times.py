"""Moments and durations, as people read and write them."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import available_timezones

import click

__all__ = ["both", "duration", "local_zone", "moment_option", "relative", "took"]

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_AGO = re.compile(r"(\d{1,6})\s*([smhdw])", re.IGNORECASE)
_JUST_NOW_S = 3
_DAYS_SHOWN = 60


def relative(moment: datetime | None, now: datetime | None = None) -> str:
    """Return how long ago `moment` is, or in how long; a date where that says more."""
    if moment is None:
        return "never"
    seconds = ((now or datetime.now(UTC)) - moment).total_seconds()
    if abs(seconds) < _JUST_NOW_S:
        return "just now"
    if abs(seconds) > _DAYS_SHOWN * 86400:
        return f"{moment.astimezone():%Y-%m-%d}"
    return f"{_coarse(seconds)} ago" if seconds > 0 else f"in {_coarse(-seconds)}"


def _coarse(seconds: float) -> str:
    for limit, unit_s, unit in ((90, 1, "s"), (5400, 60, "min"), (48 * 3600, 3600, "h")):
        if seconds < limit:
            return f"{seconds / unit_s:.0f} {unit}"
    return f"{seconds / 86400:.0f} d"


def both(moment: datetime | None) -> str:
    """Return `moment` in the person's zone and, where it is near, how long ago that is."""
    if moment is None:
        return "never"
    exact, ago = f"{moment.astimezone():%Y-%m-%d %H:%M:%S %Z}", relative(moment)
    return exact if exact.startswith(ago) else f"{exact} ({ago})"


def duration(seconds: float) -> str:
    """Return `seconds` as ``0.4 s``, ``12 s``, ``3 min 05 s``, ``1 h 02 min`` or ``2 d 03 h``."""
    seconds = max(0.0, seconds)
    if seconds < 9.95:  # below ten after rounding
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 48 * 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86400} d {whole % 86400 // 3600:02d} h"


def took(started_at: datetime | None, finished_at: datetime | None) -> str:
    """Return the time between the two, or up to now; empty where it has not begun."""
    if started_at is None:
        return ""
    return duration(((finished_at or datetime.now(UTC)) - started_at).total_seconds())


def local_zone() -> str:
    """Return the IANA's name of the person's time zone; UTC where the system does not say it."""
    named = os.environ.get("TZ", "").removeprefix(":")
    link = Path("/etc/localtime")
    if not named and link.is_symlink():
        named = str(link.resolve()).rpartition("/zoneinfo/")[2]
    return named if named in available_timezones() else "UTC"


def moment_option(text: str) -> datetime:
    """Return the moment that an option means: ``1h`` (an hour ago), a date, a date with a time.

    Raises
    ------
    BadParameter
        It means none.
    """
    ago = _AGO.fullmatch(text.strip())
    if ago:
        return datetime.now(UTC) - timedelta(seconds=int(ago[1]) * _UNITS[ago[2].lower()])
    try:
        # Without a zone it is the person's own.
        return datetime.fromisoformat(text.strip()).astimezone(UTC)
    except (ValueError, OverflowError, OSError) as exc:
        raise click.BadParameter(
            f"{text!r} is no moment: write 90s, 30m, 1h, 2d, 1w or 2026-01-31."
        ) from exc
