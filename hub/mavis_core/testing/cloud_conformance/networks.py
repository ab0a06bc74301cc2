"""Promises of places without a way in or out."""

# ruff: noqa: S101, S106  assertions are what a suite is made of; tokens are no secrets
from __future__ import annotations

from dataclasses import replace

import pytest

from mavis_core.contract import Connection, Disk, InstanceState, Launch, ResourceKind
from mavis_core.errors import CloudInUse, CloudVanished
from mavis_core.testing.cloud_bench import TAG, Bench
from mavis_core.testing.cloud_conformance.promises import (
    Promises,
    completed,
    discovered,
    eventually,
    marked,
)

__all__ = ["NetworkPromises"]


class NetworkPromises(Promises):
    """What `Networks` promises."""

    def test_a_place_has_no_way_in_or_out(
        self, connection: Connection, bench: Bench, region: str
    ) -> None:
        place = connection.networks.isolate(region, subnet_id=None, name="closed", tags=marked())
        assert place.subnet_id
        assert bench.ways(region, place.security_group) == 0

    def test_a_name_is_made_once(self, connection: Connection, bench: Bench, region: str) -> None:
        made = bench.launch(region, "web-1", (8,), {})
        details = discovered(connection, region, ResourceKind.INSTANCE)[made.id].details
        subnet = str(details["subnet_id"])
        first, second = (
            connection.networks.isolate(region, subnet_id=subnet, name="closed", tags=marked(value))
            for value in ("one", "two")
        )
        other = connection.networks.isolate(region, subnet_id=subnet, name="more", tags=marked())
        assert first == second
        assert first.subnet_id == subnet
        assert other.security_group != first.security_group

    def test_places_are_found_by_tag(
        self, connection: Connection, bench: Bench, region: str
    ) -> None:
        networks = connection.networks
        groups = [
            networks.isolate(
                region, subnet_id=None, name=f"closed-{number}", tags=marked(f"n-{number}")
            ).security_group
            for number in range(3)
        ]
        bench.open_group(region, "open")

        def found(*values: str) -> list[str]:
            return sorted(networks.find(region, tag=TAG, values=values))

        assert found("n-0", "n-2", "n-9") == sorted([groups[0], groups[2]])
        assert found("n-*") == []
        assert found() == []
        networks.remove(region, groups[0])
        assert found("n-0", "n-1") == [groups[1]]

    def test_a_group_of_somebody_else_is_not_closed(
        self, connection: Connection, bench: Bench, region: str
    ) -> None:
        bench.open_group(region, "closed")
        with pytest.raises(CloudInUse, match="closed"):
            connection.networks.isolate(region, subnet_id=None, name="closed", tags=marked())

    def test_a_subnet_that_is_gone_is_named(self, connection: Connection, region: str) -> None:
        gone = "subnet-0123456789abcdef0"
        with pytest.raises(CloudVanished, match=gone):
            connection.networks.isolate(region, subnet_id=gone, name="closed", tags=marked())

    def test_a_place_goes_when_nothing_is_in_it(
        self, connection: Connection, bench: Bench, region: str
    ) -> None:
        sources = completed(connection, region, bench.launch(region, "db-1", (8,), {}))
        place = connection.networks.isolate(region, subnet_id=None, name="closed", tags=marked())
        launch = replace(
            Launch(bench.machine, "x86_64", (Disk("/dev/sda1", sources[0]),)),
            subnet_id=place.subnet_id,
            security_groups=(place.security_group,),
        )
        made = connection.instances.launch(region, launch, tags=marked(), token="launch-1")
        with pytest.raises(CloudInUse, match=place.security_group):
            connection.networks.remove(region, place.security_group)
        connection.instances.terminate(region, made.cloud_id)

        def look() -> bool:
            (found,) = connection.instances.describe(region, [made.cloud_id])
            if found.state is not InstanceState.GONE:
                return False
            try:
                connection.networks.remove(region, place.security_group)
            except CloudInUse:  # it is still being terminated
                return False
            return True

        eventually(look)
        connection.networks.remove(region, place.security_group)
        assert place.security_group not in bench.made(region)
