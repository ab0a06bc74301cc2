"""Snapshots of the in-memory cloud: taken, found, deleted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from mavis_core import clock
from mavis_core.contract import SnapshotState, VolumeSnapshot
from mavis_core.errors import CloudInUse, CloudVanished, InvalidInput
from mavis_core.testing.cloud.door import Door
from mavis_core.testing.cloud.things import FakeSnapshot

__all__ = ["FakeSnapshots"]


class FakeSnapshots:
    """Fulfils `mavis_core.contract.Snapshots`."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def create(
        self,
        region: str,
        instance_id: str,
        *,
        volume_ids: Sequence[str],
        description: str,
        tags: Mapping[str, str],
        attached: Sequence[str] | None = None,
    ) -> Sequence[VolumeSnapshot]:
        if not volume_ids:
            raise InvalidInput("A snapshot needs at least one volume", field="volume_ids")

        def effect() -> list[VolumeSnapshot]:
            taken = self._taken(region, instance_id, volume_ids, attached)
            return [self._take(region, instance_id, one, description, tags) for one in taken]

        arguments = {"instance_id": instance_id, "volume_ids": tuple(volume_ids)}
        return self._door.call(
            "snapshots.create",
            region,
            arguments | {"description": description, "tags": dict(tags)},
            effect,
        )

    def _taken(
        self,
        region: str,
        instance_id: str,
        volume_ids: Sequence[str],
        attached: Sequence[str] | None,
    ) -> list[str]:
        """Return the volumes that the call takes: what is attached, but for what it leaves out."""
        instances = self._door.cloud.instances
        there = self._door.one(region, instances, instance_id, "instance").volumes
        seen = there if attached is None else attached
        missing = [volume for volume in volume_ids if volume not in seen]
        left_out = [volume for volume in seen if volume not in volume_ids]
        taken = [volume for volume in there if volume not in left_out]
        if missing or not taken:
            raise CloudVanished(
                f"No longer attached to instance {instance_id} in {region}:"
                f" {', '.join(missing or volume_ids)}"
            )
        return taken

    def _take(
        self,
        region: str,
        instance_id: str,
        volume_id: str,
        description: str,
        tags: Mapping[str, str],
    ) -> VolumeSnapshot:
        cloud = self._door.cloud
        volume, done = cloud.volumes[volume_id], cloud.snapshots_complete
        what = VolumeSnapshot(
            cloud_id=cloud.new_id("snap"),
            region=region,
            volume_id=volume_id,
            state=SnapshotState.COMPLETED if done else SnapshotState.PENDING,
            progress_percent=100 if done else 0,
            started_at=clock.now(),
            size_gib=volume.size_gib,
            tags=dict(tags),
            encrypted=volume.kms_key is not None,
        )
        cloud.snapshots[what.cloud_id] = FakeSnapshot(
            what.cloud_id,
            self._door.account,
            region,
            instance_id,
            description,
            what,
            blocks=dict(volume.blocks),
            kms_key=volume.kms_key,
        )
        return what

    def find(self, region: str, *, tag: str, values: Sequence[str]) -> Sequence[VolumeSnapshot]:
        arguments = {"tag": tag, "values": tuple(values)}
        return self._door.call(
            "snapshots.find", region, arguments, lambda: self._tagged(region, tag, values)
        )

    def all(self, region: str, *, tag: str) -> Iterator[Sequence[VolumeSnapshot]]:
        found = self._door.call(
            "snapshots.all", region, {"tag": tag}, lambda: self._tagged(region, tag, None)
        )
        yield from self._door.pages(found)

    def _tagged(self, region: str, tag: str, values: Sequence[str] | None) -> list[VolumeSnapshot]:
        found = self._door.tagged(region, self._door.cloud.snapshots, tag, values)
        return [one.what for one in found]

    def describe(self, region: str, cloud_ids: Sequence[str]) -> Sequence[VolumeSnapshot]:
        cloud, door = self._door.cloud, self._door

        def effect() -> list[VolumeSnapshot]:
            here = {
                one: cloud.snapshots[one].what
                for one in cloud_ids
                if one in cloud.snapshots
                and door.here(region, cloud.snapshots[one])
                and cloud.shows(one)
            }
            missing = [one for one in cloud_ids if one not in here]
            if missing:
                raise CloudVanished(f"Gone in {region}: snapshots {', '.join(missing)}")
            return [here[one] for one in cloud_ids]

        return door.call("snapshots.describe", region, {"cloud_ids": tuple(cloud_ids)}, effect)

    def delete(self, region: str, cloud_id: str) -> None:
        cloud = self._door.cloud

        def effect() -> None:
            snapshot = cloud.snapshots.get(cloud_id)
            if snapshot is None or not self._door.here(region, snapshot):
                return
            if snapshot.lock is not None and snapshot.lock.until > clock.now():
                raise CloudInUse(f"The snapshot {cloud_id} in {region} is locked")
            if any(cloud_id in image.snapshot_ids for image in cloud.images.values()):
                raise CloudInUse(f"An image in {region} is made from the snapshot {cloud_id}")
            del cloud.snapshots[cloud_id]

        self._door.call("snapshots.delete", region, {"cloud_id": cloud_id}, effect)
