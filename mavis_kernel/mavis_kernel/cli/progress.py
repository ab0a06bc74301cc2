"""A Run while it runs: named steps and the time elapsed, on stderr.

In a terminal the lines are redrawn in place; elsewhere each change is a line of its own.
"""

from __future__ import annotations

import os
import shutil
import sys
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, ClassVar, Protocol

import click

from mavis_kernel.cli.tables import printable, state_style
from mavis_kernel.cli.times import duration, took
from mavis_kernel.errors import ApiError, MavisError
from mavis_kernel.models import Run, Step

if TYPE_CHECKING:
    from mavis_kernel.client import Mavis

__all__ = ["Interrupted", "watch_to_end"]

_MARKS = {"done": "✓", "failed": "✗", "waiting": "…", "running": "•"}
_SLICE_S = 0.25


class Interrupted(MavisError):
    """The person pressed Ctrl-C."""

    exit_code: ClassVar[int] = 130


class _Display(Protocol):
    def show(self, run: Run) -> None: ...

    def trouble(self, error: ApiError) -> None: ...

    def close(self) -> None: ...


def watch_to_end(client: Mavis, project: str, run_id: str) -> Run:
    """Return the Run when it is final; show its steps meanwhile.

    Raises
    ------
    Interrupted
        Ctrl-C. The Run goes on.
    """
    in_place = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
    display: _Display = _InPlace() if in_place else _Lines()
    watching = client.runs.watch(project, run_id, on_trouble=display.trouble)
    try:
        for run in watching:
            display.show(run)
    except KeyboardInterrupt as exc:
        raise Interrupted(
            f"The Run {run_id} goes on without being watched.",
            mend=f"Watch it again: mavis run watch {run_id} -p {project}",
        ) from exc
    finally:
        display.close()
    return run


class _Lines:
    """A line for each change."""

    def __init__(self) -> None:
        self._said: set[str] = set()
        self._in_trouble = False

    def show(self, run: Run) -> None:
        self._in_trouble = False
        texts = [f"{step.name}: {_step_words(step)}" for step in run.steps]
        # The beginning is said before its steps, the end after them.
        texts.insert(len(texts) if run.is_final else 0, f"{_title(run)}: {run.state}")
        for text in texts:
            self._say(run, text)

    def _say(self, run: Run, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            click.echo(f"[{_elapsed(run):>8}] {printable(text)}", err=True)

    def trouble(self, error: ApiError) -> None:
        if not self._in_trouble:
            click.echo(f"{printable(error.detail)} Asking again; the Run goes on.", err=True)
        self._in_trouble = True

    def close(self) -> None:
        """Nothing is open."""


class _InPlace:
    """The same lines again and again."""

    def __init__(self) -> None:
        self._run: Run | None = None
        self._trouble = ""
        self._drawn = 0
        self._drawing = threading.Lock()
        self._over = threading.Event()
        # The time that passes shows while nobody hears of the Run.
        self._clock = threading.Thread(target=self._tick, name="elapsed", daemon=True)
        self._clock.start()

    def show(self, run: Run) -> None:
        self._run, self._trouble = run, ""
        self._draw()

    def trouble(self, error: ApiError) -> None:
        self._trouble = f"{error.detail} Asking again; the Run goes on."
        self._draw()

    def close(self) -> None:
        """Leave the last lines as they are."""
        self._over.set()
        self._clock.join()
        sys.stderr.flush()

    def _tick(self) -> None:
        while not self._over.wait(_SLICE_S):
            self._draw()

    def _draw(self) -> None:
        with self._drawing:
            self._draw_lines()

    def _draw_lines(self) -> None:
        if self._run is None and not self._trouble:
            return
        lines = [] if self._run is None else _lines(self._run)
        if self._trouble:
            lines.append(self._trouble)
        size = shutil.get_terminal_size()
        # A line that wraps, or a block higher than the window, could not be drawn over.
        lines = [printable(line)[: size.columns - 1] for line in lines][: size.lines - 1]
        up = f"\x1b[{self._drawn}A" if self._drawn else ""
        sys.stderr.write(f"{up}\x1b[J" + "".join(f"{_coloured(line)}\n" for line in lines))
        sys.stderr.flush()
        self._drawn = len(lines)


def _lines(run: Run) -> list[str]:
    head = f"{_title(run)} · {run.state} · {_elapsed(run)}"
    return [head, *(_step_line(step) for step in run.steps)]


def _step_line(step: Step) -> str:
    mark = _MARKS.get(step.state, " ")
    is_over = step.finished_at is None and step.state in ("done", "failed")
    time_taken = "" if is_over else took(step.started_at, step.finished_at)
    return "  ".join(
        part for part in (f"  {mark} {step.name}", _step_words(step), time_taken) if part
    )


def _step_words(step: Step) -> str:
    percent = "" if step.progress_percent is None else f" {step.progress_percent:.0f} %"
    detail = f" ({step.detail})" if step.detail else ""
    return f"{step.state}{percent}{detail}"


def _title(run: Run) -> str:
    again = f", attempt {run.attempt}" if (run.attempt or 1) > 1 else ""
    return " ".join(part for part in (run.kind, run.subject, f"({run.id}{again})") if part)


def _elapsed(run: Run) -> str:
    until = run.finished_at or datetime.now(UTC)
    return duration((until - run.created_at).total_seconds())


def _coloured(line: str) -> str:
    return " · ".join(state_style(part) for part in line.split(" · "))
