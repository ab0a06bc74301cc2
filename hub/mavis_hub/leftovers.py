"""Find what the appliance started, also where the process that started it is gone.

Everything carries `MARK` in its environment. A person's own daemon may have dropped it, so what
runs as one of this appliance's demo people counts too.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterable

import psutil

from mavis_core.config import Config
from mavis_hub.processes import MARK
from mavis_hub.users import PERSON_MARK

__all__ = ["end", "find", "others"]

_POLITE_S = 2.0
_KILL_S = 2.0


def find(config: Config) -> list[psutil.Process]:
    """Return every process of the appliance but this one and those that it runs below."""
    people = _people(config)
    here = {os.getpid(), *(process.pid for process in psutil.Process().parents())}
    return [
        process
        for process in psutil.process_iter()
        if process.pid not in here and _ours(process, str(config.home), people)
    ]


def others(config: Config) -> bool:
    """Return whether another appliance runs on this machine."""
    for process in psutil.process_iter():
        try:
            home = process.environ().get(MARK)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
        if home not in (None, str(config.home)):
            return True
    return False


def end(processes: Iterable[psutil.Process]) -> list[psutil.Process]:
    """End `processes`, politely first; return those that are still there."""
    asked = list(processes)
    _signal(asked, "terminate")
    _, alive = psutil.wait_procs(asked, timeout=_POLITE_S)
    _signal(alive, "kill")
    _, alive = psutil.wait_procs(alive, timeout=_KILL_S)
    return list(alive)


def _people(config: Config) -> set[int]:
    homes = f"{config.home}/homes/"
    return {
        entry.pw_uid
        for entry in pwd.getpwall()
        if entry.pw_gecos == PERSON_MARK and entry.pw_dir.startswith(homes)
    }


def _ours(process: psutil.Process, home: str, people: set[int]) -> bool:
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        return process.environ().get(MARK) == home or process.uids().real in people
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False


def _signal(processes: Iterable[psutil.Process], method: str) -> None:
    for process in processes:
        try:
            getattr(process, method)()
        except psutil.NoSuchProcess:
            continue
