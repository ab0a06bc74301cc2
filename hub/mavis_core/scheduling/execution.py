"""Taking up Runs: a worker finds those that are due, claims them and keeps its claims alive.

A Run is *due* when nobody works on it: it is queued, or whoever claimed it has not renewed the
claim. `Execution.dispatch` binds the next attempt to one Prefect flow run; `Execution.claim`
lets exactly that flow run begin. A flow run with an unknown Run, or with one that is bound to
another flow run, is refused and recorded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import sqlalchemy as sa

from mavis_core import clock, records
from mavis_core.db import Database, tables
from mavis_core.errors import Forbidden, Internal, MavisError, PlanChanged, Unavailable
from mavis_core.projects.service import Projects, project_of
from mavis_core.scheduling import store
from mavis_core.scheduling.attempts import CLEAN_UP, Attempt, end, record_of
from mavis_core.scheduling.jobs import Binding, Job, JobStep, PlanRequest, Progress, bind
from mavis_core.scheduling.model import Run, RunState

__all__ = ["LEASE", "Attempt", "Due", "Execution"]

LEASE = timedelta(seconds=15)
_MAX_ATTEMPTS = 10
_UNFINISHED = (RunState.QUEUED, RunState.RUNNING)


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
        """Return Runs that nobody works on and that this worker knows how to do, oldest first."""
        table = tables.runs
        query = (
            sa.select(table)
            .where(*_unclaimed(), table.c.kind.in_(list(self._jobs)))
            .order_by(table.c.id)
            .limit(limit)
        )
        with self._database.read() as tx:
            rows = tx.execute(query).all()
        return [Due(row.id, row.kind, row.attempt + 1, row.subject, row.flow_run) for row in rows]

    def at_hand(self) -> int:
        """Return how many Runs this worker has bound or claimed and not ended."""
        table = tables.runs
        query = sa.select(sa.func.count()).where(
            table.c.worker == self.worker,
            table.c.state.in_(_UNFINISHED),
            table.c.lease_until >= clock.now(),
        )
        with self._database.read() as tx:
            return tx.scalar(query) or 0

    def dispatch(self, due: Due, flow_run: str) -> bool:
        """Bind the next attempt at a Run to `flow_run`.

        Returns
        -------
        bool
            False where it is due no longer: another worker was first, or the last one is alive
            after all.
        """
        table = tables.runs
        with self._database.write() as tx:
            bound = store.update(
                tx,
                due.run_id,
                *_unclaimed(),
                table.c.attempt == due.attempt - 1,
                state=RunState.QUEUED,
                attempt=due.attempt,
                last_alive=sa.case((table.c.attempt > 0, table.c.lease_until), else_=None),
                flow_run=flow_run,
                worker=self.worker,
                lease_until=clock.now() + 2 * LEASE,
            )
            if bound and due.attempt > 1:
                run = store.load(tx, due.run_id)
                summary = f"Attempt {due.attempt} at {run.kind} of {run.subject} begins"
                records.write(tx, record_of(run, records.Phase.EVENT, summary, source=self.worker))
            return bound

    def adopt(self, run_id: str, flow_run: str) -> bool:
        """Bind the first attempt at a Run that nobody has taken up to `flow_run`, early or not.

        For a Run that was written for this very flow run, and kept back from others so long.
        """
        table = tables.runs
        with self._database.write() as tx:
            return store.update(
                tx,
                run_id,
                table.c.state == RunState.QUEUED,
                table.c.attempt == 0,
                attempt=1,
                flow_run=flow_run,
                worker=self.worker,
                not_before=None,
                lease_until=clock.now() + 2 * LEASE,
            )

    def give_up(self, due: Due) -> bool:
        """End a Run that has had all its attempts; return whether it had."""
        if due.attempt <= _MAX_ATTEMPTS:
            return False
        table, now = tables.runs, clock.now()
        with self._database.write() as tx:
            last = table.c.attempt == due.attempt - 1
            if store.update(
                tx, due.run_id, *_unclaimed(), last, worker=self.worker, lease_until=now
            ):
                run = store.load(tx, due.run_id)
                error = Internal(
                    f"{run.kind} of {run.subject} was interrupted {_MAX_ATTEMPTS} times",
                    mend="Look at the worker's log; then ask for it again.",
                )
                job = self._jobs[run.kind]
                end(tx, run, job, error, RunState.FAILED, source=self.worker)
        return True

    def claim(self, run_id: str, flow_run: str) -> Attempt:
        """Begin the attempt that is bound to `flow_run`.

        Raises
        ------
        Forbidden
            There is no such Run, it is bound to another flow run, or it has ended; or the
            person may no longer do this, in which case the Run is refused.
        PlanChanged
            The plan that was approved is not what would happen now; the Run is refused.
        Unavailable
            A part of the appliance is down; the Run goes on in the next attempt.
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
            if run is not None and run.cancelled_by:
                store.update(tx, run_id, cancel={"by": run.cancelled_by, "cleaning": True})
        if run is None:
            raise self._refuse_foreign(run_id, flow_run)
        job = self._jobs[run.kind]
        try:
            steps = self._steps(job, run)
        except Unavailable:
            raise  # the claim runs out and the next attempt begins
        except MavisError as exc:
            Attempt(self._database, run, job, (), worker=self.worker).refuse(exc)
            raise
        with self._database.write() as tx:
            store.put_steps(tx, run_id, [step.name for step in steps])
        return Attempt(self._database, run, job, steps, worker=self.worker)

    def _steps(self, job: Job, run: Run) -> tuple[JobStep, ...]:
        """Return the steps of a Run that may still go on; a cancelled one is cleaned up."""
        if run.cancelled_by:
            before = [JobStep(step.name, _nothing) for step in run.steps if step.name != CLEAN_UP]
            return (*before, JobStep(CLEAN_UP, lambda progress: job.clean_up(run, progress)))
        self._projects.still_may(run.context(self.worker), run.project_id, job.permission)
        self._same_plan(job, run)
        return tuple(job.steps(run))

    def renew(self, run_ids: Sequence[str]) -> None:
        """Keep the claims on `run_ids` alive; that is no change of the Runs (`Run.version`)."""
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
        if run.steps or job.binding is Binding.REQUEST:
            return
        with self._database.read() as tx:
            asked = run.plan.arguments["request"]
            project = project_of(tx, run.project_id)
            request = PlanRequest(project, asked["resource"], asked["arguments"])
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


def _nothing(_progress: Progress) -> None:
    """Stand for a step that a cancelled Run does no more."""


def _unclaimed() -> tuple[sa.ColumnElement[bool], ...]:
    """Return the conditions under which nobody works on a Run and it may begin."""
    table, now = tables.runs, clock.now()
    nobody = table.c.lease_until.is_(None) | (table.c.lease_until < now)
    may = table.c.not_before.is_(None) | (table.c.not_before <= now)
    return table.c.state.in_(_UNFINISHED), nobody, may
