"""Waiting for a cloud: look again and again, say how long already, and not for ever."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from mavis_core import clock
from mavis_core.errors import CloudError, CloudThrottled, CloudUnreachable, Interrupted
from mavis_core.scheduling.jobs import Progress

__all__ = ["Patience"]

T = TypeVar("T")
_FIRST_LOOK_S, _LAST_LOOK_S = 0.5, 15.0


@dataclass(frozen=True, slots=True)
class Patience:
    """For how long a step waits, and who is told of it.

    Parameters
    ----------
    stop
        Set when the process ends; waiting stops and the next attempt goes on.
    progress
        Is told what is waited for, and asked whether the step may go on.
    timeout_s
        Seconds after which something that does not come about has failed.
    """

    stop: threading.Event
    progress: Progress
    timeout_s: float

    def until(self, look: Callable[[], T | None], what: str) -> T:
        """Return what `look` returns as soon as it is not None.

        A look that the cloud has no answer for is no end while there is time.

        Parameters
        ----------
        what
            What is waited for, for a reader.

        Raises
        ------
        CloudError
            It did not come about in that time.
        Interrupted
            The process ends.
        """
        begun, pause_s = clock.now(), _FIRST_LOOK_S
        while True:
            problem: CloudError | None = None
            try:
                found = look()
                if found is not None:
                    return found
            except (CloudThrottled, CloudUnreachable) as exc:
                problem = exc
            self._wait(begun, pause_s, what, problem)
            pause_s = min(pause_s * 1.5, _LAST_LOOK_S)

    def patiently(self, act: Callable[[], T], what: str) -> T:
        """Return what `act` returns, again and again while the cloud gives no answer."""
        begun, pause_s = clock.now(), _FIRST_LOOK_S
        while True:
            try:
                return act()
            except (CloudThrottled, CloudUnreachable) as exc:
                self._wait(begun, pause_s, what, exc)
            pause_s = min(pause_s * 1.5, _LAST_LOOK_S)

    def _wait(self, begun: datetime, pause_s: float, what: str, problem: CloudError | None) -> None:
        passed = clock.now() - begun
        if passed > timedelta(seconds=self.timeout_s):
            raise problem or CloudError(
                f"{what}: not after {self.timeout_s:.0f} s",
                mend="Look at it in the cloud's console, then ask for it again.",
            )
        self.progress.check()
        words = problem.message if problem else what
        self.progress.waiting(f"{words}; {passed.total_seconds():.0f} s")
        if self.stop.wait(pause_s):
            raise Interrupted(f"Stopped while waiting: {what}")
