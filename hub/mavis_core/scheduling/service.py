"""Asking for work: preview a job, apply a preview, start what needs none, follow Runs."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from mavis_core import clock, records
from mavis_core.access import CallContext, Permission
from mavis_core.changes import previews
from mavis_core.changes.model import Plan, Preview
from mavis_core.db import Database, tables
from mavis_core.db.paging import Order, Page, PageRequest, fetch
from mavis_core.errors import ConfirmationNeeded, Conflict, InvalidInput, NotFound
from mavis_core.ids import new_id
from mavis_core.projects.model import Project
from mavis_core.projects.service import Projects, audit, hold
from mavis_core.scheduling import store
from mavis_core.scheduling.jobs import Job, PlanRequest, bind
from mavis_core.scheduling.model import Run, RunChange, RunState

__all__ = ["Runs"]

_RUNS = tables.runs
_ORDER = Order(
    _RUNS.c.id,
    newest_first=True,
    columns={
        "created_at": _RUNS.c.created_at,
        "finished_at": _RUNS.c.finished_at,
        "state": _RUNS.c.state,
    },
)
_MAX_FOLLOWED = 500
_MAX_CHANGES = 1000
# Longer than a transaction may last: it stamps its changes before others see them.
_OVERLAP = timedelta(seconds=30)


class Runs:
    """The Runs of all projects, for those who ask for them.

    Parameters
    ----------
    database
        The main database.
    projects
        Guards every call.
    jobs
        What Mavis can do, by action.
    """

    SORTS = _ORDER.sorts

    def __init__(self, database: Database, projects: Projects, jobs: Mapping[str, Job]) -> None:
        self._database = database
        self._projects = projects
        self._jobs = jobs

    def preview(
        self,
        ctx: CallContext,
        reference: str,
        *,
        action: str,
        resource: str | None,
        arguments: Mapping[str, Any],
        group: str | None = None,
    ) -> Preview:
        """Return exactly what a job would do, and keep it so that it can be applied.

        Parameters
        ----------
        group
            An id of the caller's own, ``pgr_…``, under which this preview is confirmed together
            with others (`PreviewGroups`); None: by itself.

        Raises
        ------
        InvalidInput
            There is no such action, or an argument is bad.
        NotFound
            The project, or the resource in it, does not exist.
        """
        job = self._job(action)
        # Whoever may see the resource may see what would happen; applying asks for more.
        project = self._projects.authorize(ctx, reference, Permission.RESOURCE_READ).project
        request = PlanRequest(project, resource, arguments)
        with self._database.write() as tx:
            hold(tx, project.id)
            return previews.keep(tx, ctx, bind(job.plan(tx, request), request), group)

    def shown(self, ctx: CallContext, reference: str, preview_id: str) -> Preview:
        """Return a preview that the caller was shown.

        Raises
        ------
        NotFound
            There is none of that id, or somebody else was shown it.
        """
        project = self._projects.authorize(ctx, reference, Permission.RESOURCE_READ).project
        with self._database.read() as tx:
            return previews.load(tx, ctx, project.id, preview_id)

    def preview_again(self, ctx: CallContext, reference: str, preview_id: str) -> Preview:
        """Return what the request behind a preview of the caller's would do by now.

        Raises
        ------
        NotFound
            There is no such preview any more, or somebody else was shown it.
        """
        plan = self.shown(ctx, reference, preview_id).plan
        asked = plan.arguments["request"]
        return self.preview(
            ctx,
            reference,
            action=plan.action,
            resource=asked["resource"],
            arguments=asked["arguments"],
        )

    def apply(
        self,
        ctx: CallContext,
        reference: str,
        preview_id: str,
        *,
        hash: str,
        confirm: str | None,
    ) -> Run:
        """Carry out a preview as it was shown.

        Applying the same preview again returns the same Run, also where both come at once.

        Raises
        ------
        PlanChanged
            It expired, or the same request would now do something else.
        ConfirmationNeeded
            It interrupts or destroys and the project's name was not typed.
        """
        project = self._projects.authorize(ctx, reference, Permission.RESOURCE_READ).project
        with self._database.read() as tx:
            action = previews.load(tx, ctx, project.id, preview_id).plan.action
        job = self._job(action)
        self._projects.authorize(ctx, reference, job.permission)
        with self._database.write() as tx:
            hold(tx, project.id)
            preview = previews.load(tx, ctx, project.id, preview_id)
            if preview.run_id is not None and hash == preview.hash:
                return store.load(tx, preview.run_id)
            asked = preview.plan.arguments["request"]
            request = PlanRequest(project, asked["resource"], asked["arguments"])
            now_plan = bind(job.plan(tx, request), request)
            previews.check_applicable(preview, now_plan, hash=hash, confirm=confirm)
            run = self._enqueue(tx, ctx, job, now_plan)
            previews.mark_applied(tx, preview, run.id)
        return run

    def start(
        self,
        ctx: CallContext,
        reference: str,
        *,
        action: str,
        resource: str | None,
        arguments: Mapping[str, Any],
    ) -> Run:
        """Carry out a job that neither interrupts nor destroys, without a preview before it.

        Raises
        ------
        ConfirmationNeeded
            It does interrupt or destroy: ask for a preview and apply that.
        """
        job = self._job(action)
        project = self._projects.authorize(ctx, reference, job.permission).project
        request = PlanRequest(project, resource, arguments)
        with self._database.write() as tx:
            hold(tx, project.id)
            plan = bind(job.plan(tx, request), request)
            if plan.severity.needs_confirmation:
                raise ConfirmationNeeded(f"{action} {plan.severity} {plan.subject}")
            return self._enqueue(tx, ctx, job, plan)

    def start_in(
        self,
        tx: sa.Connection,
        ctx: CallContext,
        project: Project,
        *,
        action: str,
        resource: str | None,
        arguments: Mapping[str, Any],
        slot: str | None = None,
        not_before: datetime | None = None,
    ) -> Run:
        """Write a Run into the transaction of somebody who has checked that it may be.

        Parameters
        ----------
        slot
            What it is for, unique for ever: a second Run for it is a `Conflict`.
        not_before
            When it may begin; None: at once.
        """
        job = self._job(action)
        request = PlanRequest(project, resource, arguments)
        plan = bind(job.plan(tx, request), request)
        return self._enqueue(tx, ctx, job, plan, slot=slot, not_before=not_before)

    def cancel(self, ctx: CallContext, reference: str, run_id: str) -> Run:
        """End a Run before it is done; what it had begun is cleaned up.

        Cancelling again changes nothing.

        Raises
        ------
        Conflict
            It has ended already.
        """
        project = self._projects.authorize(ctx, reference, Permission.RUN_CANCEL).project
        with self._database.write() as tx:
            hold(tx, project.id)
            run = store.load(tx, run_id)
            if run.project_id != project.id:
                raise NotFound(f"No Run {run_id[:60]!r} in {project.name}")
            if run.state is RunState.CANCELLED:
                return run
            if run.state.final:
                raise Conflict(f"The Run {run.id} has ended: it is {run.state}")
            if not run.cancelled_by:
                cancel = {"by": ctx.principal.name, "at": clock.iso(clock.now())}
                store.update(tx, run.id, cancel=cancel, not_before=None)
                summary = f"{ctx.principal.name} cancelled {run.kind} of {run.subject}"
                records.write(tx, audit(ctx, "run.cancel", run.id, summary, project=project.id))
            return store.load(tx, run.id)

    def list(
        self, ctx: CallContext, reference: str, want: PageRequest, *, state: str | None = None
    ) -> Page[Run]:
        """Return the project's Runs, newest first where not said, without their steps."""
        project = self._projects.authorize(ctx, reference, Permission.RUN_READ).project
        table = tables.runs
        query = sa.select(table).where(table.c.project_id == project.id)
        if state is not None:
            if state not in list(RunState):
                known = ", ".join(RunState)
                raise InvalidInput(f"No state {state[:40]!r}; use {known}", field="state")
            query = query.where(table.c.state == state)
        with self._database.read() as tx:
            return fetch(tx, query, _ORDER, want, store.run_of)

    def across(
        self,
        ctx: CallContext,
        *,
        states: Collection[RunState] = tuple(RunState),
        since: datetime | None = None,
        correlation_id: str | None = None,
        limit: int,
    ) -> tuple[Run, ...]:
        """Return Runs of all projects in which the caller may see them, without their steps.

        Parameters
        ----------
        since
            Only those that have changed since; None: whenever.
        correlation_id
            Only those of one story.

        Returns
        -------
        tuple
            The newest first, `limit` at most.
        """
        mine = [each.project.id for each in self._projects.where(ctx, Permission.RUN_READ)]
        table = tables.runs
        query = sa.select(table).where(table.c.project_id.in_(mine), table.c.state.in_(states))
        if since is not None:
            query = query.where(table.c.changed_at > since)
        if correlation_id is not None:
            query = query.where(table.c.correlation_id == correlation_id)
        else:
            # An expression, so that SQLite finds the few Runs of a state by their index: by the
            # ids' it would look at every Run until it has `limit`.
            query = query.order_by((table.c.id + "").desc())
        with self._database.read() as tx:
            rows = tx.execute(query.order_by(table.c.id.desc()).limit(limit)).mappings()
            return tuple(store.run_of(row) for row in rows)

    def permission_of(self, action: str) -> Permission:
        """Return what it takes to have `action` done.

        Raises
        ------
        InvalidInput
            There is no such action.
        """
        return self._job(action).permission

    def get(self, ctx: CallContext, reference: str, run_id: str) -> Run:
        """Return one Run with its steps.

        Raises
        ------
        NotFound
            The project has no such Run.
        """
        project = self._projects.authorize(ctx, reference, Permission.RUN_READ).project
        with self._database.read() as tx:
            run = store.load(tx, run_id)
        if run.project_id != project.id:
            raise NotFound(f"No Run {run_id[:60]!r} in {project.name}")
        return run

    def versions(self, run_ids: Collection[str]) -> Mapping[str, int]:
        """Return the versions of Runs by id, for somebody who follows them.

        It asks for no permission: a number tells nothing, and whoever follows a Run was asked
        when that began. Ids of no Run are left out.

        Raises
        ------
        InvalidInput
            There are more than 500 ids.
        """
        with self._database.read() as tx:
            return store.versions(tx, _followed(run_ids))

    def load_unchecked(self, run_ids: Collection[str]) -> tuple[Run, ...]:
        """Return Runs with their steps, the oldest first, WITHOUT asking for any permission.

        For what follows Runs on behalf of callers whose permission was checked when they began to
        listen. Ids of no Run are left out.

        Raises
        ------
        InvalidInput
            There are more than 500 ids.
        """
        with self._database.read() as tx:
            return store.load_many(tx, _followed(run_ids))

    def changes_unchecked(
        self, project_ids: Collection[str], since: datetime
    ) -> tuple[RunChange, ...]:
        """Return which Runs have changed, in order, WITHOUT asking for any permission.

        As `load_unchecked`, for those who follow whole projects. A Run that has changed several
        times is told of once.

        Parameters
        ----------
        since
            The latest ``changed_at`` that was told of; at first, the moment when the listening
            began. What changed up to 30 seconds before it is told again, since a transaction that
            lasted so long may only now be seen: known versions are to be left out.

        Returns
        -------
        tuple
            The newest 1000 at most.

        Raises
        ------
        InvalidInput
            There are more than 500 projects.
        """
        with self._database.read() as tx:
            return store.changes(tx, _followed(project_ids), since - _OVERLAP, limit=_MAX_CHANGES)

    def _job(self, action: str) -> Job:
        if action not in self._jobs:
            known = ", ".join(sorted(self._jobs))
            raise InvalidInput(f"No action {action[:60]!r}; there are {known}", field="action")
        return self._jobs[action]

    def _enqueue(
        self,
        tx: sa.Connection,
        ctx: CallContext,
        job: Job,
        plan: Plan,
        *,
        slot: str | None = None,
        not_before: datetime | None = None,
    ) -> Run:
        run = Run(
            id=new_id("run"),
            project_id=plan.project_id,
            kind=job.action,
            state=RunState.QUEUED,
            subject=plan.subject,
            plan=plan,
            plan_hash=plan.hash,
            person=ctx.principal.name,
            groups=ctx.principal.groups,
            scopes=ctx.scopes,
            correlation_id=ctx.correlation_id,
            request_id=ctx.request_id,
            created_at=clock.now(),
            started_at=None,
            finished_at=None,
            attempt=0,
            flow_run=None,
            result={},
            error=None,
            slot=slot,
            not_before=not_before,
        )
        store.insert(tx, run)
        job.accepted(tx, run)
        records.write(
            tx,
            records.Record(
                kind=records.Kind.AUDIT,
                phase=records.Phase.INTENT,
                action=job.action,
                project=run.project_id,
                person=run.person,
                object=run.subject,
                summary=f"{run.person} asked for {job.action} of {run.subject}",
                correlation_id=run.correlation_id,
                request_id=run.request_id,
                source=ctx.source,
                data={"run": run.id, "plan_hash": run.plan_hash, "effects": len(plan.effects)},
            ),
        )
        return run


def _followed(ids: Collection[str]) -> Collection[str]:
    """Return `ids` where they are few enough for one question."""
    if len(ids) > _MAX_FOLLOWED:
        raise InvalidInput(f"{len(ids)} at a time; at most {_MAX_FOLLOWED} can be followed")
    return ids
