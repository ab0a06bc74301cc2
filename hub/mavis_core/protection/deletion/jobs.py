"""The jobs ``retention.apply`` and ``recovery_point.delete``.

What may be deleted is fixed when it is asked for, copy by copy; before the first deletion it is
looked at once more, and what somebody has held, locked or begun to read meanwhile stays.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

import sqlalchemy as sa

from mavis_core import clock, records
from mavis_core.access import Permission
from mavis_core.changes.model import Plan, Severity
from mavis_core.db import Database, tables
from mavis_core.errors import Conflict, InvalidInput
from mavis_core.projects.service import hold
from mavis_core.protection.deletion import keeping
from mavis_core.protection.deletion.keeping import Kept, deletion_of
from mavis_core.protection.plans.service import find_plan
from mavis_core.protection.points import expiry
from mavis_core.protection.points import rows as points
from mavis_core.protection.points.expiry import Expiry
from mavis_core.protection.points.model import Copy, PointState, RecoveryPoint
from mavis_core.protection.restore.rows import in_use
from mavis_core.protection.retention.policy import Fate, Verdict, at_most
from mavis_core.scheduling.attempts import record_of
from mavis_core.scheduling.jobs import BaseJob, Binding, JobStep, Load, PlanRequest, Progress
from mavis_core.scheduling.model import Run

__all__ = ["DeleteJob", "RetentionJob"]

_MOST = 2000  # copies that one Run deletes


class _Deletes(BaseJob):
    """What both jobs do: mark what may still go, then delete it."""

    binding = Binding.REQUEST

    def __init__(self, database: Database, expiry_: Expiry) -> None:
        self._database = database
        self._expiry = expiry_

    def steps(self, run: Run) -> Sequence[JobStep]:
        return [
            JobStep("Decide", lambda progress: self._decide(run, progress)),
            JobStep("Delete", lambda progress: self._expiry.carry_out(run, progress), Load.CALLS),
        ]

    def _decide(self, run: Run, progress: Progress) -> Mapping[str, object]:
        approved = set(run.plan.arguments["copies"])
        with self._database.write() as tx:
            hold(tx, run.project_id)  # nobody places a legal hold between looking and marking
            over = expiry.take_over(tx, run)
            go = self.still_due(tx, run, approved)
            marked = expiry.mark(tx, run, go)
            records.write(tx, *(_record(run, copy) for copy in marked))
        spared = len(approved) - len(marked)
        more = f", {spared} stay after all" if spared else ""
        left = f", {over} left by an earlier run" if over else ""
        progress.say(f"{len(marked)} to delete{more}{left}", percent=100)
        return {"due": len(marked), "spared": spared, "taken_over": over}

    def still_due(self, tx: sa.Connection, run: Run, approved: Collection[str]) -> list[Copy]:
        """Return of `approved` what may go now."""
        return [copy for _, copy in _free(tx, run.project_id, approved)]


class RetentionJob(_Deletes):
    """Delete what a backup plan does not keep any more."""

    action = "retention.apply"
    permission = Permission.PLAN_WRITE

    def plan(self, tx: sa.Connection, request: PlanRequest) -> Plan:
        if request.arguments:
            raise InvalidInput(f"{self.action} takes no arguments", field="arguments")
        plan = find_plan(tx, request.project.id, request.resource)
        groups = keeping.groups_of(tx, plan.id, plan.definition)
        verdicts = keeping.verdicts_of(groups, plan.definition.zone)
        batch = at_most(verdicts.values(), plan.definition.max_delete_share, len(verdicts))
        due = batch.due[:_MOST]
        kept = keeping.kept_of(tx, [each.point.id for each in due])
        later = len(batch.deferred) + len(batch.due) - len(due)
        wait = (
            f"{later} more are due and wait for the next run: one run deletes at most"
            f" {plan.definition.max_delete_share:.0%} of {len(verdicts)}."
        )
        return Plan(
            self.action,
            request.project.id,
            request.project.name,
            plan.name,
            Severity.DESTROYS,
            tuple(deletion_of(kept[each.point.id], each.reasons[0].sentence) for each in due),
            {"plan_id": plan.id, "copies": [each.point.id for each in due]},
            (wait,) if later else (),
        )

    def still_due(self, tx: sa.Connection, run: Run, approved: Collection[str]) -> list[Copy]:
        plan = find_plan(tx, run.project_id, run.plan.arguments["plan_id"])
        groups = keeping.groups_of(tx, plan.id, plan.definition)
        verdicts: Mapping[str, Verdict] = keeping.verdicts_of(groups, plan.definition.zone)
        due = [
            copy_id
            for copy_id in approved
            if copy_id in verdicts and verdicts[copy_id].fate is Fate.EXPIRE
        ]
        return [copy for _, copy in _free(tx, run.project_id, due)]


class DeleteJob(_Deletes):
    """Delete one recovery point with all its copies, because somebody asks."""

    action = "recovery_point.delete"
    permission = Permission.POINT_DELETE

    def plan(self, tx: sa.Connection, request: PlanRequest) -> Plan:
        if request.arguments:
            raise InvalidInput(f"{self.action} takes no arguments", field="arguments")
        if not request.resource:
            raise InvalidInput("Name a recovery point by its id", field="resource")
        point = points.load(tx, request.project.id, request.resource)
        copies = [copy for copy in point.copies if copy.state.ended and _there(copy)]
        if reason := _why_not(tx, point):
            raise Conflict(f"{point.id} cannot be deleted: {reason}")
        if not copies:
            raise Conflict(f"{point.id} is {point.state}: there is nothing to delete")
        return Plan(
            self.action,
            request.project.id,
            request.project.name,
            point.label,
            Severity.DESTROYS,
            tuple(deletion_of(_as_kept(point, copy), f"of {point.instance_id}") for copy in copies),
            {"point_id": point.id, "copies": [copy.id for copy in copies]},
            _warnings(tx, point),
        )


def _there(copy: Copy) -> bool:
    return copy.state not in (PointState.EXPIRING, PointState.GONE)


def _free(
    tx: sa.Connection, project_id: str, copy_ids: Iterable[str]
) -> list[tuple[RecoveryPoint, Copy]]:
    """Return of `copy_ids` those that nothing protects now."""
    table = tables.recovery_points
    wanted = sorted(copy_ids)
    found: list[tuple[RecoveryPoint, Copy]] = []
    for start in range(0, len(wanted), 500):
        some = set(wanted[start : start + 500])
        of_them = sa.select(tables.copies.c.point_id).where(tables.copies.c.id.in_(some))
        query = sa.select(table).where(table.c.project_id == project_id, table.c.id.in_(of_them))
        for point in points.points_of(tx, tx.execute(query).mappings().all()):
            if _why_not(tx, point) is None:
                found += [
                    (point, copy)
                    for copy in point.copies
                    if copy.id in some and copy.state.ended and _there(copy)
                ]
    return found


def _why_not(tx: sa.Connection, point: RecoveryPoint) -> str | None:
    """Return what protects a point from being deleted, or None."""
    if point.hold is not None:
        return f"a legal hold of {point.hold.by}: {point.hold.reason}"
    if point.lock is not None and point.lock.until > clock.now():
        return f"it is locked until {clock.iso(point.lock.until)}"
    if not all(copy.state.ended for copy in point.copies):
        return "it is still being made or copied"
    if in_use(tx, [copy.id for copy in point.copies]):
        return "a restore or a verification reads it"
    return None


def _warnings(tx: sa.Connection, point: RecoveryPoint) -> tuple[str, ...]:
    table = tables.recovery_points
    others = sa.select(sa.func.count()).where(
        table.c.project_id == point.project_id,
        table.c.instance_id == point.instance_id,
        table.c.state == PointState.COMPLETE,
        table.c.id != point.id,
    )
    if point.state is PointState.COMPLETE and not tx.scalar(others):
        name = point.instance_name or point.instance_id
        return (f"It is the only one from which {name} can be restored.",)
    return ()


def _as_kept(point: RecoveryPoint, copy: Copy) -> Kept:
    return Kept(
        copy.id,
        point.id,
        point.instance_name or point.instance_id,
        copy.environment,
        copy.account,
        copy.region,
        point.taken_at or point.created_at,
    )


def _record(run: Run, copy: Copy) -> records.Record:
    summary = f"The copy of {copy.point_id} in {copy.place} expires"
    return record_of(
        run,
        records.Phase.EVENT,
        summary,
        source="worker",
        point=copy.point_id,
        copy=copy.id,
        snapshots=[member.cloud_id for member in copy.members if member.cloud_id],
    )
