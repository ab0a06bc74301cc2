"""Whether much is being recorded at this moment, so that what can wait waits until it is over.

A command that puts out a gigabyte keeps every core busy as it is. To pack, read and store what it
said at the same time would only make it last longer; the spool has it, and keeps it.
"""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["Rush"]

_SPAN_S = 0.5


class Rush:
    """Counts what comes. Any thread may call it; that two count at once and one is lost is no harm.

    Parameters
    ----------
    bytes_per_s
        More than that is a rush.
    now
        Seconds of a clock that never goes back.
    """

    def __init__(
        self, bytes_per_s: int = 16 << 20, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._most, self._now = bytes_per_s * _SPAN_S, now
        self._span = -1
        self._before = self._came = 0

    def note(self, count: int) -> None:
        """Take note of bytes that came."""
        self._turn()
        self._came += count

    @property
    def on(self) -> bool:
        """Whether there is one, or was a moment ago."""
        self._turn()
        return max(self._before, self._came) > self._most

    def _turn(self) -> None:
        span = int(self._now() / _SPAN_S)
        if span != self._span:
            self._before = self._came if span == self._span + 1 else 0
            self._span, self._came = span, 0
