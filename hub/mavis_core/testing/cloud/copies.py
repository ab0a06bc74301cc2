"""Copies and locks of the in-memory cloud's snapshots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mavis_core import clock
from mavis_core.contract import LockMode, SnapshotLock, SnapshotState, VolumeSnapshot
from mavis_core.errors import CloudDenied, CloudInUse, CloudQuota, CloudVanished
from mavis_core.testing.cloud.door import Door
from mavis_core.testing.cloud.things import DEFAULT_KEY, FakeSnapshot

__all__ = ["FakeCopies", "FakeLocks"]

_NO_VOLUME = "vol-ffffffff"  # what a copy says it was made from


class FakeCopies:
    """Fulfils `mavis_core.contract.SnapshotCopies`."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def share(self, region: str, cloud_ids: Sequence[str], account: str) -> None:
        snapshots = self._door.cloud.snapshots

        def effect() -> None:
            found = [self._door.one(region, snapshots, one, "snapshot") for one in cloud_ids]
            for snapshot in found:
                if snapshot.kms_key == DEFAULT_KEY:
                    raise CloudDenied(
                        f"The snapshot {snapshot.id} is encrypted with a key that cannot be shared"
                    )
            for snapshot in found:
                snapshot.shared_with.add(account)

        self._door.call("copies.share", region, _sharing(cloud_ids, account), effect)

    def unshare(self, region: str, cloud_ids: Sequence[str], account: str) -> None:
        snapshots = self._door.cloud.snapshots

        def effect() -> None:
            for cloud_id in cloud_ids:
                snapshot = snapshots.get(cloud_id)
                if snapshot is not None and self._door.here(region, snapshot):
                    snapshot.shared_with.discard(account)

        self._door.call("copies.unshare", region, _sharing(cloud_ids, account), effect)

    def copy(
        self,
        region: str,
        *,
        source_region: str,
        source_id: str,
        description: str,
        tags: Mapping[str, str],
        kms_key: str | None,
    ) -> VolumeSnapshot:
        def effect() -> VolumeSnapshot:
            source = self._source(source_region, source_id)
            self._check_room(region)
            return self._copy(region, source, description, tags, kms_key)

        arguments = {"source_region": source_region, "source_id": source_id, "kms_key": kms_key}
        return self._door.call(
            "copies.copy",
            region,
            arguments | {"description": description, "tags": dict(tags)},
            effect,
        )

    def _source(self, region: str, cloud_id: str) -> FakeSnapshot:
        cloud = self._door.cloud
        found = cloud.snapshots.get(cloud_id)
        if (
            found is None
            or found.region != region
            or self._door.account not in {found.account, *found.shared_with}
            or not cloud.shows(cloud_id)
        ):
            raise CloudVanished(f"Gone in {region}: snapshot {cloud_id}, or it is not shared")
        if found.what.state is not SnapshotState.COMPLETED:
            raise CloudInUse(f"The snapshot {cloud_id} in {region} is {found.what.state.value}")
        return found

    def _check_room(self, region: str) -> None:
        cloud = self._door.cloud
        pending = sum(
            one.copied and self._door.here(region, one)
            for one in cloud.snapshots.values()
            if one.what.state is SnapshotState.PENDING
        )
        if pending >= cloud.copy_limit:
            raise CloudQuota(f"{pending} copies are under way in {region}; there may be no more")

    def _copy(
        self,
        region: str,
        source: FakeSnapshot,
        description: str,
        tags: Mapping[str, str],
        kms_key: str | None,
    ) -> VolumeSnapshot:
        cloud = self._door.cloud
        key = kms_key or (DEFAULT_KEY if source.kms_key else None)
        what = VolumeSnapshot(
            cloud_id=cloud.new_id("snap"),
            region=region,
            volume_id=_NO_VOLUME,
            state=SnapshotState.PENDING,
            progress_percent=0,
            started_at=clock.now(),
            size_gib=source.what.size_gib,
            tags=dict(tags),
            encrypted=key is not None,
        )
        made = FakeSnapshot(what.cloud_id, self._door.account, region, "", description, what)
        made.blocks, made.kms_key, made.copied = dict(source.blocks), key, True
        cloud.snapshots[made.id] = made
        if {key, source.kms_key} & cloud.unusable_keys:
            cloud.fail(made.id, "Given key ID is not accessible")
        elif cloud.snapshots_complete:
            cloud.complete(made.id)
        return what


def _sharing(cloud_ids: Sequence[str], account: str) -> dict[str, object]:
    return {"cloud_ids": tuple(cloud_ids), "account": account}


class FakeLocks:
    """Fulfils `mavis_core.contract.SnapshotLocks`."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def lock(self, region: str, cloud_id: str, lock: SnapshotLock) -> None:
        def effect() -> None:
            found = self._door.one(region, self._door.cloud.snapshots, cloud_id, "snapshot")
            before = _in_force(found)
            found.lock = lock if before is None else lock.with_all_of(before)

        self._door.call("locks.lock", region, {"cloud_id": cloud_id, "lock": lock}, effect)

    def unlock(self, region: str, cloud_id: str) -> None:
        snapshots = self._door.cloud.snapshots

        def effect() -> None:
            found = snapshots.get(cloud_id)
            if found is None or not self._door.here(region, found):
                return
            lock = _in_force(found)
            if lock is not None and lock.mode is LockMode.COMPLIANCE:
                raise CloudInUse(f"The lock of {cloud_id} in {region} is a compliance lock")
            found.lock = None

        self._door.call("locks.unlock", region, {"cloud_id": cloud_id}, effect)

    def locks(self, region: str, cloud_ids: Sequence[str]) -> Mapping[str, SnapshotLock]:
        snapshots = self._door.cloud.snapshots

        def effect() -> dict[str, SnapshotLock]:
            found = {
                one: _in_force(self._door.one(region, snapshots, one, "snapshot"))
                for one in cloud_ids
            }
            return {cloud_id: lock for cloud_id, lock in found.items() if lock is not None}

        return self._door.call("locks.locks", region, {"cloud_ids": tuple(cloud_ids)}, effect)


def _in_force(snapshot: FakeSnapshot) -> SnapshotLock | None:
    lock = snapshot.lock
    return lock if lock is not None and lock.until > clock.now() else None
