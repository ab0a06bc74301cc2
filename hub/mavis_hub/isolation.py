"""Walls around a process that does what people wrote: namespaces of Linux, made without root.

*Kernel*: the kernel of a dashboard. What carries out SQL over the log is walled in alike, and has
no network either.

Kernels of different projects run under one Unix user, and so does the process that holds the
secret with which tokens are asked for. Folders with mode 0700 keep no two of them apart. A kernel
is therefore started in a user, mount and process namespace of its own (user_namespaces(7)):

- it sees no other process, so it can neither read another's memory nor signal it;
- the whole state folder is covered, but for the kernel's own folder: secrets, sockets of other
  kernels, database and journals are not there. It has no capability to uncover them, and in a
  namespace inside of its own the covers are locked (mount_namespaces(7)), if it could make one:
  it may make none;
- it can gain no privilege (``no_new_privs``), and may ask for bounded memory;
- where processors are short, the platform's own processes come first (nice(1)).

The network is the machine's, since a kernel calls the API; every port of loopback asks for a
secret. ``/tmp`` is the machine's, too, with ``TMPDIR`` in the kernel's own folder.
"""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from mavis_core.errors import Unavailable

__all__ = ["Walls", "hide_memory", "walls_stand"]

_PR_SET_DUMPABLE = 4
_NICE = 5
_NAMESPACES = (
    "unshare", "--user", "--map-root-user", "--mount", "--propagation", "private", "--pid",
    "--ipc", "--fork", "--kill-child", "--mount-proc",
)  # fmt: skip
_DROPPED = (
    "setpriv", "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all",
)  # fmt: skip
_COVER = """
own=$1 state=$2 memory_kb=$3; shift 3
mount -n --bind "$own" /mnt
mount -n -t tmpfs -o mode=0755,size=64k,nosuid,nodev tmpfs "$state"
mkdir -p "$own"
mount -n --move /mnt "$own"
mount -n -t tmpfs -o mode=1777,size=64m,nosuid,nodev tmpfs /dev/shm
echo 0 > /proc/sys/user/max_user_namespaces
ulimit -c 0
ulimit -d "$memory_kb"
cd "$own"
exec "$@"
"""
_BOUNDED = 'memory_kb=$1; shift; ulimit -c 0; ulimit -d "$memory_kb"; exec "$@"'


@dataclass(frozen=True, slots=True)
class Walls:
    """What a command is put into.

    Parameters
    ----------
    state
        The state folder, which is covered.
    memory_mb
        What it may ask for, in MiB.
    namespaces
        Whether there are any; without them only memory is bounded.
    network
        Whether it has the machine's network; else it has none.
    """

    state: Path
    memory_mb: int
    namespaces: bool
    network: bool = True

    def around(self, folder: Path, command: tuple[str, ...]) -> tuple[str, ...]:
        """Return `command` as it runs with nothing but `folder` of the state folder in sight."""
        with_me = ("nice", "-n", str(_NICE), "setpriv", "--pdeathsig", "KILL", "--")
        memory = str(self.memory_mb * 1024)
        if not self.namespaces:
            return (*with_me, "sh", "-euc", _BOUNDED, "kernel", memory, *command)
        inside = ("sh", "-euc", _COVER, "kernel", str(folder), str(self.state), memory)
        more = () if self.network else ("--net",)
        return (*with_me, *_NAMESPACES, *more, "--", *inside, *_DROPPED, "--", *command)


def walls_stand(state: Path, folder: Path, *, network: bool = True) -> str:
    """Return why no namespaces can be made here; empty where they can.

    Parameters
    ----------
    state, folder
        The state folder, and a folder in it to try it with.
    """
    if shutil.which("unshare") is None or shutil.which("setpriv") is None:
        return "unshare and setpriv of util-linux are not installed"
    secret = state / "secrets"
    look = f"import os, sys; sys.exit(os.path.exists({str(secret)!r}))"
    walls = Walls(state, 256, namespaces=True, network=network)
    command = walls.around(folder, (sys.executable, "-c", look))
    try:
        done = subprocess.run(  # noqa: S603 - fixed programs
            command, capture_output=True, text=True, check=False, timeout=20
        )
    except subprocess.TimeoutExpired:
        return "a trial did not end"
    return "" if done.returncode == 0 else done.stderr.strip()[:300] or "the cover does not hold"


def hide_memory() -> None:
    """Let no other process of this user read this one's memory or environment (prctl(2)).

    Raises
    ------
    Unavailable
        The system does not do it.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        raise Unavailable("This process cannot hide its memory from kernels")
