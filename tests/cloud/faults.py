"""Faults: what goes wrong, with which calls, how often."""

from __future__ import annotations

import threading
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from cloud.overlay import Fate


class Effect(StrEnum):
    """What goes wrong.

    The first six come instead of the call's effect, the next three before it, the three after those
    after it. The last four let the call succeed and change what becomes of the things it makes.
    """

    THROTTLE = "throttle"
    ERROR500 = "error500"
    EXPIRED_CREDENTIALS = "expired_credentials"
    DENY = "deny"
    LOST_REQUEST = "lost_request"  # the connection breaks, and nothing has happened
    HOLD_INSTEAD = "hold_instead"  # waits for release, or for `seconds`; then as LOST_REQUEST
    DELAY = "delay"  # only late: waits, then takes its course
    HOLD_BEFORE = "hold_before"  # the call waits for release, or for `seconds`
    LATE = "late"  # the same, and goes on by itself before the third call to EC2 that follows
    LOST_REPLY = "lost_reply"  # the connection breaks without an answer
    ERROR500_AFTER = "error500_after"
    HOLD_REPLY = "hold_reply"  # the answer waits for release, or for `seconds`
    INVISIBLE = "invisible"  # not shown and not usable for `seconds`
    VANISHED = "vanished"  # gone when the answer is there
    ONE_VANISHED = "one_vanished"  # of what it made, the last one
    BROKEN = "broken"  # ends in `error`; an instance is terminated


REFUSED = {Effect.THROTTLE, Effect.ERROR500, Effect.EXPIRED_CREDENTIALS, Effect.DENY}
NEVER = {Effect.LOST_REQUEST, Effect.HOLD_INSTEAD}


@dataclass(frozen=True)
class Fault:
    """What goes wrong with some of the next calls of `action`.

    Parameters
    ----------
    region, account, service
        Whose calls: those in a region, of an account (its id), to a service (``ec2``); None means
        any.
    skip
        So many calls go well first.
    times
        So many calls go wrong then.
    seconds
        Of a delay or of what is invisible: how long. Of what is held: how long at most.
    hidden_s
        What the call makes is invisible for so long, too, whatever the effect is.
    """

    action: str
    effect: Effect
    region: str | None = None
    account: str | None = None
    service: str | None = None
    skip: int = 0
    times: int = 1
    seconds: float = 30.0
    hidden_s: float = 0.0

    def fits(self, action: str, region: str, account: str, service: str) -> bool:
        return (
            self.action == action
            and self.region in (None, region)
            and self.account in (None, account)
            and self.service in (None, service)
        )

    @property
    def fate(self) -> Fate:
        """What becomes of the things that the call makes."""
        hidden_s = self.seconds if self.effect is Effect.INVISIBLE else self.hidden_s
        return Fate(hidden_s=hidden_s, broken=self.effect is Effect.BROKEN)


_MATCH = {"action", "region", "account", "service"}
_LATE_CALLS = 3  # whoever connects anew asks for regions, and looks
_LATE_DONE_S = 10.0
_WORDS = {"match", "effect", "skip", "times", "seconds", "hidden_s"}


def parse(document: dict[str, Any]) -> Fault:
    """Return the fault of ``{match: {action, ...}, effect, ...}``; the rest as in `Fault`."""
    match = document["match"]
    if set(document) - _WORDS or set(match) - _MATCH:
        raise ValueError(f"unknown words in the fault {document}")
    return Fault(
        action=match["action"],
        region=match.get("region"),
        account=match.get("account"),
        service=match.get("service"),
        effect=Effect(document["effect"]),
        skip=int(document.get("skip", 0)),
        times=int(document.get("times", 1)),
        seconds=float(document.get("seconds", 30.0)),
        hidden_s=float(document.get("hidden_s", 0.0)),
    )


@dataclass
class _Pending:
    fault: Fault
    skip: int
    left: int


@dataclass
class Late:
    """A call that is done before the last of the next `left` ones."""

    left: int
    done: threading.Event = field(default_factory=threading.Event)


class Faults:
    """The faults to come. Safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pending: list[_Pending] = []
        self._release = threading.Event()
        self._held = 0
        self._late: Late | None = None
        self._changed = threading.Condition(self._lock)

    def add(self, faults: list[Fault]) -> None:
        with self._lock:
            self._pending += [_Pending(fault, fault.skip, fault.times) for fault in faults]

    def clear(self) -> None:
        """Forget all faults and let go what is held."""
        with self._lock:
            self._pending = []
        self.release()

    def release(self) -> None:
        """Let the calls and replies go that are held now."""
        with self._lock:
            held, self._release = self._release, threading.Event()
            self._late = None
        held.set()

    def take(self, action: str, region: str, account: str, service: str) -> Fault | None:
        """Return the first fault for a call, and count the call.

        A call that a fault lets pass is counted by it, and may meet the next fault.
        """
        with self._lock:
            for pending in self._pending:
                if not pending.fault.fits(action, region, account, service):
                    continue
                if pending.skip:
                    pending.skip -= 1
                    continue
                pending.left -= 1
                self._pending = [each for each in self._pending if each.left > 0]
                return pending.fault
        return None

    def hold(self, seconds: float) -> None:
        """Wait for the next `release`, for `seconds` at most."""
        with self._changed:
            gate = self._release
            self._held += 1
            self._changed.notify_all()
        gate.wait(seconds)
        with self._changed:
            self._held -= 1

    def begin_late(self) -> Late:
        """Let a call be late: it is held until so many others have come."""
        with self._lock:
            self._late = Late(_LATE_CALLS)
            return self._late

    def let_late_pass(self, service: str) -> None:
        """Count a call that comes; where it is the last one, let the late one be done before."""
        with self._lock:
            late = self._late
            if late is None or service != "ec2":
                return
            late.left -= 1
            if late.left:
                return
            self._late = None
            self._release.set()
            self._release = threading.Event()
        late.done.wait(_LATE_DONE_S)

    def held(self, timeout_s: float) -> int:
        """Return how many calls and replies are held, as soon as there is one."""
        with self._changed:
            self._changed.wait_for(lambda: self._held, timeout_s)
            return self._held

    def listing(self) -> list[dict[str, Any]]:
        with self._lock:
            return [
                {**asdict(each.fault), "skip": each.skip, "left": each.left}
                for each in self._pending
            ]
