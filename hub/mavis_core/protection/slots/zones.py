"""Wall clocks: between moments and the local times that people plan by.

*Moment*: a point in time, in UTC. *Local time*: what the clock on a wall shows, without a zone; it
may come twice (clocks are set back) or never (clocks are set forward).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from mavis_core.errors import InvalidInput

__all__ = ["first_moment", "last_moment", "none_later", "wall", "zone_named"]

# What the machine calls its own time, and the variants with leap seconds, are no places.
_NO_PLACE = re.compile(r"(posix|right)/|localtime\Z|posixrules\Z|Factory\Z")


def zone_named(name: str, *, field: str = "zone") -> ZoneInfo:
    """Return the IANA zone `name`.

    Raises
    ------
    InvalidInput
        There is none; the mend names those that are written alike.
    """
    try:
        if name and not _NO_PLACE.match(name):
            return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        pass  # below, where what is no place ends, too
    raise InvalidInput(
        f"{field}: there is no time zone {name[:60]!r}", mend=_zones_like(name[:60]), field=field
    )


def _zones_like(name: str) -> str:
    known = {
        zone.lower(): zone for zone in sorted(available_timezones()) if not _NO_PLACE.match(zone)
    }
    known |= {zone.rsplit("/", 1)[-1].lower(): zone for zone in known.values() if "/" in zone}
    near = get_close_matches(name.lower().replace(" ", "_"), known, n=3, cutoff=0.7)
    meant = dict.fromkeys(known[key] for key in near)
    if meant:
        return f"Did you mean {' or '.join(meant)}?"
    return "Name a place of the IANA database, such as Europe/Berlin, or UTC."


def wall(moment: datetime, zone: ZoneInfo) -> datetime:
    """Return the local time that a clock in `zone` shows at `moment`."""
    return moment.astimezone(zone).replace(tzinfo=None, fold=0)


def none_later(moment: datetime, zone: ZoneInfo) -> datetime:
    """Return a local time such that the clock has shown none after it up to `moment`.

    It is later than `wall` while a stretch of local time passes for the second time.
    """
    local = moment.astimezone(zone)
    set_back = local.replace(fold=0).astimezone(UTC) - local.astimezone(UTC)
    return local.replace(tzinfo=None, fold=0) - min(set_back, timedelta(0))


def first_moment(local: datetime, zone: ZoneInfo) -> datetime:
    """Return when the clock first shows `local`, or has just skipped it."""
    found = local.replace(tzinfo=zone, fold=0).astimezone(UTC)
    return found if wall(found, zone) == local else _after_the_gap(local, zone)


def last_moment(local: datetime, zone: ZoneInfo) -> datetime:
    """Return when the clock last shows `local`, or has just skipped it."""
    found = local.replace(tzinfo=zone, fold=1).astimezone(UTC)
    return found if wall(found, zone) == local else _after_the_gap(local, zone)


def _after_the_gap(local: datetime, zone: ZoneInfo) -> datetime:
    """Return the first moment after the gap that `local` lies in, found by halving.

    Read with the offset that holds after the gap, `local` is a moment before it; read with the
    offset from before, one after it (PEP 495).
    """
    before = local.replace(tzinfo=zone, fold=1).astimezone(UTC)
    after = local.replace(tzinfo=zone, fold=0).astimezone(UTC)
    while after - before > timedelta(seconds=1):
        middle = before + timedelta(seconds=int((after - before).total_seconds()) // 2)
        if wall(middle, zone) > local:
            after = middle
        else:
            before = middle
    return after
