"""Locks of EBS snapshots.

A lock of EC2 lasts at least a day, so a shorter one is made a day long. Compliance locks are
made without a time to think again: they hold from their first moment.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from mavis_core.contract import LockMode, SnapshotLock
from mavis_core.errors import CloudInUse, CloudVanished
from mavis_core.kits.aws.clients import Clients
from mavis_core.kits.aws.errors import translated
from mavis_core.kits.aws.forms import chunks

if TYPE_CHECKING:  # stubs, which an appliance does not have
    from mypy_boto3_ec2.type_defs import (
        DescribeLockedSnapshotsRequestTypeDef,
        LockedSnapshotsInfoTypeDef,
    )

__all__ = ["AwsLocks"]

_MODES = {
    "governance": LockMode.GOVERNANCE,
    "compliance": LockMode.COMPLIANCE,
    "compliance-cooloff": LockMode.COMPLIANCE,
}
_SHORTEST = timedelta(days=1, minutes=5)  # the request takes its time


class AwsLocks:
    """Fulfils `mavis_core.contract.SnapshotLocks`."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def lock(self, region: str, cloud_id: str, lock: SnapshotLock) -> None:
        before = self.locks(region, [cloud_id]).get(cloud_id)
        wanted = SnapshotLock(lock.mode, _whole_second(lock.until))
        if before is not None:
            wanted = wanted.with_all_of(before)
        if wanted == before:
            return
        until = max(wanted.until, _whole_second(datetime.now(UTC) + _SHORTEST))
        ec2 = self._clients.ec2(region)
        with translated(region, f"snapshot {cloud_id}"):
            ec2.lock_snapshot(SnapshotId=cloud_id, LockMode=wanted.mode.value, ExpirationDate=until)

    def unlock(self, region: str, cloud_id: str) -> None:
        with suppress(CloudVanished):
            self._unlock(region, cloud_id)

    def _unlock(self, region: str, cloud_id: str) -> None:
        for item in self._described(region, [cloud_id]):
            if item["LockState"] == "compliance":
                raise CloudInUse(
                    f"The snapshot {cloud_id} in {region} has a compliance lock, which nobody"
                    " can take away"
                )
            if item["LockState"] not in _MODES:
                continue
            ec2 = self._clients.ec2(region)
            with translated(region, f"snapshot {cloud_id}"):
                try:
                    ec2.unlock_snapshot(SnapshotId=cloud_id)
                except ClientError:  # also where it was sent again, and the first has done it
                    if cloud_id in self.locks(region, [cloud_id]):
                        raise

    def locks(self, region: str, cloud_ids: Sequence[str]) -> Mapping[str, SnapshotLock]:
        found: dict[str, SnapshotLock] = {}
        for item in self._described(region, cloud_ids):
            mode = _MODES.get(item["LockState"])
            if mode is not None:
                until = item["LockExpiresOn"].astimezone(UTC)
                found[item["SnapshotId"]] = SnapshotLock(mode, until)
        return found

    def _described(
        self, region: str, cloud_ids: Sequence[str]
    ) -> Iterator[LockedSnapshotsInfoTypeDef]:
        ec2 = self._clients.ec2(region)
        for some in chunks(cloud_ids):
            request: DescribeLockedSnapshotsRequestTypeDef = {"SnapshotIds": some}
            with translated(region, f"snapshots {', '.join(some[:5])}"):
                while True:
                    answer = ec2.describe_locked_snapshots(**request)
                    yield from answer["Snapshots"]
                    if not answer.get("NextToken"):
                        break
                    request["NextToken"] = answer["NextToken"]


def _whole_second(moment: datetime) -> datetime:
    """Return the first whole second that is not before `moment`: EC2 keeps no finer ones."""
    whole = moment.replace(microsecond=0)
    return whole if whole == moment else whole + timedelta(seconds=1)
