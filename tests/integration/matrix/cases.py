"""The two sides of the matrix: calls and faults; and what is chosen for a sample.

Beside calls to the cloud there are the moments at which something becomes durable, with faults of
their own.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from integration.matrix.orders import UNSEEN_S

_READS = ("Describe", "Get", "List", "AssumeRole")
_SEED = 20260114


@dataclass(frozen=True, slots=True)
class CloudCall:
    """One call of a clean run.

    Parameters
    ----------
    number
        It was the so many-th of its action in this place, counted from 1.
    makes
        How many things it made.
    """

    action: str
    service: str
    account: str
    region: str
    number: int
    makes: int

    @property
    def reads(self) -> bool:
        """Whether it changes nothing."""
        return reads(self.action)

    def __str__(self) -> str:
        return f"{self.action} #{self.number} in {self.account[:3]}/{self.region}"


def reads(action: str) -> bool:
    """Whether calls of an action change nothing."""
    return action.startswith(_READS)


def calls_of(log: Iterable[Mapping[str, Any]]) -> list[CloudCall]:
    """Return the calls of a clean run in their order, from the simulator's log."""
    counted: Counter[tuple[str, ...]] = Counter()
    found = []
    for each in log:
        place = (each["action"], each["service"], each["account"], each["region"])
        counted[place] += 1
        found.append(CloudCall(*place, counted[place], len(each["made"])))
    return found


@dataclass(frozen=True, slots=True)
class Write:
    """The so many-th time, from 1 on, that the first process of a clean run makes its database
    durable."""

    number: int
    reads = False

    def __str__(self) -> str:
        return f"write #{self.number}"


class Meets(Enum):
    """Which calls a fault is about: those for which it differs from another one."""

    ALL = "all"
    CHANGES = "those that change something"
    MAKES = "those that make something"
    MAKES_MANY = "those that make several things"


_LEAST = {Meets.ALL: 0, Meets.MAKES: 1, Meets.MAKES_MANY: 2}


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that may go wrong with a call.

    Parameters
    ----------
    effect
        As the simulator names it.
    kills
        Whether the process dies with its call on the way.
    times
        With so many calls from this one on.
    hidden_s
        Seconds for which what was made is not shown.
    rate
        How many seconds pass in one of ours, where something is waited for that takes minutes.
    """

    name: str
    effect: str
    meets: Meets = Meets.ALL
    kills: bool = False
    times: int = 1
    hidden_s: float = 0.0
    rate: float = 1.0

    def fits(self, call: CloudCall | Write) -> bool:
        """Whether it is about `call`."""
        if isinstance(call, Write):
            return self in DISK_FAULTS
        if self in DISK_FAULTS:
            return False
        if self.meets is Meets.CHANGES:
            return not call.reads
        return call.makes >= _LEAST[self.meets]


FAULTS = (
    Fault("killed before, never done", "hold_instead", kills=True),
    Fault("killed before, done then", "hold_before", Meets.CHANGES, kills=True),
    Fault("killed before, done late", "late", Meets.CHANGES, kills=True),
    Fault("killed after", "hold_reply", kills=True),
    Fault("throttled twice", "throttle", times=2),
    Fault("error 500", "error500"),
    Fault("error 500 after", "error500_after", Meets.CHANGES),
    Fault("lost request", "lost_request"),
    Fault("lost reply", "lost_reply"),
    Fault("lost reply, unseen", "lost_reply", Meets.MAKES, hidden_s=UNSEEN_S),
    Fault("unseen", "invisible", Meets.MAKES, hidden_s=UNSEEN_S),
    Fault("vanished", "vanished", Meets.MAKES, rate=40.0),
    Fault("one of several vanished", "one_vanished", Meets.MAKES_MANY, rate=40.0),
    Fault("broken", "broken", Meets.MAKES, rate=40.0),
    Fault("denied", "deny"),
)


DISK_FAULTS = (
    Fault("killed before a write", "kill_before_write"),
    Fault("killed after a write", "kill_after_write"),
    Fault("a write fails", "fail_write"),
    Fault("writes fail from there on", "fail_writes"),
)


@dataclass(frozen=True, slots=True)
class Case:
    """One call, or write, that meets one fault."""

    scenario: str
    call: CloudCall | Write
    fault: Fault

    def __str__(self) -> str:
        return f"{self.scenario}: {self.call} {self.fault.name}"


def matrix(
    scenario: str, calls: Sequence[CloudCall | Write], faults: Sequence[Fault]
) -> list[Case]:
    """Return every case of a scenario."""
    return [Case(scenario, call, fault) for fault in faults for call in calls if fault.fits(call)]


def sample(cases: Sequence[Case], size: int) -> list[Case]:
    """Return some cases, always the same: of each fault as many, rather changes than looks.

    Each case has a rank of its own, so that another call in the matrix moves few others.
    """
    ranked = sorted(cases, key=lambda case: (case.call.reads, _rank(str(case))))
    seen: Counter[str] = Counter()
    turns: list[tuple[int, str, Case]] = []
    for case in ranked:
        seen[case.fault.name] += 1
        turns.append((seen[case.fault.name], _rank(f"{case.scenario}/{case.fault.name}"), case))
    return [case for _, _, case in sorted(turns, key=lambda turn: turn[:2])[:size]]


def _rank(words: str) -> str:
    return hashlib.sha256(f"{_SEED}/{words}".encode()).hexdigest()
