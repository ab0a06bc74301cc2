"""Snapshots of an instance's volumes: taken, found and deleted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC
from typing import TYPE_CHECKING

from mavis_core.contract import SnapshotState, VolumeSnapshot
from mavis_core.errors import CloudVanished, InvalidInput
from mavis_core.kits.aws.clients import PAGE_SIZE, Clients
from mavis_core.kits.aws.errors import translated
from mavis_core.kits.aws.forms import chunks, in_order, tag_map, tagged, with_tag
from mavis_core.kits.aws.inventory import attached_volumes, percent

if TYPE_CHECKING:  # stubs, which an appliance does not have
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_ec2.type_defs import (
        FilterTypeDef,
        InstanceSpecificationTypeDef,
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
        attached: Sequence[str] | None = None,
    ) -> Sequence[VolumeSnapshot]:
        if not volume_ids:
            raise InvalidInput("A snapshot needs at least one volume", field="volume_ids")
        ec2 = self._clients.ec2(region)
        with translated(region, f"instance {instance_id}"):
            if attached is None:
                root, attached = _look(ec2, region, instance_id)
            else:
                root = attached[0] if attached else None
            _check_attached(region, instance_id, volume_ids, attached)
            answer = ec2.create_snapshots(
                InstanceSpecification=_specification(instance_id, volume_ids, attached, root),
                Description=description,
                TagSpecifications=tagged(tags, "snapshot"),
            )
        return [_snapshot(item, region) for item in answer["Snapshots"]]

    def find(self, region: str, *, tag: str, values: Sequence[str]) -> Sequence[VolumeSnapshot]:
        ec2 = self._clients.ec2(region)
        found: list[VolumeSnapshot] = []
        for some in chunks(values):
            for page in _pages(ec2, region, {"Name": f"tag:{tag}", "Values": some}):
                found += with_tag(page, tag, some)
        return found

    def describe(self, region: str, cloud_ids: Sequence[str]) -> Sequence[VolumeSnapshot]:
        ec2 = self._clients.ec2(region)
        found: dict[str, VolumeSnapshot] = {}
        for some in chunks(cloud_ids):
            # a filter, because an error names only one of those that are gone
            for page in _pages(ec2, region, {"Name": "snapshot-id", "Values": some}):
                found |= {one.cloud_id: one for one in page}
        return in_order(region, "snapshots", cloud_ids, found)

    def all(self, region: str, *, tag: str) -> Iterator[Sequence[VolumeSnapshot]]:
        ec2 = self._clients.ec2(region)
        for page in _pages(ec2, region, {"Name": "tag-key", "Values": [tag]}):
            yield [one for one in page if tag in one.tags]

    def delete(self, region: str, cloud_id: str) -> None:
        ec2 = self._clients.ec2(region)
        with suppress(CloudVanished), translated(region, f"snapshot {cloud_id}"):
            ec2.delete_snapshot(SnapshotId=cloud_id)


def _look(ec2: EC2Client, region: str, instance_id: str) -> tuple[str | None, Sequence[str]]:
    """Return the root volume of an instance, if it has one, and all its volumes."""
    for reservation in ec2.describe_instances(InstanceIds=[instance_id])["Reservations"]:
        for instance in reservation["Instances"]:
            if instance["State"]["Name"] in _NO_MORE:
                continue
            attached = attached_volumes(instance)
            name = instance.get("RootDeviceName")
            return attached.get(name or ""), list(attached.values())
    raise CloudVanished(f"Gone in {region}: instance {instance_id} is terminated")


def _check_attached(
    region: str, instance_id: str, volume_ids: Sequence[str], attached: Sequence[str]
) -> None:
    missing = [volume for volume in volume_ids if volume not in attached]
    if missing:
        raise CloudVanished(
            f"No longer attached to instance {instance_id} in {region}:"
            f" {', '.join(missing)}; nothing was made"
        )


def _specification(
    instance_id: str, volume_ids: Sequence[str], attached: Sequence[str], root: str | None
) -> InstanceSpecificationTypeDef:
    """Return what CreateSnapshots needs to take exactly `volume_ids`: what it must leave out."""
    others = [volume for volume in attached if volume not in volume_ids]
    specification: InstanceSpecificationTypeDef = {"InstanceId": instance_id}
    if root in others:
        specification["ExcludeBootVolume"] = True
    data = [volume for volume in others if volume != root]
    if data:
        specification["ExcludeDataVolumeIds"] = data
    return specification


def _pages(ec2: EC2Client, region: str, which: FilterTypeDef) -> Iterator[list[VolumeSnapshot]]:
    pages = ec2.get_paginator("describe_snapshots").paginate(
        OwnerIds=["self"], Filters=[which], PaginationConfig={"PageSize": PAGE_SIZE}
    )
    with translated(region, f"snapshots by {which['Name']}"):
        for page in pages:
            yield [_snapshot(item, region) for item in page["Snapshots"]]


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
        encrypted=item.get("Encrypted", False),
        message=str(item.get("StateMessage", "")),
    )
