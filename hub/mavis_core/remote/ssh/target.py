"""A connection to a device, logged in, and the streams in it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self, TypeVar

from paramiko import Channel, ChannelException, SSHException

from mavis_core.errors import DeviceError, DeviceUnreachable
from mavis_core.remote.model import HostKey
from mavis_core.remote.ssh.wire import PIECE, Wire

__all__ = ["BULK_WINDOW", "TERMINAL_WINDOW", "Exit", "Stream", "Target"]

TERMINAL_WINDOW = 256 * 1024
"""Bytes that a device may send ahead to a terminal: more would delay Ctrl-C."""
BULK_WINDOW = 2 * 1024 * 1024
"""Bytes that a device may send ahead of what only has to be fast."""

_OPEN_S = 30.0
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Exit:
    """How what ran on a device has ended.

    Parameters
    ----------
    status
        None where a signal ended it, or the device did not say.
    signal
        As ``TERM``.
    """

    status: int | None = None
    signal: str | None = None


class Stream:
    """One channel of a connection. One thread may read each direction, any may write."""

    def __init__(self, device: str, wire: Wire, channel: Channel) -> None:
        self._device = device
        self._wire = wire
        self._channel = channel

    @property
    def closed(self) -> bool:
        """Whether either side has closed it."""
        return bool(self._channel.closed)

    def receive(self, most: int = 64 * 1024) -> bytes:
        """Return what came, up to `most` bytes; nothing at the end."""
        return bytes(self._channel.recv(most))

    def receive_errors(self, most: int = 64 * 1024) -> bytes:
        """Return what came on the standard error, up to `most` bytes; nothing at the end."""
        return bytes(self._channel.recv_stderr(most))

    def send(self, data: bytes) -> None:
        """Send all of `data`; waits while the device takes no more.

        Raises
        ------
        DeviceUnreachable
            The stream was closed.
        TimeoutError
            It took longer than `limit` says.
        """
        rest = memoryview(data)
        while rest:
            try:
                sent = self._channel.send(bytes(rest[:PIECE]))
            except TimeoutError:
                raise
            except OSError:
                sent = 0
            if not sent:
                raise DeviceUnreachable(f"{self._device} has closed the stream")
            rest = rest[sent:]

    def limit(self, timeout_s: float | None) -> None:
        """Have `receive` and `send` raise TimeoutError after `timeout_s`; None: never."""
        self._channel.settimeout(timeout_s)

    def end_input(self) -> None:
        """Say that nothing more will be sent."""
        with suppress(OSError, SSHException):  # whoever reads from the stream finds out
            self._channel.shutdown_write()

    def resize(self, columns: int, rows: int) -> None:
        """Tell the size of the terminal."""
        with suppress(OSError, SSHException):  # as above
            self._channel.resize_pty(columns, rows)

    def signal(self, name: str) -> None:
        """Send the signal `name`, as ``INT``."""
        self._wire.send_signal(self._channel, name)

    def wait(self, timeout_s: float | None = None) -> Exit | None:
        """Return how it has ended, or None where it has not within `timeout_s`."""
        if not self._channel.status_event.wait(timeout_s):
            return None
        status = self._channel.exit_status
        signal = self._wire.exit_signal(self._channel)
        return Exit(None if status < 0 else status, signal)

    def close(self) -> None:
        """Close it; what runs there gets a hangup."""
        with suppress(OSError, SSHException, EOFError):  # the connection is gone, and so is it
            self._channel.close()


class Target:
    """A connection to a device, logged in. Close it when it is not needed any more.

    Parameters
    ----------
    host_key
        The device's, which was checked.
    """

    def __init__(self, device: str, wire: Wire, host_key: HostKey) -> None:
        self.device = device
        self.host_key = host_key
        self._wire = wire

    @property
    def alive(self) -> bool:
        """Whether the connection is there."""
        return bool(self._wire.is_active())

    @property
    def algorithms(self) -> tuple[str, str, str]:
        """What is spoken: kind of host key, cipher and message authentication."""
        wire = self._wire
        return (str(wire.host_key_type), str(wire.local_cipher), str(wire.local_mac))

    def shell(
        self,
        *,
        term: str | None,
        columns: int,
        rows: int,
        environment: Mapping[str, str] | None = None,
    ) -> Stream:
        """Return a shell, in a terminal where `term` is given."""
        channel = self._session(TERMINAL_WINDOW, environment)
        if term:
            self._ask("a terminal", lambda: channel.get_pty(term, columns, rows))
        self._ask("a shell", channel.invoke_shell)
        return Stream(self.device, self._wire, channel)

    def command(
        self,
        command: str | bytes,
        *,
        term: str | None = None,
        columns: int = 80,
        rows: int = 24,
        environment: Mapping[str, str] | None = None,
    ) -> Stream:
        """Return `command` as it runs, in a terminal where `term` is given."""
        channel = self._session(TERMINAL_WINDOW if term else BULK_WINDOW, environment)
        if term:
            self._ask("a terminal", lambda: channel.get_pty(term, columns, rows))
        self._ask("the command", lambda: channel.exec_command(command))
        return Stream(self.device, self._wire, channel)

    def subsystem(self, name: str) -> Stream:
        """Return the subsystem `name`, as ``sftp``."""
        channel = self._session(BULK_WINDOW, None)
        self._ask(f"the subsystem {name}", lambda: channel.invoke_subsystem(name))
        return Stream(self.device, self._wire, channel)

    def forward(self, host: str, port: int, source: tuple[str, int]) -> Stream:
        """Return a connection that the device makes to `port` of `host`."""
        channel = self._ask(
            f"a connection to port {port}",
            lambda: self._wire.open_channel(
                "direct-tcpip", (host, port), source, window_size=BULK_WINDOW, timeout=_OPEN_S
            ),
        )
        return Stream(self.device, self._wire, channel)

    def rekey(self) -> None:
        """Agree on new keys now; it is done by itself every 512 MB."""
        self._ask("new keys", self._wire.renegotiate_keys)

    def close(self) -> None:
        """Close the connection and all its streams."""
        self._wire.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _session(self, window: int, environment: Mapping[str, str] | None) -> Channel:
        channel = self._ask(
            "a session",
            lambda: self._wire.open_channel("session", window_size=window, timeout=_OPEN_S),
        )
        for name, value in (environment or {}).items():
            channel.set_environment_variable(name, value)
        return channel

    def _ask(self, what: str, call: Callable[[], _T]) -> _T:
        begun = time.monotonic()
        try:
            return call()
        except ChannelException as exc:
            raise DeviceError(f"{self.device} refused {what}: {exc.text}") from exc
        except (SSHException, EOFError, OSError) as exc:
            if not self.alive:
                raise DeviceUnreachable(f"The connection to {self.device} was lost") from exc
            if time.monotonic() - begun >= _OPEN_S:
                raise DeviceUnreachable(
                    f"{self.device} did not answer when it was asked for {what}"
                ) from exc
            raise DeviceError(f"{self.device} refused {what}") from exc
