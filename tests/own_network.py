"""A network of a test's own: two namespaces, and one way between them that can be cut.

The calling thread, and what it starts, is in the one; a device is in the other. Neither has any way
to the outside.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

__all__ = ["Link", "own_network"]

HERE, THERE = "192.0.2.1", "192.0.2.2"  # RFC 5737: nobody's
_MENDED_S = 20.0
_NEWNET = 0x40000000  # CLONE_NEWNET of sched.h; Python has it from 3.12 on
_LIBC = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Link:
    """The way.

    Parameters
    ----------
    address
        The device's.
    inside
        The words of a command that runs another one beside the device.
    """

    address: str
    inside: tuple[str, ...]

    def cut(self) -> None:
        """Let nothing through; nobody is told."""
        self._run("ip", "link", "set", "far", "down")

    def mend(self) -> None:
        """Let everything through again, and return when it goes through."""
        self._run("ip", "link", "set", "far", "up")
        _ip("neigh", "flush", "dev", "near")  # for some seconds it holds on to what did not answer
        end = time.monotonic() + _MENDED_S
        while not self._answers():
            assert time.monotonic() < end, "the way is not there again"
            time.sleep(0.05)

    def _answers(self) -> bool:
        """Whether the device's end refuses a port, which is an answer."""
        with socket.socket() as probe:
            probe.settimeout(1.0)
            return probe.connect_ex((self.address, 1)) == errno.ECONNREFUSED

    def _run(self, *command: str) -> None:
        subprocess.run([*self.inside, *command], check=True)


@contextmanager
def own_network() -> Iterator[Link]:
    """Have the calling thread in a network of its own for the block; only root can."""
    with ExitStack() as stack:
        before = _namespace(stack)
        stack.callback(_enter, before)
        _leave()
        there = _namespace(stack)
        _ip("link", "set", "lo", "up")
        _leave()
        path = f"/proc/{os.getpid()}/fd/{there}"
        _ip("link", "set", "lo", "up")
        _ip("link", "add", "near", "type", "veth", "peer", "name", "far", "netns", path)
        _ip("address", "add", f"{HERE}/30", "dev", "near")
        _ip("link", "set", "near", "up")
        link = Link(THERE, ("nsenter", f"--net={path}"))
        subprocess.run(
            [*link.inside, "ip", "address", "add", f"{THERE}/30", "dev", "far"], check=True
        )
        link.mend()
        yield link


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


def _namespace(stack: ExitStack) -> int:
    """Return the open file of this thread's network."""
    file = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    stack.callback(os.close, file)
    return file


def _leave() -> None:
    if _LIBC.unshare(_NEWNET):
        raise OSError(ctypes.get_errno(), "no network namespace can be made")


def _enter(file: int) -> None:
    if _LIBC.setns(file, _NEWNET):
        raise OSError(ctypes.get_errno(), "the network namespace cannot be entered again")
