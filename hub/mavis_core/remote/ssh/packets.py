"""Packets of SSH, read with fewer system calls and within bounds.

paramiko reads each packet with two calls of the system, takes lengths as they come, and keeps what
it does not know to itself. All of it is changed by the means that it offers for that: a class of
packets of one's own.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from paramiko import Message, SSHException
from paramiko.common import (
    MSG_CHANNEL_DATA,
    MSG_CHANNEL_EXTENDED_DATA,
    MSG_CHANNEL_REQUEST,
    MSG_KEXINIT,
)
from paramiko.packet import NeedRekeyException, Packetizer

__all__ = ["OFFERS", "Packets"]

# OpenSSH's own bound for a packet, and its bound for all lines before its version (RFC 4253, 4.2).
_LONGEST = 256 * 1024
_LONGEST_GREETING = 8 * 1024
_READ = 64 * 1024

OFFERS = (
    "key exchange",
    "host key",
    "cipher",
    "cipher",
    "message authentication",
    "message authentication",
)
"""What the first lists of KEXINIT are about, in their order (RFC 4253, 7.1)."""


class Packets(Packetizer):  # type: ignore[misc]  # paramiko has no types
    """The packets of one connection.

    Attributes
    ----------
    offered
        The lists of algorithms of the other side, as they stand in its KEXINIT; empty before.
    on_data
        Called with the number of a channel before its data are taken; raises to end the connection.
    on_request
        Called with number, name and rest of each request for a channel.
    """

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock)
        self.offered: tuple[tuple[str, ...], ...] = ()
        self.on_data: Callable[[int], None] | None = None
        self.on_request: Callable[[int, str, Message], None] | None = None
        self._sock = sock
        self._held = b""
        self._at = 0
        self._handshake_until: float | None = None

    def start_handshake(self, timeout: float) -> None:
        """Begin the handshake, which must go on within `timeout` seconds."""
        self._handshake_until = time.monotonic() + timeout

    def handshake_timed_out(self) -> bool:
        """Whether the handshake took too long."""
        return self._handshake_until is not None and time.monotonic() > self._handshake_until

    def complete_handshake(self) -> None:
        """End the bound of the handshake."""
        self._handshake_until = None

    def readline(self, timeout: float) -> str:
        """Return the next line, without its end, within `timeout` seconds."""
        until = time.monotonic() + timeout
        while b"\n" not in self._held:
            if len(self._held) > _LONGEST_GREETING:
                raise SSHException("the other side does not speak SSH")
            if time.monotonic() > until:
                raise TimeoutError("the other side says nothing")
            self._fill(check_rekey=False)
        line, _, self._held = self._held.partition(b"\n")
        return line.rstrip(b"\r").decode("utf-8", "replace")

    def read_all(self, n: int, check_rekey: bool = False) -> bytes:
        """Return the next `n` bytes."""
        if n > _LONGEST:
            raise SSHException("a packet is too long")
        while len(self._held) - self._at < n:
            self._fill(check_rekey=check_rekey)
        begin, self._at = self._at, self._at + max(n, 0)
        return self._held[begin : self._at]

    def read_message(self) -> tuple[int, Any]:
        """Return number and content of the next message."""
        number, message = super().read_message()
        if number in (MSG_CHANNEL_DATA, MSG_CHANNEL_EXTENDED_DATA):
            if self.on_data is not None:
                self.on_data(message.get_int())
                message.rewind()
        elif number == MSG_CHANNEL_REQUEST and self.on_request is not None:
            self.on_request(message.get_int(), message.get_text(), message)
            message.rewind()
        elif number == MSG_KEXINIT:
            message.get_bytes(16)  # the cookie
            self.offered = tuple(tuple(message.get_list()) for _ in OFFERS)
            message.rewind()
        return number, message

    def close(self) -> None:
        """Close the socket, and wake the thread that reads from it."""
        with suppress(OSError):  # it is closed already
            self._sock.shutdown(socket.SHUT_RDWR)
        super().close()

    def _fill(self, *, check_rekey: bool) -> None:
        if self.handshake_timed_out():
            raise EOFError
        try:
            found = self._sock.recv(_READ)
        except TimeoutError:
            if self.closed:
                raise EOFError from None
            if check_rekey and self.need_rekey():
                raise NeedRekeyException from None
            self._check_keepalive()
            return
        except OSError:
            if self.closed:
                raise EOFError from None
            raise
        if not found:
            raise EOFError
        self._held = self._held[self._at :] + found if self._at < len(self._held) else found
        self._at = 0
