"""The slots of a plan that are to come."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from heapq import merge
from itertools import islice

from mavis_core.protection.slots.due import Timing
from mavis_core.protection.slots.schedule import next_after

__all__ = ["Upcoming", "slots_of", "upcoming"]


@dataclass(frozen=True, slots=True)
class Upcoming:
    """A slot to come."""

    rule: str
    key: str
    due_at: datetime


def slots_of(timing: Timing, after: datetime) -> Iterator[Upcoming]:
    """Yield the slots of one rule after a moment, without an end."""
    while True:
        slot = next_after(timing.schedule, after)
        yield Upcoming(timing.rule, slot.key, slot.due_at)
        after = slot.due_at


def upcoming(timings: Iterable[Timing], after: datetime, *, limit: int) -> tuple[Upcoming, ...]:
    """Return the first slots of all rules after a moment, at most `limit`."""
    streams = [slots_of(timing, after) for timing in timings]
    return tuple(islice(merge(*streams, key=lambda each: each.due_at), limit))
