"""Retention: which recovery points stay, which go, and why.

*Keep*: what a plan asks for. *Point*: what retention sees of a recovery point. *Verdict*: one
point's fate with the reasons for it. A point that *counts* is usable and not of the future; only
such points are chosen by a rule, and only they use up a rule's number.

The rules are those of ``restic forget``: grandfather, father, son. For each rule the points that
count are walked from the newest to the oldest; the first one of each hour, day, ISO week, month or
year (of the plan's zone) is wanted, until the rule's number is used up. While some of it is left
when the walk ends, the oldest point is wanted too, so that a young plan reaches back as far as it
can. What no rule wants goes. Tests compare this with restic itself.

Beyond restic:

- A set that is incomplete or has lost a member never counts, and so never drives a good one out.
  It goes by itself when it is older than a grace, for nobody can restore from it.
- The newest point that counts, the last good one, never goes, whatever the rules say.
- A point under a legal hold, under a lock that has not ended, or being read never goes. If usable
  it counts like any other: it is there and can be restored from. The rules do not make up for it
  with an older one, and none of them chooses anew when the hold ends.
- A point of the future (the clock was set back) stays and does not count until its time comes.
  Else the points of a wrong clock would drive out whatever is made after the clock was put right.

Three things follow, and tests hold them. Deleting what is due, or any part of it, makes nothing
else due. A point that a rule wants stays until a new usable one comes or the plan is edited; the
new one need not be newer, for an older one takes the place of the oldest. And while points only
come, what is due is never wanted again, so it does not matter how often retention runs.

One exception is restic's own. Hours are told apart as one walks, and Antarctica/Troll repeats two
hours when its clocks go back: 01, 02, 01, 02 are four hours there. A usable point that breaks just
then may join two of them into one, and a point that was wanted becomes due.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from mavis_core.errors import InvalidInput
from mavis_core.protection.durations import written
from mavis_core.protection.retention.periods import PERIODS, Period, moment_text

__all__ = [
    "GRACE",
    "Batch",
    "Fate",
    "Keep",
    "Point",
    "Reason",
    "Verdict",
    "Why",
    "at_most",
    "decide",
]

GRACE = timedelta(hours=24)
"""How long an unusable point stays, if nothing else is said."""


@dataclass(frozen=True, slots=True)
class Keep:
    """How many points stay; ``Keep()`` keeps every one that is usable.

    The rules add up: a point stays as long as one of them wants it.

    Parameters
    ----------
    last
        The newest so many points, whenever they were taken.
    hourly, daily, weekly, monthly, yearly
        The last point of each of the newest so many hours, days, ISO weeks, months or years that
        have a point, in the plan's zone. 0 means that the rule is not used.
    within
        Every point that is younger than this, counted back from the newest one that counts and not
        from now: a plan that stands still loses nothing. It is a span of real time, so 7 days are
        168 hours also over a change of clocks. None means that the rule is not used.

    Raises
    ------
    InvalidInput
        A count below 0, or a `within` of nothing.
    """

    last: int = 0
    hourly: int = 0
    daily: int = 0
    weekly: int = 0
    monthly: int = 0
    yearly: int = 0
    within: timedelta | None = None

    def __post_init__(self) -> None:
        for name in ("last", "hourly", "daily", "weekly", "monthly", "yearly"):
            if getattr(self, name) < 0:
                raise InvalidInput(
                    f"cannot keep {getattr(self, name)} {name} points",
                    mend="Give a number of 0 or more; 0 switches the rule off.",
                    field=name,
                )
        if self.within is not None and self.within <= timedelta(0):
            raise InvalidInput(
                "`within` is not a span of time",
                mend="Give more than nothing, such as 48h, or leave it out.",
                field="within",
            )

    @property
    def everything(self) -> bool:
        """Whether no rule is used, so that every usable point stays."""
        return self == Keep()


@dataclass(frozen=True, slots=True)
class Point:
    """What retention sees of a recovery point.

    Parameters
    ----------
    id
        Breaks a tie between points of one moment: the greater id is taken as the newer one.
    group
        What is decided together: the points of one instance in one plan and, where a rule has its
        own keep, of one rule. The caller makes the groups; `decide` takes one at a time.
    taken_at
        The moment that the point shows, in UTC.
    usable
        Whether it is complete and no member is missing, so that one can restore from it.
    locked_until
        When the cloud's lock ends, in UTC; None where there is none.
    held
        Whether a legal hold is on it.
    in_use
        Whether it is being read (by a restore, a verification or a copy) or still being made.
    """

    id: str
    group: str
    taken_at: datetime
    usable: bool = True
    locked_until: datetime | None = None
    held: bool = False
    in_use: bool = False


class Fate(StrEnum):
    """What becomes of a point."""

    KEEP = "keep"
    EXPIRE = "expire"


class Why(StrEnum):
    """The code of a reason. The last two make a point go, the others keep it."""

    LAST_GOOD = "last_good"
    EVERYTHING = "everything"
    LAST = "last"
    HOURLY = "hourly"
    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"
    YEARLY = "yearly"
    WITHIN = "within"
    HELD = "held"
    LOCKED = "locked"
    IN_USE = "in_use"
    FUTURE = "future"
    RECENT = "recent"
    UNWANTED = "unwanted"
    UNUSABLE = "unusable"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a point stays or goes: a code, and a sentence in the plan's zone."""

    why: Why
    sentence: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """One point's fate; `reasons` holds at least one.

    Parameters
    ----------
    expires_at
        When the point goes if the plan runs as scheduled, in UTC, where that is certain: now for
        what is due, and the end of the lock, of `within` or of the grace where nothing else keeps
        it. None where it depends on points to come: `forecast.explain` looks ahead.
    """

    point: Point
    fate: Fate
    reasons: tuple[Reason, ...]
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class Batch:
    """What one run of retention deletes, and what waits for the next run; both oldest first."""

    due: tuple[Verdict, ...]
    deferred: tuple[Verdict, ...]


def decide(
    points: Iterable[Point],
    keep: Keep,
    *,
    zone: ZoneInfo,
    now: datetime,
    grace: timedelta = GRACE,
) -> tuple[Verdict, ...]:
    """Return each point's verdict, newest first.

    Parameters
    ----------
    points
        All points of one group, in any order.
    zone
        Whose hours, days, weeks, months and years the rules mean.
    now
        The present moment in UTC.
    grace
        How long an unusable point stays after it was taken.

    Raises
    ------
    ValueError
        Points of several groups: deciding over them together would delete the wrong ones.
    """
    newest_first = sorted(points, key=_age, reverse=True)
    groups = {point.group for point in newest_first}
    if len(groups) > 1:
        raise ValueError(f"points of several groups: {', '.join(sorted(groups))}")
    counting = [point for point in newest_first if point.usable and point.taken_at <= now]
    wanted = iter(_wanted(counting, keep, zone))
    verdicts = []
    for point in newest_first:
        if not point.usable:
            reasons = _recent(point, now, grace)
        elif point.taken_at <= now:
            reasons = next(wanted)
        else:
            reasons = []
        reasons += _protected(point, zone, now)
        verdicts.append(_verdict(point, reasons, keep, now, grace))
    return tuple(verdicts)


def at_most(verdicts: Iterable[Verdict], share: float, total: int) -> Batch:
    """Return what of `verdicts` one run deletes: the oldest, at most a share of all points.

    A wrong edit or a wrong clock then costs a part before somebody sees it, and not everything.

    Parameters
    ----------
    verdicts
        Of one or of several groups; those that keep are left out.
    share
        0 to 1. At 0 nothing is deleted; above, at least one point where any is due.
    total
        How many points there are, those that stay included.

    Raises
    ------
    InvalidInput
        `share` is not between 0 and 1.
    """
    if not 0 <= share <= 1:
        raise InvalidInput(
            f"a share of {share} is not between 0 and 1",
            mend="Give the part of all points that one run may delete, such as 0.25.",
            field="max_delete_share",
        )
    due = [verdict for verdict in verdicts if verdict.fate is Fate.EXPIRE]
    due.sort(key=lambda verdict: _age(verdict.point))
    # 0.29 * 100 is a little less than 29 in binary.
    most = max(1, math.floor(share * total + 1e-9)) if share else 0
    return Batch(tuple(due[:most]), tuple(due[most:]))


def _age(point: Point) -> tuple[datetime, str]:
    return point.taken_at, point.id


# --- What the rules want -----------------------------------------------------------------------


def _wanted(counting: Sequence[Point], keep: Keep, zone: ZoneInfo) -> list[list[Reason]]:
    """Return for each point, newest first, the reasons that the rules give to keep it."""
    reasons: list[list[Reason]] = [[] for _ in counting]
    if not counting:
        return reasons
    reasons[0].append(Reason(Why.LAST_GOOD, "the last good one of this machine"))
    if keep.everything:
        for found in reasons:
            found.append(Reason(Why.EVERYTHING, "the plan keeps everything"))
        return reasons
    for nth in range(min(keep.last, len(counting))):
        reasons[nth].append(Reason(Why.LAST, f"last: one of the newest ({nth + 1} of {keep.last})"))
    local = [point.taken_at.astimezone(zone) for point in counting]
    for period in PERIODS:
        _choose(period, getattr(keep, period.name), local, reasons)
    if keep.within is not None:
        _choose_within(keep.within, counting, reasons)
    return reasons


def _choose(
    period: Period, number: int, local: Sequence[datetime], reasons: Sequence[list[Reason]]
) -> None:
    """Add the reasons of one rule, which wants `number` periods of the points' local times."""
    why = Why(period.name)
    used = 0
    before: object = None
    for moment, found in zip(local, reasons, strict=True):
        if used == number:
            return
        key = period.key(moment)
        if key != before:
            used += 1
            before = key
            text = f"{why}: the last one of {period.text(moment)} ({used} of {number})"
            found.append(Reason(why, text))
    if all(reason.why is not why for reason in reasons[-1]):
        text = f"{why}: the oldest of all, as only {used} of {number} are there"
        reasons[-1].append(Reason(why, text))


def _choose_within(
    within: timedelta, counting: Sequence[Point], reasons: Sequence[list[Reason]]
) -> None:
    since = counting[0].taken_at - within
    reason = Reason(Why.WITHIN, f"within {written(within)} of the newest one")
    for point, found in zip(counting, reasons, strict=True):
        if point.taken_at <= since:
            return
        found.append(reason)


# --- What holds beyond the rules ---------------------------------------------------------------


def _recent(point: Point, now: datetime, grace: timedelta) -> list[Reason]:
    if now - grace < point.taken_at <= now:
        return [Reason(Why.RECENT, f"incomplete, and begun less than {written(grace)} ago")]
    return []


def _protected(point: Point, zone: ZoneInfo, now: datetime) -> list[Reason]:
    """Return what keeps the point whatever the rules say."""
    reasons = []
    if point.held:
        reasons.append(Reason(Why.HELD, "legal hold"))
    if point.locked_until is not None and point.locked_until > now:
        until = moment_text(point.locked_until, zone)
        reasons.append(Reason(Why.LOCKED, f"locked until {until}"))
    if point.in_use:
        reasons.append(Reason(Why.IN_USE, "a restore, a verification or a copy reads it"))
    if point.taken_at > now:
        taken = moment_text(point.taken_at, zone)
        reasons.append(Reason(Why.FUTURE, f"taken in the future ({taken}): a clock was wrong"))
    return reasons


def _verdict(
    point: Point, reasons: Sequence[Reason], keep: Keep, now: datetime, grace: timedelta
) -> Verdict:
    if reasons:
        ends = _ends(point, reasons, keep, grace)
        return Verdict(point, Fate.KEEP, tuple(reasons), ends)
    if point.usable:
        return Verdict(point, Fate.EXPIRE, (_UNWANTED,), now)
    reason = Reason(Why.UNUSABLE, f"incomplete, and older than {written(grace)}")
    return Verdict(point, Fate.EXPIRE, (reason,), now)


_UNWANTED = Reason(Why.UNWANTED, "no rule of the plan wants it")


def _ends(point: Point, reasons: Sequence[Reason], keep: Keep, grace: timedelta) -> datetime | None:
    """Return when the last of the reasons to keep ends, None if one of them has no known end."""
    last = point.taken_at
    for reason in reasons:
        if reason.why is Why.LOCKED and point.locked_until is not None:
            last = max(last, point.locked_until)
        elif reason.why is Why.WITHIN and keep.within is not None:
            last = max(last, point.taken_at + keep.within)
        elif reason.why is Why.RECENT:
            last = max(last, point.taken_at + grace)
        else:
            return None
    return last
