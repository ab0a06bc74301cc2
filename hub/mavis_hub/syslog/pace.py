"""How fast a client may send: a bucket of messages for each name, whatever its connections."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["Pace"]

_BURST_S = 2.0
_FORGET_ABOVE = 10_000


class Pace:
    """Says for how long a client is not read from after what it has sent.

    Parameters
    ----------
    per_second
        Messages that a client may send on the long run; it may be ahead by two seconds of them.
    """

    def __init__(self, per_second: float, now: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_second
        self._now = now
        self._paid_until: dict[str, float] = {}

    def pause_s(self, name: str, messages: int) -> float:
        """Return for how many seconds nothing is read after `messages` of the client `name`."""
        now = self._now()
        if len(self._paid_until) > _FORGET_ABOVE:
            self._paid_until = {k: v for k, v in self._paid_until.items() if v > now - _BURST_S}
        paid = max(self._paid_until.get(name, 0.0), now - _BURST_S)
        paid += messages / self._per_second
        self._paid_until[name] = paid
        return max(0.0, paid - now)
