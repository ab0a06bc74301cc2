"""The parts of a connection to the in-memory cloud."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from mavis_core import clock
from mavis_core.contract import (
    EnvironmentSettings,
    Found,
    OnBehalf,
    PowerChange,
    ResourceKind,
    SnapshotState,
    VolumeSnapshot,
    Waiting,
)
from mavis_core.errors import CloudRegion, CloudVanished, InvalidInput
from mavis_core.testing.cloud_state import (
    Call,
    FakeCloud,
    FakeInstance,
    FakeSnapshot,
    FakeVolume,
    Rule,
)

__all__ = ["Door", "FakeInventory", "FakePower", "FakeSnapshots", "FakeTags"]

T = TypeVar("T")


class Door:
    """Every call goes through here: it is noted, rules happen, then the effect."""

    def __init__(
        self,
        cloud: FakeCloud,
        settings: EnvironmentSettings,
        on_behalf: OnBehalf,
        on_wait: Waiting | None,
    ) -> None:
        self.cloud = cloud
        self.settings = settings
        self._on_behalf = on_behalf
        self._on_wait = on_wait

    def call(
        self, action: str, region: str, arguments: Mapping[str, object], effect: Callable[[], T]
    ) -> T:
        """Return what `effect` returns, unless a rule has other plans."""
        if region and region not in self.settings.regions:
            raise CloudRegion(
                f"The environment {self.settings.name} does not include the region {region}"
            )
        call = Call(action, self.settings.account, region, self._on_behalf, arguments)
        with self.cloud.lock:
            self.cloud.calls.append(call)
        rule = self._rule(call)
        if rule is not None and rule.before is not None:
            rule.before(call)  # outside of the lock: it may wait
        with self.cloud.lock:
            answer = effect()
        if rule is not None and rule.after is not None:
            rule.after(call)
        return answer

    def _rule(self, call: Call) -> Rule | None:
        """Return the rule for `call`, after all waits that stand before it."""
        rule = self.cloud.take_rule(call)
        while rule is not None and rule.wait_s is not None:
            if self._on_wait is not None:
                self._on_wait(rule.wait_s, f"{call.action}: throttled")
            rule = self.cloud.take_rule(call)
        return rule

    def here(self, region: str, thing: FakeInstance | FakeVolume | FakeSnapshot) -> bool:
        """Whether `thing` is this account's, in `region`."""
        return (thing.account, thing.region) == (self.settings.account, region)

    def instance(self, region: str, instance_id: str) -> FakeInstance:
        """Return an instance of this account."""
        found = self.cloud.instances.get(instance_id)
        if found is None or not self.here(region, found):
            raise CloudVanished(f"Gone in {region}: instance {instance_id}")
        return found


class FakeInventory:
    """Fulfils `mavis_core.contract.Inventory`."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def discover(self, region: str, kind: ResourceKind) -> Iterator[Sequence[Found]]:
        found = self._door.call(
            "inventory.discover", region, {"kind": kind}, lambda: self._all(region, kind)
        )
        size = self._door.cloud.page_size
        for start in range(0, len(found), size):
            yield found[start : start + size]

    def _all(self, region: str, kind: ResourceKind) -> list[Found]:
        cloud, door = self._door.cloud, self._door
        if kind is ResourceKind.INSTANCE:
            return [_instance(one) for one in cloud.instances.values() if door.here(region, one)]
        if kind is ResourceKind.VOLUME:
            holders = {v: one.id for one in cloud.instances.values() for v in one.volumes}
            return [
                _volume(one, holders.get(one.id))
                for one in cloud.volumes.values()
                if door.here(region, one)
            ]
        if kind is ResourceKind.VOLUME_SNAPSHOT:
            return [_snapshot(one) for one in cloud.snapshots.values() if door.here(region, one)]
        return [
            thing.found
            for thing in cloud.things
            if thing.account == door.settings.account
            and (thing.found.region, thing.found.kind) == (region, kind)
        ]


def _instance(one: FakeInstance) -> Found:
    details = one.details | {"volumes": list(one.volumes)}
    return Found(
        ResourceKind.INSTANCE,
        one.region,
        one.id,
        one.tags.get("Name", ""),
        one.state,
        dict(one.tags),
        details,
    )


def _volume(one: FakeVolume, holder: str | None) -> Found:
    details: dict[str, object] = {"size_gib": one.size_gib}
    if holder is not None:
        details["attached_to"] = holder
    return Found(
        ResourceKind.VOLUME,
        one.region,
        one.id,
        one.tags.get("Name", ""),
        "in-use" if holder else "available",
        dict(one.tags),
        details,
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
            "description": one.description,
        },
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
        def effect() -> PowerChange:
            instance = self._door.instance(region, instance_id)
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
    ) -> Sequence[VolumeSnapshot]:
        if not volume_ids:
            raise InvalidInput("A snapshot needs at least one volume", field="volume_ids")
        arguments = {"instance_id": instance_id, "volume_ids": tuple(volume_ids)}
        return self._door.call(
            "snapshots.create",
            region,
            arguments | {"description": description, "tags": dict(tags)},
            lambda: self._take(region, instance_id, volume_ids, description, tags),
        )

    def _take(
        self,
        region: str,
        instance_id: str,
        volume_ids: Sequence[str],
        description: str,
        tags: Mapping[str, str],
    ) -> list[VolumeSnapshot]:
        attached = self._door.instance(region, instance_id).volumes
        missing = [volume for volume in volume_ids if volume not in attached]
        if missing:
            raise CloudVanished(
                f"No longer attached to instance {instance_id} in {region}: {', '.join(missing)}"
            )
        return [
            self._one(region, instance_id, volume, description, tags)
            for volume in attached
            if volume in volume_ids
        ]

    def _one(
        self,
        region: str,
        instance_id: str,
        volume_id: str,
        description: str,
        tags: Mapping[str, str],
    ) -> VolumeSnapshot:
        cloud = self._door.cloud
        done = cloud.snapshots_complete
        what = VolumeSnapshot(
            cloud_id=cloud.new_id("snap"),
            region=region,
            volume_id=volume_id,
            state=SnapshotState.COMPLETED if done else SnapshotState.PENDING,
            progress_percent=100 if done else 0,
            started_at=clock.now(),
            size_gib=cloud.volumes[volume_id].size_gib,
            tags=dict(tags),
        )
        account = self._door.settings.account
        cloud.snapshots[what.cloud_id] = FakeSnapshot(
            what.cloud_id, account, region, instance_id, description, what
        )
        return what

    def find(self, region: str, *, tag: str, value: str) -> Sequence[VolumeSnapshot]:
        return self._door.call(
            "snapshots.find",
            region,
            {"tag": tag, "value": value},
            lambda: [one for one in self._here(region).values() if one.tags.get(tag) == value],
        )

    def describe(self, region: str, cloud_ids: Sequence[str]) -> Sequence[VolumeSnapshot]:
        def effect() -> list[VolumeSnapshot]:
            here = self._here(region)
            missing = [one for one in cloud_ids if one not in here]
            if missing:
                raise CloudVanished(f"Gone in {region}: snapshots {', '.join(missing)}")
            return [here[one] for one in cloud_ids]

        arguments = {"cloud_ids": tuple(cloud_ids)}
        return self._door.call("snapshots.describe", region, arguments, effect)

    def _here(self, region: str) -> dict[str, VolumeSnapshot]:
        snapshots = self._door.cloud.snapshots
        return {one.id: one.what for one in snapshots.values() if self._door.here(region, one)}
