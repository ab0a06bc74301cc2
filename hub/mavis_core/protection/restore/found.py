"""What a restore has made, put into the inventory at once.

Discovery would find it later. Until then a plan would take a restored instance for what it was
before, and a new recovery point of it would ask for volumes that hang there no longer.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from mavis_core import clock
from mavis_core.contract import Found, Instance, ResourceKind
from mavis_core.db import tables
from mavis_core.errors import CloudError
from mavis_core.inventory import store
from mavis_core.protection.restore import machines
from mavis_core.protection.restore.request import Part
from mavis_core.protection.restore.site import Site

__all__ = ["forget_volumes", "remember", "remember_hanging", "remember_instance"]


def remember(
    site: Site, parts: Sequence[Part], made: Mapping[str, str], instance_id: str | None
) -> None:
    """Put new volumes into the inventory, and what the instance has at which device now.

    Parameters
    ----------
    made
        New volume by the original's id.
    """
    try:
        _remember(site, parts, made, instance_id)
    except CloudError as exc:  # it is there all the same, and discovery finds it
        site.progress.say(f"not in the inventory before the next discovery: {exc.message}")


def _remember(
    site: Site, parts: Sequence[Part], made: Mapping[str, str], instance_id: str | None
) -> None:
    by_id = {made[part.disk.volume_id]: part for part in parts if part.disk.volume_id in made}
    shown = site.connection.volumes.describe(site.region, list(by_id))
    instance = machines.described(site, instance_id) if instance_id else None
    found = [
        Found(
            ResourceKind.VOLUME,
            site.region,
            volume.cloud_id,
            volume.tags.get("Name", ""),
            "in-use" if volume.attached_to else volume.state.value,
            volume.tags,
            _details(by_id[volume.cloud_id], volume.zone, volume.attached_to, volume.device),
        )
        for volume in shown
    ]
    with site.means.database.write() as tx:
        store.put(tx, site.run.project_id, site.environment_id, found, clock.now())
        if instance is not None:
            _update_instance(tx, site, instance)


def remember_instance(site: Site, instance: Instance, details: Mapping[str, Any]) -> None:
    """Put an instance that was launched into the inventory."""
    found = Found(
        ResourceKind.INSTANCE,
        site.region,
        instance.cloud_id,
        instance.tags.get("Name", ""),
        instance.state.value,
        instance.tags,
        {**details, "zone": instance.zone, **_hanging(instance)},
    )
    with site.means.database.write() as tx:
        store.put(tx, site.run.project_id, site.environment_id, [found], clock.now())


def remember_hanging(site: Site, instance_id: str) -> None:
    """Note in the inventory what hangs at an instance now."""
    try:
        instance = machines.described(site, instance_id)
    except CloudError as exc:
        site.progress.say(f"not in the inventory before the next discovery: {exc.message}")
        return
    with site.means.database.write() as tx:
        _update_instance(tx, site, instance)


def forget_volumes(tx: sa.Connection, site: Site, volume_ids: Collection[str]) -> None:
    """Mark volumes as gone in the inventory."""
    table = tables.resources
    tx.execute(
        sa.update(table)
        .where(
            table.c.project_id == site.run.project_id,
            table.c.kind == ResourceKind.VOLUME,
            table.c.cloud_id.in_(sorted(volume_ids)),
        )
        .values(gone=True)
    )


def _update_instance(tx: sa.Connection, site: Site, instance: Instance) -> None:
    table = tables.resources
    where = (
        table.c.project_id == site.run.project_id,
        table.c.kind == ResourceKind.INSTANCE,
        table.c.region == site.region,
        table.c.cloud_id == instance.cloud_id,
    )
    for row in tx.execute(sa.select(table.c.id, table.c.details).where(*where)).all():
        details = {**row.details, **_hanging(instance)}
        values = {"details": details, "state": instance.state.value}
        tx.execute(sa.update(table).where(table.c.id == row.id).values(**values))


def _hanging(instance: Instance) -> dict[str, Any]:
    return {"devices": dict(instance.devices), "volumes": list(instance.devices.values())}


def _details(
    part: Part, zone: str, attached_to: str | None, device: str | None
) -> dict[str, object]:
    disk = part.disk
    details: dict[str, object | None] = {
        "size_gib": disk.size_gib,
        "type": disk.type,
        "iops": disk.iops,
        "throughput_mibps": disk.throughput_mibps,
        "encrypted": disk.encrypted,
        "kms_key": disk.kms_key,
        "zone": zone,
        "made_from": part.snapshot_id,
        "attached_to": attached_to,
        "device": device,
    }
    return {name: value for name, value in details.items() if value is not None}
