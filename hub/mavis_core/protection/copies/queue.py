"""The queue of copies: rows that are planned, and which Run carries them out.

A copy without a Run waits in the queue of its project. A Run *claims* what waits before it
begins; a Run that ends before it is done *releases* what it has claimed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from mavis_core import clock
from mavis_core.db import tables
from mavis_core.errors import CloudRegion, Conflict, MavisError, NotFound, told
from mavis_core.ids import new_id
from mavis_core.projects.environments import environments_of
from mavis_core.projects.model import Environment
from mavis_core.projects.service import hold
from mavis_core.protection.plans.definition import Copy as Target
from mavis_core.protection.points import rows as points
from mavis_core.protection.points.model import (
    Copy,
    CopyRole,
    Member,
    MemberState,
    PointState,
    RecoveryPoint,
    state_of_members,
)
from mavis_core.scheduling.model import Run, RunState

__all__ = [
    "Transfer",
    "claim",
    "fail",
    "of_run",
    "planned",
    "queue",
    "release",
    "run_failed",
    "source_for",
    "waiting",
]

_COPIES, _POINTS = tables.copies, tables.recovery_points
_CHUNK = 500
_MAKING = (PointState.PLANNED, PointState.RUNNING)
_NOT_THERE = (PointState.EXPIRING, PointState.GONE)


@dataclass(frozen=True, slots=True)
class Transfer:
    """A copy that is to be made, and of what."""

    point: RecoveryPoint
    copy: Copy

    @property
    def source(self) -> Copy | None:
        """What it is copied from, or None."""
        return source_for(self.point, self.copy.account)


def source_for(point: RecoveryPoint, account: str) -> Copy | None:
    """Return the best complete copy to copy from into `account`: one that need not be shared."""
    good = [copy for copy in point.copies if copy.state is PointState.COMPLETE]
    return min(
        good,
        key=lambda copy: (copy.account != account, copy.role is not CopyRole.PRIMARY, copy.id),
        default=None,
    )


def planned(
    point: RecoveryPoint,
    environment: Environment,
    region: str,
    kms_key: str | None,
    *,
    run_id: str | None = None,
) -> Copy:
    """Return a new copy that nothing has been done for yet."""
    return Copy(
        id=new_id("cop"),
        point_id=point.id,
        role=CopyRole.COPY,
        environment_id=environment.id,
        environment=environment.name,
        account=environment.account,
        region=region,
        kms_key=kms_key,
        state=PointState.PLANNED,
        run_id=run_id,
        created_at=clock.now(),
        completed_at=None,
        error=None,
        members=_to_make(point, environment.account),
    )


def _to_make(point: RecoveryPoint, account: str) -> tuple[Member, ...]:
    """Return a member for each of those that are copied."""
    source = source_for(point, account) or point.primary
    return tuple(
        Member(each.volume_id, each.device, None, MemberState.PLANNED, 0, each.size_gib)
        for each in source.members
    )


def queue(
    tx: sa.Connection, points_: Sequence[RecoveryPoint], targets: Sequence[Target], /
) -> None:
    """Plan a copy of each point in each place; where one is there already it stays as it is.

    A place that cannot be had gets a copy that has failed and says why.
    """
    if not points_:
        return
    project_id = points_[0].project_id
    hold(tx, project_id)
    known = {each.name: each for each in environments_of(tx, project_id)}
    there = _places(tx, [point.id for point in points_])
    copies: list[Copy] = []
    for point in points_:
        for target in targets:
            copy = _target(point, target, known)
            place = (point.id, copy.environment_id, copy.region)
            if place not in there:
                there.add(place)
                copies.append(copy)
    points.insert_copy(tx, copies)


def _target(point: RecoveryPoint, target: Target, known: dict[str, Environment]) -> Copy:
    name = target.environment or point.environment
    environment = known.get(name)
    if environment is None:
        missing = NotFound(
            f"The project has no environment {name!r} to copy to",
            mend="Correct the plan's copies, or add the environment; then ask for the copy.",
        )
        return _impossible(point, target, name, missing)
    if target.region not in environment.regions:
        outside = CloudRegion(f"The environment {name} does not include {target.region}")
        return _impossible(point, target, name, outside, environment)
    return planned(point, environment, target.region, target.kms_key)


def _impossible(
    point: RecoveryPoint,
    target: Target,
    name: str,
    error: MavisError,
    environment: Environment | None = None,
) -> Copy:
    return Copy(
        id=new_id("cop"),
        point_id=point.id,
        role=CopyRole.COPY,
        environment_id=environment.id if environment else f"unknown:{name}",
        environment=name,
        account=environment.account if environment else "",
        region=target.region,
        kms_key=target.kms_key,
        state=PointState.FAILED,
        run_id=None,
        created_at=clock.now(),
        completed_at=None,
        error=told(error),
    )


def _places(tx: sa.Connection, point_ids: Sequence[str]) -> set[tuple[str, str, str]]:
    found: set[tuple[str, str, str]] = set()
    for start in range(0, len(point_ids), _CHUNK):
        query = sa.select(_COPIES.c.point_id, _COPIES.c.environment_id, _COPIES.c.region).where(
            _COPIES.c.point_id.in_(point_ids[start : start + _CHUNK]),
            _COPIES.c.state.not_in(_NOT_THERE),
        )
        found.update((row.point_id, row.environment_id, row.region) for row in tx.execute(query))
    return found


def waiting(tx: sa.Connection, project_id: str) -> list[Transfer]:
    """Return the copies of a project that no Run works on, the oldest first."""
    query = _making(project_id).where(_unclaimed())
    return _transfers(tx, tx.execute(query).mappings().all())


def claim(tx: sa.Connection, run: Run) -> int:
    """Let `run` carry out what waits in its project; return how many copies that are."""
    of_project = sa.select(_POINTS.c.id).where(_POINTS.c.project_id == run.project_id)
    return tx.execute(
        sa.update(_COPIES)
        .where(
            _COPIES.c.role == CopyRole.COPY,
            _COPIES.c.state.in_(_MAKING),
            _COPIES.c.point_id.in_(of_project),
            _unclaimed(),
        )
        .values(run_id=run.id)
    ).rowcount


def release(tx: sa.Connection, run: Run) -> None:
    """Put what `run` has not brought to an end back into the queue."""
    tx.execute(
        sa.update(_COPIES)
        .where(
            _COPIES.c.run_id == run.id,
            _COPIES.c.role == CopyRole.COPY,
            _COPIES.c.state.in_(_MAKING),
        )
        .values(run_id=None)
    )


def of_run(tx: sa.Connection, run: Run, *states: PointState) -> list[Transfer]:
    """Return the copies that `run` makes, the oldest first; without states, those not ended."""
    query = (
        sa.select(_COPIES)
        .where(
            _COPIES.c.run_id == run.id,
            _COPIES.c.role == CopyRole.COPY,
            _COPIES.c.state.in_(states or _MAKING),
        )
        .order_by(_COPIES.c.id)
    )
    return _transfers(tx, tx.execute(query).mappings().all())


def fail(tx: sa.Connection, copies: Iterable[Copy], error: MavisError) -> None:
    """Write down why copies will not be complete; what is there of them makes them partial."""
    for copy in copies:
        if not copy.state.ended:
            state = state_of_members([member.state for member in copy.members])
            if state is PointState.COMPLETE:  # nobody had looked at it any more
                points.set_copy(tx, copy, state)
            else:
                points.set_copy(tx, copy, state, error=copy.error or told(error))


def run_failed(tx: sa.Connection, run: Run, error: MavisError) -> None:
    """Write down that a Run has failed, and what that means for its copies.

    What was not begun has failed with it. What is under way stays in the queue: nobody has seen
    its end, and another Run does. Of a Run that a person has cancelled nothing more is begun.
    """
    for each in of_run(tx, run):
        copy = each.copy
        unmade = any(member.state is MemberState.PLANNED for member in copy.members)
        if copy.state is PointState.PLANNED or (run.cancelled_by and unmade):
            fail(tx, [copy], error)
    release(tx, run)


def cancelled(run: Run) -> Conflict:
    """Return why the copies of a cancelled Run are not made."""
    return Conflict(f"{run.cancelled_by} cancelled the copy before it was complete")


def _making(project_id: str) -> sa.Select[tuple[object, ...]]:
    return (
        sa.select(_COPIES)
        .join(_POINTS, _COPIES.c.point_id == _POINTS.c.id)
        .where(
            _POINTS.c.project_id == project_id,
            _COPIES.c.role == CopyRole.COPY,
            _COPIES.c.state.in_(_MAKING),
        )
        .order_by(_COPIES.c.id)
    )


def _unclaimed() -> sa.ColumnElement[bool]:
    runs = tables.runs
    at_work = sa.select(runs.c.id).where(runs.c.state.in_((RunState.QUEUED, RunState.RUNNING)))
    return _COPIES.c.run_id.is_(None) | _COPIES.c.run_id.not_in(at_work)


def _transfers(tx: sa.Connection, rows: Sequence[sa.RowMapping]) -> list[Transfer]:
    copies = points.copies_of(tx, rows)
    ids = sorted({copy.point_id for copy in copies})
    found: dict[str, RecoveryPoint] = {}
    for start in range(0, len(ids), _CHUNK):
        query = sa.select(_POINTS).where(_POINTS.c.id.in_(ids[start : start + _CHUNK]))
        for point in points.points_of(tx, tx.execute(query).mappings().all()):
            found[point.id] = point
    return [Transfer(found[copy.point_id], copy) for copy in copies]
