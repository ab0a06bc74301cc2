"""The job ``recovery_point.create``: one recovery point of one instance, because somebody asks."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from mavis_core.access import Permission
from mavis_core.changes.model import Plan, Severity
from mavis_core.contract import ResourceKind
from mavis_core.db import Database
from mavis_core.errors import Conflict, InvalidInput, MavisError
from mavis_core.inventory.actions import existing
from mavis_core.inventory.model import Resource
from mavis_core.projects.model import check_text
from mavis_core.protection.plans.targets import effect_of, targets_of, warnings_of
from mavis_core.protection.points import rows as points
from mavis_core.protection.points.manifests import Manifest
from mavis_core.protection.taking import taken
from mavis_core.protection.taking.taking import Taking
from mavis_core.scheduling.jobs import BaseJob, JobStep, PlanRequest
from mavis_core.scheduling.model import Run

__all__ = ["RecoveryPointJob"]


class RecoveryPointJob(BaseJob):
    """Take one crash-consistent recovery point of all volumes of an instance.

    Parameters
    ----------
    database
        The main database.
    taking
        Has the snapshots made.
    """

    action = "recovery_point.create"
    permission = Permission.POINT_CREATE

    def __init__(self, database: Database, taking: Taking) -> None:
        self._database = database
        self._taking = taking

    def plan(self, tx: sa.Connection, request: PlanRequest) -> Plan:
        instance = existing(tx, request, ResourceKind.INSTANCE)
        description = _description(request, instance)
        (target,) = targets_of(tx, request.project.id, [instance])
        if not target.manifest.disks:
            raise Conflict(
                f"{instance.label} has no volumes to take",
                mend="An instance that lives on instance store alone cannot be protected this way.",
            )
        return Plan(
            self.action,
            request.project.id,
            request.project.name,
            instance.label,
            Severity.CREATES,
            (effect_of(target),),
            {
                "environment_id": instance.environment_id,
                "instance_id": instance.cloud_id,
                "instance_name": instance.name,
                "description": description,
                "manifest": target.manifest.to_json(),
            },
            warnings_of([target]),
        )

    def accepted(self, tx: sa.Connection, run: Run) -> None:
        plan, first = run.plan, run.plan.effects[0]
        point = points.planned(
            project_id=run.project_id,
            project=plan.project_name,
            environment_id=plan.arguments["environment_id"],
            environment=first.environment,
            account=first.account,
            region=first.region,
            instance_id=plan.arguments["instance_id"],
            instance_name=plan.arguments["instance_name"],
            description=plan.arguments["description"],
            created_by=run.person,
            run_id=run.id,
            manifest=Manifest.from_json(plan.arguments["manifest"]),
        )
        points.insert(tx, [point])

    def failed(self, tx: sa.Connection, run: Run, error: MavisError) -> None:
        taken.run_failed(tx, points.of_run(tx, run.id), error)

    def steps(self, run: Run) -> Sequence[JobStep]:
        return [
            JobStep("Take the snapshots", lambda progress: self._taking.take(run, progress)),
            JobStep("Wait until complete", lambda progress: self._taking.wait(run, progress)),
            JobStep("Check", lambda progress: self._taking.check(run, progress)),
        ]


def _description(request: PlanRequest, instance: Resource) -> str:
    if set(request.arguments) - {"description"}:
        raise InvalidInput(
            "recovery_point.create takes one argument, description", field="arguments"
        )
    given = request.arguments.get("description", "")
    if not isinstance(given, str):
        raise InvalidInput("description is a text", field="arguments.description")
    text = check_text(given, field="arguments.description")
    return text or f"Mavis recovery point of {instance.label}"
