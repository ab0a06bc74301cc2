"""Snapshots for other accounts and regions: ModifySnapshotAttribute and CopySnapshot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mavis_core.contract import SnapshotState, VolumeSnapshot
from mavis_core.errors import CloudVanished
from mavis_core.kits.aws.clients import Clients
from mavis_core.kits.aws.errors import translated
from mavis_core.kits.aws.forms import tagged

if TYPE_CHECKING:  # stubs, which an appliance does not have
    from mypy_boto3_ec2.literals import OperationTypeType
    from mypy_boto3_ec2.type_defs import CopySnapshotRequestTypeDef

__all__ = ["AwsCopies"]

_NO_VOLUME = "vol-ffffffff"  # what EC2 says of every copy


class AwsCopies:
    """Fulfils `mavis_core.contract.SnapshotCopies`."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def share(self, region: str, cloud_ids: Sequence[str], account: str) -> None:
        for cloud_id in cloud_ids:
            self._permit(region, cloud_id, account, "add")

    def unshare(self, region: str, cloud_ids: Sequence[str], account: str) -> None:
        for cloud_id in cloud_ids:
            with suppress(CloudVanished):
                self._permit(region, cloud_id, account, "remove")

    def _permit(self, region: str, cloud_id: str, account: str, change: OperationTypeType) -> None:
        ec2 = self._clients.ec2(region)
        with translated(region, f"snapshot {cloud_id}"):
            ec2.modify_snapshot_attribute(
                SnapshotId=cloud_id,
                Attribute="createVolumePermission",
                OperationType=change,
                UserIds=[account],
            )

    def copy(
        self,
        region: str,
        *,
        source_region: str,
        source_id: str,
        description: str,
        tags: Mapping[str, str],
        kms_key: str | None,
    ) -> VolumeSnapshot:
        request: CopySnapshotRequestTypeDef = {
            "SourceRegion": source_region,
            "SourceSnapshotId": source_id,
            "Description": description,
            "TagSpecifications": tagged(tags, "snapshot"),
        }
        if kms_key is not None:
            request |= {"Encrypted": True, "KmsKeyId": kms_key}
        ec2 = self._clients.ec2(region)
        with translated(region, f"snapshot {source_id} of {source_region}"):
            made = ec2.copy_snapshot(**request)["SnapshotId"]
        return VolumeSnapshot(
            cloud_id=made,
            region=region,
            volume_id=_NO_VOLUME,
            state=SnapshotState.PENDING,
            progress_percent=0,
            started_at=datetime.now(UTC),
            size_gib=0,
            tags=dict(tags),
            encrypted=kms_key is not None,
        )
