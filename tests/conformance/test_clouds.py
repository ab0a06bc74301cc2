"""Every kit against the contract of a cloud: the shipped fake, and AWS against the simulator."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from cloud import accounts
from cloud.client import Simulator
from cloud_benches import REGIONS, AwsBench, FakeBench, environment
from mavis_core.errors import InvalidInput
from mavis_core.kits.aws.operations import OPERATIONS
from mavis_core.testing import cloud as fake
from mavis_core.testing.cloud_conformance import ALICE, CloudConformance
from mavis_core.testing.cloud_conformance.connecting import ConnectionPromises
from mavis_core.testing.cloud_conformance.copies import CopyPromises
from mavis_core.testing.cloud_conformance.faults import FaultPromises


class TestFake(CloudConformance):
    @pytest.fixture
    def bench(self) -> FakeBench:
        return FakeBench(fake.FakeCloud())


class TestAws(CloudConformance):
    @pytest.fixture
    def bench(self, simulator: Simulator, aws_environment: Path) -> Iterator[AwsBench]:
        with ExitStack() as stack:
            yield AwsBench(simulator, stack)
            called = {call["action"] for call in simulator.calls() if _by_the_kit(call)}
            assert called <= set(OPERATIONS), "an operation is missing from the kit's table"


class TestAwsByRole(ConnectionPromises, FaultPromises, CopyPromises):
    """What depends on who we are, through an assumed role; the partner's account is `here`."""

    @pytest.fixture
    def bench(self, simulator: Simulator, aws_environment: Path) -> Iterator[AwsBench]:
        with ExitStack() as stack:
            bench = AwsBench(simulator, stack)
            role = {"role_arn": accounts.role_arn(accounts.PARTNER), "external_id": "shop-1"}
            bench.here = replace(environment(accounts.PARTNER, REGIONS), options=role)
            bench.elsewhere = environment(accounts.MAIN, REGIONS[:1])
            bench.elsewhere_key = accounts.KEY
            yield bench

    def test_a_key_of_another_account_is_refused(self, bench: AwsBench) -> None:
        """Whoever may assume the role has the right account, so the role itself must fit."""
        settings = replace(bench.here, account=accounts.MAIN)
        with pytest.raises(InvalidInput) as caught:
            bench.kit.connect(settings, bench.key, ALICE)
        assert caught.value.field == "options.role_arn"


def _by_the_kit(call: dict[str, str]) -> bool:
    return "mavis person/" in call["user_agent"]
