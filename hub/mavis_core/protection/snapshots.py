"""The job ``snapshot.create``: one crash-consistent snapshot of all volumes of an instance."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from mavis_core import clock
from mavis_core.access import Permission
from mavis_core.changes.ledger import TAG, Ledger
from mavis_core.changes.model import Effect, Plan, Severity
from mavis_core.contract import Connection, ResourceKind, VolumeSnapshot
from mavis_core.contract import SnapshotState as CloudState
from mavis_core.db import Database, tables
from mavis_core.errors import (
    CloudError,
    CloudThrottled,
    CloudUnreachable,
    CloudVanished,
    Conflict,
    Interrupted,
    InvalidInput,
    MavisError,
    told,
)
from mavis_core.ids import new_id
from mavis_core.inventory import store as inventory
from mavis_core.inventory.actions import existing
from mavis_core.inventory.connections import Clouds
from mavis_core.inventory.model import Resource
from mavis_core.projects.model import check_text
from mavis_core.protection import store
from mavis_core.protection.model import Member, Snapshot, SnapshotState, overall_percent, tags_of
from mavis_core.scheduling.jobs import JobStep, PlanRequest, Progress
from mavis_core.scheduling.model import Run

__all__ = ["SnapshotJob"]

_FIRST_LOOK_S, _LAST_LOOK_S = 0.5, 15.0
_SHOWS_WITHIN = timedelta(minutes=2)


class SnapshotJob:
    """Take one crash-consistent snapshot of all volumes of an instance.

    Parameters
    ----------
    database, clouds, ledger
        Rows, connections, and the line before each effect.
    timeout_s
        Seconds after which a snapshot that is not complete has failed.
    stop
        Set when the process ends; waiting stops and the next attempt goes on.
    """

    action = "snapshot.create"
    permission = Permission.SNAPSHOT_CREATE

    def __init__(
        self,
        database: Database,
        clouds: Clouds,
        ledger: Ledger,
        *,
        timeout_s: float,
        stop: threading.Event,
    ) -> None:
        self._database = database
        self._clouds = clouds
        self._ledger = ledger
        self._timeout = timedelta(seconds=timeout_s)
        self._stop = stop

    def plan(self, tx: sa.Connection, request: PlanRequest) -> Plan:
        instance = existing(tx, request, ResourceKind.INSTANCE)
        description = _description(request, instance)
        volumes = _volumes(tx, request.project.id, instance)
        effects = tuple(_effect(instance, volume_id, known) for volume_id, known in volumes.items())
        warnings = []
        if instance.state not in ("running", "stopped"):
            warnings.append(f"{instance.label} is {instance.state}.")
        if instance.state == "running":
            warnings.append(
                "Crash-consistent: what programs hold in memory is not in it; each restores as"
                " after a power cut."
            )
        return Plan(
            self.action,
            request.project.id,
            request.project.name,
            instance.label,
            Severity.CREATES,
            effects,
            {
                "resource_id": instance.id,
                "environment_id": instance.environment_id,
                "instance_id": instance.cloud_id,
                "instance_name": instance.name,
                "description": description,
                "volumes": {volume_id: _size(known) for volume_id, known in volumes.items()},
            },
            tuple(warnings),
        )

    def accepted(self, tx: sa.Connection, run: Run) -> None:
        plan = run.plan
        first = plan.effects[0]
        store.insert(
            tx,
            Snapshot(
                id=new_id("snp"),
                project_id=run.project_id,
                project=plan.project_name,
                environment=first.environment,
                account=first.account,
                region=first.region,
                instance_id=plan.arguments["instance_id"],
                instance_name=plan.arguments["instance_name"],
                state=SnapshotState.PLANNED,
                description=plan.arguments["description"],
                created_by=run.person,
                created_at=run.created_at,
                completed_at=None,
                run_id=run.id,
                error=None,
                members=tuple(
                    Member(volume_id, None, SnapshotState.PLANNED, 0, size)
                    for volume_id, size in plan.arguments["volumes"].items()
                ),
            ),
        )

    def failed(self, tx: sa.Connection, run: Run, error: MavisError) -> None:
        snapshot = store.of_run(tx, run.id)
        if snapshot is not None:
            store.end(tx, snapshot.id, SnapshotState.FAILED, told(error))

    def steps(self, run: Run) -> Sequence[JobStep]:
        with self._database.read() as tx:
            snapshot = store.of_run(tx, run.id)
        if snapshot is None:
            raise Conflict(f"The Run {run.id} has no snapshot to make")
        return [
            JobStep("Take the snapshots", lambda progress: self._take(run, snapshot, progress)),
            JobStep("Wait until complete", lambda progress: self._wait(run, snapshot, progress)),
        ]

    def _take(self, run: Run, snapshot: Snapshot, progress: Progress) -> Mapping[str, Any]:
        ctx = run.context("worker")
        volume_ids = [member.volume_id for member in snapshot.members]
        made: list[VolumeSnapshot] = []
        with self._clouds.connect(ctx, run.plan.arguments["environment_id"], progress) as (
            _,
            connection,
        ):
            cloud = connection.snapshots

            def find(intent: str) -> Sequence[str]:
                made[:] = cloud.find(snapshot.region, tag=TAG, values=[intent])
                return [member.cloud_id for member in made]

            def make(intent: str) -> Sequence[str]:
                tags = tags_of(
                    project=run.plan.project_name,
                    snapshot_id=snapshot.id,
                    run_id=run.id,
                    person=run.person,
                    instance=snapshot.instance_name or snapshot.instance_id,
                )
                made[:] = cloud.create(
                    snapshot.region,
                    snapshot.instance_id,
                    volume_ids=volume_ids,
                    description=snapshot.description,
                    tags={**tags, TAG: intent},
                )
                return [member.cloud_id for member in made]

            progress.say(f"{len(volume_ids)} volumes of {run.subject}")
            cloud_ids = self._ledger.effect(
                ctx,
                run_id=run.id,
                project_id=run.project_id,
                action="cloud.CreateSnapshots",
                target=snapshot.instance_id,
                find=find,
                make=make,
                say=progress.say,
            )
            if not made:  # the ledger knew the answer from an earlier attempt
                made[:] = cloud.describe(snapshot.region, cloud_ids)
        with self._database.write() as tx:
            store.put_members(tx, snapshot.id, made)
        _check_set(snapshot, made)
        progress.say(", ".join(cloud_ids), percent=100)
        return {"snapshot": snapshot.id, "volume_snapshots": list(cloud_ids)}

    def _wait(self, run: Run, snapshot: Snapshot, progress: Progress) -> None:
        ctx = run.context("worker")
        with self._database.read() as tx:
            now = store.of_run(tx, run.id)
        cloud_ids = [member.cloud_id for member in now.members if member.cloud_id] if now else []
        with self._clouds.connect(ctx, run.plan.arguments["environment_id"], progress) as (
            _,
            connection,
        ):
            pause_s = _FIRST_LOOK_S
            while not self._look(connection, run, snapshot, cloud_ids, progress):
                if clock.now() > run.created_at + self._timeout:
                    raise CloudUnreachable(
                        f"The snapshot of {run.subject} is not complete after"
                        f" {self._timeout.total_seconds():.0f} s",
                        mend="Look at it in the cloud's console; raise worker.snapshot_timeout_s.",
                    )
                if self._stop.wait(pause_s):
                    raise Interrupted(f"Stopped while waiting for the snapshot of {run.subject}")
                pause_s = min(pause_s * 1.5, _LAST_LOOK_S)

    def _look(
        self,
        connection: Connection,
        run: Run,
        snapshot: Snapshot,
        cloud_ids: Sequence[str],
        progress: Progress,
    ) -> bool:
        """Look once at the members; return whether the snapshot is complete."""
        try:
            found = connection.snapshots.describe(snapshot.region, cloud_ids)
        except CloudVanished:
            if clock.now() > run.created_at + _SHOWS_WITHIN:
                raise
            progress.waiting("the cloud does not show the new snapshots yet")
            return False
        except (CloudThrottled, CloudUnreachable) as exc:  # looking again harms nothing
            progress.waiting(exc.message)
            return False
        with self._database.write() as tx:
            store.put_members(tx, snapshot.id, found)
            if broken := [member for member in found if member.state is CloudState.ERROR]:
                names = ", ".join(f"{member.cloud_id} of {member.volume_id}" for member in broken)
                raise CloudError(
                    f"The cloud could not complete {names}",
                    mend="Take a new snapshot; the broken one does not restore.",
                )
            complete = all(member.state is CloudState.COMPLETED for member in found)
            if complete:
                store.end(tx, snapshot.id, SnapshotState.COMPLETE)
        done = sum(member.state is CloudState.COMPLETED for member in found)
        progress.say(f"{done} of {len(found)} volumes complete", percent=overall_percent(found))
        return complete


def _description(request: PlanRequest, instance: Resource) -> str:
    if set(request.arguments) - {"description"}:
        raise InvalidInput("snapshot.create takes one argument, description", field="arguments")
    given = request.arguments.get("description", "")
    if not isinstance(given, str):
        raise InvalidInput("description is a text", field="arguments.description")
    text = check_text(given, field="arguments.description")
    return text or f"Mavis snapshot of {instance.label}"


def _volumes(tx: sa.Connection, project_id: str, instance: Resource) -> dict[str, Resource | None]:
    """Return the instance's volumes, root first, each with what is known of it."""
    volume_ids: list[str] = list(instance.details.get("volumes") or ())
    if not volume_ids:
        raise Conflict(
            f"{instance.label} has no volumes to take a snapshot of",
            mend="An instance that lives on instance store alone cannot be protected this way.",
        )
    table = tables.resources
    query = inventory.query(project_id).where(
        table.c.environment_id == instance.environment_id,
        table.c.kind == ResourceKind.VOLUME,
        table.c.cloud_id.in_(volume_ids),
    )
    known = {row["cloud_id"]: inventory.resource_of(row) for row in tx.execute(query).mappings()}
    return {volume_id: known.get(volume_id) for volume_id in volume_ids}


def _size(volume: Resource | None) -> int:
    return int(volume.details.get("size_gib") or 0) if volume else 0


def _effect(instance: Resource, volume_id: str, volume: Resource | None) -> Effect:
    size = f", {_size(volume)} GiB" if volume else ""
    return Effect(
        "create",
        ResourceKind.VOLUME_SNAPSHOT,
        "",
        volume.name if volume else "",
        instance.environment,
        instance.account,
        instance.region,
        f"of {volume_id}{size}",
    )


def _check_set(snapshot: Snapshot, made: Sequence[VolumeSnapshot]) -> None:
    """Fail where the cloud took other volumes than those that were approved."""
    wanted = {member.volume_id for member in snapshot.members}
    taken = {member.volume_id for member in made}
    if missing := sorted(wanted - taken):
        raise CloudVanished(
            f"The set lacks {', '.join(missing)}: detached while the snapshot was taken",
            mend="Discover again and take a new snapshot; this one counts as failed.",
        )
