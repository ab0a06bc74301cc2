"""A disk that fails: faults of the moments at which the main database becomes durable.

Between two such moments a process has changed nothing that outlives it but the cloud, so that they
are the steps of a call that changes something.
"""

from __future__ import annotations

import ctypes
import subprocess
from pathlib import Path

__all__ = ["arm", "build", "count"]

_SOURCE = Path(__file__).with_name("disk_faults.c")
_EFFECTS = ("", "kill_before_write", "kill_after_write", "fail_write", "fail_writes")


def build(folder: Path) -> Path:
    """Compile what is loaded before libc."""
    library = folder / "disk_faults.so"
    command = ["cc", "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", library, _SOURCE, "-ldl"]
    subprocess.run(command, check=True)
    return library


def arm(number: int, effect: str) -> None:
    """Let the so many-th write from now on end so; without an effect they are counted."""
    library = ctypes.CDLL(None)
    library.disk_fault(ctypes.c_long(number), _EFFECTS.index(effect))


def count() -> int:
    """Return how many there were since `arm`."""
    library = ctypes.CDLL(None)
    library.disk_syncs.restype = ctypes.c_long
    return int(library.disk_syncs())
