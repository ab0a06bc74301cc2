"""The timetable: turns what is due into Runs, whoever looks and however often.

Every slot of a plan is one row, unique by plan, rule and local time; its Run is written in the
same transaction. So a slot that two look at has one Run, and a slot that Prefect shows twice when
clocks are set back begins once. Whatever the platform owes by itself (retention once a day,
copies that wait, undo that has run out, calls of which nobody knows) becomes a Run here, too.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from mavis_core import clock, records
from mavis_core.access import PLATFORM, CallContext, Scope
from mavis_core.db import Database, tables
from mavis_core.errors import MavisError
from mavis_core.ids import new_id
from mavis_core.projects.service import hold, project_of
from mavis_core.protection.catalogue import reconciliation
from mavis_core.protection.plans.service import (
    BACKUP,
    VERIFICATION,
    BackupPlan,
    find_plan,
    plans_of,
)
from mavis_core.protection.points.model import PointState
from mavis_core.protection.restore.rows import due_to_clear, due_to_forget
from mavis_core.protection.restore.starts import left_to_undo
from mavis_core.protection.slots.due import Beginning, Reason, Skipped, Timing, decide
from mavis_core.protection.slots.schedule import next_after
from mavis_core.scheduling.service import Runs
from mavis_core.scheduling.store import active

__all__ = ["Timetable", "platform_call"]

_log = logging.getLogger(__name__)
_BEGUN_BEFORE = timedelta(days=2)  # keys of slots that `decide` may ask for
_LOOK_AGAIN = timedelta(minutes=10)  # a clock may be set, and a blackout may end
_DUTIES_EVERY = timedelta(minutes=1)
_RECONCILE_EVERY = timedelta(minutes=10)
_QUEUE_RESTS = timedelta(minutes=10)  # a queue that failed is not tried again at once


def platform_call(source: str) -> CallContext:
    """Return a call of the platform itself: for Runs inside of this process."""
    return CallContext(PLATFORM, frozenset(Scope), source=source)


@dataclass(frozen=True, slots=True)
class _Look:
    """When a rule was looked at, and until when nothing of it is due."""

    version: int
    looked_at: datetime
    quiet_until: datetime

    def quiet(self, now: datetime) -> bool:
        """Whether there is still nothing to do; a look is trusted for a while only."""
        return _within(self.looked_at, now, _LOOK_AGAIN) and now < self.quiet_until


class Timetable:
    """Begins what is due. One for a worker process; several at once do no harm.

    Parameters
    ----------
    database
        The main database.
    runs
        Where Runs are written.
    source
        The name of the process, for records.
    """

    def __init__(self, database: Database, runs: Runs, *, source: str) -> None:
        self._database = database
        self._runs = runs
        self._source = source
        self._looks: dict[tuple[str, str], _Look] = {}
        self._duties_at: datetime | None = None
        self._reconciled_at: datetime | None = None

    def plans(self) -> Sequence[BackupPlan]:
        """Return every plan that is in force."""
        with self._database.read() as tx:
            return plans_of(tx)

    def tick(self, *, patience: timedelta = timedelta(0)) -> list[str]:
        """Begin everything that is due now; return the ids of the new Runs.

        What goes wrong with one plan is logged and does not keep the others waiting.

        Parameters
        ----------
        patience
            How long slots are left to others, who call `take_slot`.
        """
        begun: list[str] = []
        plans = self.plans()
        for plan in plans:
            for timing in plan.timings.values():
                begun += self._guarded(partial(self._rule, plan, timing, patience))
        now = clock.now()
        if self._duties_at is None or not _within(self._duties_at, now, _DUTIES_EVERY):
            self._duties_at = now
            begun += self._duties(plans)
        return begun

    def take_slot(self, plan_id: str, rule: str, *, reserved: timedelta) -> str | None:
        """Begin what is due of one rule, because Prefect says that it is; return the Run's id.

        None where nothing is due: the slot has begun already, a blackout holds it back, or its
        jitter puts it off.

        Parameters
        ----------
        reserved
            How long only the caller may take the Run up.
        """
        plan = next((each for each in self.plans() if each.id == plan_id), None)
        if plan is None or rule not in plan.timings:
            return None
        now = clock.now()
        begun = self._begin(plan, plan.timings[rule], now, not_before=now + reserved)
        return next(iter(begun), None)

    def _guarded(self, work: Callable[[], list[str]]) -> list[str]:
        try:
            return work()
        except MavisError as exc:
            _log.warning("the timetable will try again: %s", exc)
            return []

    def _rule(self, plan: BackupPlan, timing: Timing, patience: timedelta) -> list[str]:
        now, key = clock.now() - patience, (plan.id, timing.rule)
        look = self._looks.get(key)
        if look is not None and look.version == plan.version and look.quiet(now):
            return []
        begun = self._begin(plan, timing, now, not_before=None)
        quiet_until = next_after(timing.schedule, now).due_at
        waiting = timing.jitter_s > 0  # a slot may be due and not begin yet
        self._looks[key] = _Look(plan.version, now, now if waiting else quiet_until)
        return begun

    def _begin(
        self, plan: BackupPlan, timing: Timing, now: datetime, *, not_before: datetime | None
    ) -> list[str]:
        table = tables.plan_rules
        mine = (table.c.plan_id == plan.id, table.c.rule == timing.rule)
        with self._database.write() as tx:
            hold(tx, plan.project_id)
            plan = find_plan(tx, plan.project_id, plan.id)
            since = tx.scalar(sa.select(table.c.handled_until).where(*mine).with_for_update())
            if since is None or plan.removed_at is not None or not plan.definition.enabled:
                return []  # edited since
            decision = decide(
                timing, handled_until=since, now=now, begun=_begun(tx, timing, min(since, now))
            )
            begun = []
            if decision.begin is not None:
                begun = self._slot(tx, plan, timing, decision.begin, not_before)
            told = [each for each in decision.skipped if each.reason is not Reason.BEGUN]
            for skipped in told:
                _tell_skipped(tx, plan, timing, skipped, now, self._source)
            moved = decision.begin or told or since > now or now - since > _LOOK_AGAIN
            if moved:
                tx.execute(
                    sa.update(table).where(*mine).values(handled_until=decision.handled_until)
                )
        return begun

    def _slot(
        self,
        tx: sa.Connection,
        plan: BackupPlan,
        timing: Timing,
        begin: Beginning,
        not_before: datetime | None,
    ) -> list[str]:
        """Write a slot and its Run."""
        slot = begin.slot
        action, resource = BACKUP, plan.id
        arguments: dict[str, object] = {"rule": timing.rule, "slot": slot.key}
        if timing.rule == VERIFICATION:
            point = _longest_unproven(tx, plan)
            if point is None:
                return []  # nothing to verify yet
            verification = plan.definition.verification
            assert verification is not None  # noqa: S101  its timing comes from it
            action, resource = "recovery_point.verify", point
            arguments = verification_arguments(plan)
        run = self._runs.start_in(
            tx,
            plan.context(self._source),
            project_of(tx, plan.project_id),
            action=action,
            resource=resource,
            arguments=arguments,
            slot=f"{plan.id}/{timing.rule}/{slot.key}",
            not_before=not_before,
        )
        tx.execute(
            sa.insert(tables.slots).values(
                plan_id=plan.id,
                rule=timing.rule,
                key=slot.key,
                due_at=slot.due_at,
                begun_at=clock.now(),
                how=begin.start,
                run_id=run.id,
            )
        )
        return [run.id]

    def _duties(self, plans: Sequence[BackupPlan]) -> list[str]:
        now = clock.now()
        duties: list[Callable[[], list[str]]] = [
            self._forget,
            self._clear,
            self._queues,
            *(partial(self._retention, plan, now) for plan in plans),
        ]
        if self._reconciled_at is None or not _within(self._reconciled_at, now, _RECONCILE_EVERY):
            self._reconciled_at = now
            duties.append(self._reconcile)
        return [run_id for duty in duties for run_id in self._guarded(duty)]

    def _retention(self, plan: BackupPlan, now: datetime) -> list[str]:
        """Let retention look once a local day, where a plan has anything that goes."""
        day = now.astimezone(ZoneInfo(plan.definition.zone)).date()
        slot = f"retention/{plan.id}/{day}"
        runs = tables.runs
        with self._database.write() as tx:
            hold(tx, plan.project_id)
            if tx.scalar(sa.select(runs.c.id).where(runs.c.slot == slot)) is not None:
                return []
            if active(tx, plan.project_id, "retention.apply"):
                return []
            run = self._runs.start_in(
                tx,
                plan.context(self._source),
                project_of(tx, plan.project_id),
                action="retention.apply",
                resource=plan.id,
                arguments={},
                slot=slot,
            )
        return [run.id]

    def _queues(self) -> list[str]:
        """Go on with copies that wait and that nobody works on."""
        copies, points, runs = tables.copies, tables.recovery_points, tables.runs
        waiting = (
            sa.select(points.c.project_id)
            .join(copies, copies.c.point_id == points.c.id)
            .where(
                copies.c.role == "copy",
                copies.c.state.in_((PointState.PLANNED, PointState.RUNNING)),
            )
            .distinct()
        )
        rested = clock.now() - _QUEUE_RESTS
        begun = []
        with self._database.write() as tx:
            for project_id in tx.scalars(waiting).all():
                last = tx.scalar(
                    sa.select(sa.func.max(runs.c.created_at)).where(
                        runs.c.project_id == project_id, runs.c.kind == "copies.run"
                    )
                )
                if not active(tx, project_id, "copies.run") and (last is None or last < rested):
                    begun.append(self._own(tx, project_id, "copies.run", None))
        return begun

    def _forget(self) -> list[str]:
        """Let the old volumes of restores go whose undo has run out."""
        with self._database.write() as tx:
            return [
                self._own(tx, restore.project_id, "restore.forget", restore.id)
                for restore in due_to_forget(tx, clock.now())
                if not active(tx, restore.project_id, "restore.forget", restore.id)
            ]

    def _clear(self) -> list[str]:
        """Let what failed restores have left in a cloud be removed."""
        with self._database.write() as tx:
            return [
                self._own(tx, restore.project_id, "restore.clear", restore.id)
                for restore in due_to_clear(tx, clock.now())
                if not active(tx, restore.project_id, "restore.clear", restore.id)
            ]

    def _reconcile(self) -> list[str]:
        """Find out what became of calls that no Run will look for any more."""
        with self._database.write() as tx:
            return [
                self._own(tx, project_id, reconciliation.ACTION, None)
                for project_id in reconciliation.due(tx, but=left_to_undo(tx))
                if not active(tx, project_id, reconciliation.ACTION)
            ]

    def _own(self, tx: sa.Connection, project_id: str, action: str, resource: str | None) -> str:
        project, ctx = project_of(tx, project_id), platform_call(self._source)
        run = self._runs.start_in(tx, ctx, project, action=action, resource=resource, arguments={})
        return run.id


def verification_arguments(plan: BackupPlan) -> dict[str, object]:
    """Return what a plan's verification asks ``recovery_point.verify`` for."""
    verification = plan.definition.verification
    if verification is None:
        return {}
    found: dict[str, object] = {
        "environment": verification.environment,
        "region": verification.region,
        "subnet": verification.subnet,
        "check": verification.check,
        "timeout": verification.timeout // timedelta(seconds=1),
    }
    return {name: value for name, value in found.items() if value is not None}


def _begun(tx: sa.Connection, timing: Timing, since: datetime) -> frozenset[str]:
    table = tables.slots
    query = sa.select(table.c.key).where(
        table.c.plan_id == timing.plan_id,
        table.c.rule == timing.rule,
        table.c.due_at > since - timing.grace - _BEGUN_BEFORE,
    )
    return frozenset(tx.scalars(query))


def _tell_skipped(
    tx: sa.Connection,
    plan: BackupPlan,
    timing: Timing,
    skipped: Skipped,
    now: datetime,
    source: str,
) -> None:
    first, last = skipped.first.key, skipped.last.key
    tx.execute(
        sa.insert(tables.skipped_slots).values(
            id=new_id("skp"),
            plan_id=plan.id,
            rule=timing.rule,
            reason=skipped.reason,
            count=skipped.count,
            first=first,
            last=last,
            noted_at=now,
        )
    )
    span = first if skipped.count == 1 else f"{first} to {last}"
    many = f"{skipped.count} slots" if skipped.count > 1 else "The slot"
    records.write(
        tx,
        records.Record(
            kind=records.Kind.AUDIT,
            phase=records.Phase.EVENT,
            outcome=records.Outcome.FAILED,
            action="backup_plan.skip",
            project=plan.project_id,
            person=plan.owner.name,
            object=plan.name,
            summary=f"{many} of {plan.name}/{timing.rule}, {span}: {skipped.reason}",
            correlation_id=new_id("cor"),
            source=source,
            data={"plan": plan.id, "rule": timing.rule, "count": skipped.count},
        ),
    )


def _longest_unproven(tx: sa.Connection, plan: BackupPlan) -> str | None:
    """Return the newest complete point of the machine whose last proof is the oldest."""
    points = tables.recovery_points
    newest = (
        sa.select(points.c.instance_id, sa.func.max(points.c.id).label("id"))
        .where(points.c.plan_id == plan.id, points.c.state == PointState.COMPLETE)
        .group_by(points.c.instance_id)
    )
    proven = {
        row.instance_id: row.last
        for row in tx.execute(
            sa.select(points.c.instance_id, sa.func.max(points.c.id).label("last"))
            .where(points.c.plan_id == plan.id, points.c.proof.is_not(None))
            .group_by(points.c.instance_id)
        )
    }
    rows = tx.execute(newest).all()
    return min(rows, key=lambda row: (proven.get(row.instance_id, ""), row.id)).id if rows else None


def _within(then: datetime, now: datetime, span: timedelta) -> bool:
    """Whether `now` is at most `span` after `then`, and not before it: clocks may be set back."""
    return then <= now <= then + span
