"""Instances of the in-memory cloud, launched from snapshots, and places to isolate them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mavis_core.contract import (
    Disk,
    Health,
    Instance,
    InstanceState,
    Isolation,
    Launch,
    VolumeState,
)
from mavis_core.errors import CloudInUse, InvalidInput
from mavis_core.testing.cloud.door import Door
from mavis_core.testing.cloud.things import FakeGroup, FakeImage, FakeInstance, FakeVolume
from mavis_core.testing.cloud.volumes import usable_snapshot

__all__ = ["FakeInstances", "FakeNetworks"]


class FakeInstances:
    """Fulfils `mavis_core.contract.Instances`."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def launch(
        self, region: str, launch: Launch, *, tags: Mapping[str, str], token: str
    ) -> Instance:
        if not launch.disks:
            raise InvalidInput("An instance needs at least its root disk", field="disks")
        cloud, door = self._door.cloud, self._door

        def effect() -> Instance:
            known = door.known(region, token, launch)
            if known is not None:
                return _seen(door.one(region, cloud.instances, known, "instance"))
            made = self._make(region, launch, tags, token)
            door.keep(region, token, made.id, launch)
            return _seen(made)

        arguments = {"launch": launch, "tags": dict(tags), "token": token}
        return door.call("instances.launch", region, arguments, effect)

    def _make(
        self, region: str, launch: Launch, tags: Mapping[str, str], token: str
    ) -> FakeInstance:
        cloud, door = self._door.cloud, self._door
        details = self._details(region, launch)
        snapshots = [usable_snapshot(door, region, disk.snapshot_id) for disk in launch.disks]
        image = FakeImage(
            cloud.new_id("ami"),
            door.account,
            region,
            token,
            tuple(one.id for one in snapshots),
            dict(tags),
        )
        cloud.images[image.id] = image
        zone = str(details["zone"])
        devices = {disk.device: self._disk(region, zone, disk, tags) for disk in launch.disks}
        made = FakeInstance(
            cloud.new_id("i"),
            door.account,
            region,
            "running" if cloud.instances_run else "pending",
            devices,
            dict(tags),
            details | {"image_id": image.id},
            token=token,
        )
        cloud.instances[made.id] = made
        return made

    def _details(self, region: str, launch: Launch) -> dict[str, object]:
        cloud, door = self._door.cloud, self._door
        default = cloud.default_subnet(door.account, region)
        subnet = (
            default
            if launch.subnet_id is None
            else door.one(region, cloud.subnets, launch.subnet_id, "subnet")
        )
        details: dict[str, object | None] = {
            "instance_type": launch.instance_type,
            "architecture": launch.architecture,
            "zone": launch.zone or subnet.zone,
            "subnet_id": subnet.id,
            "security_groups": list(launch.security_groups),
            "key_name": launch.key_name,
            "profile": launch.profile,
            "boot_mode": launch.boot_mode,
            "root_device": launch.disks[0].device,
        }
        return {key: value for key, value in details.items() if value is not None}

    def _disk(self, region: str, zone: str, disk: Disk, tags: Mapping[str, str]) -> str:
        cloud = self._door.cloud
        snapshot = cloud.snapshots[disk.snapshot_id]
        volume = FakeVolume(
            cloud.new_id("vol"),
            self._door.account,
            region,
            snapshot.what.size_gib,
            dict(tags),
            blocks=dict(snapshot.blocks),
            zone=zone,
            volume_type=disk.volume_type or "gp3",
            iops=disk.iops,
            throughput_mibps=disk.throughput_mibps,
            kms_key=snapshot.kms_key,
            snapshot_id=snapshot.id,
            state=VolumeState.AVAILABLE,
            ends_with_instance=disk.delete_on_termination,
        )
        cloud.volumes[volume.id] = volume
        return volume.id

    def clean(self, region: str, token: str) -> None:
        cloud, door = self._door.cloud, self._door

        def effect() -> None:
            for image in [one for one in cloud.images.values() if one.name == token]:
                if door.here(region, image):
                    del cloud.images[image.id]

        door.call("instances.clean", region, {"token": token}, effect)

    def find(self, region: str, *, tag: str, values: Sequence[str]) -> Sequence[Instance]:
        instances = self._door.cloud.instances

        def effect() -> list[Instance]:
            return [_seen(one) for one in self._door.tagged(region, instances, tag, values)]

        arguments = {"tag": tag, "values": tuple(values)}
        return self._door.call("instances.find", region, arguments, effect)

    def describe(self, region: str, cloud_ids: Sequence[str]) -> Sequence[Instance]:
        cloud, door = self._door.cloud, self._door

        def effect() -> list[Instance]:
            here = {
                one: _seen(cloud.instances[one])
                for one in cloud_ids
                if one in cloud.instances
                and door.here(region, cloud.instances[one])
                and cloud.shows(one)
            }
            return [here.get(one) or _gone(one, region) for one in cloud_ids]

        return door.call("instances.describe", region, {"cloud_ids": tuple(cloud_ids)}, effect)

    def terminate(self, region: str, cloud_id: str) -> None:
        cloud = self._door.cloud

        def effect() -> None:
            instance = cloud.instances.get(cloud_id)
            if instance is not None and self._door.here(region, instance):
                cloud.terminate(cloud_id)

        self._door.call("instances.terminate", region, {"cloud_id": cloud_id}, effect)


def _seen(one: FakeInstance) -> Instance:
    return Instance(
        cloud_id=one.id,
        region=one.region,
        zone=str(one.details.get("zone", "")),
        state=InstanceState(one.state),
        health=one.health if one.state == "running" else Health.UNKNOWN,
        devices=dict(one.devices),
        tags=dict(one.tags),
    )


def _gone(cloud_id: str, region: str) -> Instance:
    return Instance(cloud_id, region, "", InstanceState.GONE, Health.UNKNOWN, {}, {})


class FakeNetworks:
    """Fulfils `mavis_core.contract.Networks`."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def isolate(
        self, region: str, *, subnet_id: str | None, name: str, tags: Mapping[str, str]
    ) -> Isolation:
        cloud, door = self._door.cloud, self._door

        def effect() -> Isolation:
            default = cloud.default_subnet(door.account, region)
            subnet = (
                default
                if subnet_id is None
                else door.one(region, cloud.subnets, subnet_id, "subnet")
            )
            group = self._group(region, subnet.network, name, tags)
            return Isolation(subnet.id, group.id)

        arguments = {"subnet_id": subnet_id, "name": name, "tags": dict(tags)}
        return door.call("networks.isolate", region, arguments, effect)

    def _group(self, region: str, network: str, name: str, tags: Mapping[str, str]) -> FakeGroup:
        cloud, door = self._door.cloud, self._door
        for known in cloud.groups.values():
            if door.here(region, known) and (known.network, known.name) == (network, name):
                if not set(tags) <= set(known.tags):
                    raise CloudInUse(f"The group {name} in {region} is not ours")
                return known
        made = FakeGroup(cloud.new_id("sg"), door.account, region, name, network, dict(tags))
        cloud.groups[made.id] = made
        return made

    def find(self, region: str, *, tag: str, values: Sequence[str]) -> Sequence[str]:
        groups = self._door.cloud.groups

        def effect() -> list[str]:
            return [one.id for one in self._door.tagged(region, groups, tag, values)]

        arguments = {"tag": tag, "values": tuple(values)}
        return self._door.call("networks.find", region, arguments, effect)

    def remove(self, region: str, security_group: str) -> None:
        cloud, door = self._door.cloud, self._door

        def effect() -> None:
            group = cloud.groups.get(security_group)
            if group is None or not door.here(region, group):
                return
            inside = [i.id for i in cloud.instances.values() if security_group in groups_of(i)]
            if inside:
                raise CloudInUse(f"{', '.join(inside)} are in {security_group} in {region}")
            del cloud.groups[security_group]

        door.call("networks.remove", region, {"security_group": security_group}, effect)


def groups_of(instance: FakeInstance) -> list[str]:
    """Return the ids of the groups that an instance is in."""
    groups = instance.details.get("security_groups", [])
    return [str(one) for one in groups] if isinstance(groups, list) else []
