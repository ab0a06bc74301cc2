"""Doing the work: a worker takes up Runs, keeps its claim alive, writes down each step's end.

A Run is *due* when nobody works on it: it is queued, or whoever claimed it has not renewed the
claim. `Execution.dispatch` binds the next attempt to one Prefect flow run; `Execution.claim`
lets exactly that flow run begin. A flow run with an unknown Run, or with one that is bound to
another flow run, is refused and recorded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from mavis_core import clock, records
from mavis_core.db import Database, tables
from mavis_core.errors import Forbidden, MavisError, PlanChanged
from mavis_core.projects.model import Project
from mavis_core.projects.service import Projects
from mavis_core.scheduling import store
from mavis_core.scheduling.jobs import Job, JobStep, PlanRequest, bind
from mavis_core.scheduling.model import Run, RunState, StepState, told

__all__ = ["LEASE", "Attempt", "Due", "Execution"]

LEASE = timedelta(seconds=15)
_MAX_ATTEMPTS = 10


@dataclass(frozen=True, slots=True)
class Due:
    """A Run that wants its next attempt."""

    run_id: str
    kind: str
    attempt: int
    subject: str
    stale_flow_run: str | None


class Execution:
    """The worker's side of Runs.

    Parameters
    ----------
    database
        The main database.
    projects
        Asked once more, before work begins, whether the person still may.
    jobs
        What Mavis can do, by action.
    worker
        The name of this worker, for claims and records.
    """

    def __init__(
        self, database: Database, projects: Projects, jobs: Mapping[str, Job], *, worker: str
    ) -> None:
        self._database = database
        self._projects = projects
        self._jobs = jobs
        self.worker = worker

    def due(self, limit: int) -> list[Due]:
        """Return Runs that nobody works on, oldest first."""
        table = tables.runs
        nobody = (table.c.lease_until.is_(None)) | (table.c.lease_until < clock.now())
        query = (
            sa.select(table)
            .where(table.c.state.in_((RunState.QUEUED, RunState.RUNNING)), nobody)
            .order_by(table.c.id)
            .limit(limit)
        )
        with self._database.read() as tx:
            rows = tx.execute(query).all()
        return [Due(row.id, row.kind, row.attempt + 1, row.subject, row.flow_run) for row in rows]

    def dispatch(self, due: Due, flow_run: str) -> bool:
        """Bind the next attempt at a Run to `flow_run`; False where another worker was first."""
        table = tables.runs
        with self._database.write() as tx:
            bound = store.update(
                tx,
                due.run_id,
                table.c.attempt == due.attempt - 1,
                state=RunState.QUEUED,
                attempt=due.attempt,
                flow_run=flow_run,
                worker=self.worker,
                lease_until=clock.now() + 2 * LEASE,
            )
            if bound and due.attempt > 1:
                run = store.load(tx, due.run_id)
                summary = f"Attempt {due.attempt} at {run.kind} of {run.subject} begins"
                records.write(tx, self._record(run, records.Phase.EVENT, summary))
            return bound

    def give_up(self, due: Due) -> bool:
        """End a Run that has had all its attempts; return whether it had."""
        if due.attempt <= _MAX_ATTEMPTS:
            return False
        with self._database.read() as tx:
            run = store.load(tx, due.run_id)
        error = MavisError(
            f"{run.kind} of {run.subject} was interrupted {_MAX_ATTEMPTS} times",
            mend="Look at the worker's log; then ask for it again.",
        )
        Attempt(self, run, ()).fail(error)
        return True

    def claim(self, run_id: str, flow_run: str) -> Attempt:
        """Begin the attempt that is bound to `flow_run`.

        Raises
        ------
        Forbidden
            There is no such Run, it is bound to another flow run, or it has ended; or the
            person may no longer do this, in which case the Run is refused.
        PlanChanged
            The plan that was approved is not what would happen now.
        """
        table = tables.runs
        now = clock.now()
        with self._database.write() as tx:
            claimed = store.update(
                tx,
                run_id,
                table.c.flow_run == flow_run,
                table.c.state == RunState.QUEUED,
                state=RunState.RUNNING,
                worker=self.worker,
                lease_until=now + LEASE,
                started_at=sa.func.coalesce(table.c.started_at, sa.literal(now, tables.Moment)),
            )
            run = store.load(tx, run_id) if claimed else None
        if run is None:
            raise self._refuse_foreign(run_id, flow_run)
        job = self._jobs[run.kind]
        try:
            self._projects.still_may(run.context(self.worker), run.project_id, job.permission)
            self._same_plan(job, run)
            steps = job.steps(run)
        except MavisError as exc:
            Attempt(self, run, ()).fail(exc, state=RunState.REFUSED)
            raise
        with self._database.write() as tx:
            _put_steps(tx, run_id, [step.name for step in steps])
        return Attempt(self, run, tuple(steps))

    def renew(self, run_ids: Sequence[str]) -> None:
        """Keep the claims on `run_ids` alive."""
        table = tables.runs
        if not run_ids:
            return
        with self._database.write() as tx:
            tx.execute(
                sa.update(table)
                .where(
                    table.c.id.in_(run_ids),
                    table.c.worker == self.worker,
                    table.c.state == RunState.RUNNING,
                )
                .values(lease_until=clock.now() + LEASE)
            )

    def _same_plan(self, job: Job, run: Run) -> None:
        """Check that the request would still do what was approved; a later attempt goes on."""
        if run.steps:
            return
        with self._database.read() as tx:
            row = (
                tx.execute(sa.select(tables.projects).where(tables.projects.c.id == run.project_id))
                .mappings()
                .one()
            )
            asked = run.plan.arguments["request"]
            request = PlanRequest(Project(**row), asked["resource"], asked["arguments"])
            plan = bind(job.plan(tx, request), request)
        if plan.hash != run.plan_hash:
            raise PlanChanged(f"{run.subject} has changed since {run.kind} was asked for")

    def _refuse_foreign(self, run_id: str, flow_run: str) -> MavisError:
        shown = repr(run_id[:60])
        with self._database.write() as tx:
            records.write(
                tx,
                records.Record(
                    kind=records.Kind.AUDIT,
                    phase=records.Phase.EVENT,
                    action="run.claim",
                    person=self.worker,
                    object=run_id[:60],
                    outcome=records.Outcome.REFUSED,
                    error_code=Forbidden.code,
                    summary=f"Flow run {flow_run} asked for the Run {shown}, which is not its own",
                    correlation_id=flow_run,
                    source=self.worker,
                    data={"flow_run": flow_run},
                ),
            )
        return Forbidden(
            f"The Run {shown} does not belong to the flow run {flow_run}",
            mend="Runs are asked for through the API; Prefect alone cannot start one.",
        )

    def _record(
        self,
        run: Run,
        phase: records.Phase,
        summary: str,
        *,
        outcome: records.Outcome | None = None,
        error: MavisError | None = None,
        **data: object,
    ) -> records.Record:
        if error is not None:
            data["error"] = told(error)
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
            source=self.worker,
            data={"run": run.id, "attempt": run.attempt, **data},
        )


class Attempt:
    """One try at a Run: its steps, and the way to write down how they ended."""

    def __init__(self, execution: Execution, run: Run, steps: tuple[JobStep, ...]) -> None:
        self._execution = execution
        self._database = execution._database  # noqa: SLF001  # an attempt is a part of Execution
        self.run = run
        self.steps = steps
        self._result: dict[str, Any] = dict(run.result)

    def perform(self, position: int) -> None:
        """Do one step and write down its end.

        Raises
        ------
        MavisError
            The step failed; the Run has not ended by this alone.
        """
        step = self.steps[position]
        self._step(position, state=StepState.RUNNING, started_at=clock.now(), finished_at=None)
        try:
            made = step.call(_StepProgress(self, position))
        except BaseException as exc:
            detail = str(exc) if isinstance(exc, MavisError) else type(exc).__name__
            self._step(
                position, state=StepState.FAILED, detail=detail[:500], finished_at=clock.now()
            )
            raise
        self._result |= made or {}
        with self._database.write() as tx:
            _update_step(
                tx,
                self.run.id,
                position,
                state=StepState.DONE,
                progress_percent=100,
                finished_at=clock.now(),
            )
            store.update(tx, self.run.id, result=self._result)

    def release(self) -> None:
        """Let go of the Run without an end, so that the next attempt begins at once."""
        table = tables.runs
        with self._database.write() as tx:
            store.update(
                tx, self.run.id, table.c.state == RunState.RUNNING, lease_until=clock.now()
            )

    def pending(self) -> list[int]:
        """Return the positions of the steps that no earlier attempt has done."""
        done = {
            position for position, step in enumerate(self.run.steps) if step.state is StepState.DONE
        }
        return [position for position in range(len(self.steps)) if position not in done]

    def succeed(self) -> None:
        """Write down that every step is done."""
        table = tables.runs
        summary = f"{self.run.kind} of {self.run.subject} done"
        with self._database.write() as tx:
            if store.update(
                tx,
                self.run.id,
                table.c.state == RunState.RUNNING,
                state=RunState.SUCCEEDED,
                result=self._result,
                finished_at=clock.now(),
                lease_until=None,
            ):
                record = self._execution._record  # noqa: SLF001  # as above
                records.write(
                    tx,
                    record(
                        self.run,
                        records.Phase.OUTCOME,
                        summary,
                        outcome=records.Outcome.OK,
                        result=self._result,
                    ),
                )

    def fail(self, error: MavisError, *, state: RunState = RunState.FAILED) -> None:
        """Write down why the Run ended without success, in all rows that tell of it."""
        table = tables.runs
        refused = state is RunState.REFUSED
        summary = f"{self.run.kind} of {self.run.subject} {state}: {error.message}"
        job = self._execution._jobs[self.run.kind]  # noqa: SLF001  # as above
        with self._database.write() as tx:
            if store.update(
                tx,
                self.run.id,
                table.c.state.in_((RunState.QUEUED, RunState.RUNNING)),
                state=state,
                error=told(error),
                result=self._result,
                finished_at=clock.now(),
                lease_until=None,
            ):
                job.failed(tx, self.run, error)
                record = self._execution._record  # noqa: SLF001  # as above
                outcome = records.Outcome.REFUSED if refused else records.Outcome.FAILED
                records.write(
                    tx,
                    record(self.run, records.Phase.OUTCOME, summary, outcome=outcome, error=error),
                )

    def _step(self, position: int, **values: Any) -> None:
        with self._database.write() as tx:
            _update_step(tx, self.run.id, position, **values)


class _StepProgress:
    """Writes what a step says into its row; the same words twice are written once."""

    def __init__(self, attempt: Attempt, position: int) -> None:
        self._attempt = attempt
        self._position = position
        self._last: tuple[object, ...] = ()

    def say(self, detail: str, *, percent: int | None = None) -> None:
        self._write(StepState.RUNNING, detail, percent)

    def waiting(self, reason: str) -> None:
        self._write(StepState.WAITING, reason, None)

    def _write(self, state: StepState, detail: str, percent: int | None) -> None:
        told_now = (state, detail, percent)
        if told_now == self._last:
            return
        self._last = told_now
        values: dict[str, Any] = {"state": state, "detail": detail[:500]}
        if percent is not None:
            values["progress_percent"] = percent
        self._attempt._step(self._position, **values)  # noqa: SLF001  # a part of Attempt


def _put_steps(tx: sa.Connection, run_id: str, names: Sequence[str]) -> None:
    """Write the steps of an attempt; those of an earlier one that are done stay as they are."""
    table = tables.steps
    for position, name in enumerate(names):
        there = tx.scalar(
            sa.select(table.c.name).where(table.c.run_id == run_id, table.c.position == position)
        )
        if there is None:
            tx.execute(
                sa.insert(table).values(
                    run_id=run_id, position=position, name=name, state=StepState.PENDING, detail=""
                )
            )


def _update_step(tx: sa.Connection, run_id: str, position: int, **values: Any) -> None:
    table = tables.steps
    tx.execute(
        sa.update(table)
        .where(table.c.run_id == run_id, table.c.position == position)
        .values(**values)
    )
