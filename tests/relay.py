"""A way between two ends on loopback, which a test can cut, freeze and mend."""

from __future__ import annotations

import selectors
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

__all__ = ["Relay", "relay_to"]


class Relay:
    """Takes connections at `port`, and brings what comes to `target`, another port.

    *Cut*: connections end, and new ones are ended as they come. *Frozen*: nothing goes on, and
    nobody is told.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._open = threading.Event()
        self._open.set()
        self._cut = self._over = False
        self._lock = threading.Lock()
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        threading.Thread(target=self._accept, name="relay", daemon=True).start()

    def cut(self) -> None:
        """End all connections, and those that come."""
        self._cut = True
        with self._lock:
            pairs, self._pairs = self._pairs, []
        for each in (end for pair in pairs for end in pair):
            _end(each)

    def freeze(self) -> None:
        """Bring nothing from here on."""
        self._open.clear()

    def mend(self) -> None:
        """Be as before; what was held back goes on."""
        self._cut = False
        self._open.set()

    def close(self) -> None:
        """End it."""
        self._over = True
        self._open.set()
        _end(self._listening)
        self.cut()

    def _accept(self) -> None:
        while not self._over:
            try:
                near, _ = self._listening.accept()
            except OSError:
                return
            if self._cut:
                near.close()
                continue
            threading.Thread(target=self._bring, args=(near,), daemon=True).start()

    def _bring(self, near: socket.socket) -> None:
        try:
            far = socket.create_connection(("127.0.0.1", self.target), 10)
        except OSError:
            near.close()
            return
        with self._lock:
            self._pairs.append((near, far))
        with near, far, selectors.DefaultSelector() as selector:
            far.settimeout(None)
            selector.register(near, selectors.EVENT_READ, far)
            selector.register(far, selectors.EVENT_READ, near)
            with suppress(OSError):
                while True:
                    for key, _ in selector.select():
                        self._open.wait()
                        data = key.fileobj.recv(65536)  # type: ignore[union-attr]  # a socket
                        if not data:
                            return
                        key.data.sendall(data)


def _end(each: socket.socket) -> None:
    with suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)
    each.close()


@contextmanager
def relay_to(port: int) -> Iterator[Relay]:
    """Have a way to `port` for the block."""
    made = Relay(port)
    try:
        yield made
    finally:
        made.close()
