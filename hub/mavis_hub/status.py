"""How the processes are: what supervisor, the operating system and the health checks say."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import psutil

from mavis_core.config import Config
from mavis_hub.health import Health, check
from mavis_hub.processes import Process
from mavis_hub.supervisor import ProcessState, State, states

__all__ = ["Row", "rows"]


@dataclass(frozen=True, slots=True)
class Row:
    """One process.

    Parameters
    ----------
    memory_bytes
        Resident memory of the process and of what it started.
    well
        Whether it runs, answers and says of nothing that it stands in its way.
    detail
        Why it is not well; empty where it is.
    """

    name: str
    title: str
    state: State
    pid: int | None
    uptime_s: int
    memory_bytes: int
    well: bool
    detail: str


def rows(config: Config, table: Iterable[Process]) -> tuple[Row, ...]:
    """Return a row for each process of `table`.

    Raises
    ------
    Unavailable
        The appliance does not run.
    """
    known = {item.name: item for item in states(config)}
    present = [row for row in table if row.name in known]
    with ThreadPoolExecutor(max_workers=max(1, len(present))) as pool:
        healths = list(pool.map(lambda row: check(row.health, config), present))
    pairs = zip(present, healths, strict=True)
    return tuple(_row(process, known[process.name], health) for process, health in pairs)


def _row(process: Process, state: ProcessState, health: Health) -> Row:
    return Row(
        name=process.name,
        title=process.title,
        state=state.state,
        pid=state.pid,
        uptime_s=state.uptime_s,
        memory_bytes=_memory(state.pid),
        well=health.well and not health.trouble and state.state is State.RUNNING,
        detail=health.detail or state.detail or health.trouble,
    )


def _memory(pid: int | None) -> int:
    if pid is None:
        return 0
    try:
        top = psutil.Process(pid)
        return sum(process.memory_info().rss for process in (top, *top.children(recursive=True)))
    except psutil.Error:
        return 0
