"""The door's end of a client's connection: what paramiko does otherwise is set right here."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from paramiko import Channel, PKey
from paramiko.auth_handler import AuthHandler

from mavis_core.remote.ssh.algorithms import choose
from mavis_core.remote.ssh.wire import Wire

__all__ = ["DoorWire", "UnknownKey"]

# What a client may send ahead on one channel.
_WINDOW = 2 * 1024 * 1024


class UnknownKey:
    """A key of a kind that is not supported: refused like any other that nobody knows."""


class _Login(AuthHandler):  # type: ignore[misc]  # paramiko has no types
    def _generate_key_from_request(self, algorithm: str, keyblob: bytes) -> PKey | UnknownKey:
        """Return the key; paramiko would end the connection where it does not know its kind.

        A client offers one key after the other, and a later one may be good.
        """
        return super()._generate_key_from_request(algorithm, keyblob) or UnknownKey()


class DoorWire(Wire):
    """One client's connection.

    Parameters
    ----------
    on_channel
        Called with each channel that the client opens, and has it from then on.
    """

    def __init__(
        self, sock: socket.socket, *, name: str, on_channel: Callable[[Channel], None]
    ) -> None:
        super().__init__(sock, name=name, window_bytes=_WINDOW)
        self._on_channel = on_channel
        self.auth_handler: Any = _Login(self)
        choose(self, (), ())

    @property
    def preferred_ciphers(self) -> tuple[str, ...]:
        """What is offered. The client's preference decides; OpenSSH's is for slower ones here."""
        offered = tuple(super().preferred_ciphers)
        if "OpenSSH_" not in self.remote_version:
            return offered
        return tuple(each for each in offered if "-gcm@" in each)

    def _queue_incoming_channel(self, channel: Channel) -> None:
        self._on_channel(channel)
