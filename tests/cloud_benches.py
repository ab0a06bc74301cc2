"""Benches for the conformance suite of clouds: the shipped fake, and AWS against the simulator."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Hashable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import boto3

from cloud import accounts
from cloud.client import Simulator
from cloud.seed import register_image
from cloud.witness import Witness
from mavis_core.contract import CommandResult, CommandState, EnvironmentSettings
from mavis_core.errors import CloudCredentials, CloudDenied, CloudUnreachable
from mavis_core.kits.aws import AwsKit, RetryPolicy
from mavis_core.testing import cloud as fake
from mavis_core.testing.cloud_conformance import TAG, Launched

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

REGIONS = ("eu-central-1", "us-east-1")
KIT = AwsKit(RetryPolicy(first_wait_s=0.01, longest_wait_s=0.02))


def environment(account: str, regions: Sequence[str], **options: str) -> EnvironmentSettings:
    return EnvironmentSettings("env_test", f"shop-{account}", account, tuple(regions), options)


@dataclass
class FakeBench:
    cloud: fake.FakeCloud
    default_key: str = fake.DEFAULT_KEY
    machine: str = "small"

    def __post_init__(self) -> None:
        self.cloud.page_size = 100
        self.cloud.keys = {"here": "111111111111", "elsewhere": "222222222222"}
        self.kit = fake.FakeKit(self.cloud)
        self.here = environment("111111111111", self.cloud.regions)
        self.elsewhere = environment("222222222222", self.cloud.regions[:1])
        self.key = {"access_key_id": "here"}
        self.elsewhere_key = {"access_key_id": "elsewhere"}

    def launch(
        self,
        region: str,
        name: str,
        sizes: Sequence[int],
        tags: Mapping[str, str],
        *,
        kms_key: str | None = None,
    ) -> Launched:
        made = self.cloud.launch(
            self.here.account, region, name, sizes=sizes, tags=tags, kms_key=kms_key
        )
        made.runs = run_here
        return Launched(made.id, tuple(made.volumes))

    def shared_key(self, region: str) -> str:
        return "alias/both"

    def lost_key(self, region: str) -> str:
        self.cloud.unusable_keys.add("alias/lost")
        return "alias/lost"

    def terminate(self, region: str, instance_id: str) -> None:
        self.cloud.terminate(instance_id)

    def detach(self, region: str, volume_id: str) -> None:
        self.cloud.detach(volume_id)

    def write(self, region: str, volume_id: str, blocks: Mapping[int, bytes]) -> None:
        self.cloud.write(volume_id, blocks)

    def content(self, region: str, cloud_id: str) -> Hashable:
        thing = self.cloud.volumes.get(cloud_id) or self.cloud.snapshots[cloud_id]
        return tuple(sorted(thing.blocks.items()))

    def hold_snapshots(self) -> None:
        self.cloud.snapshots_complete = False

    def limit_copies(self, limit: int) -> None:
        self.cloud.copy_limit = limit

    def made(self, region: str) -> Sequence[str]:
        return sorted(self.cloud.tagged(TAG))

    def count(self, region: str) -> int:
        return sum(
            one.region == region and TAG in one.what.tags for one in self.cloud.snapshots.values()
        )

    def open_group(self, region: str, name: str) -> None:
        network = self.cloud.default_subnet(self.here.account, region).network
        group = fake.FakeGroup("sg-open", self.here.account, region, name, network, {})
        self.cloud.groups[group.id] = group

    def ways(self, region: str, group: str) -> int:
        return 0 if group in self.cloud.groups else 1

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


def run_here(command: fake.FakeCommand) -> CommandResult:
    """Run a script of the suite's own on this machine, as an agent would inside an instance."""
    try:
        ended = subprocess.run(
            ["/bin/sh", "-c", command.script],
            capture_output=True,
            text=True,
            timeout=command.timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return CommandResult(CommandState.TIMED_OUT, None, "")
    state = CommandState.FAILED if ended.returncode else CommandState.SUCCEEDED
    return CommandResult(state, ended.returncode, ended.stdout + ended.stderr)


_OPERATIONS = {
    "snapshots.create": "CreateSnapshots",
    "snapshots.find": "DescribeSnapshots",
    "copies.copy": "CopySnapshot",
    "volumes.create": "CreateVolume",
    "instances.launch": "RunInstances",
}


@dataclass
class AwsBench:
    simulator: Simulator
    stack: ExitStack
    default_key: str = "alias/aws/ebs"
    machine: str = "t3.small"
    clients: dict[tuple[str, str], Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.simulator.settings(instance_s=0.05, volume_s=0.05, snapshot_s=0.1)
        self.kit = KIT
        self.here = environment(accounts.MAIN, REGIONS)
        self.elsewhere = environment(accounts.PARTNER, REGIONS[:1])
        self.key = accounts.KEY
        self.elsewhere_key = accounts.temporary_key(self.simulator.url, accounts.PARTNER)

    def _client(self, service: str, region: str) -> Any:
        if (service, region) not in self.clients:
            url, account = self.simulator.url, self.here.account
            main = account == accounts.MAIN
            key = accounts.KEY if main else accounts.temporary_key(url, account)
            client = _SESSION.client(
                service,
                region_name=region,
                endpoint_url=url,
                aws_access_key_id=key["access_key_id"],
                aws_secret_access_key=key["secret_access_key"],
                aws_session_token=key.get("session_token"),
            )
            self.stack.callback(client.close)
            self.clients[service, region] = client
        return self.clients[service, region]

    def _ec2(self, region: str) -> EC2Client:
        client: EC2Client = self._client("ec2", region)
        return client

    def launch(
        self,
        region: str,
        name: str,
        sizes: Sequence[int],
        tags: Mapping[str, str],
        *,
        kms_key: str | None = None,
    ) -> Launched:
        ec2 = self._ec2(region)
        encryption: dict[str, Any] = {}
        if kms_key is not None:
            encryption = {"Encrypted": True}
            encryption |= {} if kms_key == self.default_key else {"KmsKeyId": kms_key}
        labels = [{"Key": key, "Value": value} for key, value in {"Name": name, **tags}.items()]
        (made,) = ec2.run_instances(
            ImageId=register_image(ec2, f"{name}-image"),
            InstanceType="t3.small",
            MinCount=1,
            MaxCount=1,
            BlockDeviceMappings=[
                {"DeviceName": _device(n), "Ebs": {"VolumeSize": size, **encryption}}
                for n, size in enumerate(sizes)
            ],
            TagSpecifications=[{"ResourceType": "instance", "Tags": labels}],  # type: ignore[list-item]
        )["Instances"]
        instance_id = made["InstanceId"]
        ec2.get_waiter("instance_running").wait(
            InstanceIds=[instance_id],
            WaiterConfig={"Delay": 0.03, "MaxAttempts": 1000},  # type: ignore[typeddict-item]
        )
        described = ec2.describe_instances(InstanceIds=[instance_id])["Reservations"][0]
        mappings = described["Instances"][0]["BlockDeviceMappings"]
        volumes = {item["DeviceName"]: item["Ebs"]["VolumeId"] for item in mappings}
        return Launched(instance_id, tuple(volumes[_device(n)] for n in range(len(sizes))))

    def shared_key(self, region: str) -> str:
        allowed = [self.here.account, self.elsewhere.account]
        statement = {
            "Effect": "Allow",
            "Principal": {"AWS": [f"arn:aws:iam::{account}:root" for account in allowed]},
            "Action": "kms:*",
            "Resource": "*",
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        made = self._client("kms", region).create_key(Policy=policy)
        return str(made["KeyMetadata"]["Arn"])

    def lost_key(self, region: str) -> str:
        kms = self._client("kms", region)
        key = kms.create_key()["KeyMetadata"]["Arn"]
        kms.disable_key(KeyId=key)
        return str(key)

    def terminate(self, region: str, instance_id: str) -> None:
        self._ec2(region).terminate_instances(InstanceIds=[instance_id])

    def detach(self, region: str, volume_id: str) -> None:
        ec2 = self._ec2(region)
        (volume,) = ec2.describe_volumes(VolumeIds=[volume_id])["Volumes"]
        ec2.detach_volume(VolumeId=volume_id, InstanceId=volume["Attachments"][0]["InstanceId"])

    def write(self, region: str, volume_id: str, blocks: Mapping[int, bytes]) -> None:
        self.simulator.write(volume_id, blocks)

    def content(self, region: str, cloud_id: str) -> Hashable:
        return self.simulator.digest(cloud_id)

    def hold_snapshots(self) -> None:
        self.simulator.settings(snapshot_s=3600)

    def limit_copies(self, limit: int) -> None:
        self.simulator.settings(copy_limit=limit)

    def made(self, region: str) -> Sequence[str]:
        ec2 = self._ec2(region)
        tag: Any = [{"Name": "tag-key", "Values": [TAG]}]
        instances = [
            instance
            for page in ec2.describe_instances(Filters=tag)["Reservations"]
            for instance in page["Instances"]
        ]
        images = ec2.describe_images(Owners=["self"], Filters=tag)["Images"]
        snapshots = ec2.describe_snapshots(OwnerIds=["self"], Filters=tag)["Snapshots"]
        groups = ec2.describe_security_groups(Filters=tag)["SecurityGroups"]
        return sorted(
            [
                *(one["VolumeId"] for one in ec2.describe_volumes(Filters=tag)["Volumes"]),
                *(one["ImageId"] for one in images),
                *(one["SnapshotId"] for one in snapshots),
                *(one["GroupId"] for one in groups),
                *(
                    one["InstanceId"]
                    for one in instances
                    if one["State"]["Name"] not in ("shutting-down", "terminated")
                ),
            ]
        )

    def count(self, region: str) -> int:
        return len(Witness(self.simulator.url).tagged(self.here.account, region, TAG))

    def open_group(self, region: str, name: str) -> None:
        ec2 = self._ec2(region)
        (network,) = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"]
        ec2.create_security_group(GroupName=name, Description="open", VpcId=network["VpcId"])

    def ways(self, region: str, group: str) -> int:
        (found,) = self._ec2(region).describe_security_groups(GroupIds=[group])["SecurityGroups"]
        return len(found["IpPermissions"]) + len(found["IpPermissionsEgress"])

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
        self.simulator.fault(_OPERATIONS[action], effect, times=times)


def _device(number: int) -> str:
    return "/dev/sda1" if number == 0 else f"/dev/sd{chr(ord('e') + number)}"


_SESSION = boto3.Session()
