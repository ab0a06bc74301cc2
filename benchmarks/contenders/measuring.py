"""Wall and CPU time of stretches of work, and goals that are printed and never asserted."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent.parent
CACHE = REPOSITORY / "build" / "benchmarks"


@dataclass(frozen=True, slots=True)
class Stretch:
    """What a stretch of work took.

    Parameters
    ----------
    wall_s
        Seconds by the clock.
    cpu_s
        Seconds of CPU, user and system, with those of child processes that have ended.
    """

    name: str
    wall_s: float
    cpu_s: float

    def __add__(self, other: Stretch) -> Stretch:
        return Stretch(self.name, self.wall_s + other.wall_s, self.cpu_s + other.cpu_s)

    def __sub__(self, other: Stretch) -> Stretch:
        return Stretch(self.name, self.wall_s - other.wall_s, self.cpu_s - other.cpu_s)


@contextmanager
def stretched(name: str) -> Iterator[Callable[[], Stretch]]:
    """Measure the block in this process; what is given returns what it took, once it has ended."""
    taken: list[Stretch] = []
    wall_s, cpu_s = time.perf_counter(), _cpu_s()
    yield lambda: taken[0]
    taken.append(Stretch(name, time.perf_counter() - wall_s, _cpu_s() - cpu_s))


@contextmanager
def stretch(name: str) -> Iterator[None]:
    """Measure the block and tell it to whoever runs this process `apart`."""
    with stretched(name) as took:
        yield
    print(json.dumps(asdict(took())), flush=True)


def _cpu_s() -> float:
    return sum(
        used.ru_utime + used.ru_stime
        for used in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def apart(
    name: str, command: Sequence[str], environ: Mapping[str, str]
) -> tuple[Stretch, dict[str, Stretch]]:
    """Run a process of its own; return what it took as a whole, and what it tells of itself.

    Parameters
    ----------
    command
        Its lines on standard output that are no `Stretch` are left out.
    environ
        Its whole environment.

    Raises
    ------
    RuntimeError
        It failed; its last words are in the message.
    """
    begin = time.perf_counter()
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environ, text=True
    ) as process:
        assert process.stdout is not None  # noqa: S101  it was asked for
        said = process.stdout.read().splitlines()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    whole = Stretch(name, time.perf_counter() - begin, used.ru_utime + used.ru_stime)
    if process.returncode:
        raise RuntimeError(f"{name} ended with {process.returncode}: " + "\n".join(said[-20:]))
    parts = [Stretch(**json.loads(line)) for line in said if line.startswith('{"name": ')]
    return whole, {part.name: part for part in parts}


def module(name: str, *arguments: str) -> list[str]:
    """Return the command that runs a module of `contenders` with this interpreter."""
    return [sys.executable, "-m", f"contenders.{name}", *arguments]


def environ(**more: str) -> dict[str, str]:
    """Return this process's environment without its AWS settings, with the benchmarks' paths."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    paths = os.pathsep.join(str(REPOSITORY / name) for name in ("benchmarks", "tests"))
    return kept | {"PYTHONPATH": paths} | more


def at_least(what: str, measured: float, wanted: float, unit: str = "") -> None:
    """Print a goal that is the better the larger, and whether it was met."""
    met = "met" if measured >= wanted else "MISSED"
    print(f"goal: {what} {measured:,.2f}{unit}, at least {wanted:,.2f}{unit}: {met}")


def goal(what: str, measured: float, at_most: float, unit: str = "") -> None:
    """Print a goal and whether it was met."""
    met = "met" if measured <= at_most else "MISSED"
    print(f"goal: {what} {measured:.2f}{unit}, at most {at_most:.2f}{unit}: {met}")
