"""Sharing, encryption and locks of the simulator's snapshots follow AWS's rules."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from cloud import accounts, making
from cloud.client import Simulator

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

REGION, OTHER = "eu-central-1", "us-east-1"
ME, YOU = accounts.MAIN, accounts.PARTNER
NEEDED = ["DescribeKey", "CreateGrant", "Decrypt"]


@pytest.fixture
def ec2(simulator: Simulator) -> Iterator[EC2Client]:
    simulator.settings(snapshot_s=0.05, volume_s=0.05, instance_s=0)
    with accounts.ec2(simulator.url, ME, REGION) as client:
        yield client


@pytest.fixture
def yours(simulator: Simulator) -> Iterator[EC2Client]:
    with accounts.ec2(simulator.url, YOU, REGION) as client:
        yield client


@pytest.fixture
def there(simulator: Simulator) -> Iterator[EC2Client]:
    with accounts.ec2(simulator.url, ME, OTHER) as client:
        yield client


@pytest.fixture
def kms(simulator: Simulator) -> Iterator[Any]:
    with accounts.client("kms", simulator.url, ME, REGION) as client:
        yield client


def refused(call: Any, **ask: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**ask)
    return str(caught.value.response["Error"]["Code"])


def taken(ec2: EC2Client, key: str | None = None) -> str:
    """Return a completed snapshot, encrypted with `key`."""
    more = {"Encrypted": True, "KmsKeyId": key} if key else {}
    return making.snapshot(ec2, making.volume(ec2, **more))


def new_key(kms: Any, *accounts: str) -> str:
    """Return the ARN of a key that its owner and `accounts` may use."""
    roots = [f"arn:aws:iam::{account}:root" for account in (ME, *accounts)]
    statement = {"Effect": "Allow", "Principal": {"AWS": roots}, "Action": "kms:*", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    return str(kms.create_key(Policy=policy)["KeyMetadata"]["Arn"])


def share(ec2: EC2Client, snapshot: str, account: str = YOU) -> None:
    ec2.modify_snapshot_attribute(
        SnapshotId=snapshot, CreateVolumePermission={"Add": [{"UserId": account}]}
    )


def seen(ec2: EC2Client, snapshot: str) -> dict[str, Any]:
    return dict(ec2.describe_snapshots(SnapshotIds=[snapshot])["Snapshots"][0])


def copied(ec2: EC2Client, snapshot: str, **more: Any) -> dict[str, Any]:
    """Copy a snapshot of `REGION`, and return the copy at its end."""
    one = ec2.copy_snapshot(SourceRegion=REGION, SourceSnapshotId=snapshot, **more)["SnapshotId"]
    return seen(ec2, making.ended(ec2, one))


# sharing


def test_a_shared_snapshot_can_be_seen_and_used_by_the_other_account_only_while_it_is_shared(
    simulator: Simulator, ec2: EC2Client, yours: EC2Client
) -> None:
    volume = making.volume(ec2)
    simulator.write(volume, {1: b"x"})
    one = making.snapshot(ec2, volume)
    ec2.create_tags(Resources=[one], Tags=[{"Key": "secret", "Value": "of mine"}])
    assert refused(yours.describe_snapshots, SnapshotIds=[one]) == "InvalidSnapshot.NotFound"
    share(ec2, one)
    for ask in (
        {"SnapshotIds": [one]},
        {"OwnerIds": [ME]},
        {"RestorableByUserIds": ["self"]},
        {},
    ):
        (found,) = yours.describe_snapshots(**ask)["Snapshots"]  # type: ignore[arg-type]
        assert (found["SnapshotId"], found["OwnerId"], found.get("Tags")) == (one, ME, None)
    assert yours.describe_snapshots(OwnerIds=["self"])["Snapshots"] == []
    assert simulator.digest(making.volume(yours, SnapshotId=one)) == simulator.digest(volume)
    assert refused(yours.delete_snapshot, SnapshotId=one) == "AuthFailure"
    (permission,) = ec2.describe_snapshot_attribute(
        SnapshotId=one, Attribute="createVolumePermission"
    )["CreateVolumePermissions"]
    assert permission == {"UserId": YOU}
    ec2.modify_snapshot_attribute(
        SnapshotId=one,
        Attribute="createVolumePermission",
        OperationType="remove",
        UserIds=[YOU],
    )
    assert refused(yours.describe_snapshots, SnapshotIds=[one]) == "InvalidSnapshot.NotFound"


def test_a_copy_of_a_shared_snapshot_belongs_to_who_made_it(
    simulator: Simulator, ec2: EC2Client, yours: EC2Client
) -> None:
    volume = making.volume(ec2)
    simulator.write(volume, {1: b"x"})
    one = making.snapshot(ec2, volume)
    share(ec2, one)
    mine = copied(yours, one, Encrypted=True)
    assert (mine["OwnerId"], mine["State"], mine["Encrypted"]) == (YOU, "completed", True)
    ec2.delete_snapshot(SnapshotId=one)
    assert simulator.digest(mine["SnapshotId"]) == simulator.digest(volume)


def test_what_has_the_accounts_default_key_cannot_be_shared(ec2: EC2Client) -> None:
    one = making.snapshot(ec2, making.volume(ec2, Encrypted=True))
    ask: Any = {"SnapshotId": one, "CreateVolumePermission": {"Add": [{"UserId": YOU}]}}
    assert refused(ec2.modify_snapshot_attribute, **ask) == "OperationNotPermitted"


def test_what_is_encrypted_cannot_be_public(ec2: EC2Client, kms: Any) -> None:
    ask: Any = {"CreateVolumePermission": {"Add": [{"Group": "all"}]}}
    one = taken(ec2, new_key(kms))
    assert refused(ec2.modify_snapshot_attribute, SnapshotId=one, **ask) == "OperationNotPermitted"
    ec2.modify_snapshot_attribute(SnapshotId=taken(ec2), **ask)


# keys


def test_what_comes_from_an_encrypted_source_has_its_key(ec2: EC2Client, kms: Any) -> None:
    key = new_key(kms)
    volume = making.volume(ec2, Encrypted=True, KmsKeyId=key)
    snapshot = making.snapshot(ec2, volume)
    restored = making.volume(ec2, SnapshotId=snapshot)
    (found,) = ec2.describe_volumes(VolumeIds=[restored])["Volumes"]
    for one in (seen(ec2, snapshot), copied(ec2, snapshot), found):
        assert (one["Encrypted"], one["KmsKeyId"]) == (True, key)


def test_a_copy_in_another_region_has_that_regions_default_key(
    ec2: EC2Client, there: EC2Client, kms: Any
) -> None:
    found = copied(there, taken(ec2, new_key(kms)))
    assert found["State"] == "completed"
    assert f":{OTHER}:" in found["KmsKeyId"]


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda kms, key: kms.disable_key(KeyId=key), id="disabled"),
        pytest.param(lambda kms, key: kms.schedule_key_deletion(KeyId=key), id="pending deletion"),
    ],
)
def test_a_key_that_cannot_be_used_breaks_what_is_made_with_it(
    ec2: EC2Client, kms: Any, spoil: Callable[[Any, str], Any]
) -> None:
    key = new_key(kms)
    snapshot, plain = taken(ec2, key), taken(ec2)
    spoil(kms, key)
    for found in (
        copied(ec2, snapshot),
        copied(ec2, plain, Encrypted=True, KmsKeyId=key),
    ):
        assert found["State"] == "error"
        assert found["StateMessage"] == "Given key ID is not accessible"
    ask: Any = {"AvailabilityZone": f"{REGION}a", "SnapshotId": snapshot}
    volume = ec2.create_volume(**ask)["VolumeId"]
    making.wait_for(lambda: making.volume_state(ec2, volume) == "")


@pytest.mark.parametrize("which", ["a key of another region", "no key at all", "alias/unknown"])
def test_a_key_that_is_not_there_breaks_a_copy(
    ec2: EC2Client, there: EC2Client, kms: Any, which: str
) -> None:
    known = {
        "a key of another region": new_key(kms),
        "no key at all": "11111111-2222-4333-8444-555555555555",
    }
    found = copied(there, taken(ec2), Encrypted=True, KmsKeyId=known.get(which, which))
    assert (found["State"], found["Progress"]) == ("error", "0%")


def test_an_instance_ends_whose_volume_cannot_be_read(ec2: EC2Client, kms: Any) -> None:
    key = new_key(kms)
    image = ec2.register_image(
        Name="sealed",
        RootDeviceName="/dev/sda1",
        BlockDeviceMappings=[{"DeviceName": "/dev/sda1", "Ebs": {"SnapshotId": taken(ec2, key)}}],
    )["ImageId"]
    kms.disable_key(KeyId=key)
    made = ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1)["Instances"][0]
    making.wait_for(lambda: making.instance_state(ec2, made["InstanceId"]) == "terminated")
    making.wait_for(lambda: not ec2.describe_volumes(Filters=_in_use(made))["Volumes"])
    (found,) = ec2.describe_instances(InstanceIds=[made["InstanceId"]])["Reservations"]
    assert found["Instances"][0]["StateReason"]["Code"] == "Client.InternalError"


def _in_use(instance: Any) -> Any:
    return [{"Name": "attachment.instance-id", "Values": [instance["InstanceId"]]}]


@pytest.mark.parametrize(
    ("allow", "state"),
    [
        pytest.param(lambda kms, key: None, "error", id="nobody allowed it"),
        pytest.param(
            lambda kms, key: kms.create_grant(
                KeyId=key, GranteePrincipal=f"arn:aws:iam::{YOU}:root", Operations=NEEDED
            ),
            "completed",
            id="a grant",
        ),
        pytest.param(
            lambda kms, key: kms.create_grant(
                KeyId=key, GranteePrincipal=f"arn:aws:iam::{YOU}:root", Operations=["Encrypt"]
            ),
            "error",
            id="a grant of too little",
        ),
        pytest.param(
            lambda kms, key: kms.put_key_policy(KeyId=key, Policy=_policy(NEEDED)),
            "completed",
            id="the policy",
        ),
        pytest.param(
            lambda kms, key: kms.put_key_policy(KeyId=key, Policy=_policy(["Decrypt"])),
            "error",
            id="a policy of too little",
        ),
    ],
)
def test_a_shared_encrypted_snapshot_needs_its_key_to_be_shared_too(
    ec2: EC2Client, yours: EC2Client, kms: Any, allow: Callable[[Any, str], Any], state: str
) -> None:
    key = new_key(kms)
    one = taken(ec2, key)
    share(ec2, one)
    allow(kms, key)
    assert copied(yours, one)["State"] == state
    volume = yours.create_volume(SnapshotId=one, AvailabilityZone=f"{REGION}a")["VolumeId"]
    end = "available" if state == "completed" else ""
    making.wait_for(lambda: making.volume_state(yours, volume) == end)


def _policy(actions: list[str]) -> str:
    statements = [
        {"Effect": "Allow", "Principal": {"AWS": ME}, "Action": "kms:*", "Resource": "*"},
        {
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{YOU}:root"},
            "Action": [f"kms:{one}" for one in actions],
            "Resource": "*",
        },
    ]
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def test_a_key_is_found_by_its_id_its_arn_and_its_alias(ec2: EC2Client, kms: Any) -> None:
    key = new_key(kms)
    kms.create_alias(AliasName="alias/shop", TargetKeyId=key)
    one = taken(ec2)
    for name in (key, key.rpartition("/")[2], "alias/shop"):
        assert copied(ec2, one, Encrypted=True, KmsKeyId=name)["KmsKeyId"] == key
    aliases = {each["AliasName"]: each["TargetKeyId"] for each in kms.list_aliases()["Aliases"]}
    assert aliases["alias/shop"] == key.rpartition("/")[2]
    assert "alias/aws/ebs" in aliases
    assert refused(kms.describe_key, KeyId="alias/none") == "NotFoundException"
    kms.disable_key(KeyId=key)
    assert kms.describe_key(KeyId="alias/shop")["KeyMetadata"]["KeyState"] == "Disabled"
    kms.enable_key(KeyId=key)
    kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    assert kms.cancel_key_deletion(KeyId=key)["KeyId"] == key
    assert kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "Disabled"
    assert key in {each["KeyArn"] for each in kms.list_keys()["Keys"]}


def test_a_key_without_encryption_is_refused(ec2: EC2Client, kms: Any) -> None:
    ask: Any = {"AvailabilityZone": f"{REGION}a", "Size": 1, "KmsKeyId": new_key(kms)}
    assert refused(ec2.create_volume, **ask) == "InvalidParameterDependency"


def test_a_region_carries_out_so_many_copies_at_once(
    simulator: Simulator, ec2: EC2Client, there: EC2Client
) -> None:
    one = taken(ec2)
    simulator.settings(snapshot_s=30, copy_limit=2)
    ask: Any = {"SourceRegion": REGION, "SourceSnapshotId": one}
    there.copy_snapshot(**ask)
    there.copy_snapshot(**ask)
    assert refused(there.copy_snapshot, **ask) == "ResourceLimitExceeded"
    ec2.copy_snapshot(**ask)


# locks


def test_a_lock_keeps_a_snapshot_until_it_is_unlocked(ec2: EC2Client) -> None:
    one = taken(ec2)
    locked = ec2.lock_snapshot(SnapshotId=one, LockMode="governance", LockDuration=3)
    assert locked["LockState"] == "governance"
    assert locked["LockExpiresOn"] - locked["LockDurationStartTime"] == timedelta(days=3)
    assert refused(ec2.delete_snapshot, SnapshotId=one) == "SnapshotLocked"
    (found,) = ec2.describe_locked_snapshots()["Snapshots"]
    assert (found["SnapshotId"], found["LockDuration"]) == (one, 3)
    ec2.lock_snapshot(SnapshotId=one, LockMode="governance", LockDuration=1)
    ec2.unlock_snapshot(SnapshotId=one)
    assert ec2.describe_locked_snapshots()["Snapshots"] == []
    ec2.delete_snapshot(SnapshotId=one)


def test_compliance_can_only_be_extended_once_it_has_cooled_off(ec2: EC2Client) -> None:
    one, other = taken(ec2), taken(ec2)
    ask: Any = {"LockMode": "compliance", "LockDuration": 3}
    cooling = ec2.lock_snapshot(SnapshotId=one, CoolOffPeriod=2, **ask)
    assert cooling["LockState"] == "compliance-cooloff"
    assert refused(ec2.delete_snapshot, SnapshotId=one) == "SnapshotLocked"
    ec2.unlock_snapshot(SnapshotId=one)
    assert ec2.lock_snapshot(SnapshotId=other, **ask)["LockState"] == "compliance"
    assert refused(ec2.unlock_snapshot, SnapshotId=other) == "SnapshotLocked"
    for less in (ask | {"LockDuration": 1}, ask | {"LockMode": "governance"}):
        assert refused(ec2.lock_snapshot, SnapshotId=other, **less) == "SnapshotLocked"
    ec2.lock_snapshot(SnapshotId=other, **ask | {"LockDuration": 9})
    assert refused(ec2.delete_snapshot, SnapshotId=other) == "SnapshotLocked"


def test_a_lock_ends_by_itself(ec2: EC2Client) -> None:
    one = taken(ec2)
    soon = datetime.now(UTC) + timedelta(seconds=1)
    ec2.lock_snapshot(SnapshotId=one, LockMode="compliance", ExpirationDate=soon)
    assert refused(ec2.delete_snapshot, SnapshotId=one) == "SnapshotLocked"
    expired: Any = [{"Name": "lock-state", "Values": ["expired"]}]
    making.wait_for(lambda: bool(ec2.describe_locked_snapshots(Filters=expired)["Snapshots"]))
    ec2.delete_snapshot(SnapshotId=one)


@pytest.mark.parametrize(
    ("ask", "code"),
    [
        ({"LockMode": "governance"}, "MissingParameter"),
        ({"LockMode": "governance", "LockDuration": 36501}, "InvalidParameterValue"),
        (
            {"LockMode": "governance", "LockDuration": 1, "CoolOffPeriod": 1},
            "InvalidParameterCombination",
        ),
        (
            {"LockMode": "governance", "LockDuration": 1, "ExpirationDate": "2099-01-01"},
            "InvalidParameterCombination",
        ),
    ],
)
def test_locks_that_make_no_sense_are_refused(
    ec2: EC2Client, ask: dict[str, Any], code: str
) -> None:
    assert refused(ec2.lock_snapshot, SnapshotId=taken(ec2), **ask) == code
