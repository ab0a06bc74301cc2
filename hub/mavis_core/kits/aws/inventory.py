"""Discovery: EC2's descriptions, in pages, as `Found`.

One function reads one kind: it takes a region's client and yields pages. Instances that are
terminated count as gone, though EC2 shows them for another hour.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mavis_core.contract import Found, ResourceKind
from mavis_core.kits.aws.clients import PAGE_SIZE, Clients
from mavis_core.kits.aws.errors import translated
from mavis_core.kits.aws.forms import tag_map

if TYPE_CHECKING:  # stubs, which an appliance does not have
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_ec2.type_defs import (
        ImageTypeDef,
        InstanceTypeDef,
        PaginatorConfigTypeDef,
        SnapshotTypeDef,
        SubnetTypeDef,
        TagTypeDef,
        VolumeTypeDef,
        VpcTypeDef,
    )

__all__ = ["AwsInventory", "attached_volumes", "percent"]

_PAGES: PaginatorConfigTypeDef = {"PageSize": PAGE_SIZE}
_ALIVE = ["pending", "running", "shutting-down", "stopping", "stopped"]


class AwsInventory:
    """Fulfils `mavis_core.contract.Inventory`."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def discover(self, region: str, kind: ResourceKind) -> Iterator[Sequence[Found]]:
        ec2 = self._clients.ec2(region)
        with translated(region):
            yield from _READERS[kind](ec2, region)


def percent(progress: str) -> int:
    """Return EC2's ``"42%"`` as a number; EC2 says nothing at all at the beginning."""
    return int(progress.rstrip("%") or 0)


def attached_volumes(instance: InstanceTypeDef) -> dict[str, str]:
    """Return an instance's volumes by device, the root volume first, then as attached."""
    root = instance.get("RootDeviceName")
    mappings = [item for item in instance.get("BlockDeviceMappings", []) if "Ebs" in item]
    mappings.sort(
        key=lambda item: (
            item["DeviceName"] != root,
            item["Ebs"].get("AttachTime", datetime.min.replace(tzinfo=UTC)),
            item["DeviceName"],
        )
    )
    return {item["DeviceName"]: item["Ebs"]["VolumeId"] for item in mappings}


def _moment(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _found(
    kind: ResourceKind,
    region: str,
    cloud_id: str,
    *,
    state: str,
    tags: Iterable[TagTypeDef],
    details: Mapping[str, object],
) -> Found:
    named = tag_map(tags)
    return Found(
        kind=kind,
        region=region,
        cloud_id=cloud_id,
        name=named.get("Name", ""),
        state=state,
        tags=named,
        details={key: value for key, value in details.items() if value is not None},
    )


def _instances(ec2: EC2Client, region: str) -> Iterator[Sequence[Found]]:
    pages = ec2.get_paginator("describe_instances").paginate(
        Filters=[{"Name": "instance-state-name", "Values": _ALIVE}], PaginationConfig=_PAGES
    )
    for page in pages:
        yield [
            _instance(instance, region)
            for reservation in page["Reservations"]
            for instance in reservation["Instances"]
        ]


def _instance(instance: InstanceTypeDef, region: str) -> Found:
    devices = attached_volumes(instance)
    return _found(
        ResourceKind.INSTANCE,
        region,
        instance["InstanceId"],
        state=instance["State"]["Name"],
        tags=instance.get("Tags", []),
        details={
            "instance_type": instance["InstanceType"],
            "platform": instance.get("Platform") or "linux",
            "private_ip": instance.get("PrivateIpAddress"),
            "public_ip": instance.get("PublicIpAddress"),
            "launched_at": _moment(instance["LaunchTime"]),
            "zone": instance.get("Placement", {}).get("AvailabilityZone"),
            "volumes": list(devices.values()),
            "devices": devices,
            "root_device": instance.get("RootDeviceName"),
            "image_id": instance.get("ImageId"),
            "architecture": instance.get("Architecture"),
            # what it boots with now counts where its image does not say
            "boot_mode": instance.get("BootMode") or instance.get("CurrentInstanceBootMode"),
            "subnet_id": instance.get("SubnetId"),
            "vpc_id": instance.get("VpcId"),
            "security_groups": [group["GroupId"] for group in instance.get("SecurityGroups", [])],
            "key_name": instance.get("KeyName"),
            "profile": instance.get("IamInstanceProfile", {}).get("Arn"),
        },
    )


def _volumes(ec2: EC2Client, region: str) -> Iterator[Sequence[Found]]:
    for page in ec2.get_paginator("describe_volumes").paginate(PaginationConfig=_PAGES):
        yield [_volume(volume, region) for volume in page["Volumes"]]


def _volume(volume: VolumeTypeDef, region: str) -> Found:
    attachments = volume.get("Attachments", [])
    first = attachments[0] if attachments else {}
    return _found(
        ResourceKind.VOLUME,
        region,
        volume["VolumeId"],
        state=volume["State"],
        tags=volume.get("Tags", []),
        details={
            "size_gib": volume["Size"],
            "type": volume.get("VolumeType"),
            "iops": volume.get("Iops"),
            "throughput_mibps": volume.get("Throughput"),
            "encrypted": volume.get("Encrypted", False),
            "kms_key": volume.get("KmsKeyId"),
            "zone": volume.get("AvailabilityZone"),
            "attached_to": first.get("InstanceId"),
            "device": first.get("Device"),
            "made_from": volume.get("SnapshotId") or None,
            "created_at": _moment(volume["CreateTime"]),
        },
    )


def _snapshots(ec2: EC2Client, region: str) -> Iterator[Sequence[Found]]:
    pages = ec2.get_paginator("describe_snapshots").paginate(
        OwnerIds=["self"], PaginationConfig=_PAGES
    )
    for page in pages:
        yield [_snapshot(snapshot, region) for snapshot in page["Snapshots"]]


def _snapshot(snapshot: SnapshotTypeDef, region: str) -> Found:
    return _found(
        ResourceKind.VOLUME_SNAPSHOT,
        region,
        snapshot["SnapshotId"],
        state=snapshot["State"],
        tags=snapshot.get("Tags", []),
        details={
            "volume_id": snapshot["VolumeId"],
            "size_gib": snapshot["VolumeSize"],
            "progress_percent": percent(snapshot.get("Progress", "")),
            "encrypted": snapshot.get("Encrypted", False),
            "description": snapshot.get("Description", ""),
            "started_at": _moment(snapshot["StartTime"]),
        },
    )


def _images(ec2: EC2Client, region: str) -> Iterator[Sequence[Found]]:
    pages = ec2.get_paginator("describe_images").paginate(Owners=["self"], PaginationConfig=_PAGES)
    for page in pages:
        yield [_image(image, region) for image in page["Images"]]


def _image(image: ImageTypeDef, region: str) -> Found:
    mappings = image.get("BlockDeviceMappings", [])
    return _found(
        ResourceKind.IMAGE,
        region,
        image["ImageId"],
        state=image["State"],
        tags=image.get("Tags", []),
        details={
            "image_name": image.get("Name", ""),
            "architecture": image.get("Architecture"),
            "platform": image.get("Platform") or "linux",
            "created_at": image.get("CreationDate"),
            "snapshots": [
                item["Ebs"]["SnapshotId"]
                for item in mappings
                if "SnapshotId" in item.get("Ebs", {})
            ],
        },
    )


def _networks(ec2: EC2Client, region: str) -> Iterator[Sequence[Found]]:
    subnets: dict[str, list[SubnetTypeDef]] = {}
    for page in ec2.get_paginator("describe_subnets").paginate(PaginationConfig=_PAGES):
        for subnet in page["Subnets"]:
            subnets.setdefault(subnet["VpcId"], []).append(subnet)
    for vpcs in ec2.get_paginator("describe_vpcs").paginate(PaginationConfig=_PAGES):
        yield [_network(vpc, subnets.get(vpc["VpcId"], []), region) for vpc in vpcs["Vpcs"]]


def _network(vpc: VpcTypeDef, subnets: Sequence[SubnetTypeDef], region: str) -> Found:
    in_order = sorted(subnets, key=lambda item: item["SubnetId"])
    return _found(
        ResourceKind.NETWORK,
        region,
        vpc["VpcId"],
        state=vpc["State"],
        tags=vpc.get("Tags", []),
        details={
            "cidr": vpc["CidrBlock"],
            "default": vpc.get("IsDefault", False),
            "subnets": [item["SubnetId"] for item in in_order],
            "subnet_cidrs": [item["CidrBlock"] for item in in_order],
        },
    )


_READERS: dict[ResourceKind, Callable[[EC2Client, str], Iterator[Sequence[Found]]]] = {
    ResourceKind.INSTANCE: _instances,
    ResourceKind.VOLUME: _volumes,
    ResourceKind.VOLUME_SNAPSHOT: _snapshots,
    ResourceKind.IMAGE: _images,
    ResourceKind.NETWORK: _networks,
}
