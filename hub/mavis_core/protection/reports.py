"""Reports: what is not protected, where the recovery point objective is missed, what failed.

*RPO*: the recovery point objective of a plan: how old the newest good recovery point of a machine
may be. Each row says in a sentence why it stands there and what to do.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from enum import StrEnum

import sqlalchemy as sa

from mavis_core import clock
from mavis_core.access import CallContext, Permission
from mavis_core.db import Database, tables
from mavis_core.inventory.model import Resource
from mavis_core.projects.service import Projects
from mavis_core.protection.durations import written
from mavis_core.protection.plans.selecting import machine_of
from mavis_core.protection.plans.service import BackupPlan, plans_of
from mavis_core.protection.plans.targets import instances_of
from mavis_core.protection.points.model import PointState
from mavis_core.scheduling.model import RunState

__all__ = ["Finding", "ProtectionReport", "ReportRow", "Reports", "to_csv"]

_FAILED_SINCE = timedelta(days=7)
_MOST_FAILURES = 200


class Finding(StrEnum):
    """What is the matter with a machine or a plan; ``ok`` where nothing is."""

    OK = "ok"
    UNPROTECTED = "unprotected"
    NEVER = "never_backed_up"
    RPO_MISSED = "rpo_missed"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class ReportRow:
    """One thing that somebody should know.

    Parameters
    ----------
    machine
        Name and cloud id; empty where a whole plan is meant.
    newest_at
        When the newest good recovery point was taken, or None.
    why, mend
        A sentence each.
    """

    finding: Finding
    machine: str
    environment: str
    region: str
    plan: str
    newest_at: datetime | None
    why: str
    mend: str


@dataclass(frozen=True, slots=True)
class ProtectionReport:
    """How well a project is protected at a moment."""

    project: str
    at: datetime
    machines: int
    protected: int
    rows: tuple[ReportRow, ...]


class Reports:
    """Reports on the protection of projects.

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

    def protection(
        self, ctx: CallContext, reference: str, *, everything: bool = False
    ) -> ProtectionReport:
        """Return what is not as it should be in a project.

        Parameters
        ----------
        everything
            Whether machines with which nothing is the matter get a row, too.
        """
        project = self._projects.authorize(ctx, reference, Permission.POINT_READ).project
        now = clock.now()
        with self._database.read() as tx:
            plans = [plan for plan in plans_of(tx) if plan.project_id == project.id]
            instances = instances_of(tx, project.id)
            newest = _newest(tx, project.id)
            rows = [row for each in instances for row in _of_machine(each, plans, newest, now=now)]
            rows += _failures(tx, project.id, now)
            rows += _skips(tx, plans, now)
        unprotected = {row.machine for row in rows if row.finding is Finding.UNPROTECTED}
        shown = rows if everything else [row for row in rows if row.finding is not Finding.OK]
        return ProtectionReport(
            project.name,
            now,
            len(instances),
            len(instances) - len(unprotected),
            tuple(sorted(shown, key=lambda row: (list(Finding).index(row.finding), row.machine))),
        )


def to_csv(rows: Iterable[ReportRow]) -> str:
    """Return rows as CSV with a head (RFC 4180); moments are RFC 3339 in UTC.

    A cell that a spreadsheet would take for a formula gets an apostrophe before it: names come
    from the cloud, and whoever may tag a machine should not run code at the auditor's desk.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    names = [field.name for field in fields(ReportRow)]
    writer.writerow(names)
    for row in rows:
        writer.writerow([_cell(getattr(row, name)) for name in names])
    return out.getvalue()


def _cell(value: object) -> str:
    if isinstance(value, datetime):
        return clock.iso(value)
    text = "" if value is None else str(value)
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


_Key = tuple[str, str, str]


def _newest(tx: sa.Connection, project_id: str) -> Mapping[_Key, datetime]:
    """Return when the newest good point of each plan and machine was taken."""
    table = tables.recovery_points
    query = (
        sa.select(
            table.c.plan_id, table.c.account, table.c.instance_id, sa.func.max(table.c.taken_at)
        )
        .where(table.c.project_id == project_id, table.c.state == PointState.COMPLETE)
        .group_by(table.c.plan_id, table.c.account, table.c.instance_id)
    )
    return {
        (plan_id or "", account, instance_id): clock.parse(taken_at)
        if isinstance(taken_at, str)
        else taken_at
        for plan_id, account, instance_id, taken_at in tx.execute(query)
    }


def _of_machine(
    instance: Resource,
    plans: Sequence[BackupPlan],
    newest: Mapping[_Key, datetime],
    *,
    now: datetime,
) -> list[ReportRow]:
    machine = machine_of(instance)
    mine = [plan for plan in plans if plan.definition.selection.selects(machine)]
    if not mine:
        why = "No backup plan in force selects it."
        mend = "Add it to the selection of a plan: `mavis backup-plan edit`."
        return [_row(Finding.UNPROTECTED, instance, "", None, why, mend)]
    return [_of_plan(instance, plan, newest, now=now) for plan in mine]


def _of_plan(
    instance: Resource,
    plan: BackupPlan,
    newest: Mapping[_Key, datetime],
    *,
    now: datetime,
) -> ReportRow:
    taken_at = newest.get((plan.id, instance.account, instance.cloud_id))
    rpo = plan.definition.rpo
    if taken_at is None:
        why = f"The plan {plan.name} selects it and has no good recovery point of it."
        mend = f"Wait for its first slot, or run it now: `mavis backup-plan run {plan.name}`."
        return _row(Finding.NEVER, instance, plan.name, None, why, mend)
    if rpo is not None and now - taken_at > rpo:
        age = written(timedelta(seconds=(now - taken_at) // timedelta(seconds=1)))
        why = f"The newest good recovery point is {age} old; the plan promises {written(rpo)}."
        mend = "Look at the failed runs below, and at the plan's slots."
        return _row(Finding.RPO_MISSED, instance, plan.name, taken_at, why, mend)
    return _row(Finding.OK, instance, plan.name, taken_at, "", "")


def _row(
    finding: Finding,
    instance: Resource,
    plan: str,
    newest_at: datetime | None,
    why: str,
    mend: str,
) -> ReportRow:
    return ReportRow(
        finding,
        instance.label,
        instance.environment,
        instance.region,
        plan,
        newest_at,
        why,
        mend,
    )


def _failures(tx: sa.Connection, project_id: str, now: datetime) -> list[ReportRow]:
    """Return the Runs of plans that did not succeed within the last days."""
    table = tables.runs
    query = (
        sa.select(table.c.subject, table.c.error, table.c.finished_at, table.c.kind, table.c.id)
        .where(
            table.c.project_id == project_id,
            table.c.kind.in_(("backup.run", "copies.run", "retention.apply")),
            table.c.state.in_((RunState.FAILED, RunState.REFUSED)),
            table.c.finished_at > now - _FAILED_SINCE,
        )
        .order_by(table.c.id.desc())
        .limit(_MOST_FAILURES)
    )
    rows = []
    for run in tx.execute(query):
        error = run.error or {}
        why = f"{run.kind} at {run.finished_at:%Y-%m-%d %H:%M} UTC: {error.get('message', '')}"
        mend = f"{error.get('mend', '')} The Run is {run.id}."
        rows.append(ReportRow(Finding.FAILED, "", "", "", run.subject, None, why, mend.strip()))
    return rows


def _skips(tx: sa.Connection, plans: Sequence[BackupPlan], now: datetime) -> list[ReportRow]:
    table = tables.skipped_slots
    names = {plan.id: plan.name for plan in plans}
    query = (
        sa.select(table)
        .where(table.c.plan_id.in_(list(names)), table.c.noted_at > now - _FAILED_SINCE)
        .order_by(table.c.id.desc())
        .limit(_MOST_FAILURES)
    )
    return [
        ReportRow(
            Finding.SKIPPED,
            "",
            "",
            "",
            names[row.plan_id],
            None,
            f"{row.count} slots of {row.rule} from {row.first} to {row.last} did not begin:"
            f" {row.reason}.",
            "See whether the appliance was down; the plan's blackouts are on purpose.",
        )
        for row in tx.execute(query)
    ]
