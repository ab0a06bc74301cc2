"""Volumes made from snapshots, attached, detached, deleted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from mavis_core.contract import NewVolume, Volume, VolumeState
from mavis_core.errors import CloudInUse, CloudVanished
from mavis_core.kits.aws.clients import PAGE_SIZE, Clients
from mavis_core.kits.aws.errors import translated
from mavis_core.kits.aws.forms import check_token, chunks, in_order, tag_map, tagged, with_tag

if TYPE_CHECKING:  # stubs, which an appliance does not have
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_ec2.type_defs import (
        CreateVolumeRequestTypeDef,
        EbsBlockDeviceTypeDef,
        FilterTypeDef,
        VolumeAttachmentTypeDef,
        VolumeResponseTypeDef,
        VolumeTypeDef,
    )

__all__ = ["AwsVolumes", "put_performance"]

_STATES = {
    "creating": VolumeState.CREATING,
    "available": VolumeState.AVAILABLE,
    "in-use": VolumeState.IN_USE,
    "deleting": VolumeState.DELETING,
    "error": VolumeState.ERROR,
}
_HANGS = ("attaching", "attached", "busy")
_WITH_IOPS = ("gp3", "io1", "io2")  # EC2 shows them of others too, and refuses them there


def put_performance(
    request: CreateVolumeRequestTypeDef | EbsBlockDeviceTypeDef,
    volume_type: str | None,
    iops: int | None,
    throughput_mibps: int | None,
) -> None:
    """Put type and speed into a request, without what EC2 does not take for the type."""
    if volume_type is not None:
        request["VolumeType"] = volume_type  # type: ignore[arg-type]  # EC2 checks it
    if iops is not None and volume_type in _WITH_IOPS:
        request["Iops"] = iops
    if throughput_mibps is not None and volume_type == "gp3":
        request["Throughput"] = throughput_mibps


class AwsVolumes:
    """Fulfils `mavis_core.contract.Volumes`."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def create(self, region: str, new: NewVolume, *, tags: Mapping[str, str], token: str) -> Volume:
        request: CreateVolumeRequestTypeDef = {
            "SnapshotId": new.snapshot_id,
            "AvailabilityZone": new.zone,
            "ClientToken": check_token(token),
            "TagSpecifications": tagged(tags, "volume"),
        }
        put_performance(request, new.volume_type, new.iops, new.throughput_mibps)
        if new.kms_key is not None:
            request |= {"Encrypted": True, "KmsKeyId": new.kms_key}
        ec2 = self._clients.ec2(region)
        with translated(region, f"snapshot {new.snapshot_id}"):
            return _volume(ec2.create_volume(**request), region)

    def find(self, region: str, *, tag: str, values: Sequence[str]) -> Sequence[Volume]:
        ec2 = self._clients.ec2(region)
        found: list[Volume] = []
        for some in chunks(values):
            for page in _pages(ec2, region, {"Name": f"tag:{tag}", "Values": some}):
                found += with_tag((_volume(item, region) for item in page), tag, some)
        return found

    def describe(self, region: str, cloud_ids: Sequence[str]) -> Sequence[Volume]:
        ec2 = self._clients.ec2(region)
        found: dict[str, Volume] = {}
        for some in chunks(cloud_ids):
            # a filter, because an error names only one of those that are gone
            for page in _pages(ec2, region, {"Name": "volume-id", "Values": some}):
                found |= {item["VolumeId"]: _volume(item, region) for item in page}
        return in_order(region, "volumes", cloud_ids, found)

    def attach(self, region: str, cloud_id: str, instance_id: str, device: str) -> None:
        ec2 = self._clients.ec2(region)
        try:
            with translated(region, f"volume {cloud_id} to {instance_id} as {device}"):
                ec2.attach_volume(VolumeId=cloud_id, InstanceId=instance_id, Device=device)
        except CloudInUse:
            (volume,) = self.describe(region, [cloud_id])
            if (volume.attached_to, volume.device) != (instance_id, device):
                raise

    def detach(self, region: str, cloud_id: str) -> None:
        ec2 = self._clients.ec2(region)
        with suppress(CloudVanished):
            try:
                with translated(region, f"volume {cloud_id}"):
                    ec2.detach_volume(VolumeId=cloud_id)
            except CloudInUse:  # also said of a volume that hangs nowhere
                (volume,) = self.describe(region, [cloud_id])
                if volume.attached_to is not None:
                    raise

    def delete(self, region: str, cloud_id: str) -> None:
        ec2 = self._clients.ec2(region)
        with suppress(CloudVanished), translated(region, f"volume {cloud_id}"):
            ec2.delete_volume(VolumeId=cloud_id)


def _pages(ec2: EC2Client, region: str, which: FilterTypeDef) -> Iterator[list[VolumeTypeDef]]:
    pages = ec2.get_paginator("describe_volumes").paginate(
        Filters=[which], PaginationConfig={"PageSize": PAGE_SIZE}
    )
    with translated(region, f"volumes by {which['Name']}"):
        for page in pages:
            yield [item for item in page["Volumes"] if item["State"] != "deleted"]


def _volume(item: VolumeTypeDef | VolumeResponseTypeDef, region: str) -> Volume:
    held = _held(item)
    return Volume(
        cloud_id=item["VolumeId"],
        region=region,
        zone=item["AvailabilityZone"],
        state=_STATES.get(item["State"], VolumeState.ERROR),
        size_gib=item["Size"],
        snapshot_id=item.get("SnapshotId") or None,
        attached_to=held.get("InstanceId"),
        device=held.get("Device"),
        tags=tag_map(item.get("Tags", [])),
    )


def _held(item: VolumeTypeDef | VolumeResponseTypeDef) -> VolumeAttachmentTypeDef:
    """Return the attachment that is in force, or an empty one."""
    attachments = item.get("Attachments", [])
    none: VolumeAttachmentTypeDef = {}
    return next((one for one in attachments if one.get("State") in _HANGS), none)
