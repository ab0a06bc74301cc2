"""A small world: the project "shop" in two accounts and two regions.

Made with plain boto3. ``python tests/cloud/seed.py URL`` makes it in a running simulator and
prints it as JSON, for the demo.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from cloud.accounts import EXTERNAL_ID, MAIN, PARTNER, ec2, role_arn

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_ec2.type_defs import (
        EbsBlockDeviceTypeDef,
        TagTypeDef,
        WaiterConfigTypeDef,
    )

REGIONS = ("eu-central-1", "us-east-1")
_OFTEN: WaiterConfigTypeDef = {
    "Delay": 0.02,  # type: ignore[typeddict-item]  # it takes fractions, too
    "MaxAttempts": 1000,
}
_LETTERS = "fghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class _Wanted:
    """A machine to make: sizes of its volumes in GiB, the root volume first."""

    name: str
    role: str
    sizes: tuple[int, ...]
    running: bool = True


_SHOP = {
    (MAIN, "eu-central-1"): (
        _Wanted("web-1", "web", (8, 20)),
        _Wanted("db-1", "database", (8, 100, 50)),
        _Wanted("worker-1", "worker", (8,)),
        _Wanted("worker-2", "worker", (8,), running=False),
    ),
    (MAIN, "us-east-1"): (_Wanted("web-2", "web", (8, 20)), _Wanted("db-2", "database", (8, 100))),
    (PARTNER, "eu-central-1"): (_Wanted("payments-1", "payments", (8, 30)),),
    (PARTNER, "us-east-1"): (_Wanted("archive-1", "archive", (8, 500), running=False),),
}


@dataclass(frozen=True)
class Machine:
    """An instance that was made; its volumes in attachment order, the root volume first."""

    account: str
    region: str
    name: str
    instance_id: str
    volume_ids: tuple[str, ...]
    state: str


@dataclass(frozen=True)
class World:
    """What was made.

    Parameters
    ----------
    accounts, regions
        Each account has each region.
    role_arn, external_id
        The way from the main account into the partner's.
    machines
        All instances.
    images
        Image id by (account, region).
    snapshots
        Id of a volume snapshot that is older than Mavis, by (account, region).
    """

    url: str
    accounts: tuple[str, ...]
    regions: tuple[str, ...]
    role_arn: str
    external_id: str
    machines: tuple[Machine, ...]
    images: dict[tuple[str, str], str]
    snapshots: dict[tuple[str, str], str]

    def machine(self, name: str) -> Machine:
        """Return the machine of that name; names are unique in the world."""
        return next(machine for machine in self.machines if machine.name == name)

    def places(self) -> list[tuple[str, str]]:
        """Return every pair of account and region."""
        return [(account, region) for account in self.accounts for region in self.regions]

    def to_json(self) -> str:
        document = asdict(self)
        for name in ("images", "snapshots"):
            document[name] = [
                {"account": account, "region": region, "id": one}
                for (account, region), one in getattr(self, name).items()
            ]
        return json.dumps(document, indent=2)


def seed(url: str) -> World:
    """Make the world in the simulator at `url`."""
    with ThreadPoolExecutor(len(_SHOP)) as pool:
        made = list(pool.map(partial(_seed_place, url), _SHOP))
    return World(
        url=url,
        accounts=(MAIN, PARTNER),
        regions=REGIONS,
        role_arn=role_arn(PARTNER),
        external_id=EXTERNAL_ID,
        machines=tuple(machine for here in made for machine in here.machines),
        images={place: here.image for place, here in zip(_SHOP, made, strict=True)},
        snapshots={place: here.snapshot for place, here in zip(_SHOP, made, strict=True)},
    )


@dataclass(frozen=True)
class _Here:
    """What was made in one account and region."""

    machines: tuple[Machine, ...]
    image: str
    snapshot: str


def _seed_place(url: str, place: tuple[str, str]) -> _Here:
    account, region = place
    with ec2(url, account, region) as client:
        image = register_image(client, "shop-base")
        machines = []
        for item in _SHOP[place]:
            machine = launch(client, account, region, item.name, item.sizes, image=image)
            _tag_role(client, machine, item.role)
            machines.append(machine if item.running else _stop(client, machine))
        return _Here(tuple(machines), image, _old_snapshot(client, machines[0]))


def register_image(client: EC2Client, name: str) -> str:
    """Make a machine image."""
    return client.register_image(
        Name=name,
        Architecture="x86_64",
        RootDeviceName="/dev/sda1",
        VirtualizationType="hvm",
        BlockDeviceMappings=[{"DeviceName": "/dev/sda1", "Ebs": {"VolumeSize": 8}}],
    )["ImageId"]


def launch(
    client: EC2Client,
    account: str,
    region: str,
    name: str,
    sizes: Sequence[int],
    *,
    image: str,
    tags: dict[str, str] | None = None,
    kms_key: str | None = None,
) -> Machine:
    """Make a running instance with encrypted volumes of `sizes` in GiB, the root volume first.

    Without `kms_key` they have the key that AWS manages.
    """
    labels = {"app": "shop", "env": "production"} | (tags or {})
    instance_id, zone = _run(client, name, sizes[0], image, labels, kms_key)
    data = [
        _data_volume(client, zone, size, {"Name": f"{name}-data-{number}"} | labels, kms_key)
        for number, size in enumerate(sizes[1:], start=1)
    ]
    client.get_waiter("instance_running").wait(InstanceIds=[instance_id], WaiterConfig=_OFTEN)
    if data:
        client.get_waiter("volume_available").wait(VolumeIds=data, WaiterConfig=_OFTEN)
    for letter, volume in zip(_LETTERS, data, strict=False):
        client.attach_volume(VolumeId=volume, InstanceId=instance_id, Device=f"/dev/sd{letter}")
    described = client.describe_instances(InstanceIds=[instance_id])["Reservations"][0]
    found = described["Instances"][0]["BlockDeviceMappings"]
    volumes = tuple(item["Ebs"]["VolumeId"] for item in found)
    return Machine(account, region, name, instance_id, volumes, "running")


def _run(
    client: EC2Client,
    name: str,
    size: int,
    image: str,
    labels: dict[str, str],
    kms_key: str | None,
) -> tuple[str, str]:
    """Begin an instance with its root volume; return its id and its zone."""
    disk: EbsBlockDeviceTypeDef = {"VolumeSize": size, "VolumeType": "gp3", "Encrypted": True}
    if kms_key is not None:
        disk["KmsKeyId"] = kms_key
    instance = client.run_instances(
        ImageId=image,
        InstanceType="t3.small",
        MinCount=1,
        MaxCount=1,
        BlockDeviceMappings=[{"DeviceName": "/dev/sda1", "Ebs": disk}],
        TagSpecifications=[
            {"ResourceType": "instance", "Tags": _tags({"Name": name} | labels)},
            {"ResourceType": "volume", "Tags": _tags({"Name": f"{name}-root"} | labels)},
        ],
    )["Instances"][0]
    return instance["InstanceId"], instance["Placement"]["AvailabilityZone"]


def _data_volume(
    client: EC2Client, zone: str, size: int, tags: dict[str, str], kms_key: str | None
) -> str:
    key: dict[str, str] = {} if kms_key is None else {"KmsKeyId": kms_key}
    return client.create_volume(
        AvailabilityZone=zone,
        Size=size,
        VolumeType="gp3",
        Encrypted=True,
        TagSpecifications=[{"ResourceType": "volume", "Tags": _tags(tags)}],
        **key,  # type: ignore[arg-type]  # by name
    )["VolumeId"]


def _tag_role(client: EC2Client, machine: Machine, role: str) -> None:
    client.create_tags(Resources=[machine.instance_id], Tags=_tags({"role": role}))


def _stop(client: EC2Client, machine: Machine) -> Machine:
    client.stop_instances(InstanceIds=[machine.instance_id])
    stopped = client.get_waiter("instance_stopped")
    stopped.wait(InstanceIds=[machine.instance_id], WaiterConfig=_OFTEN)
    return Machine(
        machine.account,
        machine.region,
        machine.name,
        machine.instance_id,
        machine.volume_ids,
        "stopped",
    )


def _old_snapshot(client: EC2Client, machine: Machine) -> str:
    return client.create_snapshot(
        VolumeId=machine.volume_ids[0],
        Description="made by hand before Mavis",
        TagSpecifications=[
            {"ResourceType": "snapshot", "Tags": _tags({"Name": f"{machine.name}-by-hand"})}
        ],
    )["SnapshotId"]


def _tags(tags: dict[str, str]) -> list[TagTypeDef]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


if __name__ == "__main__":
    sys.stdout.write(seed(sys.argv[1]).to_json() + "\n")
