"""Faults: what goes wrong, with which calls, how often."""

from __future__ import annotations

import threading
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Effect(StrEnum):
    """What goes wrong. The first five come instead of the effect, the others after it."""

    THROTTLE = "throttle"
    ERROR500 = "error500"
    EXPIRED_CREDENTIALS = "expired_credentials"
    DENY = "deny"
    DELAY = "delay"  # only late: waits, then takes its course
    LOST_REPLY = "lost_reply"  # the connection breaks without an answer
    ERROR500_AFTER = "error500_after"
    HOLD_REPLY = "hold_reply"  # the answer waits for release, or for `seconds`


@dataclass(frozen=True)
class Fault:
    """What goes wrong with the next `times` calls of `action`, in `region` or in any.

    Parameters
    ----------
    seconds
        Of a delay: how long. Of a held reply: how long at most.
    """

    action: str
    effect: Effect
    region: str | None = None
    times: int = 1
    seconds: float = 30.0


def parse(document: dict[str, Any]) -> Fault:
    """Return the fault of a JSON object: {match: {action, region?}, effect, times?, seconds?}."""
    match = document["match"]
    unknown = set(document) - {"match", "effect", "times", "seconds"}
    if unknown or set(match) - {"action", "region"}:
        raise ValueError(f"unknown words in the fault {document}")
    return Fault(
        action=match["action"],
        region=match.get("region"),
        effect=Effect(document["effect"]),
        times=int(document.get("times", 1)),
        seconds=float(document.get("seconds", 30.0)),
    )


class Faults:
    """The faults to come. Safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._left: list[tuple[Fault, int]] = []
        self._release = threading.Event()

    def add(self, faults: list[Fault]) -> None:
        with self._lock:
            self._left += [(fault, fault.times) for fault in faults]

    def clear(self) -> None:
        """Forget all faults and let held replies go."""
        with self._lock:
            self._left = []
        self.release()

    def release(self) -> None:
        """Let the replies go that are held now."""
        with self._lock:
            held, self._release = self._release, threading.Event()
        held.set()

    def take(self, action: str, region: str) -> Fault | None:
        """Return the first fault for a call, and count it."""
        with self._lock:
            for index, (fault, left) in enumerate(self._left):
                if fault.action == action and fault.region in (None, region):
                    self._left[index : index + 1] = [(fault, left - 1)] if left > 1 else []
                    return fault
        return None

    def gate(self) -> threading.Event:
        """Return what the next `release` sets."""
        with self._lock:
            return self._release

    def listing(self) -> list[dict[str, Any]]:
        with self._lock:
            return [{**asdict(fault), "left": left} for fault, left in self._left]
