"""Targets: which instances and volumes are to be taken, as the inventory knows them now."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from mavis_core.changes.model import Effect
from mavis_core.contract import ResourceKind
from mavis_core.db import tables
from mavis_core.inventory import store as inventory
from mavis_core.inventory.model import Resource
from mavis_core.protection.points.manifests import Disk, Manifest, configuration_of

__all__ = ["Target", "effect_of", "instances_of", "targets_of", "warnings_of"]

_CHUNK = 500


@dataclass(frozen=True, slots=True)
class Target:
    """An instance that is to be taken, and what of it."""

    instance: Resource
    manifest: Manifest


def instances_of(tx: sa.Connection, project_id: str) -> list[Resource]:
    """Return the instances of a project that are there, each once.

    Two environments may look at the same account; the older environment has the instance.
    """
    table = tables.resources
    query = (
        inventory.query(project_id)
        .where(table.c.kind == ResourceKind.INSTANCE, ~table.c.gone)
        .order_by(table.c.environment_id, table.c.id)
    )
    found: dict[tuple[str, str, str], Resource] = {}
    for row in tx.execute(query).mappings():
        instance = inventory.resource_of(row)
        found.setdefault((instance.account, instance.region, instance.cloud_id), instance)
    return list(found.values())


def targets_of(
    tx: sa.Connection,
    project_id: str,
    instances: Sequence[Resource],
    *,
    takes_volume: Callable[[Resource], bool] = lambda _volume: True,
) -> list[Target]:
    """Return a target for each of `instances`; one without any volume to take has no disks."""
    volumes = _volumes(tx, project_id, instances)
    return [Target(each, _manifest(each, volumes, takes_volume)) for each in instances]


def effect_of(target: Target) -> Effect:
    """Return what taking a target would do."""
    instance, manifest = target.instance, target.manifest
    left_out = f", without {', '.join(manifest.excluded)}" if manifest.excluded else ""
    count = len(manifest.disks)
    return Effect(
        "create",
        "recovery_point",
        "",
        instance.name,
        instance.environment,
        instance.account,
        instance.region,
        f"of {instance.cloud_id}: {count} volume{'s' * (count != 1)},"
        f" {manifest.size_gib} GiB{left_out}",
    )


def warnings_of(targets: Iterable[Target]) -> tuple[str, ...]:
    """Return what a reader should know before the targets are taken."""
    states = {target.instance.state for target in targets}
    odd = [t.instance for t in targets if t.instance.state not in ("running", "stopped")]
    warnings = [f"{instance.label} is {instance.state}." for instance in odd[:5]]
    if "running" in states:
        warnings.append(
            "Crash-consistent: what programs hold in memory is not in it; each restores as after"
            " a power cut."
        )
    return tuple(warnings)


def _volumes(
    tx: sa.Connection, project_id: str, instances: Sequence[Resource]
) -> dict[tuple[str, str], Resource]:
    table = tables.resources
    ids = [volume for each in instances for volume in each.details.get("volumes") or ()]
    found: dict[tuple[str, str], Resource] = {}
    for start in range(0, len(ids), _CHUNK):
        query = inventory.query(project_id).where(
            table.c.kind == ResourceKind.VOLUME,
            table.c.cloud_id.in_(ids[start : start + _CHUNK]),
        )
        for row in tx.execute(query).mappings():
            volume = inventory.resource_of(row)
            found[volume.environment_id, volume.cloud_id] = volume
    return found


def _manifest(
    instance: Resource,
    volumes: dict[tuple[str, str], Resource],
    takes_volume: Callable[[Resource], bool],
) -> Manifest:
    details = instance.details
    devices = {volume: device for device, volume in (details.get("devices") or {}).items()}
    disks: list[Disk] = []
    excluded: list[str] = []
    for volume_id in details.get("volumes") or ():
        volume = volumes.get((instance.environment_id, volume_id))
        if volume is not None and not takes_volume(volume):
            excluded.append(volume_id)
        else:
            known = volume.details if volume is not None else {}
            disks.append(_disk(volume_id, devices.get(volume_id, ""), known))
    return Manifest(configuration_of(details), dict(instance.tags), tuple(disks), tuple(excluded))


def _disk(volume_id: str, device: str, known: Any) -> Disk:
    return Disk(
        volume_id=volume_id,
        device=device or str(known.get("device") or ""),
        size_gib=int(known.get("size_gib") or 0),
        type=known.get("type"),
        iops=known.get("iops"),
        throughput_mibps=known.get("throughput_mibps"),
        encrypted=bool(known.get("encrypted")),
        kms_key=known.get("kms_key"),
    )
