"""What a session has shown and its viewer has not confirmed: held back there, and sent again.

*Frame*: a piece of output of one stream, and the number of bytes up to its end. A viewer confirms
what it has drawn; more than a window of what is not confirmed holds the device back, so that a
`cat` of a gigabyte fills no memory and Ctrl-C overtakes little. When a connection breaks, what is
not confirmed is sent again; what was confirmed last is kept for a page that has lost its screen.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["HISTORY", "STDERR", "STDOUT", "WINDOW", "Frame", "Outflow"]

WINDOW = 256 * 1024
"""Bytes that wait for a viewer at most."""
HISTORY = 256 * 1024
"""Bytes that were confirmed and are kept."""
STDOUT, STDERR = 1, 2


@dataclass(frozen=True, slots=True)
class Frame:
    """A piece of output.

    Parameters
    ----------
    end
        How many bytes the session had shown after it.
    stream
        `STDOUT` or `STDERR`.
    """

    end: int
    stream: int
    data: bytes

    @property
    def start(self) -> int:
        """How many bytes the session had shown before it."""
        return self.end - len(self.data)


class Outflow:
    """The output of one session, from the threads that read it to the loop that sends it.

    Parameters
    ----------
    wake
        Called, in the thread that puts, when there is something new.
    """

    def __init__(
        self, wake: Callable[[], None], *, window: int = WINDOW, history: int = HISTORY
    ) -> None:
        self._wake, self._window, self._history = wake, window, history
        self._frames: deque[Frame] = deque()
        self._shown = self._confirmed = 0
        self._closed = False
        self._changed = threading.Condition()

    @property
    def shown(self) -> int:
        """Bytes that the session has shown."""
        return self._shown

    @property
    def first(self) -> int:
        """The first byte that is still here."""
        with self._changed:
            return self._frames[0].start if self._frames else self._shown

    def put(self, stream: int, data: bytes) -> bool:
        """Add output, when the viewer has room; return False where the session is over."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._closed or self._shown - self._confirmed < self._window
            )
            if self._closed:
                return False
            self._shown += len(data)
            self._frames.append(Frame(self._shown, stream, data))
        self._wake()
        return True

    def confirm(self, upto: int) -> None:
        """Note that the viewer has drawn the first `upto` bytes; what never was is not taken."""
        with self._changed:
            if not self._confirmed < upto <= self._shown:
                return
            self._confirmed = upto
            while self._frames and self._frames[0].end <= upto - self._history:
                self._frames.popleft()
            self._changed.notify_all()

    def after(self, place: int, most: int = WINDOW) -> list[Frame]:
        """Return what comes after byte `place`, about `most` bytes of it."""
        found: list[Frame] = []
        with self._changed:
            for frame in self._frames:
                if frame.end <= place:
                    continue
                cut = max(place - frame.start, 0)
                found.append(Frame(frame.end, frame.stream, frame.data[cut:]))
                most -= len(frame.data) - cut
                if most <= 0:
                    break
        return found

    def close(self) -> None:
        """Let whoever waits go on; nothing more is taken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
