"""Every kit against the contract of a cloud: the shipped fake, and AWS against the simulator."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cloud import accounts
from cloud.client import Simulator
from cloud.seed import launch, register_image
from cloud.witness import Witness
from mavis_core.contract import EnvironmentSettings
from mavis_core.errors import CloudCredentials, CloudDenied, CloudUnreachable, InvalidInput
from mavis_core.kits.aws import AwsKit, RetryPolicy
from mavis_core.testing import cloud as fake
from mavis_core.testing.cloud_conformance import (
    ALICE,
    TAG,
    CloudConformance,
    Launched,
)

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

REGIONS = ("eu-central-1", "us-east-1")
KIT = AwsKit(RetryPolicy(first_wait_s=0.01, longest_wait_s=0.02))


def _environment(account: str, regions: Sequence[str], **options: str) -> EnvironmentSettings:
    return EnvironmentSettings("env_test", f"shop-{account}", account, tuple(regions), options)


@dataclass
class FakeBench:
    cloud: fake.FakeCloud

    def __post_init__(self) -> None:
        self.cloud.page_size = 100
        self.cloud.keys = {"here": "111111111111", "elsewhere": "222222222222"}
        self.kit = fake.FakeKit(self.cloud)
        self.here = _environment("111111111111", self.cloud.regions)
        self.elsewhere = _environment("222222222222", self.cloud.regions[:1])
        self.key = {"access_key_id": "here"}
        self.elsewhere_key = {"access_key_id": "elsewhere"}

    def launch(
        self, region: str, name: str, sizes: Sequence[int], tags: Mapping[str, str]
    ) -> Launched:
        made = self.cloud.launch(self.here.account, region, name, sizes=sizes, tags=tags)
        return Launched(made.id, tuple(made.volumes))

    def terminate(self, region: str, instance_id: str) -> None:
        self.cloud.terminate(instance_id)

    def detach(self, region: str, volume_id: str) -> None:
        self.cloud.detach(volume_id)

    def count(self, region: str) -> int:
        return sum(
            one.region == region and TAG in one.what.tags for one in self.cloud.snapshots.values()
        )

    def throttle(self, action: str, times: int) -> None:
        self.cloud.rules.append(fake.throttle(action, times=times))

    def lose_reply(self, action: str) -> None:
        self.cloud.rules.append(fake.lose_reply(action))

    def fail_before(self, action: str) -> None:
        self.cloud.rules.append(fake.refuse(action, CloudUnreachable("no answer")))

    def deny(self, action: str) -> None:
        self.cloud.rules.append(fake.refuse(action, CloudDenied("not allowed")))

    def expire(self, action: str) -> None:
        self.cloud.rules.append(fake.refuse(action, CloudCredentials("expired")))


@dataclass
class AwsBench:
    simulator: Simulator
    stack: ExitStack
    clients: dict[str, EC2Client] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # nothing here is about waiting
        self.simulator.settings(instance_s=0, volume_s=0, snapshot_s=0)
        self.kit = KIT
        self.here = _environment(accounts.MAIN, REGIONS)
        self.elsewhere = _environment(accounts.PARTNER, REGIONS[:1])
        self.key = accounts.KEY
        self.elsewhere_key = accounts.temporary_key(self.simulator.url, accounts.PARTNER)

    def _ec2(self, region: str) -> EC2Client:
        if region not in self.clients:
            client = accounts.ec2(self.simulator.url, self.here.account, region)
            self.clients[region] = self.stack.enter_context(client)
        return self.clients[region]

    def launch(
        self, region: str, name: str, sizes: Sequence[int], tags: Mapping[str, str]
    ) -> Launched:
        ec2 = self._ec2(region)
        image = register_image(ec2, f"{name}-image")
        made = launch(ec2, self.here.account, region, name, sizes, image=image, tags=dict(tags))
        return Launched(made.instance_id, made.volume_ids)

    def terminate(self, region: str, instance_id: str) -> None:
        self._ec2(region).terminate_instances(InstanceIds=[instance_id])

    def detach(self, region: str, volume_id: str) -> None:
        ec2 = self._ec2(region)
        (volume,) = ec2.describe_volumes(VolumeIds=[volume_id])["Volumes"]
        ec2.detach_volume(VolumeId=volume_id, InstanceId=volume["Attachments"][0]["InstanceId"])

    def count(self, region: str) -> int:
        return len(Witness(self.simulator.url).tagged(self.here.account, region, TAG))

    def throttle(self, action: str, times: int) -> None:
        self._fault(action, "throttle", times)

    def lose_reply(self, action: str) -> None:
        self._fault(action, "lost_reply")

    def fail_before(self, action: str) -> None:
        self._fault(action, "error500")

    def deny(self, action: str) -> None:
        self._fault(action, "deny")

    def expire(self, action: str) -> None:
        self._fault(action, "expired_credentials")

    def _fault(self, action: str, effect: str, times: int = 1) -> None:
        name = {"snapshots.create": "CreateSnapshots", "snapshots.find": "DescribeSnapshots"}
        self.simulator.fault(name[action], effect, times=times)


class TestFake(CloudConformance):
    @pytest.fixture
    def bench(self) -> FakeBench:
        return FakeBench(fake.FakeCloud())


class TestAws(CloudConformance):
    @pytest.fixture
    def bench(self, simulator: Simulator, aws_environment: Path) -> Iterator[AwsBench]:
        with ExitStack() as stack:
            yield AwsBench(simulator, stack)


class TestAwsByRole(CloudConformance):
    """The same through an assumed role, with the partner's account as `here`."""

    @pytest.fixture
    def bench(self, simulator: Simulator, aws_environment: Path) -> Iterator[AwsBench]:
        with ExitStack() as stack:
            bench = AwsBench(simulator, stack)
            role = {"role_arn": accounts.role_arn(accounts.PARTNER), "external_id": "shop-1"}
            bench.here = replace(_environment(accounts.PARTNER, REGIONS), options=role)
            bench.elsewhere = _environment(accounts.MAIN, REGIONS[:1])
            bench.elsewhere_key = accounts.KEY
            yield bench

    def test_a_key_of_another_account_is_refused(self, bench: AwsBench) -> None:
        """Whoever may assume the role has the right account, so the role itself must fit."""
        settings = replace(bench.here, account=accounts.MAIN)
        with pytest.raises(InvalidInput) as caught:
            bench.kit.connect(settings, bench.key, ALICE)
        assert caught.value.field == "options.role_arn"
