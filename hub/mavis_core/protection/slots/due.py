"""What a rule of a plan does now, with the slots that became due since the last look.

*Handled until*: the watermark of a rule; slots due up to it were dealt with. *Turn*: a slot with
the moment at which it begins, its jitter added. The rules:

1. A slot begins at its due moment plus its jitter. The jitter is the same on every machine and at
   every look, and never more than half the way to the next slot, so that slots keep their order.
2. A slot taken up within `grace` of that moment is on time. Later it is missed.
3. Of all slots that wait to begin only the newest begins; the others are told as skipped. With
   `CatchUp.ONCE` it begins however late it is; with `CatchUp.NEVER` the newest that is on time.
   So one outage is caught up once, and nothing is where a newer slot has begun already.
4. Inside a blackout nothing begins and nothing is decided. A slot that should have begun inside
   one counts as late when it ends: the newest begins then with ``ONCE``, none with ``NEVER``.
5. A slot whose key was begun before is never begun again, whatever became of clocks, cron or zone.
6. Where the clock was set back behind the watermark, the watermark goes back to the clock, less
   the grace: no rule stands still until the old time comes again, and what would be on time is.

A clock set forward by a year is an outage of a year. Only the newest 300 slots are looked at one by
one; those before are counted as missed, whatever blackout they may have fallen into.
"""

from __future__ import annotations

import hashlib
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import islice, takewhile
from zoneinfo import ZoneInfo

from mavis_core.protection.slots.blackouts import Blackout, covered_until
from mavis_core.protection.slots.schedule import (
    Schedule,
    Slot,
    count_between,
    newest_first,
    next_after,
)

__all__ = [
    "Beginning",
    "CatchUp",
    "Decision",
    "Reason",
    "Skipped",
    "Start",
    "Timing",
    "begins_at",
    "decide",
    "jitter_offset",
]

_LOOKED_AT = 300


class CatchUp(StrEnum):
    """What becomes of slots that were missed."""

    ONCE = "once"
    NEVER = "never"


class Start(StrEnum):
    """How a slot begins."""

    ON_TIME = "on time"
    CATCH_UP = "catch-up"


class Reason(StrEnum):
    """Why a slot did not begin."""

    MISSED = "missed"
    BLACKOUT = "blackout"
    BEGUN = "already begun"


@dataclass(frozen=True, slots=True)
class Timing:
    """When one rule of one plan begins its slots.

    Parameters
    ----------
    plan_id, rule
        The plan's id and the rule's name; the jitter comes from them.
    grace
        How long after its moment a slot is still on time.
    jitter_s
        The most that a slot is put off, in seconds.
    """

    plan_id: str
    rule: str
    schedule: Schedule
    catch_up: CatchUp
    grace: timedelta
    blackouts: tuple[Blackout, ...] = ()
    jitter_s: int = 0


@dataclass(frozen=True, slots=True)
class Beginning:
    """A slot that begins now; `planned_at` is its due moment with the jitter."""

    slot: Slot
    planned_at: datetime
    start: Start


@dataclass(frozen=True, slots=True)
class Skipped:
    """Slots that will not begin, for one reason: the oldest, the newest, and how many."""

    reason: Reason
    first: Slot
    last: Slot
    count: int


@dataclass(frozen=True, slots=True)
class Decision:
    """What one rule does now.

    Parameters
    ----------
    begin
        The slot to begin, or None.
    skipped
        What will not begin any more, each reason at most once.
    handled_until
        The new watermark; keep it together with what was begun.
    held_until
        The end of the blackout in which nothing is decided, or None.
    """

    begin: Beginning | None
    skipped: tuple[Skipped, ...]
    handled_until: datetime
    held_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class _Turn:
    slot: Slot
    planned_at: datetime
    blacked_out: bool
    begun: bool

    @property
    def reason(self) -> Reason:
        if self.begun:
            return Reason.BEGUN
        return Reason.BLACKOUT if self.blacked_out else Reason.MISSED


def jitter_offset(plan_id: str, rule: str, slot: Slot, jitter_s: int) -> timedelta:
    """Return by how much a slot is put off: whole seconds, 0 to `jitter_s`, by SHA-256.

    Plans that share a cron are spread by it, and each look finds the same offset again.
    """
    digest = hashlib.sha256(f"{plan_id}\n{rule}\n{slot.key}".encode()).digest()
    return timedelta(seconds=int.from_bytes(digest[:8], "big") % (jitter_s + 1))


def begins_at(timing: Timing, slot: Slot) -> datetime:
    """Return the moment at which `slot` begins, its jitter added."""
    if not timing.jitter_s:
        return slot.due_at
    return _put_off(timing, slot, next_after(timing.schedule, slot.due_at))


def decide(
    timing: Timing, *, handled_until: datetime, now: datetime, begun: Container[str]
) -> Decision:
    """Return what `timing` does at `now`.

    Parameters
    ----------
    handled_until
        The watermark; of a new rule the moment at which it was made.
    begun
        The keys of the slots that this rule has begun, at least those due since two days and the
        grace before the earlier of `handled_until` and `now`: where the zone was edited, one key
        is due up to 26 hours apart.
    """
    since = handled_until if handled_until <= now else now - timing.grace
    held_until = covered_until(timing.blackouts, now, ZoneInfo(timing.schedule.zone))
    if held_until is not None:
        return Decision(None, (), since, held_until)
    slots = _window(timing.schedule, since, now)
    turns = tuple(_turns(timing, slots[:_LOOKED_AT], begun))
    waiting = [turn for turn in turns if turn.planned_at > now and not turn.begun]
    ripe = [turn for turn in turns if turn not in waiting]
    chosen = _choose(timing, ripe, now)
    passed = [turn for turn in ripe if turn is not chosen]
    return Decision(
        begin=_beginning(timing, chosen, now) if chosen else None,
        skipped=_skipped(timing.schedule, passed, since, slots[_LOOKED_AT:]),
        handled_until=_just_before(waiting[-1].slot) if waiting else now,
    )


def _window(plan: Schedule, after: datetime, until: datetime) -> Sequence[Slot]:
    """Return the slots due after `after` up to `until`, newest first, one more than looked at."""
    newer = takewhile(lambda slot: slot.due_at > after, newest_first(plan, until))
    return tuple(islice(newer, _LOOKED_AT + 1))


def _turns(timing: Timing, slots: Sequence[Slot], begun: Container[str]) -> Iterator[_Turn]:
    zone = ZoneInfo(timing.schedule.zone)
    following: Slot | None = None
    for slot in slots:
        planned_at = _put_off(timing, slot, following) if following else begins_at(timing, slot)
        blacked_out = covered_until(timing.blackouts, planned_at, zone) is not None
        yield _Turn(slot, planned_at, blacked_out, slot.key in begun)
        following = slot


def _put_off(timing: Timing, slot: Slot, following: Slot) -> datetime:
    offset = jitter_offset(timing.plan_id, timing.rule, slot, timing.jitter_s)
    return slot.due_at + min(offset, (following.due_at - slot.due_at) / 2)


def _choose(timing: Timing, ripe: Sequence[_Turn], now: datetime) -> _Turn | None:
    for turn in ripe:
        if turn.begun:
            return None
        if timing.catch_up is CatchUp.ONCE or _on_time(timing, turn, now):
            return turn
    return None


def _on_time(timing: Timing, turn: _Turn, now: datetime) -> bool:
    return not turn.blacked_out and now - turn.planned_at <= timing.grace


def _beginning(timing: Timing, turn: _Turn, now: datetime) -> Beginning:
    start = Start.ON_TIME if _on_time(timing, turn, now) else Start.CATCH_UP
    return Beginning(turn.slot, turn.planned_at, start)


def _just_before(slot: Slot) -> datetime:
    return slot.due_at - timedelta.resolution


def _skipped(
    plan: Schedule, passed: Sequence[_Turn], since: datetime, older: Sequence[Slot]
) -> tuple[Skipped, ...]:
    found: dict[Reason, Skipped] = {}
    if older:
        first, last = next_after(plan, since), older[0]
        count = count_between(plan, since, last.due_at)
        found[Reason.MISSED] = Skipped(Reason.MISSED, first, last, count)
    for turn in reversed(passed):
        known = found.get(turn.reason)
        first, count = (known.first, known.count) if known else (turn.slot, 0)
        found[turn.reason] = Skipped(turn.reason, first, turn.slot, count + 1)
    return tuple(found.values())
