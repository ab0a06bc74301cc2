"""Moments and lengths of time, as people read them. The words are those of the command line."""

from __future__ import annotations

from datetime import datetime

__all__ = ["duration", "exact", "relative", "short", "took"]

_JUST_NOW_S = 3
_DAYS_SHOWN = 60


def exact(moment: datetime) -> str:
    """Return ``2026-01-31 12:00:05 UTC``."""
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def short(moment: datetime) -> str:
    """Return ``2026-01-31 12:00 UTC``."""
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def relative(moment: datetime, now: datetime) -> str:
    """Return how long ago `moment` is, or in how long; empty where the date says more."""
    seconds = (now - moment).total_seconds()
    if abs(seconds) < _JUST_NOW_S:
        return "just now"
    if abs(seconds) > _DAYS_SHOWN * 86400:
        return ""
    return f"{_coarse(seconds)} ago" if seconds > 0 else f"in {_coarse(-seconds)}"


def _coarse(seconds: float) -> str:
    for limit, unit_s, unit in ((90, 1, "s"), (5400, 60, "min"), (48 * 3600, 3600, "h")):
        if seconds < limit:
            return f"{seconds / unit_s:.0f} {unit}"
    return f"{seconds / 86400:.0f} d"


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


def took(started_at: datetime | None, finished_at: datetime | None, now: datetime) -> str:
    """Return the time between the two, or up to now; empty where it has not begun."""
    if started_at is None:
        return ""
    return duration(((finished_at or now) - started_at).total_seconds())
