"""Promises of discovery, power and tags."""

# ruff: noqa: S101  assertions are what a suite is made of
from __future__ import annotations

import pytest

from mavis_core.contract import Connection, PowerChange, ResourceKind
from mavis_core.errors import CloudInUse, CloudRegion, CloudVanished
from mavis_core.testing.cloud_bench import ALICE, Bench
from mavis_core.testing.cloud_conformance.promises import Promises, discovered, eventually

__all__ = ["InventoryPromises"]


class InventoryPromises(Promises):
    """What `Inventory`, `Power` and `Tags` promise."""

    def test_an_instance_is_discovered_with_its_volumes_in_order(
        self, connection: Connection, bench: Bench
    ) -> None:
        region = bench.here.regions[0]
        made = bench.launch(region, "db-1", (8, 100, 50), {"app": "shop"})
        found = discovered(connection, region, ResourceKind.INSTANCE)[made.id]
        assert (found.name, found.state, found.region) == ("db-1", "running", region)
        assert found.tags["app"] == "shop"
        assert found.details["volumes"] == list(made.volumes)

    def test_volumes_say_size_and_where_they_are_attached(
        self, connection: Connection, bench: Bench
    ) -> None:
        region = bench.here.regions[0]
        made = bench.launch(region, "web-1", (8, 20), {})
        bench.detach(region, made.volumes[1])
        found = discovered(connection, region, ResourceKind.VOLUME)
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
            found = discovered(connection, region, kind).values()
            assert all((one.kind, one.region) == (kind, region) for one in found)

    def test_a_region_shows_its_own_resources_only(
        self, connection: Connection, bench: Bench
    ) -> None:
        one, other = bench.here.regions[:2]
        made = bench.launch(one, "web-1", (8,), {})
        assert made.id in discovered(connection, one, ResourceKind.INSTANCE)
        assert made.id not in discovered(connection, other, ResourceKind.INSTANCE)

    def test_an_account_shows_its_own_resources_only(self, bench: Bench) -> None:
        region = bench.here.regions[0]
        made = bench.launch(region, "web-1", (8,), {})
        connection = bench.kit.connect(bench.elsewhere, bench.elsewhere_key, ALICE)
        try:
            assert made.id not in discovered(connection, region, ResourceKind.INSTANCE)
        finally:
            connection.close()

    def test_a_terminated_instance_is_not_discovered(
        self, connection: Connection, bench: Bench
    ) -> None:
        region = bench.here.regions[0]
        made = bench.launch(region, "web-1", (8,), {})
        bench.terminate(region, made.id)
        eventually(lambda: made.id not in discovered(connection, region, ResourceKind.INSTANCE))

    def test_a_region_outside_of_the_environment_is_refused(self, connection: Connection) -> None:
        with pytest.raises(CloudRegion, match="eu-nowhere-9"):
            discovered(connection, "eu-nowhere-9", ResourceKind.INSTANCE)

    def test_an_instance_says_what_it_takes_to_launch_it_again(
        self, connection: Connection, bench: Bench, region: str
    ) -> None:
        made = bench.launch(region, "db-1", (8, 20), {})
        details = discovered(connection, region, ResourceKind.INSTANCE)[made.id].details
        devices = details["devices"]
        assert isinstance(devices, dict)
        assert list(devices.values()) == list(made.volumes)
        assert details["root_device"] == next(iter(devices))
        assert details["instance_type"] == bench.machine
        for known in ("architecture", "subnet_id", "zone"):
            assert details[known]
        assert isinstance(details["security_groups"], list)

    def test_a_volume_says_type_and_encryption(
        self, connection: Connection, bench: Bench, region: str
    ) -> None:
        plain = bench.launch(region, "web-1", (8,), {})
        secret = bench.launch(region, "web-2", (8,), {}, kms_key=bench.shared_key(region))
        found = discovered(connection, region, ResourceKind.VOLUME)
        assert found[plain.volumes[0]].details["type"]
        assert found[plain.volumes[0]].details["encrypted"] is False
        assert "kms_key" not in found[plain.volumes[0]].details
        assert found[secret.volumes[0]].details["encrypted"] is True
        assert found[secret.volumes[0]].details["kms_key"]

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
        started = eventually(lambda: _started(connection, region, made.id))
        assert started.after in ("pending", "running")

    def test_tags_are_set_and_others_stay(self, connection: Connection, bench: Bench) -> None:
        region = bench.here.regions[0]
        made = bench.launch(region, "web-1", (8,), {"app": "shop", "env": "test"})
        connection.tags.put(region, made.id, {"env": "production", "owner": "alice"})
        connection.tags.put(region, made.volumes[0], {"owner": "alice"})
        tags = discovered(connection, region, ResourceKind.INSTANCE)[made.id].tags
        assert {"app": "shop", "env": "production", "owner": "alice"}.items() <= tags.items()
        assert discovered(connection, region, ResourceKind.VOLUME)[made.volumes[0]].tags["owner"]

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


def _started(connection: Connection, region: str, instance_id: str) -> PowerChange | None:
    try:
        return connection.power.start(region, instance_id)
    except CloudInUse:  # it is still stopping
        return None
