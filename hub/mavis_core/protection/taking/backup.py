"""The job ``backup.run``: one slot of a backup plan, or a run of it because somebody asks.

What the plan selects is found out when the Run begins: it looks at the environments first, then
evaluates the selection, plans a recovery point for each machine, takes them all, and lets follow
what the plan wants: locks, copies, retention.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import sqlalchemy as sa

from mavis_core.access import Permission
from mavis_core.changes.model import Plan, Severity
from mavis_core.contract import ResourceKind
from mavis_core.db import Database
from mavis_core.errors import Conflict, InvalidInput, MavisError, Unavailable
from mavis_core.inventory.connections import Clouds
from mavis_core.inventory.discovery import look_at
from mavis_core.projects.environments import environments_of
from mavis_core.projects.model import Environment
from mavis_core.protection.plans.definition import Hooks
from mavis_core.protection.plans.selecting import selected
from mavis_core.protection.plans.service import BACKUP, BackupPlan, find_plan
from mavis_core.protection.plans.targets import Target, effect_of, warnings_of
from mavis_core.protection.points import rows as points
from mavis_core.protection.points.expiry import Expiry, mark
from mavis_core.protection.points.manifests import OwnTags
from mavis_core.protection.points.model import PointState, RecoveryPoint
from mavis_core.protection.taking import taken
from mavis_core.protection.taking.after_backup import AfterBackup
from mavis_core.protection.taking.taking import Around, Taking, attached_as_planned
from mavis_core.scheduling.jobs import BaseJob, Binding, JobStep, Load, PlanRequest, Progress
from mavis_core.scheduling.model import Run

__all__ = ["BackupJob"]

_LOOKED_AT = (ResourceKind.INSTANCE, ResourceKind.VOLUME)
_ARGUMENTS = {"rule", "slot"}


class Freezing(Protocol):
    """Runs a plan's scripts on machines before and after they are taken."""

    def around(self, run: Run, hooks: Hooks | None) -> Around:
        """Return what happens around the taking of one point."""

    def thaw_all(self, run: Run, of_run: Sequence[RecoveryPoint], progress: Progress) -> None:
        """Thaw every machine that an attempt at `run` froze and did not thaw."""


class BackupJob(BaseJob):
    """Take a recovery point of every machine that a backup plan selects.

    Parameters
    ----------
    database, clouds
        Rows and connections.
    taking, hooks, expiry, after
        Have the snapshots made, freeze and thaw, remove what a cancelled Run left, and begin what
        follows.
    """

    action = BACKUP
    permission = Permission.PLAN_RUN
    binding = Binding.REQUEST

    def __init__(
        self,
        database: Database,
        clouds: Clouds,
        *,
        taking: Taking,
        hooks: Freezing,
        expiry: Expiry,
        after: AfterBackup,
    ) -> None:
        self._database = database
        self._clouds = clouds
        self._taking = taking
        self._hooks = hooks
        self._expiry = expiry
        self._after = after

    def plan(self, tx: sa.Connection, request: PlanRequest) -> Plan:
        plan = find_plan(tx, request.project.id, request.resource)
        rule, slot = _arguments(request, plan)
        targets, _ = selected(tx, request.project.id, plan.definition.selection)
        note = "The selection is evaluated again when the run begins."
        empty = () if targets else ("It selects no machine as things are now.",)
        return Plan(
            self.action,
            request.project.id,
            request.project.name,
            plan.name,
            Severity.CREATES,
            tuple(effect_of(target) for target in targets),
            {"plan_id": plan.id, "rule": rule, "slot": slot},
            (*warnings_of(targets), *empty, note),
        )

    def steps(self, run: Run) -> Sequence[JobStep]:
        with self._database.read() as tx:
            plan = find_plan(tx, run.project_id, run.plan.arguments["plan_id"])
        return [
            JobStep("Look at what there is", lambda progress: self._look(run, progress)),
            JobStep("Select machines", lambda progress: self._select(run, plan, progress)),
            JobStep(
                "Take the snapshots", lambda progress: self._take(run, plan, progress), Load.CALLS
            ),
            JobStep("Wait until complete", lambda progress: self._taking.wait(run, progress)),
            JobStep("Begin what follows", lambda progress: self._after.begin(run, plan, progress)),
            JobStep("Check", lambda progress: self._taking.check(run, progress)),
        ]

    def failed(self, tx: sa.Connection, run: Run, error: MavisError) -> None:
        taken.run_failed(tx, points.of_run(tx, run.id), error)

    def clean_up(self, run: Run, progress: Progress) -> None:
        """Thaw what is frozen, and remove the sets that are not complete; complete ones stay."""
        of_run = self._of(run)
        self._hooks.thaw_all(run, of_run, progress)
        self._taking.find_out(run, progress)
        with self._database.write() as tx:
            taken.fail(tx, points.of_run(tx, run.id), _cancelled(run))
            half = [
                point.primary
                for point in points.of_run(tx, run.id)
                if point.state in (PointState.PARTIAL, PointState.FAILED)
            ]
            mark(tx, run, half)
        self._expiry.carry_out(run, progress)

    def _look(self, run: Run, progress: Progress) -> Mapping[str, Any] | None:
        """Look at the project's environments; one that cannot be seen fails its machines later."""
        with self._database.read() as tx:
            environments = environments_of(tx, run.project_id)
        unseen: dict[str, str] = {}
        for environment in environments:
            if error := self._look_at(run, environment, progress):
                unseen[environment.name] = error.message
        return {"unseen": unseen} if unseen else None

    def _look_at(self, run: Run, environment: Environment, progress: Progress) -> MavisError | None:
        try:
            look_at(
                self._database,
                self._clouds,
                run.context("worker"),
                environment.id,
                progress,
                kinds=_LOOKED_AT,
            )
        except Unavailable:
            raise
        except MavisError as exc:
            return exc
        return None

    def _select(self, run: Run, plan: BackupPlan, progress: Progress) -> Mapping[str, Any]:
        """Plan a recovery point for each machine that is selected now.

        Raises
        ------
        Conflict
            The plan selects no machine: it protects nothing, and somebody should know.
        """
        with self._database.write() as tx:
            there = points.of_run(tx, run.id)
            if not there:
                targets, _ = selected(tx, run.project_id, plan.definition.selection)
                there = [_planned(run, plan, target) for target in targets]
                points.insert(tx, there)
                bare = [point for point in there if not point.manifest.disks]
                taken.fail(tx, bare, Conflict("It has no volumes that the plan takes"))
        if not there:
            raise Conflict(
                f"The backup plan {plan.name} selects no machine",
                mend="Look at its selection, and discover the project's environments.",
            )
        progress.say(f"{len(there)} machine{'s' * (len(there) != 1)}", percent=100)
        return {"machines": len(there)}

    def _take(self, run: Run, plan: BackupPlan, progress: Progress) -> None:
        self._hooks.thaw_all(run, self._of(run), progress)
        around = self._hooks.around(run, plan.definition.hooks)
        attached = attached_as_planned if plan.definition.hooks is None else _unknown
        own = OwnTags.COPIED if plan.definition.copy_tags else OwnTags.LEFT_AWAY
        self._taking.take(run, progress, around, attached=attached, own=own)

    def _of(self, run: Run) -> list[RecoveryPoint]:
        with self._database.read() as tx:
            return points.of_run(tx, run.id)


def _unknown(_point: RecoveryPoint) -> None:
    """Let the kit look: hooks take their time, and volumes may have come meanwhile."""


def _cancelled(run: Run) -> Conflict:
    return Conflict(f"{run.cancelled_by} cancelled the backup before it was complete")


def _arguments(request: PlanRequest, plan: BackupPlan) -> tuple[str | None, str | None]:
    given = request.arguments
    if set(given) - _ARGUMENTS or not all(isinstance(given.get(k), str | None) for k in _ARGUMENTS):
        raise InvalidInput(f"{BACKUP} takes a rule: its name", field="arguments")
    rule, slot = given.get("rule"), given.get("slot")
    if rule is not None and rule not in {each.name for each in plan.definition.rules}:
        known = ", ".join(each.name for each in plan.definition.rules)
        raise InvalidInput(
            f"The plan {plan.name} has no rule {rule[:40]!r}; it has {known}",
            field="arguments.rule",
        )
    return rule, slot


def _planned(run: Run, plan: BackupPlan, target: Target) -> RecoveryPoint:
    instance, arguments = target.instance, run.plan.arguments
    occasion = arguments["slot"] or "by hand"
    return points.planned(
        project_id=run.project_id,
        project=run.plan.project_name,
        environment_id=instance.environment_id,
        environment=instance.environment,
        account=instance.account,
        region=instance.region,
        instance_id=instance.cloud_id,
        instance_name=instance.name,
        description=f"Mavis plan {plan.name} {occasion} of {instance.label}"[:200],
        created_by=run.person,
        run_id=run.id,
        manifest=target.manifest,
        plan_id=plan.id,
        plan=plan.name,
        rule=arguments["rule"],
        slot=arguments["slot"],
    )
