"""Promises of snapshots: exactly what was asked for, found again, deleted."""

# ruff: noqa: S101  assertions are what a suite is made of
from __future__ import annotations

from datetime import timedelta

import pytest

from mavis_core import clock
from mavis_core.contract import Connection, ResourceKind, SnapshotState
from mavis_core.errors import CloudVanished, InvalidInput
from mavis_core.testing.cloud_bench import TAG, Bench, Paces
from mavis_core.testing.cloud_conformance.promises import Promises, completed, create, marked

__all__ = ["SnapshotPromises"]


class SnapshotPromises(Promises):
    """What `Snapshots` promises."""

    @pytest.mark.parametrize(
        "which",
        [
            pytest.param((0, 1, 2), id="all"),
            pytest.param((0,), id="the root only"),
            pytest.param((1, 2), id="all but the root"),
            pytest.param((0, 2), id="without one data volume"),
            pytest.param((1,), id="one data volume"),
        ],
    )
    def test_a_snapshot_takes_exactly_the_volumes_that_are_named(
        self, connection: Connection, bench: Bench, which: tuple[int, ...]
    ) -> None:
        region = bench.here.regions[0]
        made = bench.launch(region, "db-1", (8, 100, 50), {})
        wanted = [made.volumes[index] for index in which]
        taken = create(connection, region, made.id, wanted)
        assert sorted(one.volume_id for one in taken) == sorted(wanted)
        assert bench.count(region) == len(wanted)

    def test_a_snapshot_carries_tags_size_time_and_region(
        self, connection: Connection, bench: Bench
    ) -> None:
        region = bench.here.regions[0]
        made = bench.launch(region, "web-1", (8, 20), {})
        ids = [one.cloud_id for one in create(connection, region, made.id, made.volumes)]
        taken = connection.snapshots.describe(region, ids)
        assert [one.tags[TAG] for one in taken] == ["one", "one"]
        assert {one.volume_id: one.size_gib for one in taken} == {
            made.volumes[0]: 8,
            made.volumes[1]: 20,
        }
        assert all(one.region == region for one in taken)
        assert all(abs(one.started_at - clock.now()) < timedelta(minutes=5) for one in taken)
        assert all(isinstance(one.state, SnapshotState) for one in taken)
        assert all(0 <= one.progress_percent <= 100 for one in taken)

    def test_find_returns_the_snapshots_with_tag_and_value(
        self, connection: Connection, bench: Bench
    ) -> None:
        one, other = bench.here.regions[:2]
        made = bench.launch(one, "web-1", (8, 20), {})
        wanted = create(connection, one, made.id, made.volumes, value="one")
        create(connection, one, made.id, made.volumes, value="two")
        found = connection.snapshots.find(one, tag=TAG, values=["one"])
        assert {item.cloud_id for item in found} == {item.cloud_id for item in wanted}
        assert not connection.snapshots.find(one, tag=TAG, values=["three"])
        assert not connection.snapshots.find(other, tag=TAG, values=["one"])

    def test_find_and_discovery_read_all_pages(self, connection: Connection, bench: Bench) -> None:
        region = bench.here.regions[0]
        made = bench.launch(region, "wide-1", (1,) * 21, {})
        for _ in range(10):
            create(connection, region, made.id, made.volumes)
        found = connection.snapshots.find(region, tag=TAG, values=["one"])
        assert len({one.cloud_id for one in found}) == len(found) == bench.count(region) == 210
        ids = [one.cloud_id for one in found]
        assert [one.cloud_id for one in connection.snapshots.describe(region, ids)] == ids
        pages = list(connection.inventory.discover(region, ResourceKind.VOLUME_SNAPSHOT))
        assert len(pages) > 1
        assert set(ids) <= {one.cloud_id for page in pages for one in page}

    def test_describe_keeps_the_order(self, connection: Connection, bench: Bench) -> None:
        region = bench.here.regions[0]
        made = bench.launch(region, "db-1", (8, 8, 8), {})
        ids = [one.cloud_id for one in create(connection, region, made.id, made.volumes)]
        for order in (ids, ids[::-1]):
            assert [one.cloud_id for one in connection.snapshots.describe(region, order)] == order

    def test_describe_names_what_is_gone(self, connection: Connection, bench: Bench) -> None:
        region, gone = bench.here.regions[0], "snap-0123456789abcdef0"
        made = bench.launch(region, "web-1", (8,), {})
        (taken,) = create(connection, region, made.id, made.volumes)
        with pytest.raises(CloudVanished, match=gone) as caught:
            connection.snapshots.describe(region, [taken.cloud_id, gone])
        assert taken.cloud_id not in caught.value.message

    def test_a_detached_volume_stops_everything(self, connection: Connection, bench: Bench) -> None:
        region = bench.here.regions[0]
        made = bench.launch(region, "db-1", (8, 100), {})
        bench.detach(region, made.volumes[1])
        with pytest.raises(CloudVanished, match=made.volumes[1]):
            create(connection, region, made.id, made.volumes)
        assert bench.count(region) == 0

    def test_a_terminated_instance_stops_everything(
        self, connection: Connection, bench: Bench
    ) -> None:
        region = bench.here.regions[0]
        made = bench.launch(region, "web-1", (8,), {})
        bench.terminate(region, made.id)
        with pytest.raises(CloudVanished, match=made.id):
            create(connection, region, made.id, made.volumes)
        assert bench.count(region) == 0

    def test_a_snapshot_of_no_volume_is_invalid(self, connection: Connection, bench: Bench) -> None:
        region = bench.here.regions[0]
        made = bench.launch(region, "web-1", (8,), {})
        with pytest.raises(InvalidInput):
            create(connection, region, made.id, ())
        assert bench.count(region) == 0

    @pytest.mark.parametrize("which", [(0, 1, 2), (0,), (1, 2), (2,)], ids=str)
    def test_whoever_knows_what_is_attached_saves_the_look(
        self,
        connection: Connection,
        bench: Bench,
        paces: Paces,
        region: str,
        which: tuple[int, ...],
    ) -> None:
        made = bench.launch(region, "db-1", (8, 100, 50), {})
        wanted = [made.volumes[index] for index in which]
        paces.asked.clear()
        taken = connection.snapshots.create(
            region,
            made.id,
            volume_ids=wanted,
            description="conformance",
            tags=marked(),
            attached=made.volumes,
        )
        assert sorted(one.volume_id for one in taken) == sorted(wanted)
        assert paces.asked == [(region, "snapshot")]

    def test_a_volume_that_was_detached_since_is_missing_from_the_answer(
        self, connection: Connection, bench: Bench, region: str
    ) -> None:
        made = bench.launch(region, "db-1", (8, 100), {})
        bench.detach(region, made.volumes[1])
        taken = connection.snapshots.create(
            region,
            made.id,
            volume_ids=made.volumes,
            description="conformance",
            tags=marked(),
            attached=made.volumes,
        )
        assert [one.volume_id for one in taken] == [made.volumes[0]]

    def test_a_snapshot_has_the_bytes_of_its_moment(
        self, connection: Connection, bench: Bench, region: str
    ) -> None:
        made = bench.launch(region, "db-1", (8,), {})
        bench.write(region, made.volumes[0], {0: b"first", 7: b"seventh"})
        before = bench.content(region, made.volumes[0])
        (taken,) = completed(connection, region, made)
        bench.write(region, made.volumes[0], {0: b"second"})
        assert bench.content(region, taken) == before
        assert bench.content(region, made.volumes[0]) != before

    def test_a_snapshot_of_an_encrypted_volume_is_encrypted(
        self, connection: Connection, bench: Bench, region: str
    ) -> None:
        plain = bench.launch(region, "web-1", (8,), {})
        secret = bench.launch(region, "web-2", (8,), {}, kms_key=bench.default_key)
        ids = [
            create(connection, region, made.id, made.volumes)[0].cloud_id
            for made in (plain, secret)
        ]
        found = connection.snapshots.describe(region, ids)
        assert [one.encrypted for one in found] == [False, True]

    def test_find_takes_many_values_and_each_literally(
        self, connection: Connection, bench: Bench, region: str
    ) -> None:
        made = bench.launch(region, "web-1", (8,), {})
        for value in ("one", "two", "three"):
            create(connection, region, made.id, made.volumes, value=value)
        values = [f"other-{number}" for number in range(450)] + ["one", "three"]
        found = connection.snapshots.find(region, tag=TAG, values=values)
        assert sorted(one.tags[TAG] for one in found) == ["one", "three"]
        assert not connection.snapshots.find(region, tag=TAG, values=["t*"])
        assert not connection.snapshots.find(region, tag=TAG, values=[])

    def test_all_yields_whatever_carries_the_tag(
        self, connection: Connection, bench: Bench, region: str
    ) -> None:
        made = bench.launch(region, "wide-1", (1,) * 21, {})
        for number in range(10):
            create(connection, region, made.id, made.volumes, value=f"value-{number}")
        pages = list(connection.snapshots.all(region, tag=TAG))
        found = [one for page in pages for one in page]
        assert len(pages) > 1
        assert len({one.cloud_id for one in found}) == len(found) == 210
        assert not [
            one for page in connection.snapshots.all(region, tag="mavis:none") for one in page
        ]

    def test_a_snapshot_is_deleted_once_and_again(
        self, connection: Connection, bench: Bench, region: str
    ) -> None:
        made = bench.launch(region, "web-1", (8, 20), {})
        first, second = completed(connection, region, made)
        connection.snapshots.delete(region, first)
        connection.snapshots.delete(region, first)
        assert bench.count(region) == 1
        with pytest.raises(CloudVanished, match=first):
            connection.snapshots.describe(region, [first, second])

    def test_deleting_what_never_was_is_harmless(self, connection: Connection, region: str) -> None:
        connection.snapshots.delete(region, "snap-0123456789abcdef0")
