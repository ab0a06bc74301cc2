"""The jobs ``backup_plan.create``, ``backup_plan.change`` and ``backup_plan.remove``.

What a plan keeps decides what is deleted, so a plan can be shown before it is written as any other
change can: what it says differently, which machines it takes or leaves, and which recovery points
its next run of retention would let go of. The plan runs with the authority of whoever applies it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from mavis_core.access import CallContext, Permission
from mavis_core.changes.model import Effect, Plan, Severity
from mavis_core.errors import Conflict, InvalidInput, PlanChanged
from mavis_core.projects.model import Project
from mavis_core.protection.deletion import keeping
from mavis_core.protection.plans.definition import PlanDefinition
from mavis_core.protection.plans.document import definition_of
from mavis_core.protection.plans.selecting import selected
from mavis_core.protection.plans.service import (
    BackupPlan,
    BackupPlans,
    check_free,
    check_places,
    find_plan,
)
from mavis_core.protection.plans.targets import Target
from mavis_core.protection.plans.words import differences
from mavis_core.protection.retention.policy import Fate, Verdict
from mavis_core.scheduling.jobs import BaseJob, Binding, JobStep, PlanRequest
from mavis_core.scheduling.model import Run

__all__ = ["plan_jobs"]

_DOCUMENT = "arguments.definition"
_MOST = 2000  # recovery points that are named


class _WritesPlan(BaseJob, ABC):
    """What the jobs that write one plan have in common: one step, which may be repeated."""

    action: str
    permission = Permission.PLAN_WRITE
    binding = Binding.REQUEST

    def __init__(self, plans: BackupPlans) -> None:
        self._plans = plans

    def steps(self, run: Run) -> Sequence[JobStep]:
        return [JobStep("Write it down", lambda _progress: self._written(run))]

    def _written(self, run: Run) -> Mapping[str, Any]:
        written = self._write(run.context("worker"), run)
        return {"plan": written.name, "version": written.version}

    @abstractmethod
    def _write(self, ctx: CallContext, run: Run) -> BackupPlan:
        """Write the plan, or find that an earlier attempt has; return it."""

    def _plan(
        self,
        request: PlanRequest,
        name: str,
        severity: Severity,
        effects: Sequence[Effect],
        **arguments: Any,
    ) -> Plan:
        project = request.project
        return Plan(
            self.action, project.id, project.name, name, severity, tuple(effects), arguments
        )


class CreatePlanJob(_WritesPlan):
    """Make a backup plan."""

    action = "backup_plan.create"

    def plan(self, tx: sa.Connection, request: PlanRequest) -> Plan:
        name, definition = request.resource or "", _definition(tx, request)
        check_free(tx, request.project, name)
        effects = [
            *_said(name, None, definition),
            *_taken(tx, request.project, name, None, definition),
        ]
        return self._plan(request, name, Severity.CREATES, effects)

    def _write(self, ctx: CallContext, run: Run) -> BackupPlan:
        name, document = _asked(run)
        try:
            return self._plans.create(ctx, run.project_id, name, document)
        except Conflict:
            found = self._plans.get(ctx, run.project_id, name)
            if found.version == 1 and _is_written(found, run, document):
                return found
            raise


class ChangePlanJob(_WritesPlan):
    """Give a backup plan another definition."""

    action = "backup_plan.change"

    def plan(self, tx: sa.Connection, request: PlanRequest) -> Plan:
        before = _standing(tx, request)
        definition = _definition(tx, request, "version")
        version = request.arguments.get("version", before.version)
        if version != before.version:
            raise PlanChanged(
                f"The backup plan {before.name} is version {before.version}, not {version}:"
                f" {before.updated_by} has edited it",
                mend="Read it again, and edit that.",
            )
        goes = list(_let_go(tx, before, definition))
        taken = list(_taken(tx, request.project, before.name, before.definition, definition))
        effects = [*_said(before.name, before.definition, definition, len(goes)), *taken]
        severity = Severity.CHANGES
        if goes:
            severity = Severity.DESTROYS
        elif _ends(before.definition, definition, taken):
            severity = Severity.INTERRUPTS
        return self._plan(
            request,
            before.name,
            severity,
            [*effects, *goes[:_MOST]],
            plan_id=before.id,
            version=before.version,
        )

    def _write(self, ctx: CallContext, run: Run) -> BackupPlan:
        _, document = _asked(run)
        plan_id, version = run.plan.arguments["plan_id"], run.plan.arguments["version"]
        try:
            return self._plans.replace(ctx, run.project_id, plan_id, document, version=version)
        except PlanChanged:
            found = self._plans.get(ctx, run.project_id, plan_id)
            if found.version == version + 1 and _is_written(found, run, document):
                return found
            raise


class RemovePlanJob(_WritesPlan):
    """End a backup plan; its recovery points stay."""

    action = "backup_plan.remove"

    def plan(self, tx: sa.Connection, request: PlanRequest) -> Plan:
        _only(request)
        before = _standing(tx, request)
        stay = "it runs no more; its recovery points stay until somebody deletes them"
        targets, _ = selected(tx, request.project.id, before.definition.selection)
        effects = [
            _of_plan("remove", "backup_plan", before.name, stay),
            *(
                _of_machine("release", target, "this plan protects it no more")
                for target in targets
            ),
        ]
        return self._plan(request, before.name, Severity.INTERRUPTS, effects, plan_id=before.id)

    def _write(self, ctx: CallContext, run: Run) -> BackupPlan:
        plan_id = run.plan.arguments["plan_id"]
        self._plans.remove(ctx, run.project_id, plan_id)
        return self._plans.get(ctx, run.project_id, plan_id)


def plan_jobs(plans: BackupPlans) -> tuple[CreatePlanJob, ChangePlanJob, RemovePlanJob]:
    """Return the jobs that write backup plans."""
    return CreatePlanJob(plans), ChangePlanJob(plans), RemovePlanJob(plans)


def _asked(run: Run) -> tuple[str, Mapping[str, Any]]:
    asked = run.plan.arguments["request"]
    return asked["resource"], asked["arguments"]["definition"]


def _is_written(found: BackupPlan, run: Run, document: Mapping[str, Any]) -> bool:
    """Whether a plan is as an earlier attempt at a Run has written it."""
    return found.definition == definition_of(document) and found.updated_by == run.person


def _only(request: PlanRequest, *known: str) -> None:
    for name in request.arguments:
        if name not in known:
            allowed = " and ".join(known) or "nothing"
            raise InvalidInput(
                f"No argument {name[:40]!r}; there is {allowed}", field=f"arguments.{name[:40]}"
            )


def _standing(tx: sa.Connection, request: PlanRequest) -> BackupPlan:
    """Return the plan that a request names, where it was not removed."""
    plan = find_plan(tx, request.project.id, request.resource)
    if plan.removed_at is not None:
        raise Conflict(f"The backup plan {plan.name!r} was removed")
    return plan


def _definition(tx: sa.Connection, request: PlanRequest, *beside: str) -> PlanDefinition:
    """Return the definition that a request brings; a fault is told with its path in the request."""
    _only(request, "definition", *beside)
    document = request.arguments.get("definition")
    if not isinstance(document, Mapping):
        raise InvalidInput("definition is the document of the plan", field=_DOCUMENT)
    try:
        definition = definition_of(document)
        check_places(tx, request.project, definition)
    except InvalidInput as exc:
        exc.field = f"{_DOCUMENT}.{exc.field}" if exc.field else _DOCUMENT
        raise
    return definition


def _said(
    name: str, before: PlanDefinition | None, after: PlanDefinition, goes: int = 0
) -> Iterator[Effect]:
    """Yield what a plan says differently, a line each."""
    verb = "create" if before is None else "change"
    if before is None:
        yield _of_plan(verb, "backup_plan", name, after.title or "a new plan")
    for what, now, was in differences(before, after):
        told = f"{now}; before: {was}" if was else now
        if what == "retention" and goes:
            told += f"; lets go of {goes} that it kept before"
        yield _of_plan(verb, what, name, told)


def _of_plan(verb: str, kind: str, name: str, detail: str) -> Effect:
    return Effect(verb, kind, "", name, "", "", "", detail)


@dataclass(frozen=True, slots=True)
class _Selected:
    """What a selection takes: machines by id, and of each how many GiB in how many volumes."""

    targets: Mapping[str, Target]

    def told(self, machine: str) -> str:
        manifest = self.targets[machine].manifest
        count = len(manifest.disks)
        return f"{count} volume{'s' * (count != 1)}, {manifest.size_gib} GiB"


def _taken(
    tx: sa.Connection,
    project: Project,
    name: str,
    before: PlanDefinition | None,
    after: PlanDefinition,
) -> Iterator[Effect]:
    """Yield how many machines are taken now, and each that was not, or is no more."""
    new = _select(tx, project, after)
    old = _Selected({}) if before is None else _select(tx, project, before)
    if new.targets.keys() == old.targets.keys() and before is not None:
        return
    count, was = len(new.targets), f"; before: {len(old.targets)}" if before is not None else ""
    machines = f"takes {count} machine{'s' * (count != 1)} now{was}"
    yield _of_plan("select", "machines", name, machines)
    for machine, target in new.targets.items():
        if machine not in old.targets:
            yield _of_machine("protect", target, f"{new.told(machine)}, from its next slot on")
    for machine, target in old.targets.items():
        if machine not in new.targets:
            yield _of_machine("release", target, "this plan protects it no more")


def _select(tx: sa.Connection, project: Project, definition: PlanDefinition) -> _Selected:
    targets, _ = selected(tx, project.id, definition.selection)
    return _Selected({target.instance.id: target for target in targets})


def _of_machine(verb: str, target: Target, detail: str) -> Effect:
    one = target.instance
    return Effect(
        verb, one.kind, one.cloud_id, one.name, one.environment, one.account, one.region, detail
    )


def _ends(before: PlanDefinition, after: PlanDefinition, taken: Sequence[Effect]) -> bool:
    """Whether something is protected less than before."""
    paused = before.enabled and not after.enabled
    return paused or any(effect.verb == "release" for effect in taken)


def _let_go(tx: sa.Connection, plan: BackupPlan, after: PlanDefinition) -> Iterator[Effect]:
    """Yield what another definition lets go of that the plan keeps as it is."""
    old, new = (_due(tx, plan, each) for each in (plan.definition, after))
    more = sorted(new.keys() - old.keys())
    kept = keeping.kept_of(tx, more)
    for copy_id in more:
        why = new[copy_id].reasons[0].sentence
        yield keeping.deletion_of(kept[copy_id], f"at the plan's next run: {why}")


def _due(tx: sa.Connection, plan: BackupPlan, definition: PlanDefinition) -> Mapping[str, Verdict]:
    groups = keeping.groups_of(tx, plan.id, definition)
    verdicts = keeping.verdicts_of(groups, definition.zone)
    return {copy: each for copy, each in verdicts.items() if each.fate is Fate.EXPIRE}
