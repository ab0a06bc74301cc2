"""Outlook: why a recovery point is kept, when it goes, and what a plan will do on which day."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from heapq import merge
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from mavis_core import clock
from mavis_core.access import CallContext, Permission
from mavis_core.db import Database, tables
from mavis_core.errors import InvalidInput
from mavis_core.projects.service import Projects
from mavis_core.protection.deletion import keeping
from mavis_core.protection.plans.service import VERIFICATION, BackupPlan, find_plan
from mavis_core.protection.plans.upcoming import Upcoming, slots_of, upcoming
from mavis_core.protection.points import rows as points
from mavis_core.protection.points.model import Copy, CopyRole
from mavis_core.protection.retention import forecast
from mavis_core.protection.retention.forecast import Day, Due
from mavis_core.protection.retention.policy import Keep, Point
from mavis_core.protection.slots.due import Timing

__all__ = ["Begun", "Calendar", "Explanation", "Outlooks", "PlanSlots", "Upcoming"]

_MOST_SLOTS = 100


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why one copy is kept or goes, and what is to come.

    Parameters
    ----------
    reasons
        Code and sentence of each.
    goes_at
        The earliest moment at which it goes if the plan runs as scheduled; None where it was not
        seen to go.
    """

    copy: Copy
    fate: str
    reasons: tuple[tuple[str, str], ...]
    goes_at: datetime | None
    sentence: str


@dataclass(frozen=True, slots=True)
class Calendar:
    """What a plan will make and lose, of one machine, by local day of its zone."""

    zone: str
    keep: Keep
    days: tuple[Day, ...]


@dataclass(frozen=True, slots=True)
class Begun:
    """A slot that has begun: how (on time, or caught up), and its Run."""

    rule: str
    key: str
    due_at: datetime
    begun_at: datetime
    how: str
    run_id: str


@dataclass(frozen=True, slots=True)
class PlanSlots:
    """The slots of a plan: to come, oldest first; begun, newest first."""

    upcoming: tuple[Upcoming, ...]
    begun: tuple[Begun, ...]


class Outlooks:
    """Explains recovery points and plans.

    Parameters
    ----------
    database
        The main database.
    projects
        Guards every call.
    """

    def __init__(self, database: Database, projects: Projects) -> None:
        self._database = database
        self._projects = projects

    def explain(self, ctx: CallContext, reference: str, point_id: str) -> tuple[Explanation, ...]:
        """Return for each copy of a recovery point why it is kept and when it goes."""
        project = self._projects.authorize(ctx, reference, Permission.POINT_READ).project
        with self._database.read() as tx:
            point = points.load(tx, project.id, point_id)
            if point.plan_id is None:
                return tuple(_by_hand(copy) for copy in point.copies)
            plan = find_plan(tx, project.id, point.plan_id)
            groups = keeping.groups_of(tx, plan.id, plan.definition, instance=point.instance_id)
        if plan.removed_at is not None:
            return tuple(_of_removed(copy, plan) for copy in point.copies)
        where = {each.id: (group, each) for group in groups for each in group.points}
        return tuple(
            _explained(copy, plan, *where[copy.id]) for copy in point.copies if copy.id in where
        )

    def calendar(
        self,
        ctx: CallContext,
        reference: str,
        name: str,
        *,
        days: int,
        instance: str | None = None,
    ) -> Calendar:
        """Return what a plan will make and lose in the next days.

        Parameters
        ----------
        instance
            Cloud id of a machine whose recovery points are there already; None: from nothing.
        """
        project = self._projects.authorize(ctx, reference, Permission.PLAN_READ).project
        with self._database.read() as tx:
            plan = find_plan(tx, project.id, name)
            groups = keeping.groups_of(tx, plan.id, plan.definition, instance=instance or "")
        definition, zone = plan.definition, ZoneInfo(plan.definition.zone)
        apart = {rule.name for rule in definition.rules if rule.keep is not None}
        shared = [rule.name for rule in definition.rules if rule.name not in apart]
        if not shared:
            shared = [definition.rules[0].name]
        keep = keeping.keep_of(definition, shared[0], None)
        existing = next((g.points for g in groups if g.rules & set(shared)), ())
        found = forecast.forecast(
            _schedule(plan, shared, clock.now()),
            keep,
            zone=zone,
            start=clock.now(),
            days=days,
            existing=existing,
            lock=definition.lock.length if definition.lock is not None else None,
        )
        return Calendar(definition.zone, keep, found)

    def slots(self, ctx: CallContext, reference: str, name: str, *, limit: int) -> PlanSlots:
        """Return the next and the last slots of a plan, at most `limit` of each."""
        if not 1 <= limit <= _MOST_SLOTS:
            raise InvalidInput(f"limit is {limit}; use 1 to {_MOST_SLOTS}", field="limit")
        project = self._projects.authorize(ctx, reference, Permission.PLAN_READ).project
        table = tables.slots
        with self._database.read() as tx:
            plan = find_plan(tx, project.id, name)
            query = sa.select(table).where(table.c.plan_id == plan.id)
            rows = tx.execute(query.order_by(table.c.begun_at.desc()).limit(limit)).all()
        begun = tuple(
            Begun(row.rule, row.key, row.due_at, row.begun_at, row.how, row.run_id) for row in rows
        )
        if not plan.definition.enabled or plan.removed_at is not None:
            return PlanSlots((), begun)
        return PlanSlots(upcoming(plan.timings.values(), clock.now(), limit=limit), begun)


def _schedule(plan: BackupPlan, rules: list[str], now: datetime) -> Iterator[Due]:
    timings: Mapping[str, Timing] = plan.timings
    streams = [slots_of(timings[rule], now) for rule in rules if rule != VERIFICATION]
    return ((each.rule, each.due_at) for each in merge(*streams, key=lambda each: each.due_at))


def _explained(copy: Copy, plan: BackupPlan, group: keeping.Group, point: Point) -> Explanation:
    outlook = forecast.explain(
        point,
        group.points,
        group.keep,
        zone=ZoneInfo(plan.definition.zone),
        now=clock.now(),
        schedule=_schedule(plan, sorted(group.rules & set(plan.timings)), clock.now()),
    )
    return Explanation(
        copy,
        outlook.verdict.fate,
        tuple((reason.why.value, reason.sentence) for reason in outlook.verdict.reasons),
        outlook.goes_at,
        outlook.sentence,
    )


def _by_hand(copy: Copy) -> Explanation:
    told = "taken by hand: no plan keeps it, and none deletes it"
    return Explanation(copy, "keep", (("by_hand", told),), None, "stays until somebody deletes it")


def _of_removed(copy: Copy, plan: BackupPlan) -> Explanation:
    told = f"its plan {plan.name} was removed, and with it its retention"
    role = "primary" if copy.role is CopyRole.PRIMARY else "copy"
    return Explanation(
        copy, "keep", (("plan_removed", told),), None, f"the {role} stays until somebody deletes it"
    )
