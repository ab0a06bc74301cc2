"""A Run while it goes on, and how it ended."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import UTC, datetime

import traitlets

from mavis_kernel.client import Mavis
from mavis_kernel.errors import ApiError, MavisError
from mavis_kernel.models import Run
from mavis_kernel.widgets.conversation import Answering, Given
from mavis_kernel.widgets.failures import Message, failure_of
from mavis_kernel.widgets.widget import ProjectWidget

__all__ = ["RunProgress"]

_MOST_LINES = 500
_NOTHING: Message = {"run": None, "lines": [], "trouble": "", "failure": None}


class RunProgress(ProjectWidget):
    """The steps of a Run, live; a page that is loaded again goes on where the Run is.

    Parameters
    ----------
    run
        A Run or its id; None: none yet, see `follow`.
    project, mavis
        As in `ProjectWidget`; the project of a `Run` is known.

    Examples
    --------
    >>> RunProgress(mavis.recovery_points.create("shop", "web-1"))      # doctest: +SKIP
    """

    run_id = traitlets.Unicode(help="The Run that is followed; empty: none.").tag(sync=True)
    following = traitlets.Dict(help="The Run as it was last heard of, and what was.").tag(sync=True)

    def __init__(
        self,
        run: Run | str | None = None,
        project: str | traitlets.HasTraits | None = None,
        *,
        mavis: Mavis | None = None,
    ) -> None:
        self._over = threading.Event()
        self._threads: list[threading.Thread] = []
        super().__init__("run_progress", project, mavis=mavis, following=dict(_NOTHING))
        if run is not None:
            self.follow(run)

    def follow(self, run: Run | str) -> None:
        """Follow another Run from now on."""
        self._over.set()
        self._over = threading.Event()
        if isinstance(run, Run):
            self.change(
                project=run.project, run_id=run.id, following={**_NOTHING, "run": dict(run.raw)}
            )
        else:
            self.change(run_id=run, following=dict(_NOTHING))
        self._start(self._over)

    def close(self) -> None:
        self._over.set()
        super().close()

    def _answering(self) -> Mapping[str, Answering]:
        return {"look": self._look, "cancel": self._cancel}

    def _start(self, over: threading.Event) -> None:
        thread = threading.Thread(target=self._watch, args=(over,), name="run", daemon=True)
        self._threads = [each for each in self._threads if each.is_alive()] + [thread]
        thread.start()

    def _look(self, _given: Given) -> Message:
        """Look at the Run now; follow it again where that had ended with an error."""
        run = self.mavis.runs.get(self.named(), self.run_id)
        had_failed = self.following["failure"] is not None
        self._see(run)
        if had_failed and not run.is_final:
            self._over.set()
            self._over = threading.Event()
            self._start(self._over)
        return {}

    def _cancel(self, _given: Given) -> Message:
        self._see(self.mavis.runs.cancel(self.named(), self.run_id))
        return {}

    def _watch(self, over: threading.Event) -> None:
        try:
            watching = self.mavis.runs.watch(
                self.named(), self.run_id, wait=lambda s: _pause(over, s), on_trouble=self._trouble
            )
            for run in watching:
                if over.is_set():
                    return
                self._see(run)
        except _Left:
            return
        except MavisError as exc:
            if not over.is_set():
                self.change(following={**self.following, "failure": failure_of(exc)})

    def _trouble(self, error: ApiError) -> None:
        words = f"{error.detail} Asking again; the Run goes on."
        self.change(following={**self.following, "trouble": words})

    def _see(self, run: Run) -> None:
        with self._state_lock:
            if run.id != self.run_id:
                return  # another one is followed by now
            before = self.following["run"]
            if before is not None and before["id"] == run.id and before["version"] > run.version:
                return  # an answer that was overtaken
            lines = [*self.following["lines"], *_news(before, run)]
            self.change(
                following={
                    "run": dict(run.raw),
                    "lines": lines[-_MOST_LINES:],
                    "trouble": "",
                    "failure": None,
                }
            )


class _Left(Exception):
    """Nobody follows any more."""


def _pause(over: threading.Event, seconds: float) -> None:
    if over.wait(seconds):
        raise _Left


def _news(before: Mapping[str, object] | None, run: Run) -> list[dict[str, str]]:
    """Return a line for each thing that is different from `before`."""
    old = Run.from_json(before) if before else None
    had = {step.name: step for step in old.steps} if old and old.id == run.id else {}
    lines = []
    for step in run.steps:
        was = had.get(step.name)
        if step.state == "pending" or (
            was and (was.state, was.detail) == (step.state, step.detail)
        ):
            continue
        at = step.finished_at or step.started_at
        detail = f" ({step.detail})" if step.detail else ""
        lines.append(_line(at, f"{step.name}: {step.state}{detail}"))
    if run.cancelled_by and not (old and old.cancelled_by):
        lines.append(_line(None, f"cancelled by {run.cancelled_by}"))
    if run.is_final and not (old and old.is_final and had):
        why = f": {run.error.message}" if run.error else ""
        lines.append(_line(run.finished_at, f"the Run {run.state}{why}"))
    return lines


def _line(at: datetime | None, text: str) -> dict[str, str]:
    return {"at": (at or datetime.now(UTC)).isoformat(), "text": text}
