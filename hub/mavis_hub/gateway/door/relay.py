"""Passes on what a client and a device say to each other on one channel, and has it recorded.

A slow client holds the device back, and the other way round: each direction has a thread that waits
until the other side takes what it brings, and what may be sent ahead is bounded on both sides.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import ParamSpec

from paramiko import Channel, SSHException

from mavis_core.errors import DeviceUnreachable, MavisError
from mavis_core.remote.model import EndReason
from mavis_core.remote.ssh import BULK_WINDOW, PIECE, Exit, Stream
from mavis_hub.gateway.door.ports import Ended, Page
from mavis_hub.gateway.door.wire import DoorWire

__all__ = ["Flow", "Relay", "SafePage", "Unrecorded", "recorded", "send_all", "tell"]

_TOLD = (EndReason.IDLE, EndReason.TOO_LONG, EndReason.TERMINATED, EndReason.UNRECORDED)

_P = ParamSpec("_P")
# All that may wait: what is left behind in a buffer of paramiko's is moved at each read.
_READ = BULK_WINDOW
_LOST_S = 5.0


class Unrecorded(Exception):
    """What happens cannot be recorded any more."""


class SafePage:
    """A page whose every error is `Unrecorded`, whatever it was."""

    def __init__(self, page: Page) -> None:
        self.output = recorded(page.output)
        self.input = recorded(page.input)
        self.resize = recorded(page.resize)
        self.marker = recorded(page.marker)


def recorded(call: Callable[_P, None]) -> Callable[_P, None]:
    """Return `call`, with every error as `Unrecorded`."""

    def keep(*args: _P.args, **kwargs: _P.kwargs) -> None:
        try:
            call(*args, **kwargs)
        except Exception as exc:
            raise Unrecorded(str(exc)) from exc

    return keep


class Flow:
    """What happens to bytes on their way. This one passes them on; others look at them, too."""

    def __init__(self, relay: Relay) -> None:
        self.relay = relay

    def from_client(self, data: bytes) -> None:
        """Take what the client sent."""
        self.relay.to_device(data)

    def from_device(self, data: bytes) -> None:
        """Take what the device sent."""
        self.relay.to_client(data)

    def errors(self, data: bytes) -> None:
        """Take what the device sent on the standard error."""
        self.relay.errors_to_client(data)

    def end(self) -> None:
        """Take note that nothing more comes."""


class Relay:
    """One channel between client and device.

    Parameters
    ----------
    has_errors
        Whether the standard error comes apart: in a terminal it does not.
    """

    def __init__(
        self, wire: DoorWire, channel: Channel, stream: Stream, *, name: str, has_errors: bool
    ) -> None:
        self._wire = wire
        self._channel = channel
        self._stream = stream
        self._name = name
        self._has_errors = has_errors
        self._ended: Ended | None = None
        self._lock = threading.Lock()
        self.begun = time.monotonic()
        self.typed = self.begun

    def run(self, flow: Flow) -> Ended:
        """Pass on until one side ends it; return how."""
        threads = [self._start("in", self._from_client, flow)]
        if self._has_errors:
            threads.append(self._start("err", self._errors, flow))
        self._guarded(lambda: self._from_device(flow))
        for each in threads[1:]:
            each.join()
        ended = self._ended or self._exit()
        self._stream.close()
        with suppress(OSError, SSHException, EOFError):
            self._channel.close()
        threads[0].join(_LOST_S)
        try:
            flow.end()
        except Unrecorded as exc:
            return Ended(EndReason.UNRECORDED, str(exc))
        return ended

    def end(self, reason: EndReason, detail: str = "") -> None:
        """End it, from any thread; the first reason counts."""
        with self._lock:
            first = self._ended is None
            if first:
                self._ended = Ended(reason, detail)
        if first and reason in _TOLD:
            self._tell(f"This session ends: {detail}")
        self._stream.close()
        if first:  # whatever waits for the client does not any more
            with suppress(OSError, SSHException, EOFError):
                self._channel.close()

    def end_soon(self, reason: EndReason, detail: str) -> None:
        """End it, without waiting for a client that may take nothing."""
        threading.Thread(
            target=self.end, args=(reason, detail), name=f"{self._name}-end", daemon=True
        ).start()

    @property
    def ended(self) -> bool:
        """Whether it was ended from here."""
        return self._ended is not None

    def to_device(self, data: bytes) -> None:
        """Send to the device."""
        self._stream.send(data)

    def to_client(self, data: bytes) -> None:
        """Send to the client."""
        send_all(self._channel.send, data)

    def errors_to_client(self, data: bytes) -> None:
        """Send to the client's standard error."""
        send_all(self._channel.send_stderr, data)

    def signal(self, name: str) -> None:
        """Pass a signal on."""
        with suppress(OSError, SSHException, EOFError):
            self._stream.signal(name)

    def resize(self, columns: int, rows: int) -> None:
        """Pass the size of the terminal on."""
        self._stream.resize(columns, rows)

    def _tell(self, words: str) -> None:
        # A client that takes nothing must not hold up whoever ends its session.
        self._channel.settimeout(_LOST_S)
        tell(self._channel, words, terminal=not self._has_errors)

    def _start(self, what: str, run: Callable[[Flow], None], flow: Flow) -> threading.Thread:
        thread = threading.Thread(
            target=lambda: self._guarded(lambda: run(flow)),
            name=f"{self._name}-{what}",
            daemon=True,
        )
        thread.start()
        return thread

    def _guarded(self, run: Callable[[], None]) -> None:
        """Run one direction; what goes wrong there ends the session with its reason."""
        try:
            run()
        except _Gone:
            self.end(EndReason.CLOSED, "The client has closed it.")
        except DeviceUnreachable:
            self._stream.close()  # how it has ended is asked once both directions have
        except MavisError as exc:
            self._tell(f"{exc}. {exc.mend}")
            self.end(EndReason.REFUSED, str(exc))
        except (OSError, SSHException, EOFError):
            self.end(EndReason.LOST, "The connection was lost.")
        except Unrecorded as exc:
            self.end(EndReason.UNRECORDED, f"It could not be recorded any more: {exc}")

    def _from_client(self, flow: Flow) -> None:
        while data := self._channel.recv(_READ):
            self.typed = time.monotonic()
            flow.from_client(data)
        if not self._channel.closed:
            self._stream.end_input()
            self._channel.status_event.wait()  # set when the channel is closed
        if not self._stream.closed:
            self.end(EndReason.CLOSED, "The client has closed it.")

    def _from_device(self, flow: Flow) -> None:
        while data := self._stream.receive(_READ):
            flow.from_device(data)

    def _errors(self, flow: Flow) -> None:
        while data := self._stream.receive_errors(_READ):
            flow.errors(data)

    def _exit(self) -> Ended:
        """Tell the client how what ran has ended, once it has; return that."""
        with suppress(OSError, SSHException, EOFError):
            self._channel.shutdown_write()
        found: Exit | None = None
        while found is None and self._ended is None:
            found = self._stream.wait(_LOST_S)
        if self._ended is not None or found is None:
            return self._ended or Ended(EndReason.LOST)
        with suppress(OSError, SSHException, EOFError):
            if found.signal is not None:
                self._wire.send_exit_signal(self._channel, found.signal)
                return Ended(EndReason.EXITED, f"Ended by the signal {found.signal}.")
            if found.status is not None:
                self._channel.send_exit_status(found.status)
        if found.status is None:
            return Ended(EndReason.LOST, "The device did not say how it ended.")
        return Ended(EndReason.EXITED, "", found.status)


class _Gone(Exception):
    """The client is not there any more."""


def tell(channel: Channel, words: str, *, terminal: bool) -> None:
    """Tell the person at the client something that is not from the device."""
    said = "".join(c if c.isprintable() else " " for c in words)
    line = f"\r\nmavis: {said}\r\n" if terminal else f"mavis: {said}\n"
    with suppress(_Gone, OSError, SSHException, EOFError):
        send_all(channel.send if terminal else channel.send_stderr, line.encode())


def send_all(send: Callable[[bytes], int], data: bytes) -> None:
    """Send all of `data` to a client; waits while it takes no more."""
    rest = memoryview(data)
    while rest:
        try:
            sent = send(bytes(rest[:PIECE]))
        except OSError:
            sent = 0
        if not sent:
            raise _Gone
        rest = rest[sent:]
