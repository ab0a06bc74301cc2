"""What a process is told to do, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

SETTLE_S = 2.0
"""Seconds after which what the cloud does not show was not made. Longer than `UNSEEN_S`."""
UNSEEN_S = 1.2
"""Seconds for which the cloud hides what it has made, in cases of that kind."""


@dataclass(frozen=True, slots=True)
class Order:
    """Make a scenario's world, cancel a Run, or carry out what is due.

    Parameters
    ----------
    home
        The lane's folder: database, AWS configuration.
    endpoint
        The lane's simulator.
    now
        What the process's clock says at its beginning, in seconds since 1970.
    rate
        How many seconds pass on that clock in one of ours.
    prepare
        The scenario whose world is to be made.
    cancel
        The id of the Run that a person cancels. Both empty: carry out what is due.
    tick
        Whether the timetable begins what is due first.
    settle_s
        Seconds after which what the cloud does not show was not made.
    write, effect
        What happens at which write of the database; see `integration.matrix.disk`.
    """

    home: Path
    endpoint: str
    now: float
    rate: float = 1.0
    prepare: str = ""
    cancel: str = ""
    tick: bool = False
    settle_s: float = SETTLE_S
    write: int = 0
    effect: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a prepared world.

    Parameters
    ----------
    run_id
        The Run that the scenario is about.
    places
        Accounts and regions that it may touch.
    disks
        By the id of each instance that it is about, by device name the volume that hangs there.
    content
        Digest of the bytes that each volume had when it was taken.
    later
        Digest of the bytes that a volume has now, where it was written since.
    may_go, may_go_later
        Ids of things that it may delete, and those that may be deleted within a day; everything
        else that is there stays.
    """

    run_id: str
    places: tuple[tuple[str, str], ...]
    disks: Mapping[str, Mapping[str, str]]
    content: Mapping[str, str]
    later: Mapping[str, str] = field(default_factory=dict)
    may_go: frozenset[str] = frozenset()
    may_go_later: frozenset[str] = frozenset()

    @property
    def bytes_now(self) -> Mapping[str, str]:
        """Digest of the bytes that each volume has now."""
        return {**self.content, **self.later}


@dataclass(frozen=True, slots=True)
class Report:
    """How a process ended.

    Parameters
    ----------
    now
        What its clock said then.
    bugs
        Tracebacks of what no code of ours expected.
    facts
        Of a world that was made.
    writes
        How often it made its database durable.
    """

    now: float
    bugs: tuple[str, ...] = ()
    facts: Facts | None = None
    writes: int = 0
