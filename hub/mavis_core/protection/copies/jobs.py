"""The jobs ``recovery_point.copy`` and ``copies.run``.

The first copies one recovery point because somebody asks; the second works through the queue of
its project, which backup plans fill. A copy that failed in a place may be asked for again: what
is left of the old one is deleted first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from mavis_core.access import Permission
from mavis_core.changes.model import Effect, Plan, Severity
from mavis_core.db import Database
from mavis_core.errors import Conflict, InvalidInput, MavisError, NotFound
from mavis_core.projects.environments import environment_by_id, environments_of
from mavis_core.projects.model import Environment, check_text
from mavis_core.protection.copies import queue as copy_queue
from mavis_core.protection.copies.queue import source_for
from mavis_core.protection.copies.sharing import Shares
from mavis_core.protection.copies.transfers import Transfers
from mavis_core.protection.points import rows as points
from mavis_core.protection.points.expiry import Expiry, mark
from mavis_core.protection.points.locks import Locking, in_force
from mavis_core.protection.points.model import Copy, PointState, RecoveryPoint
from mavis_core.scheduling.jobs import BaseJob, Binding, JobStep, PlanRequest, Progress
from mavis_core.scheduling.model import Run

__all__ = ["COPY", "QUEUE", "CopyJob", "QueueJob", "copy_jobs"]

COPY, QUEUE = "recovery_point.copy", "copies.run"
_ARGUMENTS = {"environment", "region", "kms_key"}
_BROKEN = (PointState.PARTIAL, PointState.FAILED)
_SHOWN = 200


class _Copies(BaseJob):
    """What both jobs do: make copies, lock those of locked points, and undo where cancelled.

    Parameters
    ----------
    database
        The main database.
    transfers, shares, locking, expiry
        Make copies, take shares back, lock, and delete what was half made.
    """

    action: str
    permission = Permission.POINT_COPY
    binding = Binding.REQUEST

    def __init__(
        self,
        database: Database,
        *,
        transfers: Transfers,
        shares: Shares,
        locking: Locking,
        expiry: Expiry,
    ) -> None:
        self._database = database
        self._transfers = transfers
        self._shares = shares
        self._locking = locking
        self._expiry = expiry

    def steps(self, run: Run) -> Sequence[JobStep]:
        return [
            JobStep("Copy", lambda progress: self._copy(run, progress)),
            JobStep("Lock", lambda progress: self._lock(run, progress)),
            JobStep("Check", lambda progress: self._transfers.check(run, progress)),
        ]

    def clean_up(self, run: Run, progress: Progress) -> None:
        """Remove the copies that are not complete, and take back what was shared for them."""
        self._transfers.find_out(run, progress)
        with self._database.write() as tx:
            mine = [each.copy for each in copy_queue.of_run(tx, run)]
            copy_queue.fail(tx, mine, copy_queue.cancelled(run))
            broken = [each.copy for each in copy_queue.of_run(tx, run, *_BROKEN)]
            mark(tx, run, [copy for copy in broken if any(m.cloud_id for m in copy.members)])
        self._shares.take_back(run, progress)
        self._expiry.carry_out(run, progress)

    def _copy(self, run: Run, progress: Progress) -> Mapping[str, Any]:
        return self._transfers.carry_out(run, progress)

    def _lock(self, run: Run, progress: Progress) -> None:
        with self._database.read() as tx:
            made = copy_queue.of_run(tx, run, PointState.COMPLETE)
        ids = {each.copy.id for each in made}
        locked = {each.point.id: each.point for each in made if in_force(each.point)}
        self._locking.lock_copies(run, locked.values(), ids, progress)


class CopyJob(_Copies):
    """Copy one recovery point to another region or account."""

    action = COPY

    def plan(self, tx: sa.Connection, request: PlanRequest) -> Plan:
        if not request.resource:
            raise InvalidInput("Name a recovery point by its id", field="resource")
        point = points.load(tx, request.project.id, request.resource)
        environment, region, kms_key = _destination(tx, request, point)
        source = source_for(point, environment.account)
        if source is None:
            raise Conflict(f"{point.id} is {point.state}: it has no complete copy to copy from")
        _same_kit(tx, source, environment)
        remains = _remains(point, environment, region)
        shared = source.account != environment.account
        return Plan(
            self.action,
            request.project.id,
            request.project.name,
            point.label,
            Severity.CREATES,
            _effects(point, source, environment, region, remains),
            {
                "point_id": point.id,
                "environment_id": environment.id,
                "region": region,
                "kms_key": kms_key,
                "remains": [copy.id for copy in remains],
            },
            _warnings(point) if shared else (),
        )

    def accepted(self, tx: sa.Connection, run: Run) -> None:
        wanted = run.plan.arguments
        point = points.load(tx, run.project_id, wanted["point_id"])
        mark(tx, run, [copy for copy in point.copies if copy.id in wanted["remains"]])
        environment = environment_by_id(tx, wanted["environment_id"])
        copy = copy_queue.planned(
            point, environment, wanted["region"], wanted["kms_key"], run_id=run.id
        )
        points.insert_copy(tx, [copy])

    def failed(self, tx: sa.Connection, run: Run, error: MavisError) -> None:
        copy_queue.run_failed(tx, run, error)

    def _copy(self, run: Run, progress: Progress) -> Mapping[str, Any]:
        self._expiry.carry_out(run, progress)
        return super()._copy(run, progress)


class QueueJob(_Copies):
    """Make the copies that wait in a project's queue."""

    action = QUEUE

    def plan(self, tx: sa.Connection, request: PlanRequest) -> Plan:
        if request.arguments or request.resource:
            raise InvalidInput(f"{QUEUE} takes no arguments", field="arguments")
        waiting = copy_queue.waiting(tx, request.project.id)
        more = f"{len(waiting) - _SHOWN} more copies wait."
        return Plan(
            QUEUE,
            request.project.id,
            request.project.name,
            "copies that wait",
            Severity.CREATES,
            tuple(
                _create(each.point, each.copy.environment, each.copy.account, each.copy.region)
                for each in waiting[:_SHOWN]
            ),
            warnings=(more,) if len(waiting) > _SHOWN else (),
        )

    def failed(self, tx: sa.Connection, run: Run, error: MavisError) -> None:
        """Leave what was not brought to an end to the next Run, where nobody cancelled it."""
        if run.cancelled_by:
            copy_queue.run_failed(tx, run, error)
        else:
            copy_queue.release(tx, run)

    def _copy(self, run: Run, progress: Progress) -> Mapping[str, Any]:
        return self._transfers.carry_out(run, progress, also=lambda tx: copy_queue.claim(tx, run))


def copy_jobs(
    database: Database, *, transfers: Transfers, shares: Shares, locking: Locking, expiry: Expiry
) -> tuple[CopyJob, QueueJob]:
    """Return the jobs that copy recovery points."""
    return (
        CopyJob(database, transfers=transfers, shares=shares, locking=locking, expiry=expiry),
        QueueJob(database, transfers=transfers, shares=shares, locking=locking, expiry=expiry),
    )


def _destination(
    tx: sa.Connection, request: PlanRequest, point: RecoveryPoint
) -> tuple[Environment, str, str | None]:
    """Return where a copy is to go, and the key that is to encrypt it."""
    given = request.arguments
    if set(given) - _ARGUMENTS or not all(isinstance(given.get(k), str | None) for k in _ARGUMENTS):
        raise InvalidInput(
            f"{COPY} takes the texts environment, region and kms_key", field="arguments"
        )
    name = given.get("environment") or point.environment
    found = [e for e in environments_of(tx, request.project.id) if name in (e.name, e.id)]
    if not found:
        raise NotFound(f"No environment {name[:60]!r} in {request.project.name}")
    region = given.get("region") or point.region
    if region not in found[0].regions:
        known = ", ".join(found[0].regions)
        raise InvalidInput(
            f"{found[0].name} has no region {region[:40]!r}; it has {known}",
            field="arguments.region",
        )
    key = given.get("kms_key")
    return found[0], region, check_text(key, field="arguments.kms_key", limit=2048) if key else None


def _remains(point: RecoveryPoint, environment: Environment, region: str) -> list[Copy]:
    """Return what is left of a broken copy in the same place, which goes before the new one.

    Raises
    ------
    Conflict
        There is a good copy, or one that is being made; or the broken one must be kept.
    """
    place = (environment.id, region)
    there = [copy for copy in point.copies if (copy.environment_id, copy.region) == place]
    there = [c for c in there if c.state not in (PointState.EXPIRING, PointState.GONE)]
    for copy in there:
        if copy.state not in _BROKEN or copy.id == point.primary.id:
            raise Conflict(f"{point.id} has a copy in {copy.place} already: it is {copy.state}")
    if there and (point.hold or in_force(point)):
        raise Conflict(
            f"The copy of {point.id} in {there[0].place} is {there[0].state} and must be kept:"
            " the point is held or locked",
            mend="Copy to another region or environment.",
        )
    return there


def _same_kit(tx: sa.Connection, source: Copy, environment: Environment) -> None:
    home = environment_by_id(tx, source.environment_id)
    if home.kit != environment.kit:
        raise Conflict(f"{home.name} is {home.kit} and {environment.name} is {environment.kit}")


def _create(point: RecoveryPoint, environment: str, account: str, region: str) -> Effect:
    return Effect(
        "create",
        "copy",
        "",
        point.instance_name,
        environment,
        account,
        region,
        f"of {point.id}: {len(point.manifest.disks)} volumes, {point.manifest.size_gib} GiB",
    )


def _effects(
    point: RecoveryPoint,
    source: Copy,
    environment: Environment,
    region: str,
    remains: Sequence[Copy],
) -> tuple[Effect, ...]:
    effects = [_create(point, environment.name, environment.account, region)]
    if source.account != environment.account:
        detail = f"{len(source.members)} volume snapshots, while they are copied"
        effects.append(
            Effect(
                "share",
                "recovery_point",
                point.id,
                point.instance_name,
                source.environment,
                source.account,
                source.region,
                f"with account {environment.account}: {detail}",
            )
        )
    effects += [
        Effect(
            "delete",
            "copy",
            copy.id,
            point.instance_name,
            copy.environment,
            copy.account,
            copy.region,
            f"what is left of it: it is {copy.state}",
        )
        for copy in remains
    ]
    return tuple(effects)


def _warnings(point: RecoveryPoint) -> tuple[str, ...]:
    if not any(disk.encrypted for disk in point.manifest.disks):
        return ()
    return (_ENCRYPTED,)


_ENCRYPTED = (
    "Encrypted snapshots reach another account only where their key is one of your own that the"
    " other account may use."
)
