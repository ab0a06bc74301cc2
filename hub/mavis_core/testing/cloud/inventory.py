"""Discovery, power and tags of the in-memory cloud."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from mavis_core.contract import Found, PowerChange, ResourceKind
from mavis_core.errors import CloudVanished
from mavis_core.testing.cloud.door import Door
from mavis_core.testing.cloud.things import FakeImage, FakeInstance, FakeSnapshot, FakeVolume

__all__ = ["FakeInventory", "FakePower", "FakeTags"]


class FakeInventory:
    """Fulfils `mavis_core.contract.Inventory`."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def discover(self, region: str, kind: ResourceKind) -> Iterator[Sequence[Found]]:
        found = self._door.call(
            "inventory.discover", region, {"kind": kind}, lambda: self._all(region, kind)
        )
        yield from self._door.pages(found)

    def _all(self, region: str, kind: ResourceKind) -> list[Found]:
        cloud, door = self._door.cloud, self._door
        found = [
            thing.found
            for thing in cloud.things
            if thing.account == door.account
            and (thing.found.region, thing.found.kind) == (region, kind)
        ]
        if kind is ResourceKind.INSTANCE:
            found += [_instance(one) for one in door.all(region, cloud.instances)]
        elif kind is ResourceKind.VOLUME:
            holders = {
                volume: (one.id, device)
                for one in cloud.instances.values()
                for device, volume in one.devices.items()
            }
            found += [_volume(one, holders.get(one.id)) for one in door.all(region, cloud.volumes)]
        elif kind is ResourceKind.VOLUME_SNAPSHOT:
            found += [_snapshot(one) for one in door.all(region, cloud.snapshots)]
        elif kind is ResourceKind.IMAGE:
            found += [_image(one) for one in door.all(region, cloud.images)]
        return found


def _instance(one: FakeInstance) -> Found:
    details = one.details | {"volumes": list(one.volumes), "devices": dict(one.devices)}
    return Found(
        ResourceKind.INSTANCE,
        one.region,
        one.id,
        one.tags.get("Name", ""),
        one.state,
        dict(one.tags),
        details,
    )


def _volume(one: FakeVolume, holder: tuple[str, str] | None) -> Found:
    details: dict[str, object] = {
        "size_gib": one.size_gib,
        "type": one.volume_type,
        "iops": one.iops,
        "throughput_mibps": one.throughput_mibps,
        "encrypted": one.kms_key is not None,
        "kms_key": one.kms_key,
        "zone": one.zone,
        "made_from": one.snapshot_id,
    }
    if holder is not None:
        details |= {"attached_to": holder[0], "device": holder[1]}
    return Found(
        ResourceKind.VOLUME,
        one.region,
        one.id,
        one.tags.get("Name", ""),
        "in-use" if holder else one.state.value,
        dict(one.tags),
        {key: value for key, value in details.items() if value is not None},
    )


def _snapshot(one: FakeSnapshot) -> Found:
    what = one.what
    return Found(
        ResourceKind.VOLUME_SNAPSHOT,
        one.region,
        one.id,
        what.tags.get("Name", ""),
        what.state.value,
        dict(what.tags),
        {
            "volume_id": what.volume_id,
            "size_gib": what.size_gib,
            "progress_percent": what.progress_percent,
            "encrypted": what.encrypted,
            "description": one.description,
        },
    )


def _image(one: FakeImage) -> Found:
    return Found(
        ResourceKind.IMAGE,
        one.region,
        one.id,
        one.tags.get("Name", ""),
        "available",
        dict(one.tags),
        {"image_name": one.name, "snapshots": list(one.snapshot_ids)},
    )


class FakePower:
    """Fulfils `mavis_core.contract.Power`."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def start(self, region: str, instance_id: str) -> PowerChange:
        return self._set("power.start", region, instance_id, "running")

    def stop(self, region: str, instance_id: str) -> PowerChange:
        return self._set("power.stop", region, instance_id, "stopped")

    def _set(self, action: str, region: str, instance_id: str, state: str) -> PowerChange:
        instances = self._door.cloud.instances

        def effect() -> PowerChange:
            instance = self._door.one(region, instances, instance_id, "instance")
            before, instance.state = instance.state, state
            return PowerChange(instance_id, before, state)

        return self._door.call(action, region, {"instance_id": instance_id}, effect)


class FakeTags:
    """Fulfils `mavis_core.contract.Tags`."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def put(self, region: str, cloud_id: str, tags: Mapping[str, str]) -> None:
        cloud = self._door.cloud

        def effect() -> None:
            thing = (
                cloud.instances.get(cloud_id)
                or cloud.volumes.get(cloud_id)
                or cloud.snapshots.get(cloud_id)
            )
            if thing is None or not self._door.here(region, thing):
                raise CloudVanished(f"Gone in {region}: {cloud_id}")
            if isinstance(thing, FakeSnapshot):
                thing.what = replace(thing.what, tags={**thing.what.tags, **tags})
            else:
                thing.tags.update(tags)

        self._door.call("tags.put", region, {"cloud_id": cloud_id, "tags": dict(tags)}, effect)
