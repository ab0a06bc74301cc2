"""Volumes of the in-memory cloud: made from snapshots, attached, removed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from mavis_core.contract import NewVolume, SnapshotState, Volume, VolumeState
from mavis_core.errors import CloudInUse, CloudVanished
from mavis_core.testing.cloud.door import Door
from mavis_core.testing.cloud.state import FakeCloud
from mavis_core.testing.cloud.things import FakeInstance, FakeSnapshot, FakeVolume

__all__ = ["FakeVolumes", "usable_snapshot"]


class FakeVolumes:
    """Fulfils `mavis_core.contract.Volumes`."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def create(self, region: str, new: NewVolume, *, tags: Mapping[str, str], token: str) -> Volume:
        cloud, door = self._door.cloud, self._door

        def effect() -> Volume:
            known = door.known(region, token, new)
            if known is not None:
                return _seen(cloud, door.one(region, cloud.volumes, known, "volume"))
            made = self._make(region, new, tags)
            door.keep(region, token, made.id, new)
            answer = _seen(cloud, made)
            if made.kms_key in cloud.unusable_keys:
                cloud.vanish(made.id)
            return answer

        arguments = {"new": new, "tags": dict(tags), "token": token}
        return door.call("volumes.create", region, arguments, effect)

    def _make(self, region: str, new: NewVolume, tags: Mapping[str, str]) -> FakeVolume:
        cloud = self._door.cloud
        snapshot = usable_snapshot(self._door, region, new.snapshot_id)
        made = FakeVolume(
            cloud.new_id("vol"),
            self._door.account,
            region,
            snapshot.what.size_gib,
            dict(tags),
            blocks=dict(snapshot.blocks),
            zone=new.zone,
            volume_type=new.volume_type or "gp3",
            iops=new.iops,
            throughput_mibps=new.throughput_mibps,
            kms_key=new.kms_key or snapshot.kms_key,
            snapshot_id=snapshot.id,
            state=VolumeState.AVAILABLE if cloud.volumes_ready else VolumeState.CREATING,
        )
        cloud.volumes[made.id] = made
        return made

    def find(self, region: str, *, tag: str, values: Sequence[str]) -> Sequence[Volume]:
        cloud = self._door.cloud

        def effect() -> list[Volume]:
            found = self._door.tagged(region, cloud.volumes, tag, values)
            return [_seen(cloud, one) for one in found]

        arguments = {"tag": tag, "values": tuple(values)}
        return self._door.call("volumes.find", region, arguments, effect)

    def describe(self, region: str, cloud_ids: Sequence[str]) -> Sequence[Volume]:
        cloud, door = self._door.cloud, self._door

        def effect() -> list[Volume]:
            here = {
                one: _seen(cloud, cloud.volumes[one])
                for one in cloud_ids
                if one in cloud.volumes
                and door.here(region, cloud.volumes[one])
                and cloud.shows(one)
            }
            missing = [one for one in cloud_ids if one not in here]
            if missing:
                raise CloudVanished(f"Gone in {region}: volumes {', '.join(missing)}")
            return [here[one] for one in cloud_ids]

        return door.call("volumes.describe", region, {"cloud_ids": tuple(cloud_ids)}, effect)

    def attach(self, region: str, cloud_id: str, instance_id: str, device: str) -> None:
        cloud, door = self._door.cloud, self._door

        def effect() -> None:
            volume = door.one(region, cloud.volumes, cloud_id, "volume")
            instance = door.one(region, cloud.instances, instance_id, "instance")
            holder = _holder(cloud, cloud_id)
            if holder is not None:
                if (holder[0].id, holder[1]) == (instance_id, device):
                    return
                raise CloudInUse(f"The volume {cloud_id} in {region} is attached elsewhere")
            if volume.state is not VolumeState.AVAILABLE:
                raise CloudInUse(f"The volume {cloud_id} in {region} is {volume.state.value}")
            if device in instance.devices:
                raise CloudInUse(f"The device {device} of {instance_id} in {region} is taken")
            root = instance.details.get("root_device") == device
            others = instance.devices
            instance.devices = {device: cloud_id} | others if root else others | {device: cloud_id}

        arguments = {"cloud_id": cloud_id, "instance_id": instance_id, "device": device}
        door.call("volumes.attach", region, arguments, effect)

    def detach(self, region: str, cloud_id: str) -> None:
        cloud = self._door.cloud

        def act(_: FakeVolume) -> None:
            holder = _holder(cloud, cloud_id)
            if holder is None:
                return
            instance, _device = holder
            if instance.state == "running" and instance.volumes[0] == cloud_id:
                raise CloudInUse(f"{cloud_id} is the root volume of {instance.id}, which runs")
            cloud.detach(cloud_id)

        self._end("volumes.detach", region, cloud_id, act)

    def delete(self, region: str, cloud_id: str) -> None:
        cloud = self._door.cloud

        def act(_: FakeVolume) -> None:
            holder = _holder(cloud, cloud_id)
            if holder is not None:
                raise CloudInUse(f"The volume {cloud_id} is attached to {holder[0].id}")
            del cloud.volumes[cloud_id]

        self._end("volumes.delete", region, cloud_id, act)

    def _end(
        self, action: str, region: str, cloud_id: str, act: Callable[[FakeVolume], None]
    ) -> None:
        def effect() -> None:
            volume = self._door.cloud.volumes.get(cloud_id)
            if volume is not None and self._door.here(region, volume):
                act(volume)

        self._door.call(action, region, {"cloud_id": cloud_id}, effect)


def usable_snapshot(door: Door, region: str, cloud_id: str) -> FakeSnapshot:
    """Return a snapshot that something can be made from."""
    found = door.one(region, door.cloud.snapshots, cloud_id, "snapshot")
    if found.what.state is not SnapshotState.COMPLETED:
        raise CloudInUse(f"The snapshot {cloud_id} in {region} is {found.what.state.value}")
    return found


def _holder(cloud: FakeCloud, volume_id: str) -> tuple[FakeInstance, str] | None:
    """Return the instance that has a volume, and the device's name."""
    for instance in cloud.instances.values():
        for device, volume in instance.devices.items():
            if volume == volume_id:
                return instance, device
    return None


def _seen(cloud: FakeCloud, one: FakeVolume) -> Volume:
    holder = _holder(cloud, one.id)
    return Volume(
        cloud_id=one.id,
        region=one.region,
        zone=one.zone,
        state=VolumeState.IN_USE if holder else one.state,
        size_gib=one.size_gib,
        snapshot_id=one.snapshot_id,
        attached_to=holder[0].id if holder else None,
        device=holder[1] if holder else None,
        tags=dict(one.tags),
    )
