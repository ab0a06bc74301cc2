"""The jobs ``resource.start``, ``resource.stop`` and ``resource.tag``.

Clouds make these calls repeatable, so a crash between intent and outcome is mended by making the
call again; the ledger still has a line before each. A start has ended when the cloud says that the
instance runs, a stop when it says that it is stopped; the inventory follows each of its states.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from mavis_core import clock
from mavis_core.access import Permission
from mavis_core.changes.ledger import Ledger
from mavis_core.changes.model import Call, Plan, Severity
from mavis_core.contract import Connection, InstanceState, PowerChange, ResourceKind
from mavis_core.db import Database, tables
from mavis_core.errors import CloudError, CloudVanished, Conflict, InvalidInput
from mavis_core.inventory import store
from mavis_core.inventory.connections import Clouds
from mavis_core.inventory.model import Resource, check_tags, effect_on
from mavis_core.projects.service import hold
from mavis_core.scheduling.jobs import BaseJob, JobStep, PlanRequest, Progress
from mavis_core.scheduling.model import Run
from mavis_core.scheduling.patience import Patience

__all__ = ["PowerJob", "TagJob", "power_jobs"]

_PATIENCE_S = 900.0  # a large machine writes its memory away before it is stopped


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
        self._write(run, resource, lambda now: self._note(run, now, result))
        return result

    def _write(
        self, run: Run, resource: Resource, change: Callable[[Resource], Mapping[str, Any]]
    ) -> None:
        """Change columns of `resource`, as it is by now."""
        table = tables.resources
        with self._database.write() as tx:
            hold(tx, run.project_id)
            values = change(store.find_one(tx, run.project_id, resource.id))
            tx.execute(sa.update(table).where(table.c.id == resource.id).values(**values))

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


@dataclass(frozen=True, slots=True)
class _Power:
    """One way to change whether an instance runs.

    Parameters
    ----------
    call
        What the cloud is asked.
    via
        In which state an instance is on its way.
    ends, back
        In which state it has got there; in which it has gone back.
    """

    verb: str
    permission: Permission
    severity: Severity
    call: Callable[[Connection, Resource], PowerChange]
    via: InstanceState
    ends: InstanceState
    back: InstanceState


_START = _Power(
    "start",
    Permission.RESOURCE_START,
    Severity.CHANGES,
    lambda connection, resource: connection.power.start(resource.region, resource.cloud_id),
    via=InstanceState.PENDING,
    ends=InstanceState.RUNNING,
    back=InstanceState.STOPPED,
)
_STOP = _Power(
    "stop",
    Permission.RESOURCE_STOP,
    Severity.INTERRUPTS,
    lambda connection, resource: connection.power.stop(resource.region, resource.cloud_id),
    via=InstanceState.STOPPING,
    ends=InstanceState.STOPPED,
    back=InstanceState.RUNNING,
)


class PowerJob(_ResourceJob):
    """Start or stop an instance, and wait until it runs or is stopped.

    Parameters
    ----------
    stop
        Set when the process ends; waiting stops and the next attempt goes on.
    """

    def __init__(
        self,
        database: Database,
        clouds: Clouds,
        ledger: Ledger,
        power: _Power,
        *,
        stop: threading.Event,
    ) -> None:
        super().__init__(database, clouds, ledger)
        self.action = f"resource.{power.verb}"
        self.permission = power.permission
        self.step_name = f"{power.verb.capitalize()} the instance"
        self._power = power
        self._stop = stop

    def steps(self, run: Run) -> Sequence[JobStep]:
        wait = JobStep(f"Wait until it is {self._power.ends}", lambda p: self._wait(run, p))
        return [*super().steps(run), wait]

    def plan(self, tx: sa.Connection, request: PlanRequest) -> Plan:
        resource = existing(tx, request, ResourceKind.INSTANCE)
        if request.arguments:
            raise InvalidInput(f"{self.action} takes no arguments", field="arguments")
        warnings: tuple[str, ...] = ()
        severity = self._power.severity
        if severity.needs_confirmation:
            warnings = (f"What runs on {resource.label} is not reachable until it is started.",)
        return self._plan(request, resource, severity, f"is {resource.state}", *warnings)

    def _call(self, _run: Run, connection: Connection, resource: Resource) -> Mapping[str, Any]:
        change = self._power.call(connection, resource)
        return {"before": change.before, "after": change.after}

    def _note(self, _run: Run, resource: Resource, result: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"state": result.get("after", resource.state)}

    def _wait(self, run: Run, progress: Progress) -> Mapping[str, Any]:
        with self._database.read() as tx:
            resource = store.find_one(tx, run.project_id, run.plan.arguments["resource_id"])
        ctx, what = run.context("worker"), f"{resource.label} is to be {self._power.ends}"
        with self._clouds.connect(ctx, resource.environment_id, progress) as (_, connection):
            seen: list[InstanceState] = []
            Patience(self._stop, progress, _PATIENCE_S).until(
                lambda: self._look(run, connection, resource, seen), what
            )
        return {"after": self._power.ends}

    def _look(
        self, run: Run, connection: Connection, resource: Resource, seen: list[InstanceState]
    ) -> InstanceState | None:
        """Return the state of an instance that has got where it should; None while it has not.

        Raises
        ------
        CloudVanished
            It is gone.
        CloudError
            It was on its way, and has gone back.
        """
        power = self._power
        (found,) = connection.instances.describe(resource.region, [resource.cloud_id])
        if found.state is InstanceState.GONE:
            self._write(run, resource, lambda _: {"gone": True})
            raise CloudVanished(f"{resource.label} is gone in {resource.region}")
        if found.state not in seen[-1:]:
            self._write(run, resource, lambda _: {"state": found.state, "seen_at": clock.now()})
        elif found.state is power.back and power.via in seen:  # twice: clouds may tell of before
            raise CloudError(
                f"{resource.label} did not {power.verb}: it was {power.via} and is {power.back}",
                mend="The cloud's console says why; then ask for it again.",
            )
        seen.append(found.state)
        return found.state if found.state is power.ends else None


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


def power_jobs(
    database: Database, clouds: Clouds, ledger: Ledger, stop: threading.Event
) -> tuple[PowerJob, PowerJob]:
    """Return the jobs that start and stop an instance."""
    return (
        PowerJob(database, clouds, ledger, _START, stop=stop),
        PowerJob(database, clouds, ledger, _STOP, stop=stop),
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
