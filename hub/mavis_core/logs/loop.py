"""Something that is done again and again, in a thread of its own, until it is stopped."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from mavis_core.errors import MavisError

__all__ = ["Loop"]

logger = logging.getLogger(__name__)


class Loop:
    """Calls `step` with pauses; a failure is told and does not end it.

    Parameters
    ----------
    name
        Of the thread.
    step
        Does a part of the work; True where there is more to do at once.
    every_s, after_failure_s
        Seconds of a pause.
    last
        Whether `step` is called once more when it is to end.
    """

    def __init__(
        self,
        name: str,
        step: Callable[[], bool],
        *,
        every_s: float,
        after_failure_s: float = 60.0,
        last: bool = False,
    ) -> None:
        self._name, self._step = name, step
        self._every_s, self._after_failure_s, self._last = every_s, after_failure_s, last
        self._stopping = threading.Event()
        # A daemon: whatever is done here may end at any moment.
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self.error: str | None = None
        """What the last step failed with; None where it went well."""

    @property
    def stopping(self) -> bool:
        """Whether it is to end; a long step asks."""
        return self._stopping.is_set()

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self, timeout_s: float | None = 10.0) -> None:
        """End after the step at hand, or go on without it; None: never without it."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def _run(self) -> None:
        pause_s = 0.0
        while not (stopping := self._stopping.wait(pause_s)) or self._last:
            try:
                pause_s = 0.0 if self._step() else self._every_s
                self.error = None
            except MavisError as exc:
                self.error, pause_s = exc.message, self._after_failure_s
                logger.error("%s.failed error=%s", self._name, exc.message)  # noqa: TRY400 - it says all
            except Exception as exc:  # the edge of the loop; it must go on
                self.error, pause_s = type(exc).__name__, self._after_failure_s
                logger.exception("%s.failed", self._name)
            if stopping:
                return
