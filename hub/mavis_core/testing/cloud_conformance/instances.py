"""Promises of instances that are launched from snapshots."""

# ruff: noqa: S101  assertions are what a suite is made of; tokens are no secrets
from __future__ import annotations

from dataclasses import replace

import pytest

from mavis_core.contract import (
    Connection,
    Disk,
    Health,
    Instance,
    InstanceState,
    Launch,
    ResourceKind,
)
from mavis_core.errors import CloudInUse, CloudVanished, InvalidInput
from mavis_core.testing.cloud_bench import TAG, Bench
from mavis_core.testing.cloud_conformance.promises import (
    Promises,
    answered,
    completed,
    create,
    discovered,
    eventually,
    marked,
)

__all__ = ["InstancePromises"]

_GONE = "i-0123456789abcdef0"
_TOKEN = "launch-1"  # noqa: S105  no secret
_DEVICES = ("/dev/sda1", "/dev/sdf")


class InstancePromises(Promises):
    """What `Instances` promises."""

    def test_an_instance_has_the_disks_and_bytes_of_its_snapshots(
        self, connection: Connection, bench: Bench, region: str
    ) -> None:
        made = bench.launch(region, "db-1", (8, 20), {})
        bench.write(region, made.volumes[0], {0: b"boot"})
        bench.write(region, made.volumes[1], {4: b"data"})
        sources = completed(connection, region, made)
        instance = _running(connection, region, _launched(connection, bench, region, sources))
        assert list(instance.devices) == list(_DEVICES)
        assert instance.tags[TAG] == "one"
        for source, volume_id in zip(sources, instance.devices.values(), strict=True):
            assert bench.content(region, volume_id) == bench.content(region, source)
        volumes = connection.volumes.find(region, tag=TAG, values=["one"])
        assert {one.cloud_id for one in volumes} == set(instance.devices.values())

    def test_it_is_launched_as_it_is_described(
        self, connection: Connection, bench: Bench, region: str
    ) -> None:
        made = bench.launch(region, "db-1", (8,), {})
        old = discovered(connection, region, ResourceKind.INSTANCE)[made.id].details
        sources = completed(connection, region, made)
        subnet = str(old["subnet_id"])
        place = connection.networks.isolate(region, subnet_id=subnet, name="n-1", tags=marked())
        launch = replace(
            _launch(bench, sources),
            subnet_id=place.subnet_id,
            security_groups=(place.security_group,),
        )
        instance = connection.instances.launch(region, launch, tags=marked(), token=_TOKEN)
        _running(connection, region, instance)
        new = discovered(connection, region, ResourceKind.INSTANCE)[instance.cloud_id].details
        assert new["security_groups"] == [place.security_group]
        for same in ("instance_type", "architecture", "subnet_id", "zone"):
            assert new[same] == old[same]

    def test_one_token_launches_one_instance(
        self, connection: Connection, bench: Bench, region: str
    ) -> None:
        sources = completed(connection, region, bench.launch(region, "db-1", (8,), {}))
        before = bench.made(region)
        bench.lose_reply("instances.launch")
        first, second = (
            answered(lambda: _launched(connection, bench, region, sources)) for _ in range(2)
        )
        assert first.cloud_id == second.cloud_id
        new = [one for one in bench.made(region) if one not in before]
        kinds = sorted(one.partition("-")[0] for one in new)
        assert kinds == ["ami", "i", "vol"]
        connection.instances.clean(region, _TOKEN)
        assert len(bench.made(region)) == len(before) + 2

    def test_a_launch_that_was_cleaned_still_is_the_same_launch(
        self, connection: Connection, bench: Bench, region: str
    ) -> None:
        sources = completed(connection, region, bench.launch(region, "db-1", (8,), {}))
        first = _launched(connection, bench, region, sources)
        for _ in range(2):
            connection.instances.clean(region, _TOKEN)
        second = _launched(connection, bench, region, sources)
        connection.instances.clean(region, _TOKEN)
        assert first.cloud_id == second.cloud_id
        assert len(connection.instances.find(region, tag=TAG, values=["one"])) == 1
        assert not [one for one in bench.made(region) if one.startswith("ami-")]

    def test_snapshots_are_kept_until_the_launch_is_cleaned(
        self, connection: Connection, bench: Bench, region: str
    ) -> None:
        (source,) = completed(connection, region, bench.launch(region, "db-1", (8,), {}))
        _running(connection, region, _launched(connection, bench, region, [source]))
        with pytest.raises(CloudInUse, match=source):
            connection.snapshots.delete(region, source)
        connection.instances.clean(region, _TOKEN)
        connection.snapshots.delete(region, source)
        assert bench.count(region) == 0

    def test_disks_go_with_the_instance_where_they_are_made_to(
        self, connection: Connection, bench: Bench, region: str
    ) -> None:
        sources = completed(connection, region, bench.launch(region, "db-1", (8, 20), {}))
        launch = _launch(bench, sources)
        root, data = launch.disks
        launch = replace(launch, disks=(replace(root, delete_on_termination=True), data))
        made = connection.instances.launch(region, launch, tags=marked(), token=_TOKEN)
        kept = _running(connection, region, made).devices[data.device]
        for _ in range(2):
            connection.instances.terminate(region, made.cloud_id)

        def look() -> bool:
            left = connection.volumes.find(region, tag=TAG, values=["one"])
            return [one.cloud_id for one in left] == [kept]

        eventually(look)

    def test_what_is_terminated_is_described_as_gone_and_not_found(
        self, connection: Connection, bench: Bench, region: str
    ) -> None:
        sources = completed(connection, region, bench.launch(region, "db-1", (8,), {}))
        made = _launched(connection, bench, region, sources)
        _running(connection, region, made)
        connection.instances.terminate(region, made.cloud_id)
        first, second = connection.instances.describe(region, [made.cloud_id, _GONE])
        assert (first.cloud_id, first.state) == (made.cloud_id, InstanceState.GONE)
        assert (second.cloud_id, second.state) == (_GONE, InstanceState.GONE)
        assert not connection.instances.find(region, tag=TAG, values=["one"])
        connection.instances.terminate(region, _GONE)

    def test_a_token_does_not_bring_back_what_is_gone(
        self, connection: Connection, bench: Bench, region: str
    ) -> None:
        sources = completed(connection, region, bench.launch(region, "db-1", (8,), {}))
        made = _running(connection, region, _launched(connection, bench, region, sources))
        connection.instances.terminate(region, made.cloud_id)

        def look() -> bool:
            (found,) = connection.instances.describe(region, [made.cloud_id])
            return found.state is InstanceState.GONE

        eventually(look)
        with pytest.raises(CloudVanished):
            _launched(connection, bench, region, sources)
        assert not connection.instances.find(region, tag=TAG, values=["one"])

    def test_the_cloud_s_checks_say_that_an_instance_is_well(
        self, connection: Connection, bench: Bench, region: str
    ) -> None:
        made = bench.launch(region, "web-1", (8,), {})

        def look() -> bool:
            (found,) = connection.instances.describe(region, [made.id])
            return found.health is Health.OK

        eventually(look)

    def test_instances_are_found_by_tag_literally(
        self, connection: Connection, bench: Bench, region: str
    ) -> None:
        one = bench.launch(region, "web-1", (8,), marked("one"))
        two = bench.launch(region, "web-2", (8,), marked("two"))
        find = connection.instances.find
        assert {i.cloud_id for i in find(region, tag=TAG, values=["one"])} == {one.id}
        assert {i.cloud_id for i in find(region, tag=TAG, values=["one", "two"])} == {
            one.id,
            two.id,
        }
        assert not find(region, tag=TAG, values=["*"])

    def test_an_instance_without_disks_is_invalid(
        self, connection: Connection, bench: Bench, region: str
    ) -> None:
        with pytest.raises(InvalidInput) as caught:
            _launched(connection, bench, region, [])
        assert caught.value.field == "disks"

    @pytest.mark.parametrize("held", [False, True], ids=["gone", "not complete"])
    def test_a_snapshot_that_is_not_there_launches_nothing(
        self, connection: Connection, bench: Bench, region: str, held: bool
    ) -> None:
        made = bench.launch(region, "db-1", (8,), {})
        source = "snap-0123456789abcdef0"
        if held:
            bench.hold_snapshots()
            source = create(connection, region, made.id, made.volumes)[0].cloud_id
        before = bench.made(region)
        with pytest.raises(CloudInUse if held else CloudVanished):
            _launched(connection, bench, region, [source])
        assert bench.made(region) == before


def _launch(bench: Bench, sources: list[str]) -> Launch:
    disks = tuple(Disk(device, source) for device, source in zip(_DEVICES, sources, strict=False))
    return Launch(bench.machine, "x86_64", disks)


def _launched(connection: Connection, bench: Bench, region: str, sources: list[str]) -> Instance:
    launch = _launch(bench, sources)
    return connection.instances.launch(region, launch, tags=marked(), token=_TOKEN)


def _running(connection: Connection, region: str, made: Instance) -> Instance:
    def look() -> Instance | None:
        (found,) = connection.instances.describe(region, [made.cloud_id])
        return found if found.state is InstanceState.RUNNING else None

    return eventually(look)
