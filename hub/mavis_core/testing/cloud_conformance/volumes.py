"""Promises of volumes that are made from snapshots."""

# ruff: noqa: S101, S106, S107  assertions are what a suite is made of; tokens are no secrets
from __future__ import annotations

from dataclasses import replace

import pytest

from mavis_core.contract import Connection, NewVolume, ResourceKind, Volume, VolumeState
from mavis_core.errors import CloudError, CloudInUse, CloudVanished
from mavis_core.testing.cloud_bench import TAG, Bench, Launched
from mavis_core.testing.cloud_conformance.promises import (
    Promises,
    answered,
    completed,
    create,
    discovered,
    eventually,
    marked,
)

__all__ = ["VolumePromises"]

_GONE = "vol-0123456789abcdef0"
_NO_SNAPSHOT = "snap-0123456789abcdef0"
_DEVICE = "/dev/sdx"


class VolumePromises(Promises):
    """What `Volumes` promises."""

    def test_a_volume_has_the_bytes_of_its_snapshot(
        self, connection: Connection, bench: Bench, region: str
    ) -> None:
        made = bench.launch(region, "db-1", (8,), {})
        bench.write(region, made.volumes[0], {0: b"first", 5: b"fifth"})
        (source,) = completed(connection, region, made)
        bench.write(region, made.volumes[0], {0: b"later"})
        zone = _zone(connection, region, made)
        volume = _made(connection, region, NewVolume(source, zone, "gp3"))
        assert (volume.size_gib, volume.snapshot_id, volume.zone) == (8, source, zone)
        assert volume.attached_to is volume.device is None
        assert bench.content(region, volume.cloud_id) == bench.content(region, source)

    def test_a_volume_keeps_type_and_speed(
        self, connection: Connection, bench: Bench, region: str
    ) -> None:
        made = bench.launch(region, "db-1", (8,), {})
        (source,) = completed(connection, region, made)
        new = NewVolume(source, _zone(connection, region, made), "gp3", 4000, 250)
        volume = _made(connection, region, new)
        details = discovered(connection, region, ResourceKind.VOLUME)[volume.cloud_id].details
        assert details["type"] == "gp3"
        assert (details["iops"], details["throughput_mibps"]) == (4000, 250)

    def test_a_volume_is_encrypted_with_the_key_that_is_named(
        self, connection: Connection, bench: Bench, region: str
    ) -> None:
        made = bench.launch(region, "db-1", (8,), {})
        (source,) = completed(connection, region, made)
        new = NewVolume(source, _zone(connection, region, made), kms_key=bench.shared_key(region))
        volume = _made(connection, region, new)
        found = discovered(connection, region, ResourceKind.VOLUME)[volume.cloud_id]
        assert found.details["encrypted"] is True

    def test_one_token_makes_one_volume(
        self, connection: Connection, bench: Bench, region: str
    ) -> None:
        new = _new(connection, bench, region)
        bench.lose_reply("volumes.create")
        first, second = (
            answered(lambda: connection.volumes.create(region, new, tags=marked(), token="t-1"))
            for _ in range(2)
        )
        other = connection.volumes.create(region, new, tags=marked(), token="t-2")
        assert first.cloud_id == second.cloud_id != other.cloud_id
        found = connection.volumes.find(region, tag=TAG, values=["one"])
        assert {one.cloud_id for one in found} == {first.cloud_id, other.cloud_id}

    def test_one_token_is_for_one_volume(
        self, connection: Connection, bench: Bench, region: str
    ) -> None:
        new = _new(connection, bench, region)
        connection.volumes.create(region, new, tags=marked(), token="t-1")
        with pytest.raises(CloudError):
            connection.volumes.create(
                region, replace(new, volume_type="gp2"), tags=marked(), token="t-1"
            )
        assert len(connection.volumes.find(region, tag=TAG, values=["one"])) == 1

    def test_volumes_are_found_by_tag_and_described_in_order(
        self, connection: Connection, bench: Bench, region: str
    ) -> None:
        new = _new(connection, bench, region)
        ids = [
            connection.volumes.create(
                region, new, tags=marked(f"v-{number}"), token=f"t-{number}"
            ).cloud_id
            for number in range(3)
        ]
        found = connection.volumes.find(region, tag=TAG, values=["v-0", "v-2", "v-9"])
        assert {one.cloud_id for one in found} == {ids[0], ids[2]}
        assert not connection.volumes.find(region, tag=TAG, values=["v-*"])
        for order in (ids, ids[::-1]):
            assert [one.cloud_id for one in connection.volumes.describe(region, order)] == order
        with pytest.raises(CloudVanished, match=_GONE) as caught:
            connection.volumes.describe(region, [ids[0], _GONE])
        assert ids[0] not in caught.value.message

    def test_a_snapshot_that_is_gone_makes_no_volume(
        self, connection: Connection, bench: Bench, region: str
    ) -> None:
        new = replace(_new(connection, bench, region), snapshot_id=_NO_SNAPSHOT)
        with pytest.raises(CloudVanished, match=_NO_SNAPSHOT):
            connection.volumes.create(region, new, tags=marked(), token="t-1")
        assert not connection.volumes.find(region, tag=TAG, values=["one"])

    def test_a_snapshot_that_is_not_complete_makes_no_volume(
        self, connection: Connection, bench: Bench, region: str
    ) -> None:
        made = bench.launch(region, "db-1", (8,), {})
        bench.hold_snapshots()
        source = create(connection, region, made.id, made.volumes)[0].cloud_id
        new = NewVolume(source, _zone(connection, region, made))
        with pytest.raises(CloudInUse, match=source):
            connection.volumes.create(region, new, tags=marked(), token="t-1")
        assert not connection.volumes.find(region, tag=TAG, values=["one"])

    def test_a_volume_hangs_where_it_was_attached_also_when_asked_again(
        self, connection: Connection, bench: Bench, region: str
    ) -> None:
        made, volume_id = _spare(connection, bench, region)
        for _ in range(2):
            connection.volumes.attach(region, volume_id, made.id, _DEVICE)
        volume = _in_state(connection, region, volume_id, VolumeState.IN_USE)
        assert (volume.attached_to, volume.device) == (made.id, _DEVICE)
        devices = discovered(connection, region, ResourceKind.INSTANCE)[made.id].details["devices"]
        assert isinstance(devices, dict)
        assert devices[_DEVICE] == volume_id

    def test_a_volume_that_hangs_elsewhere_and_a_device_that_is_taken_are_refused(
        self, connection: Connection, bench: Bench, region: str
    ) -> None:
        made, volume_id = _spare(connection, bench, region)
        other = bench.launch(region, "web-2", (8,), {})
        connection.volumes.attach(region, volume_id, made.id, _DEVICE)
        _in_state(connection, region, volume_id, VolumeState.IN_USE)
        with pytest.raises(CloudInUse, match=volume_id):
            connection.volumes.attach(region, volume_id, other.id, _DEVICE)
        with pytest.raises(CloudInUse, match=volume_id):
            connection.volumes.attach(region, volume_id, made.id, "/dev/sdy")
        second = _made(connection, region, _new(connection, bench, region), token="t-2").cloud_id
        with pytest.raises(CloudInUse, match=_DEVICE):
            connection.volumes.attach(region, second, made.id, _DEVICE)

    def test_a_volume_is_detached_and_deleted_once_and_again(
        self, connection: Connection, bench: Bench, region: str
    ) -> None:
        made, volume_id = _spare(connection, bench, region)
        connection.volumes.attach(region, volume_id, made.id, _DEVICE)
        _in_state(connection, region, volume_id, VolumeState.IN_USE)
        with pytest.raises(CloudInUse, match=volume_id):
            connection.volumes.delete(region, volume_id)
        connection.volumes.detach(region, volume_id)
        volume = _in_state(connection, region, volume_id, VolumeState.AVAILABLE)
        assert volume.attached_to is volume.device is None
        connection.volumes.detach(region, volume_id)
        for _ in range(2):
            connection.volumes.delete(region, volume_id)
        eventually(lambda: not connection.volumes.find(region, tag=TAG, values=["spare"]))

    def test_what_is_gone_is_detached_and_deleted_and_not_attached(
        self, connection: Connection, bench: Bench, region: str
    ) -> None:
        made = bench.launch(region, "web-1", (8,), {})
        connection.volumes.detach(region, _GONE)
        connection.volumes.delete(region, _GONE)
        with pytest.raises(CloudVanished, match=_GONE):
            connection.volumes.attach(region, _GONE, made.id, _DEVICE)

    def test_the_root_volume_of_a_running_instance_is_not_detached(
        self, connection: Connection, bench: Bench, region: str
    ) -> None:
        made = bench.launch(region, "web-1", (8,), {})
        with pytest.raises(CloudInUse, match=made.volumes[0]):
            connection.volumes.detach(region, made.volumes[0])


def _zone(connection: Connection, region: str, made: Launched) -> str:
    return str(discovered(connection, region, ResourceKind.INSTANCE)[made.id].details["zone"])


def _new(connection: Connection, bench: Bench, region: str) -> NewVolume:
    made = bench.launch(region, "db-1", (8,), {})
    (source,) = completed(connection, region, made)
    return NewVolume(source, _zone(connection, region, made))


def _made(
    connection: Connection, region: str, new: NewVolume, *, token: str = "t-1", value: str = "one"
) -> Volume:
    """Make a volume and wait until it is there."""
    made = connection.volumes.create(region, new, tags=marked(value), token=token)
    return _in_state(connection, region, made.cloud_id, VolumeState.AVAILABLE)


def _spare(connection: Connection, bench: Bench, region: str) -> tuple[Launched, str]:
    """Return a running instance, and a volume that hangs nowhere."""
    made = bench.launch(region, "web-1", (8,), {})
    (source,) = completed(connection, region, made)
    new = NewVolume(source, _zone(connection, region, made))
    return made, _made(connection, region, new, value="spare").cloud_id


def _in_state(connection: Connection, region: str, volume_id: str, state: VolumeState) -> Volume:
    def look() -> Volume | None:
        (found,) = connection.volumes.describe(region, [volume_id])
        return found if found.state is state else None

    return eventually(look)
