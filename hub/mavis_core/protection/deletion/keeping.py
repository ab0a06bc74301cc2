"""Keeping: what retention says of a plan's copies as the catalogue has them now.

One copy is one point for retention: a copy in another region ages by itself. Copies of one
instance in one place are decided together; where a rule has a `keep` of its own, those of that
rule by themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from mavis_core import clock
from mavis_core.changes.model import Effect, IntentState
from mavis_core.db import tables
from mavis_core.protection.plans.definition import PlanDefinition
from mavis_core.protection.points.model import CopyRole, PointState
from mavis_core.protection.restore.rows import all_in_use
from mavis_core.protection.retention.policy import Keep, Point, Verdict, decide

__all__ = [
    "Group",
    "Kept",
    "Place",
    "deletion_of",
    "groups_of",
    "keep_of",
    "kept_of",
    "verdicts_of",
]

_STATES = (
    PointState.PLANNED,
    PointState.RUNNING,
    PointState.COMPLETE,
    PointState.PARTIAL,
    PointState.FAILED,
)
_CHUNK = 500  # ids in one statement


@dataclass(frozen=True, slots=True)
class Place:
    """Environment and region of a copy, and the environment of its instance."""

    environment: str
    region: str
    home: str


@dataclass(frozen=True, slots=True)
class Kept:
    """What a person is told of a copy that retention has looked at.

    Parameters
    ----------
    machine
        Name and cloud id of its instance.
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
) -> list[Group]:
    """Return a plan's copies by group.

    Parameters
    ----------
    instance
        Cloud id of one instance; None for all.
    """
    busy = _busy(tx, plan_id)
    groups: dict[str, tuple[Keep, frozenset[str], list[Point]]] = {}
    ours: dict[tuple[object, ...], str] = {}  # a group's key by all that decides it
    for row in tx.execute(_query(plan_id, instance)):
        alike = row[_ALIKE]
        key = ours.get(alike)
        if key is None:
            key, keep, rules = _group(definition, row)
            ours[alike] = key
            groups.setdefault(key, (keep, rules, []))
        groups[key][2].append(_point(row, key, busy))
    return [Group(key, keep, tuple(found), rules) for key, (keep, rules, found) in groups.items()]


def kept_of(tx: sa.Connection, copy_ids: Sequence[str]) -> dict[str, Kept]:
    """Return what a person is told of some copies, by their ids."""
    copies, points = tables.copies, tables.recovery_points
    query = sa.select(
        *(copies.c.id, copies.c.point_id, copies.c.environment, copies.c.account, copies.c.region),
        *(points.c.instance_id, points.c.instance_name, _TAKEN_AT),
    ).join(points, copies.c.point_id == points.c.id)
    return {
        row.id: _kept(row)
        for start in range(0, len(copy_ids), _CHUNK)
        for row in tx.execute(query.where(copies.c.id.in_(copy_ids[start : start + _CHUNK])))
    }


def deletion_of(kept: Kept, why: str) -> Effect:
    """Return the effect of deleting a copy, and why that is."""
    return Effect(
        "delete",
        "recovery_point",
        kept.point_id,
        kept.machine,
        kept.environment,
        kept.account,
        kept.region,
        f"taken {kept.taken_at:%Y-%m-%d %H:%M} UTC; {why}",
    )


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


_TAKEN_AT = sa.func.coalesce(
    tables.recovery_points.c.taken_at,
    tables.recovery_points.c.created_at,
    type_=tables.recovery_points.c.taken_at.type,
).label("taken_at")
# Of a row of `_query`: what says in which group it is and what that keeps, and what is its own
_ALIKE, _OF_ITSELF = slice(0, 8), slice(8, None)
_STANDS = {state.value: (state.usable, state.ended) for state in PointState}


def _query(plan_id: str, instance: str | None) -> sa.Select[Any]:
    copies, points = tables.copies, tables.recovery_points
    query = (
        sa.select(
            *(copies.c.account, points.c.instance_id, copies.c.environment_id, copies.c.region),
            *(points.c.rule, copies.c.role, copies.c.environment),
            points.c.environment.label("home"),
            *(copies.c.id, copies.c.point_id, copies.c.state, copies.c.run_id),
            *(_TAKEN_AT, points.c.hold, points.c.lock),
        )
        .join(points, copies.c.point_id == points.c.id)
        .where(points.c.plan_id == plan_id, copies.c.state.in_(_STATES))
    )
    return query if instance is None else query.where(points.c.instance_id == instance)


def _group(definition: PlanDefinition, row: Any) -> tuple[str, Keep, frozenset[str]]:
    """Return the key of a row's group, what it keeps, and the rules that make more of them."""
    primary = row.role == CopyRole.PRIMARY
    place = None if primary else Place(row.environment, row.region, row.home)
    keep, apart = _own(definition, row.rule, place)
    key = f"{row.account}/{row.instance_id} {row.environment_id}/{row.region} {apart}"
    return key, keep, _rules(definition, apart)


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


def _busy(tx: sa.Connection, plan_id: str) -> _Busy:
    copies, points, intents = tables.copies, tables.recovery_points, tables.intents
    copied = (
        sa.select(copies.c.point_id)
        .join(points, copies.c.point_id == points.c.id)
        .where(
            points.c.plan_id == plan_id,
            copies.c.role == CopyRole.COPY,
            copies.c.state.in_((PointState.PLANNED, PointState.RUNNING)),
        )
    )
    open_ = sa.select(intents.c.run_id).where(intents.c.state == IntentState.OPEN)
    return _Busy(all_in_use(tx), frozenset(tx.scalars(copied)), frozenset(tx.scalars(open_)))


def _point(row: Any, group: str, busy: _Busy) -> Point:
    copy_id, point_id, state, run_id, taken_at, hold, lock = row[_OF_ITSELF]
    usable, ended = _STANDS[state]
    in_use = (
        not ended
        or copy_id in busy.copies
        or point_id in busy.points
        or (not usable and run_id in busy.runs)
    )
    locked_until = clock.parse(lock["until"]) if lock else None
    return Point(copy_id, group, taken_at, usable, locked_until, bool(hold), in_use)


def _kept(row: Any) -> Kept:
    machine = f"{row.instance_name} ({row.instance_id})" if row.instance_name else row.instance_id
    return Kept(
        row.id,
        row.point_id,
        machine,
        row.environment,
        row.account,
        row.region,
        row.taken_at,
    )
