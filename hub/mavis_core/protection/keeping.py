"""Keeping: what retention says of a plan's copies as the catalogue has them now.

One copy is one point for retention: a copy in another region ages by itself. Copies of one
instance in one place are decided together; where a rule has a `keep` of its own, those of that
rule by themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from mavis_core import clock
from mavis_core.changes.model import IntentState
from mavis_core.db import tables
from mavis_core.protection.backup_plans import PlanDefinition
from mavis_core.protection.model import CopyRole, PointState
from mavis_core.protection.restores import in_use
from mavis_core.protection.retention import Keep, Point, Verdict, decide

__all__ = ["Group", "Kept", "Place", "groups_of", "keep_of", "verdicts_of"]

_STATES = (
    PointState.PLANNED,
    PointState.RUNNING,
    PointState.COMPLETE,
    PointState.PARTIAL,
    PointState.FAILED,
)


@dataclass(frozen=True, slots=True)
class Place:
    """Environment and region of a copy, and the environment of its instance."""

    environment: str
    region: str
    home: str


@dataclass(frozen=True, slots=True)
class Kept:
    """A copy that retention has looked at.

    Parameters
    ----------
    machine
        Name and cloud id of its instance.
    place
        Environment and region.
    """

    copy_id: str
    point_id: str
    machine: str
    environment: str
    account: str
    region: str
    taken_at: datetime


@dataclass(frozen=True, slots=True)
class Group:
    """Copies that are decided together, by what, and the rules that make more of them."""

    key: str
    keep: Keep
    points: tuple[Point, ...]
    rules: frozenset[str]


def keep_of(definition: PlanDefinition, rule: str | None, place: Place | None) -> Keep:
    """Return what a plan keeps of a rule's points in a place.

    Parameters
    ----------
    place
        Where a copy lies; None for the primary one.
    """
    if place is not None:
        for target in definition.copies:
            there = (target.environment or place.home, target.region)
            if target.keep is not None and there == (place.environment, place.region):
                return target.keep
    for each in definition.rules:
        if each.name == rule and each.keep is not None:
            return each.keep
    return definition.keep or Keep()


def groups_of(
    tx: sa.Connection, plan_id: str, definition: PlanDefinition, *, instance: str | None = None
) -> tuple[list[Group], dict[str, Kept]]:
    """Return a plan's copies by group, and what is known of each by its id.

    Parameters
    ----------
    instance
        Cloud id of one instance; None for all.
    """
    rows = tx.execute(_query(plan_id, instance)).all()
    busy = _busy(tx, rows)
    points: dict[str, list[Point]] = {}
    keeps: dict[str, tuple[Keep, frozenset[str]]] = {}
    kept: dict[str, Kept] = {}
    for row in rows:
        primary = row.role == CopyRole.PRIMARY
        place = None if primary else Place(row.environment, row.region, row.home)
        keep, apart = _own(definition, row.rule, place)
        key = f"{row.account}/{row.instance_id} {row.environment_id}/{row.region} {apart}"
        keeps.setdefault(key, (keep, _rules(definition, apart)))
        points.setdefault(key, []).append(_point(row, key, busy))
        kept[row.id] = _kept(row)
    groups = [
        Group(key, keeps[key][0], tuple(found), keeps[key][1]) for key, found in points.items()
    ]
    return groups, kept


def verdicts_of(
    groups: Iterable[Group], zone: str, now: datetime | None = None
) -> dict[str, Verdict]:
    """Return the verdict on each copy, by its id."""
    moment, info = now or clock.now(), ZoneInfo(zone)
    return {
        verdict.point.id: verdict
        for group in groups
        for verdict in decide(group.points, group.keep, zone=info, now=moment)
    }


def _query(plan_id: str, instance: str | None) -> sa.Select[Any]:
    copies, points = tables.copies, tables.recovery_points
    query = (
        sa.select(
            *(copies.c.id, copies.c.point_id, copies.c.role, copies.c.state, copies.c.run_id),
            *(copies.c.environment_id, copies.c.environment, copies.c.account, copies.c.region),
            *(points.c.rule, points.c.instance_id, points.c.instance_name, points.c.taken_at),
            *(points.c.created_at, points.c.hold, points.c.lock),
            points.c.environment.label("home"),
        )
        .join(points, copies.c.point_id == points.c.id)
        .where(points.c.plan_id == plan_id, copies.c.state.in_(_STATES))
    )
    return query if instance is None else query.where(points.c.instance_id == instance)


def _own(definition: PlanDefinition, rule: str | None, place: Place | None) -> tuple[Keep, str]:
    """Return the keep that counts, and what sets its copies apart from others of the instance."""
    keep = keep_of(definition, rule, place)
    own = any(each.name == rule and each.keep is keep for each in definition.rules)
    return keep, (rule or "") if own else ""


def _rules(definition: PlanDefinition, apart: str) -> frozenset[str]:
    """Return the rules whose points come into a group: one by itself, or all that share."""
    if apart:
        return frozenset({apart})
    return frozenset(rule.name for rule in definition.rules if rule.keep is None)


@dataclass(frozen=True, slots=True)
class _Busy:
    """Copies that something reads, points that are being copied, Runs with an open intent."""

    copies: frozenset[str]
    points: frozenset[str]
    runs: frozenset[str]


def _busy(tx: sa.Connection, rows: Sequence[Any]) -> _Busy:
    table = tables.intents
    making = {PointState.PLANNED, PointState.RUNNING}
    open_ = sa.select(table.c.run_id).where(table.c.state == IntentState.OPEN)
    return _Busy(
        frozenset(in_use(tx, [row.id for row in rows])),
        frozenset(
            row.point_id for row in rows if row.role == CopyRole.COPY and row.state in making
        ),
        frozenset(tx.scalars(open_)),
    )


def _point(row: Any, group: str, busy: _Busy) -> Point:
    state = PointState(row.state)
    lock: Mapping[str, str] | None = row.lock
    return Point(
        id=row.id,
        group=group,
        taken_at=row.taken_at or row.created_at,
        usable=state.usable,
        locked_until=clock.parse(lock["until"]) if lock else None,
        held=bool(row.hold),
        in_use=(
            not state.ended
            or row.id in busy.copies
            or row.point_id in busy.points
            or (not state.usable and row.run_id in busy.runs)
        ),
    )


def _kept(row: Any) -> Kept:
    machine = f"{row.instance_name} ({row.instance_id})" if row.instance_name else row.instance_id
    return Kept(
        row.id,
        row.point_id,
        machine,
        row.environment,
        row.account,
        row.region,
        row.taken_at or row.created_at,
    )
