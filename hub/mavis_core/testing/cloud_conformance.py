"""The suite that every kit passes: inherit `CloudConformance` and bring the fixture ``bench``.

*Bench*: a kit, two environments of it, and hands in its cloud that do not go through the kit.
The kit's own things (profiles, roles, formats) are for the kit's own tests.
"""

# ruff: noqa: S101  assertions are what a suite is made of
from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from mavis_core import clock
from mavis_core.contract import (
    Connection,
    Found,
    Inventory,
    Power,
    ResourceKind,
    Snapshots,
    SnapshotState,
    Tags,
    VolumeSnapshot,
)
from mavis_core.errors import (
    CloudCredentials,
    CloudDenied,
    CloudRegion,
    CloudUnreachable,
    CloudVanished,
    InvalidInput,
)
from mavis_core.testing.cloud_bench import ALICE, TAG, Bench, Launched, Waits

__all__ = ["ALICE", "TAG", "Bench", "CloudConformance", "Launched"]


class CloudConformance:
    """The contract of `mavis_core.contract.cloud`, as tests."""

    @pytest.fixture
    def bench(self) -> Bench:
        raise NotImplementedError("bring a fixture `bench`")

    @pytest.fixture
    def waits(self) -> Waits:
        return Waits()

    @pytest.fixture
    def connection(self, bench: Bench, waits: Waits) -> Iterator[Connection]:
        connection = bench.kit.connect(bench.here, bench.key, ALICE, on_wait=waits)
        yield connection
        connection.close()

    # connect

    def test_a_connection_has_the_account_and_all_parts(
        self, connection: Connection, bench: Bench
    ) -> None:
        assert connection.account == bench.here.account
        assert isinstance(connection.inventory, Inventory)
        assert isinstance(connection.power, Power)
        assert isinstance(connection.tags, Tags)
        assert isinstance(connection.snapshots, Snapshots)

    def test_closing_twice_is_harmless(self, connection: Connection) -> None:
        connection.close()
        connection.close()

    def test_a_key_of_another_account_is_refused(self, bench: Bench) -> None:
        with pytest.raises(CloudCredentials, match=bench.here.account):
            bench.kit.connect(bench.here, bench.elsewhere_key, ALICE)

    def test_an_unknown_region_is_refused_at_connect(self, bench: Bench) -> None:
        settings = replace(bench.here, regions=(bench.here.regions[0], "eu-nowhere-9"))
        with pytest.raises(CloudRegion, match="eu-nowhere-9"):
            bench.kit.connect(settings, bench.key, ALICE)

    def test_an_environment_without_regions_is_invalid(self, bench: Bench) -> None:
        with pytest.raises(InvalidInput) as caught:
            bench.kit.check(replace(bench.here, regions=()))
        assert caught.value.field == "regions"

    def test_the_environments_of_the_bench_are_valid(self, bench: Bench) -> None:
        bench.kit.check(bench.here)
        bench.kit.check(bench.elsewhere)

    def test_endpoints_are_addresses(self, bench: Bench) -> None:
        endpoints = bench.kit.endpoints(bench.here)
        assert endpoints
        assert all("://" in endpoint for endpoint in endpoints)

    # inventory

    def test_an_instance_is_discovered_with_its_volumes_in_order(
        self, connection: Connection, bench: Bench
    ) -> None:
        region = bench.here.regions[0]
        made = bench.launch(region, "db-1", (8, 100, 50), {"app": "shop"})
        found = _all(connection, region, ResourceKind.INSTANCE)[made.id]
        assert (found.name, found.state, found.region) == ("db-1", "running", region)
        assert found.tags["app"] == "shop"
        assert found.details["volumes"] == list(made.volumes)

    def test_volumes_say_size_and_where_they_are_attached(
        self, connection: Connection, bench: Bench
    ) -> None:
        region = bench.here.regions[0]
        made = bench.launch(region, "web-1", (8, 20), {})
        bench.detach(region, made.volumes[1])
        found = _all(connection, region, ResourceKind.VOLUME)
        root, data = found[made.volumes[0]], found[made.volumes[1]]
        assert (root.state, root.details["size_gib"], root.details["attached_to"]) == (
            "in-use",
            8,
            made.id,
        )
        assert (data.state, data.details["size_gib"]) == ("available", 20)
        assert "attached_to" not in data.details

    @pytest.mark.parametrize("kind", list(ResourceKind))
    def test_every_kind_can_be_discovered_in_every_region(
        self, connection: Connection, bench: Bench, kind: ResourceKind
    ) -> None:
        for region in bench.here.regions:
            found = _all(connection, region, kind).values()
            assert all((one.kind, one.region) == (kind, region) for one in found)

    def test_a_region_shows_its_own_resources_only(
        self, connection: Connection, bench: Bench
    ) -> None:
        one, other = bench.here.regions[:2]
        made = bench.launch(one, "web-1", (8,), {})
        assert made.id in _all(connection, one, ResourceKind.INSTANCE)
        assert made.id not in _all(connection, other, ResourceKind.INSTANCE)

    def test_an_account_shows_its_own_resources_only(self, bench: Bench) -> None:
        region = bench.here.regions[0]
        made = bench.launch(region, "web-1", (8,), {})
        connection = bench.kit.connect(bench.elsewhere, bench.elsewhere_key, ALICE)
        try:
            assert made.id not in _all(connection, region, ResourceKind.INSTANCE)
        finally:
            connection.close()

    def test_a_terminated_instance_is_not_discovered(
        self, connection: Connection, bench: Bench
    ) -> None:
        region = bench.here.regions[0]
        made = bench.launch(region, "web-1", (8,), {})
        bench.terminate(region, made.id)
        assert made.id not in _all(connection, region, ResourceKind.INSTANCE)

    def test_a_region_outside_of_the_environment_is_refused(self, connection: Connection) -> None:
        with pytest.raises(CloudRegion, match="eu-nowhere-9"):
            _all(connection, "eu-nowhere-9", ResourceKind.INSTANCE)

    # power and tags

    def test_stop_and_start_say_before_and_after(
        self, connection: Connection, bench: Bench
    ) -> None:
        region = bench.here.regions[0]
        made = bench.launch(region, "web-1", (8,), {})
        stopped = connection.power.stop(region, made.id)
        assert (stopped.cloud_id, stopped.before) == (made.id, "running")
        assert stopped.after in ("stopping", "stopped")
        assert connection.power.stop(region, made.id).after in ("stopping", "stopped")
        assert connection.power.start(region, made.id).after in ("pending", "running")

    def test_tags_are_set_and_others_stay(self, connection: Connection, bench: Bench) -> None:
        region = bench.here.regions[0]
        made = bench.launch(region, "web-1", (8,), {"app": "shop", "env": "test"})
        connection.tags.put(region, made.id, {"env": "production", "owner": "alice"})
        connection.tags.put(region, made.volumes[0], {"owner": "alice"})
        tags = _all(connection, region, ResourceKind.INSTANCE)[made.id].tags
        assert {"app": "shop", "env": "production", "owner": "alice"}.items() <= tags.items()
        assert _all(connection, region, ResourceKind.VOLUME)[made.volumes[0]].tags["owner"]

    def test_what_is_gone_cannot_be_started_stopped_or_tagged(
        self, connection: Connection, bench: Bench
    ) -> None:
        region, gone = bench.here.regions[0], "i-0123456789abcdef0"
        with pytest.raises(CloudVanished, match=gone):
            connection.power.start(region, gone)
        with pytest.raises(CloudVanished, match=gone):
            connection.power.stop(region, gone)
        with pytest.raises(CloudVanished, match=gone):
            connection.tags.put(region, gone, {"a": "b"})

    # snapshots

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
        taken = _create(connection, region, made.id, wanted)
        assert sorted(one.volume_id for one in taken) == sorted(wanted)
        assert bench.count(region) == len(wanted)

    def test_a_snapshot_carries_tags_size_time_and_region(
        self, connection: Connection, bench: Bench
    ) -> None:
        region = bench.here.regions[0]
        made = bench.launch(region, "web-1", (8, 20), {})
        ids = [one.cloud_id for one in _create(connection, region, made.id, made.volumes)]
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
        wanted = _create(connection, one, made.id, made.volumes, value="one")
        _create(connection, one, made.id, made.volumes, value="two")
        found = connection.snapshots.find(one, tag=TAG, values=["one"])
        assert {item.cloud_id for item in found} == {item.cloud_id for item in wanted}
        assert not connection.snapshots.find(one, tag=TAG, values=["three"])
        assert not connection.snapshots.find(other, tag=TAG, values=["one"])

    def test_find_and_discovery_read_all_pages(self, connection: Connection, bench: Bench) -> None:
        region = bench.here.regions[0]
        made = bench.launch(region, "wide-1", (1,) * 21, {})
        for _ in range(10):
            _create(connection, region, made.id, made.volumes)
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
        ids = [one.cloud_id for one in _create(connection, region, made.id, made.volumes)]
        for order in (ids, ids[::-1]):
            assert [one.cloud_id for one in connection.snapshots.describe(region, order)] == order

    def test_describe_names_what_is_gone(self, connection: Connection, bench: Bench) -> None:
        region, gone = bench.here.regions[0], "snap-0123456789abcdef0"
        made = bench.launch(region, "web-1", (8,), {})
        (taken,) = _create(connection, region, made.id, made.volumes)
        with pytest.raises(CloudVanished, match=gone) as caught:
            connection.snapshots.describe(region, [taken.cloud_id, gone])
        assert taken.cloud_id not in caught.value.message

    def test_a_detached_volume_stops_everything(self, connection: Connection, bench: Bench) -> None:
        region = bench.here.regions[0]
        made = bench.launch(region, "db-1", (8, 100), {})
        bench.detach(region, made.volumes[1])
        with pytest.raises(CloudVanished, match=made.volumes[1]):
            _create(connection, region, made.id, made.volumes)
        assert bench.count(region) == 0

    def test_a_terminated_instance_stops_everything(
        self, connection: Connection, bench: Bench
    ) -> None:
        region = bench.here.regions[0]
        made = bench.launch(region, "web-1", (8,), {})
        bench.terminate(region, made.id)
        with pytest.raises(CloudVanished, match=made.id):
            _create(connection, region, made.id, made.volumes)
        assert bench.count(region) == 0

    def test_a_snapshot_of_no_volume_is_invalid(self, connection: Connection, bench: Bench) -> None:
        region = bench.here.regions[0]
        made = bench.launch(region, "web-1", (8,), {})
        with pytest.raises(InvalidInput):
            _create(connection, region, made.id, ())
        assert bench.count(region) == 0

    # when things go wrong

    def test_a_lost_reply_is_not_sent_again_and_what_was_made_is_found(
        self, connection: Connection, bench: Bench
    ) -> None:
        region = bench.here.regions[0]
        made = bench.launch(region, "web-1", (8, 20), {})
        bench.lose_reply("snapshots.create")
        with pytest.raises(CloudUnreachable):
            _create(connection, region, made.id, made.volumes)
        assert bench.count(region) == 2
        found = connection.snapshots.find(region, tag=TAG, values=["one"])
        assert sorted(one.volume_id for one in found) == sorted(made.volumes)

    def test_an_answer_that_says_nothing_is_not_sent_again(
        self, connection: Connection, bench: Bench
    ) -> None:
        region = bench.here.regions[0]
        made = bench.launch(region, "web-1", (8,), {})
        bench.fail_before("snapshots.create")
        with pytest.raises(CloudUnreachable):
            _create(connection, region, made.id, made.volumes)
        assert bench.count(region) == 0

    def test_throttling_shows_as_waiting_and_ends_in_one_effect(
        self, connection: Connection, bench: Bench, waits: Waits
    ) -> None:
        region = bench.here.regions[0]
        made = bench.launch(region, "web-1", (8, 20), {})
        bench.throttle("snapshots.create", 2)
        _create(connection, region, made.id, made.volumes)
        assert bench.count(region) == 2
        assert len(waits.told) == 2
        assert all(seconds > 0 and "throttled" in reason for seconds, reason in waits.told)

    def test_a_call_that_is_not_allowed_has_no_effect(
        self, connection: Connection, bench: Bench
    ) -> None:
        region = bench.here.regions[0]
        made = bench.launch(region, "web-1", (8,), {})
        bench.deny("snapshots.create")
        with pytest.raises(CloudDenied):
            _create(connection, region, made.id, made.volumes)
        assert bench.count(region) == 0

    def test_a_key_that_expires_between_two_calls_has_no_effect(
        self, connection: Connection, bench: Bench
    ) -> None:
        region = bench.here.regions[0]
        made = bench.launch(region, "web-1", (8,), {})
        bench.expire("snapshots.create")
        with pytest.raises(CloudCredentials):
            _create(connection, region, made.id, made.volumes)
        assert bench.count(region) == 0

    def test_one_connection_serves_threads(self, connection: Connection, bench: Bench) -> None:
        made = {region: bench.launch(region, "web-1", (8,), {}).id for region in bench.here.regions}

        def look(region: str) -> bool:
            return made[region] in _all(connection, region, ResourceKind.INSTANCE)

        with ThreadPoolExecutor(8, thread_name_prefix="conformance") as pool:
            assert all(pool.map(look, list(bench.here.regions) * 4))


def _all(connection: Connection, region: str, kind: ResourceKind) -> dict[str, Found]:
    return {
        one.cloud_id: one for page in connection.inventory.discover(region, kind) for one in page
    }


def _create(
    connection: Connection,
    region: str,
    instance_id: str,
    volume_ids: Sequence[str],
    *,
    value: str = "one",
) -> Sequence[VolumeSnapshot]:
    return connection.snapshots.create(
        region,
        instance_id,
        volume_ids=volume_ids,
        description="conformance",
        tags={TAG: value, "Name": "conformance"},
    )
