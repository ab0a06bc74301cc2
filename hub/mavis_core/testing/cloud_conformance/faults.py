"""Promises of what happens when things go wrong."""

# ruff: noqa: S101  assertions are what a suite is made of
from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from mavis_core.contract import Connection, ResourceKind
from mavis_core.errors import CloudCredentials, CloudDenied, CloudUnreachable
from mavis_core.testing.cloud_bench import TAG, Bench, Waits
from mavis_core.testing.cloud_conformance.promises import Promises, create, discovered

__all__ = ["FaultPromises"]


class FaultPromises(Promises):
    """What every call promises, shown with the one that must not happen twice."""

    def test_a_lost_reply_is_not_sent_again_and_what_was_made_is_found(
        self, connection: Connection, bench: Bench
    ) -> None:
        region = bench.here.regions[0]
        made = bench.launch(region, "web-1", (8, 20), {})
        bench.lose_reply("snapshots.create")
        with pytest.raises(CloudUnreachable):
            create(connection, region, made.id, made.volumes)
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
            create(connection, region, made.id, made.volumes)
        assert bench.count(region) == 0

    def test_throttling_shows_as_waiting_and_ends_in_one_effect(
        self, connection: Connection, bench: Bench, waits: Waits
    ) -> None:
        region = bench.here.regions[0]
        made = bench.launch(region, "web-1", (8, 20), {})
        bench.throttle("snapshots.create", 2)
        create(connection, region, made.id, made.volumes)
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
            create(connection, region, made.id, made.volumes)
        assert bench.count(region) == 0

    def test_a_key_that_expires_between_two_calls_has_no_effect(
        self, connection: Connection, bench: Bench
    ) -> None:
        region = bench.here.regions[0]
        made = bench.launch(region, "web-1", (8,), {})
        bench.expire("snapshots.create")
        with pytest.raises(CloudCredentials):
            create(connection, region, made.id, made.volumes)
        assert bench.count(region) == 0

    def test_one_connection_serves_threads(self, connection: Connection, bench: Bench) -> None:
        made = {region: bench.launch(region, "web-1", (8,), {}).id for region in bench.here.regions}

        def look(region: str) -> bool:
            return made[region] in discovered(connection, region, ResourceKind.INSTANCE)

        with ThreadPoolExecutor(8, thread_name_prefix="conformance") as pool:
            assert all(pool.map(look, list(bench.here.regions) * 4))
