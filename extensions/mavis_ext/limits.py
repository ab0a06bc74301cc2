"""How often one person may call: a bucket of tokens for each, in this process.

The edge limits addresses, so that nobody floods the appliance; this limits people, whose tokens
may come from anywhere.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

from mavis_core.errors import TooManyRequests

__all__ = ["Limits"]

_PEOPLE = 10_000


class Limits:
    """The buckets of all who called lately. For one event loop.

    Parameters
    ----------
    rate_per_s
        Calls a second over a long time.
    burst
        Calls at once after a rest.
    now
        Seconds of a clock that never goes back.
    """

    def __init__(
        self, rate_per_s: float, burst: int, *, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._rate = rate_per_s
        self._burst = float(burst)
        self._now = now
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # tokens, as of when

    def take(self, person: str) -> None:
        """Let `person` make one call.

        Raises
        ------
        TooManyRequests
            There were too many; it says when the next one may come.
        """
        now = self._now()
        tokens, seen = self._buckets.pop(person, (self._burst, now))
        tokens = min(self._burst, tokens + (now - seen) * self._rate)
        allowed = tokens >= 1
        self._buckets[person] = (tokens - 1 if allowed else tokens, now)
        if len(self._buckets) > _PEOPLE:
            self._buckets.popitem(last=False)  # who was silent longest has a full bucket again
        if not allowed:
            raise TooManyRequests(
                f"{person} calls more often than {self._rate:g} times a second",
                retry_after_s=(1 - tokens) / self._rate,
            )
