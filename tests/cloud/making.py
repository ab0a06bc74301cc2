"""Volumes, snapshots and instances that are there when the call returns, made with plain boto3."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

_PAUSE_S = 0.01


def wait_for(condition: Callable[[], bool], timeout_s: float = 20.0) -> None:
    """Return as soon as `condition` holds; fail after the timeout."""
    end = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError("what was waited for did not happen")
        time.sleep(_PAUSE_S)


def volume(ec2: EC2Client, **more: Any) -> str:
    """Make a volume of 1 GiB in the first zone, or as `more` says; wait until it is available."""
    wanted = {"AvailabilityZone": f"{ec2.meta.region_name}a"} | more
    if "SnapshotId" not in wanted:
        wanted = {"Size": 1} | wanted
    one = ec2.create_volume(**wanted)["VolumeId"]
    wait_for(lambda: volume_state(ec2, one) == "available")
    return one


def snapshot(ec2: EC2Client, volume_id: str, **more: Any) -> str:
    """Make a snapshot, and wait for its end."""
    return ended(ec2, ec2.create_snapshot(VolumeId=volume_id, **more)["SnapshotId"])


def ended(ec2: EC2Client, snapshot_id: str) -> str:
    """Wait until a snapshot is completed or broken; return its id."""
    wait_for(lambda: snapshot_state(ec2, snapshot_id) != "pending")
    return snapshot_id


def instance(ec2: EC2Client, image: str, **more: Any) -> str:
    """Make an instance, and wait until it runs."""
    made = ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1, **more)["Instances"]
    one = made[0]["InstanceId"]
    wait_for(lambda: instance_state(ec2, one) == "running")
    return one


def volume_state(ec2: EC2Client, one: str) -> str:
    """Return a volume's state; empty where there is none."""
    filters = [{"Name": "volume-id", "Values": [one]}]
    found = ec2.describe_volumes(Filters=filters)["Volumes"]  # type: ignore[arg-type]  # a literal
    return found[0]["State"] if found else ""


def snapshot_state(ec2: EC2Client, one: str) -> str:
    return ec2.describe_snapshots(SnapshotIds=[one])["Snapshots"][0]["State"]


def instance_state(ec2: EC2Client, one: str) -> str:
    found = ec2.describe_instances(InstanceIds=[one])["Reservations"][0]["Instances"]
    return found[0]["State"]["Name"]


def volumes_of(ec2: EC2Client, instance_id: str) -> dict[str, str]:
    """Return an instance's volumes by device."""
    found = ec2.describe_instances(InstanceIds=[instance_id])["Reservations"][0]["Instances"]
    return {each["DeviceName"]: each["Ebs"]["VolumeId"] for each in found[0]["BlockDeviceMappings"]}
