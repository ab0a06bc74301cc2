"""Processes that begin within milliseconds: copies of one that has imported everything.

The server has no threads, so that a copy of it is whole. Each connection to its socket becomes a
process that reads one order, obeys it, answers, and ends.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Client, Connection, Listener, wait
from pathlib import Path

from integration.matrix import disk
from integration.matrix.orders import Order, Report

_TESTS = Path(__file__).resolve().parents[2]
_START = "import sys; from integration.matrix import carrier; carrier.main(sys.argv[1])"
_READY_S = 60.0


class Child:
    """A process that obeys an order."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.pid: int = connection.recv()

    def ended(self, timeout_s: float) -> bool:
        """Return whether it has answered, or is dead, as soon as it is so."""
        return self._connection.poll(timeout_s)

    def report(self) -> Report | None:
        """Wait for its end; None: it was killed."""
        try:
            report: Report = self._connection.recv()
        except (EOFError, ConnectionResetError):
            return None
        finally:
            self._connection.close()
        return report

    def kill(self) -> None:
        """End it by SIGKILL; when this returns it has no connection any more."""
        os.kill(self.pid, signal.SIGKILL)
        assert self.report() is None, "it ended before it could be killed"


class Forks:
    """Begins processes; see `forks`."""

    def __init__(self, address: str) -> None:
        self._address = address

    def begin(self, order: Order) -> Child:
        """Return a new process that obeys `order`."""
        connection = Client(self._address, "AF_UNIX")
        child = Child(connection)
        connection.send(order)
        return child


@contextmanager
def forks(folder: Path) -> Iterator[Forks]:
    """Run the server; its socket and what its processes say on standard error are in `folder`."""
    address = str(folder / "forks.sock")
    environment = {
        **os.environ,
        "PYTHONPATH": str(_TESTS),
        "PYTHONWARNINGS": "error",
        "LD_PRELOAD": str(disk.build(folder)),
    }
    with (folder / "forks.log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-c", _START, address],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=environment,
        )
    assert server.stdout is not None
    assert server.stdin is not None
    with server:
        if server.stdout.readline() != b"ready\n":
            raise RuntimeError((folder / "forks.log").read_text())
        try:
            yield Forks(address)
        finally:
            server.stdin.close()  # it ends when nobody holds the other end


def serve(address: str, obey: Callable[[Order], Report]) -> None:
    """Serve until standard input ends."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the processes
    with Listener(address, "AF_UNIX", backlog=16) as listener:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        door: socket.socket = listener._listener._socket  # type: ignore[attr-defined]
        while True:
            if sys.stdin in wait([door, sys.stdin]):  # type: ignore[list-item]
                return
            connection = listener.accept()
            if os.fork() == 0:
                _one(connection, obey)
            connection.close()


def _one(connection: Connection, obey: Callable[[Order], Report]) -> None:
    """Be a process that obeys one order, and end."""
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        connection.send(os.getpid())
        connection.send(obey(connection.recv()))
    except BaseException:  # noqa: BLE001  # the outermost edge: whoever waits sees its end
        traceback.print_exc()
        os._exit(1)
    os._exit(0)
