"""What stands in the way of recordings, told to people for as long as it does.

*Hindrance*: one of `Hindrance`. While recordings wait in the spool no session is lost; when the
spool is full, all end.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from mavis_core import clock
from mavis_core.remote.recording import Health

__all__ = ["Alarm", "Hindrance", "alarms_of"]


class Hindrance(StrEnum):
    """What can stand in the way."""

    STORE = "store"
    SPOOL = "spool"
    DAMAGE = "damage"


_MENDS = {
    Hindrance.STORE: "Bring the object store back: what waits goes there by itself. When the spool"
    " is full, all sessions end.",
    Hindrance.SPOOL: "Bring the object store back, or have `remote.spool_mb` set higher. When the"
    " spool is full, all sessions end.",
    Hindrance.DAMAGE: "Look at the spool's disk, and at who can write to it. What is there is kept,"
    " and tried again each minute.",
}


@dataclass(frozen=True, slots=True)
class Alarm:
    """One hindrance that stands.

    Parameters
    ----------
    since
        When it began.
    text
        What it is, a sentence without its full stop.
    mend
        What to do.
    why
        What the store or the disk said, for administrators of the platform: it may name what is in
        other projects. Empty where nothing is known.
    """

    what: Hindrance
    since: datetime
    text: str
    mend: str
    why: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "what": self.what,
            "since": clock.iso(self.since),
            "text": self.text,
            "mend": self.mend,
            "why": self.why,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Alarm:
        """Return what `to_json` made values of.

        Raises
        ------
        ValueError, KeyError
            They are none.
        """
        what, since = Hindrance(values["what"]), clock.parse(values["since"])
        return cls(what, since, *(str(values[name]) for name in ("text", "mend", "why")))


def alarms_of(health: Health, since: Mapping[Hindrance, datetime]) -> tuple[Alarm, ...]:
    """Return an alarm for each hindrance that `since` has, as it is now."""
    return tuple(
        Alarm(what, begun, _text(what, health), _MENDS[what], _why(what, health))
        for what, begun in since.items()
    )


def _text(what: Hindrance, health: Health) -> str:
    taken = health.used_bytes * 100 // health.limit_bytes
    match what:
        case Hindrance.STORE:
            wait = "1 waits" if health.waiting == 1 else f"{health.waiting} wait"
            return f"The object store takes no recordings: {wait} in a spool that is {taken} % full"
        case Hindrance.SPOOL:
            used, limit = health.used_bytes >> 20, health.limit_bytes >> 20
            return f"The spool of recordings is {taken} % full: {used} of {limit} MiB"
        case Hindrance.DAMAGE:
            return (
                "Some recordings cannot be stored, though the object store answers:"
                f" {len(health.troubles)} wait in the spool"
            )


def _why(what: Hindrance, health: Health) -> str:
    if what is Hindrance.DAMAGE:
        return next((f"{session}: {why}" for session, why in health.troubles.items()), "")
    return health.error or ""
