"""What the records tell of a step: that it began, what it waited for, how it ended, what it logged.

They are written in the transactions that change the step's row, so that rows and records tell the
same. What is told of one step in one attempt is bounded; the record of its end says how much more
there was.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from types import MappingProxyType

from mavis_core import clock, records
from mavis_core.errors import Cancelled, MavisError, Unavailable
from mavis_core.logs.masking import mask
from mavis_core.scheduling.model import Run

__all__ = ["StepLog", "StepRecords"]

_MAX_WAITS = 20
_MAX_LINES = 50
_MAX_TEXT = 1000
_PASSED = re.compile(r"; \d+ s\Z")  # what `Patience` adds: for how long already
_HERE: ContextVar[StepRecords | None] = ContextVar("mavis_step", default=None)


class StepRecords:
    """Makes the records of one step in one attempt. Safe for threads.

    Parameters
    ----------
    run
        As it was claimed.
    position
        Of the step, from 0 on.
    name
        The step's, for a reader.
    steps
        How many steps the Run has.
    worker
        Whose attempt it is.
    """

    def __init__(self, run: Run, position: int, name: str, *, steps: int, worker: str) -> None:
        self._run = run
        self._name = name
        self._worker = worker
        self._place = f"Step {position + 1} of {steps}"
        self._data = {
            "run": run.id,
            "attempt": run.attempt,
            "flow_run": run.flow_run,
            "step": name,
            "position": position + 1,
            "steps": steps,
        }
        self._lock = threading.Lock()
        self._begun = clock.now()
        self._reasons: set[str] = set()
        self._lines: list[records.Record] = []
        self._heard = self._more_lines = self._more_waits = 0

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take what is logged in this context, where a `StepLog` is a handler of the logs."""
        token = _HERE.set(self)
        try:
            yield
        finally:
            _HERE.reset(token)

    def begin(self) -> records.Record:
        """Return the record of its beginning."""
        self._begun = clock.now()
        return self._record("step.begin", f"{self._place} begins: {self._name}", self._begun)

    def wait(self, reason: str) -> list[records.Record]:
        """Return the record of what is waited for, where none tells of it yet."""
        what = _PASSED.sub("", reason)[:_MAX_TEXT]
        with self._lock:
            if what in self._reasons:
                return []
            if len(self._reasons) >= _MAX_WAITS:
                self._more_waits += 1
                return []
            self._reasons.add(what)
        return [self._record("step.wait", f"{self._place} waits: {what}", clock.now())]

    def end(self, error: BaseException | None = None) -> records.Record:
        """Return the record of its end; `error` is what ended it without success."""
        ended = clock.now()
        told: dict[str, object] = {
            "started_at": clock.iso(self._begun),
            "ended_at": clock.iso(ended),
            "seconds": round((ended - self._begun).total_seconds(), 3),
        }
        if self._more_waits:
            told["more_waits"] = self._more_waits
        if self._more_lines:
            told["more_lines"] = self._more_lines
        summary = f"{self._place} {_ending(error)}: {self._name}"
        if error is None:
            return self._record("step.end", summary, ended, told, outcome=records.Outcome.OK)
        ours = error if isinstance(error, MavisError) else None
        told["message"] = ours.message if ours else type(error).__name__
        return self._record(
            "step.end",
            summary,
            ended,
            told,
            outcome=records.Outcome.FAILED,
            error_code=ours.code if ours else "internal",
        )

    def hear(self, line: logging.LogRecord) -> None:
        """Keep a line for the next transaction; its traceback is the log file's alone."""
        text = mask(line.getMessage())[:_MAX_TEXT]
        level = line.levelname.lower()
        record = self._record(
            "step.log",
            f"{self._place} logged: {text.splitlines()[0] if text.strip() else level}",
            datetime.fromtimestamp(line.created, UTC),
            {"level": level, "logger": line.name, "text": text},
        )
        with self._lock:
            if self._heard < _MAX_LINES:
                self._lines.append(record)
                self._heard += 1
            else:
                self._more_lines += 1

    @contextmanager
    def telling(self) -> Iterator[list[records.Record]]:
        """Yield the lines that nothing tells of yet; they are told when the context ends well."""
        with self._lock:
            lines, self._lines = self._lines, []
        try:
            yield lines
        except BaseException:
            with self._lock:
                self._lines[:0] = lines
            raise

    def _record(
        self,
        action: str,
        summary: str,
        moment: datetime,
        data: Mapping[str, object] = MappingProxyType({}),
        *,
        outcome: records.Outcome | None = None,
        error_code: str | None = None,
    ) -> records.Record:
        run = self._run
        return records.Record(
            time=moment,
            kind=records.Kind.OPERATION,
            phase=records.Phase.EVENT,
            action=action,
            project=run.project_id,
            person=run.person,
            object=run.subject,
            outcome=outcome,
            error_code=error_code,
            summary=summary,
            correlation_id=run.correlation_id,
            request_id=run.request_id,
            source=self._worker,
            data={**self._data, **data},
        )


class StepLog(logging.Handler):
    """Gives lines of warning and above to the step in whose context they are logged."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)

    def emit(self, record: logging.LogRecord) -> None:
        """Give a line to its step; one that belongs to none is not ours."""
        step = _HERE.get()
        if step is None:
            return
        try:
            step.hear(record)
        except Exception:  # noqa: BLE001  # as every handler: a line that cannot be told ends nothing
            self.handleError(record)


def _ending(error: BaseException | None) -> str:
    if error is None:
        return "done"
    if isinstance(error, Cancelled):
        return "is cancelled"
    return "is interrupted" if isinstance(error, Unavailable) else "failed"
