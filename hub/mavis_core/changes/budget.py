"""One API budget for all Runs of this process.

AWS counts calls for each account and region, and everybody who holds a key of the account shares
what it grants. So Mavis asks one `Budget` before each call: all threads of a worker together stay
below the limit, projects get their turns (see `mavis_core.changes.bucket`), and a refusal that one
of them meets slows down all.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType

from mavis_core.changes.bucket import Bucket, Limit, Ticket
from mavis_core.errors import Interrupted

__all__ = ["LIMITS", "Budget", "Limit", "granted"]

LIMITS: Mapping[str, Limit] = MappingProxyType(
    {
        "read": Limit(20, 100),  # non-mutating actions, filtered or paginated
        "write": Limit(5, 50),  # mutating actions
        "snapshot": Limit(5, 100),  # CreateSnapshots
        "copy": Limit(5, 20),  # CopySnapshot; AWS runs 20 at a time into one region
        "launch": Limit(2, 5),  # RunInstances
        "delete": Limit(5, 100),  # DeleteSnapshot, DeleteVolume
        "command": Limit(5, 20),  # SSM's SendCommand; AWS names no number
        "block": Limit(200, 1000),  # a fifth of GetSnapshotBlock's quota of 1000 a second
    }
)
"""Limits by group of calls, as AWS documents them for an account that asked for no more.

Request token buckets: https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html;
blocks: https://docs.aws.amazon.com/general/latest/gr/ebs-service.html. AWS counts each action for
itself; a group shares one bucket here, which leaves room for others who use the account.
"""

_PATIENCE_S = 1.0  # nobody wants to read of a shorter wait
_LONGEST_SLEEP_S = 60.0


def granted(times: float) -> Mapping[str, Limit]:
    """Return `LIMITS` for accounts that were granted so many times more, rate and burst alike."""
    return {
        group: Limit(limit.rate_per_s * times, max(1, round(limit.burst * times)))
        for group, limit in LIMITS.items()
    }


class Budget:
    """Lets calls begin, as fast as the cloud takes them.

    Safe for threads; it has none of its own.

    Parameters
    ----------
    limits
        By group of calls.
    stop
        Set when the process ends: nobody waits any longer.
    clock
        Seconds that never go back.
    """

    def __init__(
        self,
        limits: Mapping[str, Limit] = LIMITS,
        *,
        stop: threading.Event | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limits = limits
        self._stop = stop or threading.Event()
        self._clock = clock
        self._lock = threading.Lock()
        self._lanes: dict[tuple[str, str, str], _Lane] = {}

    def acquire(
        self,
        account: str,
        region: str,
        group: str,
        *,
        project: str,
        on_wait: Callable[[float, str], None] | None = None,
    ) -> None:
        """Block the calling thread until the call may begin.

        Parameters
        ----------
        account, region, group
            The bucket: accounts and regions do not share, nor do groups of `LIMITS`.
        project
            Whose call it is; projects that wait for one bucket take turns.
        on_wait
            Told once, in this thread, of a wait of more than a second: the seconds that are left
            as things stand, and what is waited for. What it raises ends the waiting.

        Raises
        ------
        Interrupted
            The process ends.
        """
        if self._stop.is_set():
            raise _interrupted()
        lane = self._lane(account, region, group)
        if lane.take():
            return
        with lane.joined(project) as ticket:
            if on_wait is not None:
                if lane.wait_s(ticket) <= _PATIENCE_S and lane.wait(ticket, _PATIENCE_S):
                    return
                on_wait(lane.wait_s(ticket), f"API budget: {group} calls in {region}")
            lane.wait(ticket, math.inf)

    def penalise(self, account: str, region: str, group: str) -> None:
        """Let such calls begin at half the rate for a while: the cloud refused one.

        What was saved for a burst is gone. Refusals within a second count as one; the rate comes
        back over half a minute, and falls again if the cloud refuses again.
        """
        self._lane(account, region, group).penalise()

    def _lane(self, account: str, region: str, group: str) -> _Lane:
        key = (account, region, group)
        found = self._lanes.get(key)
        if found is None:
            made = _Lane(Bucket(self._limits[group], self._clock()), self._stop, self._clock)
            with self._lock:
                found = self._lanes.setdefault(key, made)
        return found


class _Lane:
    """A bucket, its lock, and the threads that wait at it.

    One of them is the *leader*: it sleeps until the next token is due, or until the process ends,
    and serves whose turn it is. The others sleep until they are served or asked to lead. However
    many wait, one of them watches the time.
    """

    def __init__(self, bucket: Bucket, stop: threading.Event, clock: Callable[[], float]) -> None:
        self._bucket = bucket
        self._stop = stop
        self._clock = clock
        self._lock = threading.Lock()
        self._leader: Ticket | None = None
        self._sleepers: dict[Ticket, threading.Event] = {}

    def take(self) -> bool:
        with self._lock:
            return self._bucket.take(self._clock())

    def penalise(self) -> None:
        with self._lock:
            self._bucket.penalise(self._clock())

    def wait_s(self, ticket: Ticket) -> float:
        with self._lock:
            return self._bucket.wait_s(ticket, self._clock())

    @contextmanager
    def joined(self, project: str) -> Iterator[Ticket]:
        """Wait in the queue of `project` inside the block, however it ends."""
        with self._lock:
            ticket = self._bucket.join(project)
        try:
            yield ticket
        finally:
            with self._lock:
                self._bucket.leave(ticket)
                self._step_down(ticket)

    def wait(self, ticket: Ticket, longest_s: float) -> bool:
        """Sleep until `ticket` is served, `longest_s` at most, and return whether it is.

        Raises
        ------
        Interrupted
            The process ends.
        """
        until = self._clock() + longest_s
        while True:
            with self._lock:
                if self._stop.is_set():
                    raise _interrupted()
                now = self._clock()
                self._serve(now)
                if ticket.served:
                    return True
                if now >= until:
                    self._step_down(ticket)
                    return False
                wake, sleep_s = self._bed(ticket, now)
            wake.wait(min(sleep_s, until - now))

    def _bed(self, ticket: Ticket, now: float) -> tuple[threading.Event, float]:
        """Return what wakes the thread of `ticket`, and the seconds after which it wakes anyway."""
        if self._leader is None:
            self._leader = ticket
            self._sleepers.pop(ticket, None)
        if self._leader is ticket:
            return self._stop, min(self._bucket.next_s(now), _LONGEST_SLEEP_S)
        wake = self._sleepers[ticket] = threading.Event()
        return wake, _LONGEST_SLEEP_S

    def _serve(self, now: float) -> None:
        for ticket in self._bucket.serve(now):
            self._wake(ticket)

    def _step_down(self, ticket: Ticket) -> None:
        """Let `ticket` sleep here no more; if nobody leads then, ask somebody."""
        self._sleepers.pop(ticket, None)
        if self._leader is ticket:
            self._leader = None
        if self._leader is None and self._sleepers:
            self._wake(next(iter(self._sleepers)))

    def _wake(self, ticket: Ticket) -> None:
        if wake := self._sleepers.pop(ticket, None):
            wake.set()


def _interrupted() -> Interrupted:
    return Interrupted("The process ends; a call to the cloud was not begun")
