"""The door itself: takes connections within limits, and looks after them."""

from __future__ import annotations

import socket
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from mavis_core.remote.model import EndReason, PrivateKey
from mavis_core.remote.ssh import connect
from mavis_core.remote.ssh.addresses import LOST_S
from mavis_core.remote.ssh.credentials import read_key
from mavis_hub.gateway.door.connection import Connection
from mavis_hub.gateway.door.ports import People, Sessions

__all__ = ["Door", "Limits"]

_LOOK_S = 1.0
_END_S = 10.0


@dataclass(frozen=True, slots=True)
class Limits:
    """What clients may take.

    Parameters
    ----------
    connections
        How many there are at a time; `unknown` of them by clients that have not logged in.
    per_address
        How many of these unknown may come from one address.
    tries
        How many proofs may fail in one connection.
    handshake_s, login_s
        How long keys may take, and everything until the login is done.
    channels
        How many one connection may have at a time.
    connect_s
        How long a device may take until the login is done.
    lost_s
        After how long without an acknowledgement a client, or its device, is given up.
    """

    connections: int = 500
    unknown: int = 64
    per_address: int = 16
    tries: int = 6
    handshake_s: float = 10.0
    login_s: float = 60.0
    channels: int = 32
    connect_s: float = 20.0
    lost_s: float = LOST_S


class Door:
    """An SSH server at the socket `listening`. It ends with `close`.

    Parameters
    ----------
    host_key
        By which clients know the appliance.
    loopback
        Whether the appliance itself may be a device.
    """

    def __init__(
        self,
        listening: socket.socket,
        host_key: PrivateKey,
        *,
        people: People,
        sessions: Sessions,
        limits: Limits | None = None,
        loopback: bool = False,
    ) -> None:
        self._listening = listening
        self._host_key = read_key(host_key)
        self._people = people
        self._sessions = sessions
        self._limits = limits or Limits()
        limits = self._limits
        self._reach = partial(
            connect, timeout_s=limits.connect_s, loopback=loopback, lost_s=limits.lost_s
        )
        self._lock = threading.Lock()
        self._connections: set[Connection] = set()
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=self._accept, name="door", daemon=True),
            threading.Thread(target=self._look, name="door-look", daemon=True),
        ]

    def start(self) -> None:
        """Begin to take connections."""
        for each in self._threads:
            each.start()

    def end_session(self, session: str, reason: EndReason, detail: str) -> bool:
        """End a session; return whether it is one of this door."""
        return any(each.end_session(session, reason, detail) for each in self._all())

    def close(self) -> None:
        """Take no more connections, and end those that are there."""
        self._over.set()
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for each in self._threads:
            if each.ident is not None:
                each.join(_END_S)
        for connection in self._all():
            connection.close()

    def _all(self) -> list[Connection]:
        with self._lock:
            return list(self._connections)

    def _accept(self) -> None:
        while not self._over.is_set():
            try:
                sock, where = self._listening.accept()
            except OSError:
                if self._over.is_set():
                    return
                time.sleep(0.1)  # too many files are open
                continue
            try:
                self._take(sock, where[0])
            except OSError:  # it is gone already
                sock.close()

    def _take(self, sock: socket.socket, source: str) -> None:
        if not self._has_room(source):
            sock.close()
            return
        limits = self._limits
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(limits.lost_s * 1000))
        connection = Connection(
            sock,
            source,
            self._host_key,
            people=self._people,
            sessions=self._sessions,
            tries=limits.tries,
            channels=limits.channels,
            reach=self._reach,
        )
        connection.start(limits.handshake_s)
        with self._lock:
            self._connections.add(connection)

    def _has_room(self, source: str) -> bool:
        found = [each for each in self._all() if each.alive]
        unknown = Counter(each.source for each in found if not each.known)
        return (
            len(found) < self._limits.connections
            and unknown.total() < self._limits.unknown
            and unknown[source] < self._limits.per_address
        )

    def _look(self) -> None:
        """End what takes too long, and forget what is gone."""
        while not self._over.wait(_LOOK_S):
            now = time.monotonic()
            for each in self._all():
                if not each.alive or (not each.known and now - each.begun > self._limits.login_s):
                    with self._lock:
                        self._connections.discard(each)
                    each.close()
                else:
                    each.look(now)
