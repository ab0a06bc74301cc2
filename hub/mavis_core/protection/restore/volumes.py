"""The job ``restore.volumes``: new volumes beside the old ones, at an instance if wanted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from mavis_core.access import Permission
from mavis_core.changes.model import Effect, Plan, Severity
from mavis_core.contract import ResourceKind
from mavis_core.errors import Conflict, InvalidInput
from mavis_core.inventory import store as inventory
from mavis_core.inventory.model import Resource
from mavis_core.protection.restore import disks
from mavis_core.protection.restore.found import remember
from mavis_core.protection.restore.job import RestoreJob, Work, order_of, parts_of, warnings_of
from mavis_core.protection.restore.model import RestoreKind
from mavis_core.protection.restore.request import Arguments, Part, Source, chosen, source_of
from mavis_core.protection.restore.site import Site
from mavis_core.scheduling.jobs import PlanRequest

__all__ = ["RestoreVolumesJob", "volume_name"]

_KNOWN = ("environment", "region", "zone", "volumes", "attach_to", "kms_key")
_FREE = tuple(f"/dev/sd{letter}" for letter in "fghijklmnop")
"""Names that EC2 recommends for data volumes:
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/device_naming.html"""


class RestoreVolumesJob(RestoreJob):
    """Make new volumes from a recovery point."""

    action = "restore.volumes"
    permission = Permission.RESTORE_CREATE
    kind = RestoreKind.VOLUMES

    def plan(self, tx: sa.Connection, request: PlanRequest) -> Plan:
        arguments = Arguments(request, self.action, _KNOWN)
        source = source_of(tx, request, arguments)
        parts = chosen(source, arguments)
        target = _target(tx, request, source, arguments)
        zone = _zone(source, target, arguments)
        kms_key = arguments.text("kms_key", limit=2048)
        names = _device_names(parts, target)
        devices = dict(zip(names, (part.disk.volume_id for part in parts), strict=False))
        cost = self._means.prices.estimate(part.priced(source.region) for part in parts).sentence
        return Plan(
            self.action,
            request.project.id,
            request.project.name,
            source.point.label,
            Severity.CREATES,
            _effects(source, parts, zone, kms_key, target, names),
            order_of(
                source,
                parts,
                zone=zone,
                kms_key=kms_key,
                instance_id=target.cloud_id if target else None,
                devices=devices or None,
            ),
            warnings_of(source, cost),
        )

    def work(self) -> Sequence[tuple[str, Work]]:
        return [
            ("Make the volumes", self._make),
            ("Attach them", self._attach),
            ("Check", self._check),
        ]

    def _make(self, site: Site) -> None:
        point, parts = parts_of(site)
        arguments = site.restore.arguments
        label = point.instance_name or point.instance_id
        names = {part.disk.volume_id: volume_name(label, part) for part in parts}
        disks.create(site, parts, names, arguments["zone"], arguments.get("kms_key"))

    def _attach(self, site: Site) -> None:
        arguments, made = site.restore.arguments, site.restore.made.volumes
        devices = {d: made[origin] for d, origin in arguments.get("devices", {}).items()}
        if devices:
            disks.attach(site, arguments["instance_id"], devices)

    def _check(self, site: Site) -> Mapping[str, Any]:
        disks.await_there(site, list(site.restore.made.volumes.values()))
        _, parts = parts_of(site)
        arguments = site.restore.arguments
        remember(site, parts, site.restore.made.volumes, arguments.get("instance_id"))
        return self.complete(site)


def volume_name(label: str, part: Part) -> str:
    """Return what a new volume is called: ``web-1 /dev/sdf restored``."""
    return f"{label} {part.disk.device or part.disk.volume_id} restored"[:255]


def _effects(
    source: Source,
    parts: Sequence[Part],
    zone: str,
    kms_key: str | None,
    target: Resource | None,
    names: Sequence[str],
) -> tuple[Effect, ...]:
    """Return what would be made, and where it would be attached."""
    sealed = f", encrypted with {kms_key}" if kms_key else ""
    called = [volume_name(source.instance_label, part) for part in parts]
    created = [
        source.effect("create", "volume", f"{part.words}, in {zone}{sealed}", name=name)
        for part, name in zip(parts, called, strict=True)
    ]
    if target is None:
        return tuple(created)
    attached = [
        source.effect("attach", "volume", f"to {target.label} as {device}", name=name)
        for device, name in zip(names, called, strict=True)
    ]
    return (*created, *attached)


def _target(
    tx: sa.Connection, request: PlanRequest, source: Source, arguments: Arguments
) -> Resource | None:
    """Return the instance to which the volumes are to be attached, or None."""
    named = arguments.text("attach_to")
    if named is None:
        return None
    target = inventory.find_one(tx, request.project.id, named)
    field = "arguments.attach_to"
    if target.kind is not ResourceKind.INSTANCE:
        raise InvalidInput(f"{target.label} is a {target.kind}, not an instance", field=field)
    if target.gone or (target.account, target.region) != (source.copy.account, source.region):
        raise Conflict(
            f"{target.label} is not in {source.copy.place}, where the volumes would be",
            mend="Choose a copy in the account and region of the instance.",
            field=field,
        )
    return target


def _zone(source: Source, target: Resource | None, arguments: Arguments) -> str:
    """Return the zone: what is asked for, else that of the instance, else the original's."""
    asked = arguments.text("zone")
    at_target = str(target.details.get("zone") or "") if target is not None else ""
    if asked and at_target and asked != at_target:
        raise InvalidInput(
            f"The instance is in {at_target}, and volumes attach within their zone only",
            field="arguments.zone",
        )
    at_home = source.point.region == source.region
    original = str(source.point.manifest.configuration.get("zone") or "") if at_home else ""
    zone = asked or at_target or original
    if not zone:
        raise InvalidInput(
            f"Name a zone of {source.region}: the original's is elsewhere or not known",
            field="arguments.zone",
        )
    return zone


def _device_names(parts: Sequence[Part], target: Resource | None) -> tuple[str, ...]:
    """Return a free device name of the instance for each part; none without an instance."""
    if target is None:
        return ()
    taken = target.details.get("devices") or {}
    free = [name for name in _FREE if name not in taken and f"/dev/xvd{name[-1]}" not in taken]
    if len(free) < len(parts):
        raise Conflict(
            f"{target.label} has {len(free)} free device names for {len(parts)} volumes",
            mend="Choose fewer with `volumes`, or attach them by hand.",
        )
    return tuple(free[: len(parts)])
