"""Snapshots of an instance's volumes: CreateSnapshots and DescribeSnapshots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC
from typing import TYPE_CHECKING

from mavis_core.contract import SnapshotState, VolumeSnapshot
from mavis_core.errors import CloudVanished, InvalidInput
from mavis_core.kits.aws.clients import PAGE_SIZE, Clients
from mavis_core.kits.aws.errors import translated
from mavis_core.kits.aws.inventory import attached_volumes, percent, tag_map

if TYPE_CHECKING:  # stubs, which an appliance does not have
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_ec2.type_defs import (
        FilterTypeDef,
        InstanceSpecificationTypeDef,
        InstanceTypeDef,
        SnapshotInfoTypeDef,
        SnapshotTypeDef,
    )

__all__ = ["AwsSnapshots"]

# A snapshot that waits for a quota or is being moved between tiers is not there yet, or is
# there for good; `recoverable` is the recycle bin
_STATES = {
    "pending": SnapshotState.PENDING,
    "completed": SnapshotState.COMPLETED,
    "error": SnapshotState.ERROR,
    "recoverable": SnapshotState.ERROR,
    "recovering": SnapshotState.PENDING,
}
_NO_MORE = ("shutting-down", "terminated")
_FILTER_VALUES = 200  # what EC2 takes in one filter


class AwsSnapshots:
    """Fulfils `mavis_core.contract.Snapshots`."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def create(
        self,
        region: str,
        instance_id: str,
        *,
        volume_ids: Sequence[str],
        description: str,
        tags: Mapping[str, str],
    ) -> Sequence[VolumeSnapshot]:
        if not volume_ids:
            raise InvalidInput("A snapshot needs at least one volume", field="volume_ids")
        ec2 = self._clients.ec2(region)
        with translated(region, f"instance {instance_id}"):
            instance = _instance(ec2, region, instance_id)
            answer = ec2.create_snapshots(
                InstanceSpecification=_specification(instance, region, volume_ids),
                Description=description,
                TagSpecifications=[
                    {
                        "ResourceType": "snapshot",
                        "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
                    }
                ],
            )
        return [_snapshot(item, region) for item in answer["Snapshots"]]

    def find(self, region: str, *, tag: str, value: str) -> Sequence[VolumeSnapshot]:
        ec2 = self._clients.ec2(region)
        with translated(region, f"snapshots with the tag {tag}"):
            return _described(ec2, region, {"Name": f"tag:{tag}", "Values": [value]})

    def describe(self, region: str, cloud_ids: Sequence[str]) -> Sequence[VolumeSnapshot]:
        ec2 = self._clients.ec2(region)
        found: dict[str, VolumeSnapshot] = {}
        for start in range(0, len(cloud_ids), _FILTER_VALUES):
            some = list(cloud_ids[start : start + _FILTER_VALUES])
            with translated(region, f"snapshots {', '.join(some[:5])}"):
                # a filter, because an error names only one of those that are gone
                for item in _described(ec2, region, {"Name": "snapshot-id", "Values": some}):
                    found[item.cloud_id] = item
        missing = [cloud_id for cloud_id in cloud_ids if cloud_id not in found]
        if missing:
            raise CloudVanished(f"Gone in {region}: snapshots {', '.join(missing)}")
        return [found[cloud_id] for cloud_id in cloud_ids]


def _instance(ec2: EC2Client, region: str, instance_id: str) -> InstanceTypeDef:
    reservations = ec2.describe_instances(InstanceIds=[instance_id])["Reservations"]
    for reservation in reservations:
        for instance in reservation["Instances"]:
            if instance["State"]["Name"] not in _NO_MORE:
                return instance
    raise CloudVanished(f"Gone in {region}: instance {instance_id} is terminated")


def _specification(
    instance: InstanceTypeDef, region: str, volume_ids: Sequence[str]
) -> InstanceSpecificationTypeDef:
    """Return what CreateSnapshots needs to take exactly `volume_ids`: what it must leave out."""
    attached = attached_volumes(instance)
    instance_id = instance["InstanceId"]
    missing = [volume for volume in volume_ids if volume not in attached]
    if missing:
        raise CloudVanished(
            f"No longer attached to instance {instance_id} in {region}:"
            f" {', '.join(missing)}; nothing was made"
        )
    root = _root_volume(instance)
    others = [volume for volume in attached if volume not in volume_ids]
    specification: InstanceSpecificationTypeDef = {"InstanceId": instance_id}
    if root in others:
        specification["ExcludeBootVolume"] = True
    data = [volume for volume in others if volume != root]
    if data:
        specification["ExcludeDataVolumeIds"] = data
    return specification


def _root_volume(instance: InstanceTypeDef) -> str | None:
    root = instance.get("RootDeviceName")
    for item in instance.get("BlockDeviceMappings", []):
        if item["DeviceName"] == root and "Ebs" in item:
            return item["Ebs"]["VolumeId"]
    return None


def _described(ec2: EC2Client, region: str, which: FilterTypeDef) -> list[VolumeSnapshot]:
    pages = ec2.get_paginator("describe_snapshots").paginate(
        OwnerIds=["self"], Filters=[which], PaginationConfig={"PageSize": PAGE_SIZE}
    )
    return [_snapshot(item, region) for page in pages for item in page["Snapshots"]]


def _snapshot(item: SnapshotTypeDef | SnapshotInfoTypeDef, region: str) -> VolumeSnapshot:
    return VolumeSnapshot(
        cloud_id=item["SnapshotId"],
        region=region,
        volume_id=item["VolumeId"],
        state=_STATES.get(item["State"], SnapshotState.PENDING),
        progress_percent=percent(item.get("Progress", "")),
        started_at=item["StartTime"].astimezone(UTC),
        size_gib=item["VolumeSize"],
        tags=tag_map(item.get("Tags", [])),
    )
