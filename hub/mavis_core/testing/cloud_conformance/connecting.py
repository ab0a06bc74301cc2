"""Promises of connections: the right account, all parts, and a pace that is asked."""

# ruff: noqa: S101  assertions are what a suite is made of
from __future__ import annotations

from dataclasses import replace

import pytest

from mavis_core.contract import (
    Blocks,
    Commands,
    Connection,
    Instances,
    Inventory,
    Networks,
    Power,
    SnapshotCopies,
    SnapshotLocks,
    Snapshots,
    Tags,
    Volumes,
)
from mavis_core.errors import CloudCredentials, CloudRegion, InvalidInput
from mavis_core.testing.cloud_bench import ALICE, Bench, Paces, Waits
from mavis_core.testing.cloud_conformance.promises import Promises, create

__all__ = ["ConnectionPromises"]


class ConnectionPromises(Promises):
    """What `Kit` and `Connection` promise."""

    def test_a_connection_has_the_account_and_all_parts(
        self, connection: Connection, bench: Bench
    ) -> None:
        assert connection.account == bench.here.account
        assert isinstance(connection.inventory, Inventory)
        assert isinstance(connection.power, Power)
        assert isinstance(connection.tags, Tags)
        assert isinstance(connection.snapshots, Snapshots)
        assert isinstance(connection.copies, SnapshotCopies)
        assert isinstance(connection.locks, SnapshotLocks)
        assert isinstance(connection.volumes, Volumes)
        assert isinstance(connection.instances, Instances)
        assert isinstance(connection.networks, Networks)
        assert isinstance(connection.commands, Commands)
        assert isinstance(connection.blocks, Blocks)

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

    # pace

    def test_connecting_is_paced(self, bench: Bench, paces: Paces) -> None:
        bench.kit.connect(bench.here, bench.key, ALICE, pace=paces).close()
        assert paces.asked
        assert {group for _, group in paces.asked} <= {"read", "write"}

    def test_every_call_asks_for_its_group_in_its_region(
        self, connection: Connection, bench: Bench, paces: Paces, region: str
    ) -> None:
        made = bench.launch(region, "web-1", (8,), {})
        paces.asked.clear()
        (taken,) = create(connection, region, made.id, made.volumes)
        assert paces.asked[-1] == (region, "snapshot")
        connection.snapshots.describe(region, [taken.cloud_id])
        assert paces.asked[-1] == (region, "read")
        connection.tags.put(region, taken.cloud_id, {"a": "b"})
        assert paces.asked[-1] == (region, "write")
        connection.snapshots.delete(region, taken.cloud_id)
        assert paces.asked[-1] == (region, "delete")

    def test_a_call_that_is_tried_again_asks_again(
        self, connection: Connection, bench: Bench, paces: Paces, waits: Waits, region: str
    ) -> None:
        made = bench.launch(region, "web-1", (8,), {})
        bench.throttle("snapshots.create", 2)
        create(connection, region, made.id, made.volumes)
        assert paces.asked.count((region, "snapshot")) == 3
        assert paces.refusals == [(region, "snapshot")] * 2
        assert len(waits.told) == 2

    def test_what_the_pace_raises_ends_the_call_without_effect(
        self, bench: Bench, region: str
    ) -> None:
        made = bench.launch(region, "web-1", (8,), {})
        connection = bench.kit.connect(bench.here, bench.key, ALICE, pace=Paces(closed="snapshot"))
        try:
            with pytest.raises(InvalidInput, match="no more today"):
                create(connection, region, made.id, made.volumes)
        finally:
            connection.close()
        assert bench.count(region) == 0
