"""The jobs ``resource.start``, ``resource.stop`` and ``resource.tag``.

Clouds make these calls repeatable, so a crash between intent and outcome is mended by making the
call again; the ledger still has a line before each.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from mavis_core.access import Permission
from mavis_core.changes.ledger import Ledger
from mavis_core.changes.model import Call, Plan, Severity
from mavis_core.contract import Connection, ResourceKind
from mavis_core.db import Database, tables
from mavis_core.errors import Conflict, InvalidInput
from mavis_core.inventory import store
from mavis_core.inventory.connections import Clouds
from mavis_core.inventory.model import Resource, check_tags, effect_on
from mavis_core.projects.service import hold
from mavis_core.scheduling.jobs import BaseJob, JobStep, PlanRequest, Progress
from mavis_core.scheduling.model import Run

__all__ = ["PowerJob", "TagJob", "power_jobs"]


class _ResourceJob(BaseJob, ABC):
    """What the jobs on one resource have in common: one step, one line in the ledger."""

    action: str
    permission: Permission
    step_name: str

    def __init__(self, database: Database, clouds: Clouds, ledger: Ledger) -> None:
        self._database = database
        self._clouds = clouds
        self._ledger = ledger

    def steps(self, run: Run) -> Sequence[JobStep]:
        return [JobStep(self.step_name, lambda progress: self._carry_out(run, progress))]

    def _carry_out(self, run: Run, progress: Progress) -> Mapping[str, Any]:
        ctx = run.context("worker")
        with self._database.read() as tx:
            resource = store.find_one(tx, run.project_id, run.plan.arguments["resource_id"])
        result: dict[str, Any] = {}
        with self._clouds.connect(ctx, resource.environment_id, progress) as (_, connection):

            def make(_intent: str) -> Sequence[str]:
                result.update(self._call(run, connection, resource))
                return (resource.cloud_id,)

            self._ledger.effect(
                ctx,
                run.work,
                Call(
                    f"cloud.{self.action}",
                    resource.cloud_id,
                    resource.environment_id,
                    resource.region,
                ),
                find=lambda _intent: (),
                make=make,
                settle=False,
                say=progress.say,
            )
        with self._database.write() as tx:
            hold(tx, run.project_id)
            changed = self._note(run, store.find_one(tx, run.project_id, resource.id), result)
            table = tables.resources
            tx.execute(sa.update(table).where(table.c.id == resource.id).values(**changed))
        return result

    @abstractmethod
    def _call(self, run: Run, connection: Connection, resource: Resource) -> Mapping[str, Any]:
        """Make the call and return what a reader should know of it."""

    @abstractmethod
    def _note(self, run: Run, resource: Resource, result: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the columns of `resource` that the call has changed.

        `result` is empty where an earlier attempt made the call.
        """

    def _plan(
        self,
        request: PlanRequest,
        resource: Resource,
        severity: Severity,
        detail: str,
        *warnings: str,
        **arguments: Any,
    ) -> Plan:
        verb = self.action.rpartition(".")[2]
        return Plan(
            self.action,
            request.project.id,
            request.project.name,
            resource.label,
            severity,
            (effect_on(verb, resource, detail),),
            {"resource_id": resource.id, **arguments},
            warnings,
        )


class PowerJob(_ResourceJob):
    """Start or stop an instance."""

    def __init__(
        self,
        database: Database,
        clouds: Clouds,
        ledger: Ledger,
        *,
        verb: str,
        permission: Permission,
        severity: Severity,
        call: Callable[[Connection, Resource], Mapping[str, str]],
    ) -> None:
        super().__init__(database, clouds, ledger)
        self.action = f"resource.{verb}"
        self.permission = permission
        self.step_name = f"{verb.capitalize()} the instance"
        self._severity = severity
        self._power = call

    def plan(self, tx: sa.Connection, request: PlanRequest) -> Plan:
        resource = existing(tx, request, ResourceKind.INSTANCE)
        if request.arguments:
            raise InvalidInput(f"{self.action} takes no arguments", field="arguments")
        warnings: tuple[str, ...] = ()
        if self._severity.needs_confirmation:
            warnings = (f"What runs on {resource.label} is not reachable until it is started.",)
        return self._plan(request, resource, self._severity, f"is {resource.state}", *warnings)

    def _call(self, _run: Run, connection: Connection, resource: Resource) -> Mapping[str, Any]:
        return self._power(connection, resource)

    def _note(self, _run: Run, resource: Resource, result: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"state": result.get("after", resource.state)}


class TagJob(_ResourceJob):
    """Set tags on a resource; others stay."""

    action = "resource.tag"
    permission = Permission.RESOURCE_TAG
    step_name = "Set the tags"

    def plan(self, tx: sa.Connection, request: PlanRequest) -> Plan:
        resource = existing(tx, request, None)
        if set(request.arguments) != {"tags"}:
            raise InvalidInput("resource.tag takes one argument, tags", field="arguments")
        tags = check_tags(request.arguments["tags"])
        detail = ", ".join(f"{name}={text}" for name, text in sorted(tags.items()))
        return self._plan(request, resource, Severity.CHANGES, detail, tags=tags)

    def _call(self, run: Run, connection: Connection, resource: Resource) -> Mapping[str, Any]:
        tags: dict[str, str] = run.plan.arguments["tags"]
        connection.tags.put(resource.region, resource.cloud_id, tags)
        return {"tags": tags}

    def _note(self, run: Run, resource: Resource, _result: Mapping[str, Any]) -> Mapping[str, Any]:
        tags: dict[str, str] = run.plan.arguments["tags"]
        return {"tags": {**resource.tags, **tags}, "name": tags.get("Name", resource.name)}


def power_jobs(database: Database, clouds: Clouds, ledger: Ledger) -> tuple[PowerJob, PowerJob]:
    """Return the jobs that start and stop an instance."""

    def start(connection: Connection, resource: Resource) -> Mapping[str, str]:
        change = connection.power.start(resource.region, resource.cloud_id)
        return {"before": change.before, "after": change.after}

    def stop(connection: Connection, resource: Resource) -> Mapping[str, str]:
        change = connection.power.stop(resource.region, resource.cloud_id)
        return {"before": change.before, "after": change.after}

    return (
        PowerJob(
            database,
            clouds,
            ledger,
            verb="start",
            permission=Permission.RESOURCE_START,
            severity=Severity.CHANGES,
            call=start,
        ),
        PowerJob(
            database,
            clouds,
            ledger,
            verb="stop",
            permission=Permission.RESOURCE_STOP,
            severity=Severity.INTERRUPTS,
            call=stop,
        ),
    )


def existing(tx: sa.Connection, request: PlanRequest, kind: ResourceKind | None) -> Resource:
    """Return the resource that a request names, where it is there and of the right kind.

    Raises
    ------
    InvalidInput
        No resource was named, or one of another kind.
    Conflict
        It is gone.
    """
    if not request.resource:
        raise InvalidInput("Name a resource: its id, cloud id or name", field="resource")
    resource = store.find_one(tx, request.project.id, request.resource)
    if kind is not None and resource.kind is not kind:
        raise InvalidInput(
            f"{resource.label} is a {resource.kind}, not an {kind}", field="resource"
        )
    if resource.gone:
        raise Conflict(
            f"{resource.label} was not there when {resource.environment} was last looked at",
            mend="Discover again if it is back.",
        )
    return resource
