"""The job ``restore.in_place``: new volumes take the place of those that the instance has.

The order, and where each crash leaves it:

1. The new volumes are made. The instance runs on; a crash leaves volumes that nobody uses, and the
   next attempt finds them by their intents.
2. What hangs at the instance, and whether it runs, is written into the row; the old volumes are
   tagged; then it is stopped, and owes its start (`mavis_core.protection.restore.starts`). A
   failure from here on starts it again.
3. The row says that the disks are *between*, and then only they are exchanged: old ones off, new
   ones on. Each attempt looks what hangs where and goes on from there; nothing is deleted.
   Where the cloud refuses, the row says that it goes back, and each attempt puts the old ones on.
4. The row says that the disks are new. The instance is started where it ran.

The row has one direction at a time and every volume is kept, so a crash ends in the old or in the
new state. A Run that is cancelled goes back to the old volumes, which are known to be good, until
the row says that the disks are new; from then on it completes, and the undo is there. Only
where the cloud refuses both for so long that the Run ends is the restore *stranded*; the undo
then puts the old volumes back. For `UNDO` the old ones are kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from mavis_core import clock
from mavis_core.access import Permission
from mavis_core.changes.model import Effect, Plan, Severity
from mavis_core.contract import Instance, InstanceState
from mavis_core.errors import (
    Cancelled,
    CloudError,
    CloudVanished,
    Conflict,
    MavisError,
    Unavailable,
)
from mavis_core.inventory import store as inventory
from mavis_core.inventory.model import Resource
from mavis_core.protection.restore import disks, machines, starts
from mavis_core.protection.restore import rows as restores
from mavis_core.protection.restore.found import remember
from mavis_core.protection.restore.job import RestoreJob, Work, order_of, parts_of, warnings_of
from mavis_core.protection.restore.model import Before, Disks, Restore, RestoreKind, RestoreState
from mavis_core.protection.restore.removal import remove_all
from mavis_core.protection.restore.request import Arguments, Part, Source, chosen, source_of
from mavis_core.protection.restore.site import Site
from mavis_core.protection.restore.volumes import volume_name
from mavis_core.scheduling.jobs import PlanRequest, Progress
from mavis_core.scheduling.model import Run

__all__ = [
    "REPLACED_TAG",
    "UNDO",
    "UNDO_TAG",
    "RestoreInPlaceJob",
    "new_devices",
    "ours",
    "put_in_place",
    "release",
]

UNDO = timedelta(hours=24)
UNDO_TAG = "mavis:undo-until"
REPLACED_TAG = "mavis:replaced-by"
_KNOWN = ("environment", "volumes")


class RestoreInPlaceJob(RestoreJob):
    """Replace the volumes of an instance by those of a recovery point."""

    action = "restore.in_place"
    permission = Permission.RESTORE_REPLACE
    kind = RestoreKind.IN_PLACE

    def plan(self, tx: sa.Connection, request: PlanRequest) -> Plan:
        arguments = Arguments(request, self.action, _KNOWN)
        source = source_of(tx, request, arguments)
        parts = chosen(source, arguments)
        instance = _instance(tx, request, source)
        devices = _devices(source, parts, instance)
        cost = self._means.prices.estimate(part.priced(source.region) for part in parts).sentence
        return Plan(
            self.action,
            request.project.id,
            request.project.name,
            f"{instance.label} from {source.point.label}",
            Severity.DESTROYS,
            _effects(source, parts, instance, devices),
            order_of(
                source,
                parts,
                zone=str(instance.details.get("zone") or ""),
                instance_id=instance.cloud_id,
                devices=devices,
            ),
            warnings_of(source, cost, *_warnings(instance, devices)),
        )

    def accepted(self, tx: sa.Connection, run: Run) -> None:
        wanted = run.plan.arguments["instance_id"]
        for other in restores.unfinished(tx, run.project_id):
            at_same = other.arguments.get("instance_id") == wanted
            if at_same and other.kind is RestoreKind.IN_PLACE:
                raise Conflict(
                    f"The restore {other.id} works on {wanted}: it is {other.state}",
                    mend=f"Wait for it, or undo it: `mavis restore undo {other.id}`.",
                )
        super().accepted(tx, run)

    def work(self) -> Sequence[tuple[str, Work]]:
        return [
            ("Make the volumes", self._make),
            ("Stop the instance", self._stop),
            ("Put them in place", self._exchange),
            ("Start the instance", self._start),
        ]

    def _make(self, site: Site) -> None:
        point, parts = parts_of(site)
        label = point.instance_name or point.instance_id
        names = {part.disk.volume_id: volume_name(label, part) for part in parts}
        zone = site.restore.arguments["zone"]
        disks.create(site, parts, names, zone, None)

    def _stop(self, site: Site) -> None:
        before = site.restore.before or self._look(site)
        until = clock.iso(site.now().undo_until or clock.now())
        tags = {UNDO_TAG: until, REPLACED_TAG: site.restore.id}
        disks.tag(site, [v for v in before.devices.values() if v], "cloud.CreateTags", tags)
        starts.stop(site, before)

    def _look(self, site: Site) -> Before:
        """Look at the instance once, before anything is done to it, and write that down."""
        arguments = site.restore.arguments
        instance = machines.described(site, arguments["instance_id"])
        known: Mapping[str, str] = arguments["devices"]
        _, parts = parts_of(site)
        planned = {part.disk.device: known[part.disk.device] for part in parts}  # root first
        _check_as_planned(instance, planned)
        running = instance.state in (InstanceState.PENDING, InstanceState.RUNNING)
        ran = running or starts.owed(site, instance.cloud_id)
        before = Before(instance.cloud_id, planned, ran, site.run.id)

        def change(tx: sa.Connection, restore: Restore) -> None:
            until = clock.now() + UNDO
            restores.update(tx, restore.id, before=before.to_json(), undo_until=until)

        site.write(change)
        return before

    def _exchange(self, site: Site) -> None:
        put_in_place(site, new_devices(site), Disks.NEW)

    def _start(self, site: Site) -> Mapping[str, Any]:
        problem: MavisError | None = None
        try:
            starts.start_again(site)
        except (Unavailable, Cancelled):
            raise
        except MavisError as exc:  # the disks are the new ones all the same
            problem = exc
        _, parts = parts_of(site)
        remember(site, parts, site.restore.made.volumes, site.restore.arguments["instance_id"])
        result = self.complete(site, error=problem)
        if problem is not None:
            raise problem
        return result

    def clean_up(self, run: Run, progress: Progress) -> None:
        """Go back to the old volumes, or complete where the new ones hang there already."""
        restore = self._means.restore(run)
        if restore.disks is not Disks.NEW:
            super().clean_up(run, progress)
        elif restore.state is RestoreState.RUNNING:
            with self._means.site(run, restore, progress) as site:
                self._start(site)

    def take_back(self, site: Site) -> CloudError | None:
        """Put the old volumes back, start the instance where it ran, remove the new ones.

        An instance that does not start owes it, and keeps nothing else from being taken back.
        """
        before, problem = site.restore.before, None
        if before is not None:
            if before.disks is not Disks.OLD:
                put_in_place(site, before.devices, Disks.OLD)
            try:
                starts.start_again(site)
            except CloudError as exc:
                problem = exc
            release(site)
        remove_all(site)
        return problem


def new_devices(site: Site) -> dict[str, str]:
    """Return by device name the volume that a restore in place puts there, root first."""
    _, parts = parts_of(site)
    made = site.restore.made.volumes
    return {part.disk.device: made[part.disk.volume_id] for part in parts}


def ours(restore: Restore) -> frozenset[str]:
    """Return the volumes that a restore in place may take off: the old ones and the new ones."""
    old = restore.before.devices.values() if restore.before is not None else ()
    return frozenset({*old, *restore.made.volumes.values()} - {""})


def put_in_place(site: Site, wanted: Mapping[str, str], after: Disks) -> None:
    """Let `wanted` hang at the instance, with a row that never says more than is so."""
    before = site.restore.before
    if before is None:
        return
    site.write(lambda tx, restore: restores.put_disks(tx, restore, Disks.BETWEEN))
    known = ours(site.restore)
    site.patiently(
        lambda: disks.exchange(site, before.instance_id, wanted, known),
        f"exchanging the volumes of {before.instance_id}",
    )
    site.write(lambda tx, restore: restores.put_disks(tx, restore, after))


def release(site: Site) -> None:
    """Let the old volumes be volumes like others again."""
    before = site.restore.before
    old = [volume for volume in before.devices.values() if volume] if before else []
    there = disks.there(site, old)
    disks.tag(site, there, "cloud.CreateTags (released)", {UNDO_TAG: "released", REPLACED_TAG: ""})
    site.write(lambda tx, restore: restores.update(tx, restore.id, undo_until=None))


def _instance(tx: sa.Connection, request: PlanRequest, source: Source) -> Resource:
    """Return the instance as the inventory has it, where a restore in place may touch it."""
    instance = inventory.find_one(tx, request.project.id, source.point.instance_id)
    if instance.gone:
        raise Conflict(
            f"{instance.label} is gone",
            mend="Restore it as a new instance: `mavis restore instance`.",
        )
    if (instance.account, instance.region) != (source.copy.account, source.region):
        raise Conflict(
            f"The copy in {source.copy.place} is not where {instance.label} is",
            mend="Choose a copy in the account and region of the instance.",
            field="arguments.environment",
        )
    if not instance.details.get("zone"):
        raise Conflict(f"The zone of {instance.label} is not known", mend="Discover it again.")
    return instance


def _devices(source: Source, parts: Sequence[Part], instance: Resource) -> dict[str, str]:
    """Return by device name the volume that hangs there now, root first; empty where none does."""
    if not all(part.disk.device for part in parts):
        raise Conflict(
            f"{source.point.id} does not say under which device names its volumes hung",
            mend="Restore the volumes and attach them by hand.",
        )
    now: Mapping[str, str] = instance.details.get("devices") or {}
    return {part.disk.device: now.get(part.disk.device, "") for part in parts}


def _effects(
    source: Source, parts: Sequence[Part], instance: Resource, devices: Mapping[str, str]
) -> tuple[Effect, ...]:
    zone, label = instance.details.get("zone"), instance.label
    stop, start = (
        source.effect(verb, "instance", detail, name=instance.name, id_=instance.cloud_id)
        for verb, detail in (("stop", "where it runs"), ("start", "where it ran"))
    )
    created, attached = [], []
    for part in parts:
        name = volume_name(source.instance_label, part)
        hangs = f"to {label} as {part.disk.device}"
        created.append(source.effect("create", "volume", f"{part.words}, in {zone}", name=name))
        attached.append(source.effect("attach", "volume", hangs, name=name))
    old = [(device, volume) for device, volume in devices.items() if volume]
    detached = [
        source.effect("detach", "volume", f"{device} of {label}; kept for 24 hours", id_=volume)
        for device, volume in old
    ]
    deleted = [
        source.effect("delete", "volume", f"24 hours later; it was {device} of {label}", id_=volume)
        for device, volume in old
    ]
    return (*created, stop, *detached, *attached, start, *deleted)


def _warnings(instance: Resource, devices: Mapping[str, str]) -> tuple[str, ...]:
    now: Mapping[str, str] = instance.details.get("devices") or {}
    interrupts = (
        f"What runs on {instance.label} is not reachable until it is started again, and finds the"
        " state of the recovery point."
    )
    words = [
        interrupts,
        "For 24 hours `mavis restore undo` puts the old volumes back; then they are deleted.",
    ]
    if stays := [f"{volume} ({device})" for device, volume in now.items() if device not in devices]:
        words.append(f"It keeps what the recovery point does not have: {', '.join(stays)}.")
    if instance.state not in ("running", "stopped"):
        words.append(f"It is {instance.state} now.")
    return tuple(words)


def _check_as_planned(instance: Instance, planned: Mapping[str, str]) -> None:
    """Raise where an instance is not what the plan was made for."""
    if instance.state is InstanceState.GONE:
        raise CloudVanished(f"The instance {instance.cloud_id} is gone in {instance.region}")
    other = [
        f"{device} has {instance.devices.get(device) or 'nothing'}, not {volume or 'nothing'}"
        for device, volume in planned.items()
        if instance.devices.get(device, "") != volume
    ]
    if other:
        raise Conflict(
            f"{instance.cloud_id} has other volumes than when this was planned: {'; '.join(other)}",
            mend="Discover again, then ask for a new preview.",
        )
