"""``/projects/{p}/backup-plans``."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ConfigDict, Field, WithJsonSchema

from mavis_core.access import Permission
from mavis_core.contract import ResourceKind
from mavis_core.errors import InvalidInput
from mavis_core.protection.plans.presets import PRESETS
from mavis_core.protection.plans.service import BACKUP, BackupPlans, check_plan_name
from mavis_ext import schemas
from mavis_ext.answers import Accepted, Created
from mavis_ext.base import ApiHandler
from mavis_ext.bodies import AS, Body
from mavis_ext.described import Name
from mavis_ext.operation import operation
from mavis_ext.pages import listing, page
from mavis_ext.queries import Listing, Query, sorting
from mavis_ext.starting import StartBody, StartsRun, located

__all__ = ["Calendar", "Plan", "PlanRuns", "Plans", "Presets", "Slots"]

Definition = Annotated[dict[str, Any], WithJsonSchema({AS: "BackupPlanDefinition"})]
"""The core reads it itself, since it knows where in it a fault is and how to mend it."""
_NIGHTLY: dict[str, Any] = {
    "selection": {"match": "tag:backup = nightly"},
    "rules": [{"name": "daily", "cron": "30 2 * * *"}],
    "keep": {"daily": 7, "weekly": 4},
    "zone": "Europe/Berlin",
}


class NewBackupPlan(Body):
    """A backup plan to be made, or with ``dry_run`` only to be looked at."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"name": "each-night", "definition": _NIGHTLY},
                {"name": "each-night", "definition": _NIGHTLY, "dry_run": True},
            ]
        }
    )

    name: Name
    definition: Definition
    dry_run: bool = False
    """Show what it would protect now; keep nothing."""


class EditedBackupPlan(Body):
    """What a backup plan shall say from now on."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"definition": {**_NIGHTLY, "keep": {"daily": 14}}}]}
    )

    definition: Definition
    version: int | None = None
    """The version that its writer has read; `If-Match` does the same."""
    dry_run: bool = False
    """Show what it would protect now; keep nothing."""


class NewBackupPlanRun(StartBody):
    """A run of a backup plan, of one rule or of none."""

    model_config = ConfigDict(json_schema_extra={"examples": [{}, {"dry_run": True}]})

    rule: str | None = None


class SlotQuery(Query):
    """How many slots."""

    limit: Annotated[int, Field(ge=1, le=100, description="Of each kind.")] = 20


class CalendarQuery(Query):
    """Of what, and how far."""

    days: Annotated[int, Field(ge=1, le=1830, description="How far it looks ahead.")] = 30
    instance: Annotated[
        str | None,
        Field(description="One that has recovery points already, by name or id; else a new one."),
    ] = None


class PlanQuery(Listing):
    """Which backup plans."""

    sort: str | None = sorting(BackupPlans.SORTS)


class ChecksPlan(ApiHandler):
    """The base of handlers that take a definition."""

    def check(self, project: str, definition: dict[str, Any]) -> schemas.BackupPlanCheck:
        """Return what a definition would protect now; nothing is kept."""
        with located("", "definition."):
            found = self.app.backup_plans.check(self.ctx, project, definition)
        return schemas.BackupPlanCheck.of(found)


class Plans(ChecksPlan):
    """The backup plans of a project."""

    @operation("list_backup_plans", Permission.PLAN_READ)
    def get(self, project: str, *, query: PlanQuery) -> schemas.Page[schemas.BackupPlan]:
        """List the backup plans of a project, the oldest first."""
        return page(schemas.BackupPlan, self.app.backup_plans.list(self.ctx, project, query.page))

    @operation("create_backup_plan", Permission.PLAN_WRITE)
    def post(
        self, project: str, *, body: NewBackupPlan
    ) -> Created[schemas.BackupPlan] | schemas.BackupPlanCheck:
        """Make a backup plan, which begins at its next slot."""
        check_plan_name(body.name)
        if body.dry_run:
            return self.check(project, body.definition)
        with located("", "definition."):
            made = self.app.backup_plans.create(self.ctx, project, body.name, body.definition)
        told = schemas.BackupPlan.of(made)
        return Created(told, f"/projects/{told.project}/backup-plans/{told.name}")


class Presets(ApiHandler):
    """Plans to begin with."""

    @operation("list_backup_plan_presets", Permission.PLAN_READ)
    def get(self, project: str) -> schemas.Page[schemas.BackupPlanPreset]:
        """List plans to begin with."""
        self.app.projects.authorize(self.ctx, project, Permission.PLAN_READ)
        told = [{"name": name, "definition": dict(each)} for name, each in PRESETS.items()]
        return listing(schemas.BackupPlanPreset, told)


class Plan(ChecksPlan):
    """One backup plan."""

    @operation("get_backup_plan", Permission.PLAN_READ)
    def get(self, project: str, plan: str) -> schemas.BackupPlan:
        """Show a backup plan with its definition."""
        return schemas.BackupPlan.of(self.app.backup_plans.get(self.ctx, project, plan))

    @operation("put_backup_plan", Permission.PLAN_WRITE)
    def put(
        self, project: str, plan: str, *, body: EditedBackupPlan
    ) -> schemas.BackupPlan | schemas.BackupPlanCheck:
        """Let a backup plan say something else, where it is what its writer has read."""
        if body.dry_run:
            self.app.backup_plans.get(self.ctx, project, plan)
            return self.check(project, body.definition)
        with located("", "definition."):
            changed = self.app.backup_plans.replace(
                self.ctx, project, plan, body.definition, version=body.version
            )
        return schemas.BackupPlan.of(changed)

    @operation("delete_backup_plan", Permission.PLAN_WRITE)
    def delete(self, project: str, plan: str) -> None:
        """End a backup plan; its recovery points stay."""
        self.app.backup_plans.remove(self.ctx, project, plan)


class PlanRuns(StartsRun):
    """Runs of a backup plan because somebody asks."""

    @operation("run_backup_plan", Permission.PLAN_RUN)
    def post(
        self, project: str, plan: str, *, body: NewBackupPlanRun
    ) -> Accepted | schemas.Preview:
        """Run a backup plan now."""
        return self.begin(project, BACKUP, plan, body)


class Slots(ApiHandler):
    """The slots of a backup plan."""

    @operation("list_backup_plan_slots", Permission.PLAN_READ, pool="database")
    def get(self, project: str, plan: str, *, query: SlotQuery) -> schemas.BackupPlanSlots:
        """List the slots of a plan: those to come and those that have begun."""
        found = self.app.outlooks.slots(self.ctx, project, plan, limit=query.limit)
        return schemas.BackupPlanSlots.of(found)


class Calendar(ApiHandler):
    """What a backup plan will make and lose."""

    @operation("get_backup_plan_calendar", Permission.PLAN_READ, pool="database")
    def get(self, project: str, plan: str, *, query: CalendarQuery) -> schemas.BackupPlanCalendar:
        """Show day by day which recovery points a plan will make, and which will go."""
        instance = self._cloud_id(project, query.instance) if query.instance else None
        found = self.app.outlooks.calendar(
            self.ctx, project, plan, days=query.days, instance=instance
        )
        return schemas.BackupPlanCalendar.told(found, plan, instance)

    def _cloud_id(self, project: str, reference: str) -> str:
        found = self.app.resources.get(self.ctx, project, reference)
        if found.kind is not ResourceKind.INSTANCE:
            raise InvalidInput(f"{found.label} is a {found.kind}, no instance", field="instance")
        return found.cloud_id
