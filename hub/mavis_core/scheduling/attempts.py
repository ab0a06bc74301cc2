"""One try at a Run: its steps, and the way to write down how they ended.

Every row that an attempt writes is written on the condition that the Run is still its own. A
worker that was stopped for so long that the next attempt has begun finds that out with the next
word it says, and ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from mavis_core import clock, records
from mavis_core.db import Database, tables
from mavis_core.errors import Cancelled, Interrupted, MavisError, Unavailable, told
from mavis_core.scheduling import store
from mavis_core.scheduling.jobs import Job, JobStep
from mavis_core.scheduling.model import Run, RunState, StepState
from mavis_core.scheduling.step_records import StepRecords

__all__ = ["CLEAN_UP", "Attempt", "end", "record_of"]

CLEAN_UP = "Clean up"


class Attempt:
    """One try at a Run. Made by `Execution.claim`.

    Parameters
    ----------
    run
        As it was claimed.
    job
        What it carries out.
    steps
        The job's steps for this Run.
    worker
        The name of the worker, for records.
    """

    def __init__(
        self, database: Database, run: Run, job: Job, steps: tuple[JobStep, ...], *, worker: str
    ) -> None:
        self._database = database
        self._job = job
        self._worker = worker
        self._result: dict[str, Any] = dict(run.result)
        self.run = run
        self.steps = steps

    def pending(self) -> list[int]:
        """Return the positions of the steps that no earlier attempt has done."""
        if self.run.cancelled_by:
            return [len(self.steps) - 1]
        done = {
            position for position, step in enumerate(self.run.steps) if step.state is StepState.DONE
        }
        return [position for position in range(len(self.steps)) if position not in done]

    def perform(self, position: int) -> None:
        """Do one step and write down its end.

        Raises
        ------
        Unavailable
            The process ends, a part of the appliance is down, or another attempt has taken over:
            the Run goes on in the next attempt.
        Cancelled
            A person has ended the Run: the next attempt cleans up.
        MavisError
            The step failed; the Run has not ended by this alone.
        """
        step = self.steps[position]
        story = StepRecords(
            self.run, position, step.name, steps=len(self.steps), worker=self._worker
        )

        def write(*told: records.Record, **values: Any) -> None:
            with self._telling(story, *told) as tx:
                store.update_step(tx, self.run.id, position, **values)

        write(story.begin(), state=StepState.RUNNING, started_at=clock.now(), finished_at=None)
        try:
            with story.listening():
                made = step.call(_StepProgress(write, self._check, story))
            self._finish(position, story, made or {})
        except Unavailable as exc:
            write(story.end(exc), state=StepState.WAITING, detail=exc.message[:500])
            raise
        except Cancelled as exc:
            self._tell_cancelled(story, exc)
            raise
        except Exception as exc:
            detail = exc.message if isinstance(exc, MavisError) else type(exc).__name__
            now = clock.now()
            write(story.end(exc), state=StepState.FAILED, detail=detail[:500], finished_at=now)
            raise

    def _finish(self, position: int, story: StepRecords, made: Mapping[str, Any]) -> None:
        self._result |= made
        with self._telling(story, story.end()) as tx:
            store.update(tx, self.run.id, result=self._result)
            store.update_step(
                tx,
                self.run.id,
                position,
                state=StepState.DONE,
                progress_percent=100,
                finished_at=clock.now(),
            )

    def release(self) -> None:
        """Let go of the Run without an end, so that the next attempt begins at once."""
        with self._database.write() as tx:
            store.update(tx, self.run.id, *self._mine(), lease_until=clock.now())

    def succeed(self) -> None:
        """Write down that every step is done; of a cancelled Run, that it was cleaned up.

        Raises
        ------
        Interrupted
            Another attempt has taken over.
        """
        run = self.run
        with self._database.write() as tx:
            self._keep_hold(tx)
            if run.cancelled_by:
                error = Cancelled(f"{run.cancelled_by} cancelled {run.kind} of {run.subject}")
                end(tx, run, self._job, error, RunState.CANCELLED, source=self._worker)
                return
            store.update(
                tx,
                run.id,
                state=RunState.SUCCEEDED,
                result=self._result,
                finished_at=clock.now(),
                lease_until=None,
            )
            records.write(
                tx,
                record_of(
                    run,
                    records.Phase.OUTCOME,
                    f"{run.kind} of {run.subject} done",
                    source=self._worker,
                    outcome=records.Outcome.OK,
                    result=self._result,
                ),
            )

    def fail(self, error: MavisError) -> None:
        """Write down why the Run ended without success, in all rows that tell of it."""
        self._end(error, RunState.FAILED)

    def refuse(self, error: MavisError) -> None:
        """Write down why the Run was not begun, in all rows that tell of it."""
        self._end(error, RunState.REFUSED)

    def _end(self, error: MavisError, state: RunState) -> None:
        with self._database.write() as tx:
            if store.update(tx, self.run.id, *self._mine(), result=self._result):
                end(tx, self.run, self._job, error, state, source=self._worker)

    def _mine(self) -> tuple[sa.ColumnElement[bool], ...]:
        table, run = tables.runs, self.run
        return (
            table.c.state == RunState.RUNNING,
            table.c.attempt == run.attempt,
            table.c.flow_run == run.flow_run,
        )

    def _keep_hold(self, tx: sa.Connection) -> None:
        """Let nobody take over until `tx` ends, and end where a person wants that."""
        self._judge(tx.execute(self._row().with_for_update(key_share=True)).one_or_none())

    @contextmanager
    def _telling(self, story: StepRecords, *told: records.Record) -> Iterator[sa.Connection]:
        """Yield a transaction of this attempt in which a step's records are written."""
        with story.telling() as lines, self._database.write() as tx:
            self._keep_hold(tx)
            yield tx
            records.write(tx, *lines, *told)

    def _tell_cancelled(self, story: StepRecords, error: Cancelled) -> None:
        """Write down that a person has ended a step; its row stays as it is until the clean-up."""
        with story.telling() as lines, self._database.write() as tx:
            if tx.execute(self._row().with_for_update(key_share=True)).one_or_none() is not None:
                records.write(tx, *lines, story.end(error))

    def _check(self) -> None:
        with self._database.read() as tx:
            self._judge(tx.execute(self._row()).one_or_none())

    def _row(self) -> sa.Select[Any]:
        table = tables.runs
        return sa.select(table.c.cancel).where(table.c.id == self.run.id, *self._mine())

    def _judge(self, found: sa.Row[Any] | None) -> None:
        run = self.run
        if found is None:
            raise Interrupted(
                f"Attempt {run.attempt} at {run.kind} of {run.subject} has lost its claim: it did"
                " not renew it in time"
            )
        if found.cancel and not run.cancelled_by:
            raise Cancelled(f"{found.cancel['by']} cancelled {run.kind} of {run.subject}")


class _StepProgress:
    """Writes what a step says into its row; the same words twice are written once."""

    def __init__(
        self, write: Callable[..., None], check: Callable[[], None], story: StepRecords
    ) -> None:
        self._write = write
        self._story = story
        self.check = check
        self._last: tuple[object, ...] = ()

    def say(self, detail: str, *, percent: int | None = None) -> None:
        self._tell(StepState.RUNNING, detail, percent)

    def waiting(self, reason: str) -> None:
        self._tell(StepState.WAITING, reason, None)

    def _tell(self, state: StepState, detail: str, percent: int | None) -> None:
        told_now = (state, detail, percent)
        if told_now == self._last:
            return
        self._last = told_now
        values: dict[str, Any] = {"state": state, "detail": detail[:500]}
        if percent is not None:
            values["progress_percent"] = percent
        told = self._story.wait(detail) if state is StepState.WAITING else []
        self._write(*told, **values)


def end(
    tx: sa.Connection, run: Run, job: Job, error: MavisError, state: RunState, *, source: str
) -> None:
    """End a Run that the caller has hold of without success, in all rows that tell of it."""
    store.update(
        tx, run.id, state=state, error=told(error), finished_at=clock.now(), lease_until=None
    )
    if state is RunState.CANCELLED:
        job.cancelled(tx, run)
    else:
        job.failed(tx, run, error)
    refused = state is RunState.REFUSED
    records.write(
        tx,
        record_of(
            run,
            records.Phase.OUTCOME,
            f"{run.kind} of {run.subject} {state}: {error.message}",
            source=source,
            outcome=records.Outcome.REFUSED if refused else records.Outcome.FAILED,
            error=error,
        ),
    )


def record_of(
    run: Run,
    phase: records.Phase,
    summary: str,
    *,
    source: str,
    outcome: records.Outcome | None = None,
    error: MavisError | None = None,
    **data: object,
) -> records.Record:
    """Return a record of what became of a Run."""
    if error is not None:
        data["error"] = told(error)
    if run.slot is not None:
        data["slot"] = run.slot
    return records.Record(
        kind=records.Kind.AUDIT,
        phase=phase,
        action=run.kind,
        project=run.project_id,
        person=run.person,
        object=run.subject,
        outcome=outcome,
        error_code=error.code if error else None,
        summary=summary,
        correlation_id=run.correlation_id,
        request_id=run.request_id,
        source=source,
        data={"run": run.id, "attempt": run.attempt, **data},
    )
