"""Backup plans: who may write them, and what stands in the catalogue of them.

*Backup plan*: a definition under a name, with a version. It runs with the authority of whoever
wrote it last: the person, groups and scopes of that call are checked again at every run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from mavis_core import clock, records
from mavis_core.access import CallContext, Permission, Principal, Scope
from mavis_core.changes.model import Effect
from mavis_core.db import Database, tables
from mavis_core.db.paging import Order, Page, PageRequest, fetch
from mavis_core.errors import Conflict, InvalidInput, NotFound, PlanChanged
from mavis_core.ids import new_id
from mavis_core.projects.environments import environments_of
from mavis_core.projects.model import Project, check_name
from mavis_core.projects.service import Projects, audit, hold
from mavis_core.protection.plans.definition import PlanDefinition
from mavis_core.protection.plans.document import definition_of
from mavis_core.protection.plans.selecting import selected
from mavis_core.protection.plans.targets import effect_of
from mavis_core.protection.plans.upcoming import Upcoming, upcoming
from mavis_core.protection.slots.due import Timing

__all__ = [
    "BACKUP",
    "VERIFICATION",
    "BackupPlan",
    "BackupPlans",
    "PlanCheck",
    "check_free",
    "check_places",
    "check_plan_name",
    "find_plan",
    "plans_of",
]

BACKUP = "backup.run"
"""The action of the job that carries a slot of a plan out."""

VERIFICATION = "verification"
"""The name under which a plan's verification has its slots, beside those of its rules."""

_RESERVED = "presets"  # has an address of its own
_PLANS = tables.backup_plans
_SLOTS_SHOWN = 60
_ORDER = Order(_PLANS.c.id, columns={"name": _PLANS.c.name, "created_at": _PLANS.c.created_at})


@dataclass(frozen=True, slots=True)
class BackupPlan:
    """A definition under a name.

    Parameters
    ----------
    project
        The project's name.
    version
        Grows with every edit.
    owner, scopes
        With whose authority it runs.
    removed_at
        Since when it runs no more; its recovery points stay.
    """

    id: str
    project_id: str
    project: str
    name: str
    definition: PlanDefinition
    version: int
    owner: Principal
    scopes: frozenset[Scope]
    created_at: datetime
    created_by: str
    updated_at: datetime
    updated_by: str
    removed_at: datetime | None = None

    def context(self, source: str) -> CallContext:
        """Return a new call with the authority of the plan's owner."""
        return CallContext(self.owner, self.scopes, source=source)

    @property
    def timings(self) -> Mapping[str, Timing]:
        """When each thing begins that the plan does by itself, by rule."""
        return _timings(self.definition, self.id)


@dataclass(frozen=True, slots=True)
class PlanCheck:
    """What a definition comes to now: the machines that it would take, or leaves out, and when."""

    definition: PlanDefinition
    effects: tuple[Effect, ...]
    left_out: tuple[str, ...]
    upcoming: tuple[Upcoming, ...] = ()


class BackupPlans:
    """The backup plans of all projects.

    Parameters
    ----------
    database
        The main database.
    projects
        Guards every call.
    """

    SORTS = _ORDER.sorts

    def __init__(self, database: Database, projects: Projects) -> None:
        self._database = database
        self._projects = projects

    def check(self, ctx: CallContext, reference: str, document: Mapping[str, Any]) -> PlanCheck:
        """Return what `document` would protect now; nothing is kept.

        Raises
        ------
        InvalidInput
            It cannot be understood; the field says where.
        """
        project = self._projects.authorize(ctx, reference, Permission.PLAN_READ).project
        definition = definition_of(document)
        with self._database.read() as tx:
            check_places(tx, project, definition)
            targets, left_out = selected(tx, project.id, definition.selection)
        timings = _timings(definition, "").values() if definition.enabled else ()
        return PlanCheck(
            definition,
            tuple(effect_of(target) for target in targets),
            tuple(instance.label for instance in left_out),
            upcoming(timings, clock.now(), limit=_SLOTS_SHOWN),
        )

    def create(
        self, ctx: CallContext, reference: str, name: str, document: Mapping[str, Any]
    ) -> BackupPlan:
        """Make a plan. Its first slot is the first after now.

        Raises
        ------
        InvalidInput
            The definition cannot be understood.
        Conflict
            There is a plan of that name.
        """
        project = self._projects.authorize(ctx, reference, Permission.PLAN_WRITE).project
        definition, now = definition_of(document), clock.now()
        plan = BackupPlan(
            id=new_id("bpl"),
            project_id=project.id,
            project=project.name,
            name=name,
            definition=definition,
            version=1,
            owner=ctx.principal,
            scopes=ctx.scopes,
            created_at=now,
            created_by=ctx.principal.name,
            updated_at=now,
            updated_by=ctx.principal.name,
        )
        with self._database.write() as tx:
            hold(tx, project.id)
            check_places(tx, project, definition)
            check_free(tx, project, plan.name)
            tx.execute(sa.insert(tables.backup_plans).values(**_values(plan)))
            _keep_clocks(tx, plan, None)
            summary = f"Backup plan {name} created"
            records.write(tx, _audit(ctx, "backup_plan.create", plan, summary))
        return plan

    def replace(
        self,
        ctx: CallContext,
        reference: str,
        name: str,
        document: Mapping[str, Any],
        *,
        version: int | None = None,
    ) -> BackupPlan:
        """Give a plan another definition; from now on it runs with the caller's authority.

        Parameters
        ----------
        version
            The version that the caller has read; None: whatever it is.

        Raises
        ------
        PlanChanged
            Somebody else has edited it since.
        """
        project = self._projects.authorize(ctx, reference, Permission.PLAN_WRITE).project
        definition = definition_of(document)
        with self._database.write() as tx:
            hold(tx, project.id)
            check_places(tx, project, definition)
            before = find_plan(tx, project.id, name)
            if before.removed_at is not None:
                raise Conflict(f"The backup plan {name!r} was removed")
            if version is not None and version != before.version:
                raise PlanChanged(
                    f"The backup plan {name} is version {before.version}, not {version}:"
                    f" {before.updated_by} has edited it",
                    mend="Read it again, and edit that.",
                )
            plan = BackupPlan(
                id=before.id,
                project_id=before.project_id,
                project=before.project,
                name=before.name,
                definition=definition,
                version=before.version + 1,
                owner=ctx.principal,
                scopes=ctx.scopes,
                created_at=before.created_at,
                created_by=before.created_by,
                updated_at=clock.now(),
                updated_by=ctx.principal.name,
            )
            table = tables.backup_plans
            tx.execute(sa.update(table).where(table.c.id == plan.id).values(**_values(plan)))
            _keep_clocks(tx, plan, before)
            summary = f"Backup plan {name} changed to version {plan.version}"
            records.write(tx, _audit(ctx, "backup_plan.change", plan, summary))
        return plan

    def remove(self, ctx: CallContext, reference: str, name: str) -> None:
        """End a plan. Its recovery points stay until somebody deletes them.

        Raises
        ------
        NotFound
            There is no such plan.
        """
        project = self._projects.authorize(ctx, reference, Permission.PLAN_WRITE).project
        table = tables.backup_plans
        with self._database.write() as tx:
            hold(tx, project.id)
            plan = find_plan(tx, project.id, name)
            if plan.removed_at is None:
                tx.execute(
                    sa.update(table)
                    .where(table.c.id == plan.id)
                    .values(removed_at=clock.now(), enabled=False)
                )
                summary = f"Backup plan {name} removed; its recovery points stay"
                records.write(tx, _audit(ctx, "backup_plan.remove", plan, summary))

    def get(self, ctx: CallContext, reference: str, name: str) -> BackupPlan:
        """Return one plan by name or id."""
        project = self._projects.authorize(ctx, reference, Permission.PLAN_READ).project
        with self._database.read() as tx:
            return find_plan(tx, project.id, name)

    def list(self, ctx: CallContext, reference: str, want: PageRequest) -> Page[BackupPlan]:
        """Return the project's plans that were not removed, the oldest first where not said."""
        project = self._projects.authorize(ctx, reference, Permission.PLAN_READ).project
        table = tables.backup_plans
        query = sa.select(table).where(
            table.c.project_id == project.id, table.c.removed_at.is_(None)
        )
        with self._database.read() as tx:
            return fetch(tx, query, _ORDER, want, lambda row: _plan(row, project.name))


def find_plan(tx: sa.Connection, project_id: str, reference: str | None) -> BackupPlan:
    """Return a project's plan by name or id; by id also one that was removed.

    Raises
    ------
    InvalidInput
        None was named.
    NotFound
        There is none.
    """
    if not reference:
        raise InvalidInput("Name a backup plan", field="resource")
    row = _row(tx, project_id, reference)
    if row is None:
        raise NotFound(
            f"No backup plan {reference[:60]!r} in this project",
            mend="`mavis backup-plan list` shows what there is.",
        )
    return _plan(row, _project_name(tx, project_id))


def check_plan_name(name: str) -> str:
    """Return `name` where a plan may have it.

    Raises
    ------
    InvalidInput
        It is no name, or one that means something else.
    """
    if check_name(name) == _RESERVED:
        raise InvalidInput(f"{_RESERVED!r} is an address already", field="name")
    return name


def check_free(tx: sa.Connection, project: Project, name: str) -> None:
    """Check that a new plan of a project may have a name.

    Raises
    ------
    InvalidInput
        It is no name, or one that means something else.
    Conflict
        There is a plan of that name.
    """
    check_plan_name(name)
    if _row(tx, project.id, name) is not None:
        raise Conflict(
            f"There is a backup plan {name!r} already",
            mend="Change that one, or choose another name.",
        )


def plans_of(tx: sa.Connection) -> Sequence[BackupPlan]:
    """Return every plan of all projects that is in force, the oldest first."""
    table, projects = tables.backup_plans, tables.projects
    query = (
        sa.select(table, projects.c.name.label("project"))
        .join(projects, table.c.project_id == projects.c.id)
        .where(table.c.enabled, table.c.removed_at.is_(None))
        .order_by(table.c.id)
    )
    return [
        _plan({name: value for name, value in row.items() if name != "project"}, row["project"])
        for row in tx.execute(query).mappings()
    ]


def _row(tx: sa.Connection, project_id: str, reference: str) -> sa.RowMapping | None:
    table = tables.backup_plans
    named = (table.c.name == reference) & table.c.removed_at.is_(None)
    query = sa.select(table).where(
        table.c.project_id == project_id, named | (table.c.id == reference)
    )
    return tx.execute(query).mappings().first()


def _project_name(tx: sa.Connection, project_id: str) -> str:
    table = tables.projects
    return str(tx.scalar(sa.select(table.c.name).where(table.c.id == project_id)))


def _plan(row: Mapping[str, Any] | sa.RowMapping, project: str) -> BackupPlan:
    values = dict(row)
    del values["enabled"]  # stands in the definition; the column is for looking
    owner = Principal(values.pop("owner"), frozenset(values.pop("groups")))
    values["definition"] = definition_of(row["definition"])
    values["scopes"] = frozenset(Scope(scope) for scope in row["scopes"])
    return BackupPlan(**values, owner=owner, project=project)


def _values(plan: BackupPlan) -> dict[str, Any]:
    return {
        "id": plan.id,
        "project_id": plan.project_id,
        "name": plan.name,
        "definition": plan.definition.to_json(),
        "version": plan.version,
        "enabled": plan.definition.enabled,
        "owner": plan.owner.name,
        "groups": sorted(plan.owner.groups),
        "scopes": sorted(plan.scopes),
        "created_at": plan.created_at,
        "created_by": plan.created_by,
        "updated_at": plan.updated_at,
        "updated_by": plan.updated_by,
    }


def _timings(definition: PlanDefinition, plan_id: str) -> dict[str, Timing]:
    timings = {rule.name: definition.timing_of(rule, plan_id=plan_id) for rule in definition.rules}
    if definition.verification is not None:
        timings[VERIFICATION] = Timing(
            plan_id,
            VERIFICATION,
            definition.verification.schedule,
            definition.catch_up,
            definition.grace,
            definition.blackouts,
        )
    return timings


def _keep_clocks(tx: sa.Connection, plan: BackupPlan, before: BackupPlan | None) -> None:
    """Let what is new or runs at other times begin with the first slot after now."""
    table = tables.plan_rules
    was = dict(before.timings) if before is not None else {}
    paused = before is not None and before.definition.enabled != plan.definition.enabled
    for rule, timing in plan.timings.items():
        if rule in was and was[rule].schedule == timing.schedule and not paused:
            continue
        tx.execute(sa.delete(table).where(table.c.plan_id == plan.id, table.c.rule == rule))
        tx.execute(
            sa.insert(table).values(plan_id=plan.id, rule=rule, handled_until=plan.updated_at)
        )
    gone = [rule for rule in was if rule not in plan.timings]
    tx.execute(sa.delete(table).where(table.c.plan_id == plan.id, table.c.rule.in_(gone)))


def check_places(tx: sa.Connection, project: Project, definition: PlanDefinition) -> None:
    """Check that the places which a definition names are the project's."""
    regions = {each.name: each.regions for each in environments_of(tx, project.id)}
    named: list[tuple[str, str | None, str | None]]
    named = [(f"copies[{n}]", c.environment, c.region) for n, c in enumerate(definition.copies)]
    if (verification := definition.verification) is not None:
        named.append(("verification", verification.environment, verification.region))
    for field, environment, region in named:
        if environment is None:
            continue
        if environment not in regions:
            known = ", ".join(sorted(regions)) or "none yet"
            raise InvalidInput(
                f"{project.name} has no environment {environment!r}; there are: {known}",
                field=f"{field}.environment",
            )
        if region is not None and region not in regions[environment]:
            raise InvalidInput(
                f"{environment} does not include {region!r}; it has"
                f" {', '.join(regions[environment])}",
                field=f"{field}.region",
            )
    for number, environment in enumerate(definition.selection.environments):
        if environment not in regions:
            raise InvalidInput(
                f"{project.name} has no environment {environment!r}",
                field=f"selection.environments[{number}]",
            )


def _audit(ctx: CallContext, action: str, plan: BackupPlan, summary: str) -> records.Record:
    return audit(ctx, action, plan.name, summary, project=plan.project_id)
