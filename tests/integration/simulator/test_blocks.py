"""EBS direct reads, compares and writes the blocks of the simulator's snapshots."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from cloud import accounts, making
from cloud.client import Simulator

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

REGION = "eu-central-1"
SIZE = 524288


@pytest.fixture
def ec2(simulator: Simulator) -> Iterator[EC2Client]:
    simulator.settings(snapshot_s=0, volume_s=0, instance_s=0)
    with accounts.ec2(simulator.url, accounts.MAIN, REGION) as client:
        yield client


@pytest.fixture
def ebs(simulator: Simulator) -> Iterator[Any]:
    with accounts.client("ebs", simulator.url, accounts.MAIN, REGION) as client:
        yield client


def reason(call: Any, **ask: Any) -> tuple[int, str, str | None]:
    """Return status, code and reason of a refusal."""
    with pytest.raises(ClientError) as caught:
        call(**ask)
    answer: Any = caught.value.response
    status = answer["ResponseMetadata"]["HTTPStatusCode"]
    return status, answer["Error"]["Code"], answer.get("Reason")


def checksum(content: bytes) -> str:
    return base64.b64encode(hashlib.sha256(content).digest()).decode()


def put(ebs: Any, snapshot: str, number: int, content: bytes, **other: Any) -> Any:
    whole = content.ljust(SIZE, b"\0")
    ask = {
        "SnapshotId": snapshot,
        "BlockIndex": number,
        "BlockData": whole,
        "DataLength": len(whole),
        "Checksum": checksum(whole),
        "ChecksumAlgorithm": "SHA256",
    }
    return ebs.put_snapshot_block(**ask | other)


def test_a_snapshots_blocks_are_read_with_their_checksums(
    simulator: Simulator, ec2: EC2Client, ebs: Any
) -> None:
    volume = making.volume(ec2, Size=100)
    simulator.write(volume, {0: b"begin", 204_799: b"end"})
    snapshot = making.snapshot(ec2, volume)
    listed = ebs.list_snapshot_blocks(SnapshotId=snapshot)
    assert (listed["BlockSize"], listed["VolumeSize"]) == (SIZE, 100)
    assert [each["BlockIndex"] for each in listed["Blocks"]] == [0, 204_799]
    for block, content in zip(listed["Blocks"], (b"begin", b"end"), strict=True):
        found = ebs.get_snapshot_block(SnapshotId=snapshot, **block)
        whole = found["BlockData"].read()
        assert whole == content.ljust(SIZE, b"\0")
        assert (found["DataLength"], found["Checksum"]) == (SIZE, checksum(whole))


def test_changed_blocks_are_those_that_differ(
    simulator: Simulator, ec2: EC2Client, ebs: Any
) -> None:
    volume = making.volume(ec2)
    simulator.write(volume, {0: b"same", 1: b"old", 2: b"kept"})
    first = making.snapshot(ec2, volume)
    simulator.write(volume, {0: b"same", 1: b"new", 7: b"more"})
    second = making.snapshot(ec2, volume)

    def changed(before: str, after: str) -> dict[int, tuple[bool, bool]]:
        ask = {"FirstSnapshotId": before, "SecondSnapshotId": after}
        return {
            each["BlockIndex"]: ("FirstBlockToken" in each, "SecondBlockToken" in each)
            for each in ebs.list_changed_blocks(**ask)["ChangedBlocks"]
        }

    assert changed(first, second) == {1: (True, True), 7: (False, True)}
    assert changed(second, first) == {1: (True, True), 7: (True, False)}
    assert changed(first, first) == {}
    copy = ec2.copy_snapshot(SourceRegion=REGION, SourceSnapshotId=second)["SnapshotId"]
    assert changed(first, making.ended(ec2, copy)) == {1: (True, True), 7: (False, True)}
    other = making.snapshot(ec2, making.volume(ec2))
    ask = {"FirstSnapshotId": first, "SecondSnapshotId": other}
    assert reason(ebs.list_changed_blocks, **ask) == (
        400,
        "ValidationException",
        "UNRELATED_SNAPSHOTS",
    )


def test_blocks_are_listed_in_pages(simulator: Simulator, ec2: EC2Client, ebs: Any) -> None:
    volume = making.volume(ec2)
    simulator.write(volume, {number: bytes([number % 250 + 1]) for number in range(0, 500, 2)})
    snapshot = making.snapshot(ec2, volume)
    empty = ebs.start_snapshot(VolumeSize=1)["SnapshotId"]
    ebs.complete_snapshot(SnapshotId=empty, ChangedBlocksCount=0)
    seen, token, pages = [], {}, 0
    while True:
        page = ebs.list_snapshot_blocks(SnapshotId=snapshot, MaxResults=100, **token)
        seen += [each["BlockIndex"] for each in page["Blocks"]]
        pages += 1
        if not page.get("NextToken"):
            break
        token = {"NextToken": page["NextToken"]}
    assert (seen, pages) == (list(range(0, 500, 2)), 3)
    some = ebs.list_snapshot_blocks(SnapshotId=snapshot, StartingBlockIndex=401)["Blocks"]
    assert some[0]["BlockIndex"] == 402
    assert ebs.list_snapshot_blocks(SnapshotId=empty)["Blocks"] == []


def test_a_snapshot_written_block_by_block_restores(
    simulator: Simulator, ec2: EC2Client, ebs: Any
) -> None:
    started = ebs.start_snapshot(
        VolumeSize=2, ClientToken="one", Tags=[{"Key": "from", "Value": "outside"}]
    )
    one = started["SnapshotId"]
    assert (started["Status"], started["BlockSize"]) == ("pending", SIZE)
    for number, content in ((3, b"x"), (4, b"y"), (3, b"z")):
        assert put(ebs, one, number, content)["Checksum"] == checksum(content.ljust(SIZE, b"\0"))
    assert making.snapshot_state(ec2, one) == "pending"
    digests = b"".join(
        hashlib.sha256(content.ljust(SIZE, b"\0")).digest() for content in (b"z", b"y")
    )
    ebs.complete_snapshot(SnapshotId=one, ChangedBlocksCount=2, Checksum=checksum(digests))
    (found,) = ec2.describe_snapshots(SnapshotIds=[making.ended(ec2, one)])["Snapshots"]
    assert (found["State"], found["Tags"]) == (
        "completed",
        [{"Key": "from", "Value": "outside"}],
    )
    volume, other = making.volume(ec2, SnapshotId=one), making.volume(ec2, Size=2)
    simulator.write(other, {3: b"z", 4: b"y"})
    assert simulator.digest(volume) == simulator.digest(other)


def test_a_child_begins_with_its_parents_blocks(
    simulator: Simulator, ec2: EC2Client, ebs: Any
) -> None:
    volume = making.volume(ec2)
    simulator.write(volume, {0: b"a", 1: b"b"})
    parent = making.snapshot(ec2, volume)
    child = ebs.start_snapshot(VolumeSize=1, ParentSnapshotId=parent)["SnapshotId"]
    put(ebs, child, 1, b"changed")
    ebs.complete_snapshot(SnapshotId=child, ChangedBlocksCount=1)
    simulator.write(volume, {1: b"changed"})
    assert simulator.digest(child) == simulator.digest(volume)
    answer = ebs.list_changed_blocks(FirstSnapshotId=parent, SecondSnapshotId=child)
    assert [each["BlockIndex"] for each in answer["ChangedBlocks"]] == [1]


def test_starting_with_the_same_token_gives_the_same_snapshot(ebs: Any) -> None:
    ask = {"VolumeSize": 1, "ClientToken": "one"}
    assert ebs.start_snapshot(**ask)["SnapshotId"] == ebs.start_snapshot(**ask)["SnapshotId"]
    assert reason(ebs.start_snapshot, **ask | {"VolumeSize": 2})[:2] == (409, "ConflictException")


def test_writing_is_checked(ebs: Any) -> None:
    one = ebs.start_snapshot(VolumeSize=1)["SnapshotId"]
    invalid = (400, "ValidationException")
    wrong = {"Checksum": checksum(b"something else")}
    assert reason(lambda: put(ebs, one, 0, b"x", **wrong)) == (*invalid, "INVALID_BLOCK")
    assert reason(lambda: put(ebs, one, 2048, b"x")) == (*invalid, "INVALID_BLOCK")
    put(ebs, one, 0, b"x")
    done = {"SnapshotId": one, "ChangedBlocksCount": 1}
    fewer = done | {"ChangedBlocksCount": 0}
    assert reason(ebs.complete_snapshot, **fewer) == (*invalid, "INVALID_PARAMETER_VALUE")
    ebs.complete_snapshot(**done)
    assert reason(lambda: put(ebs, one, 0, b"x")) == (*invalid, "INVALID_SNAPSHOT_ID")


def test_reading_is_checked(simulator: Simulator, ec2: EC2Client, ebs: Any) -> None:
    gone = {"SnapshotId": "snap-0123456789abcdef0"}
    missing = (404, "ResourceNotFoundException", "SNAPSHOT_NOT_FOUND")
    assert reason(ebs.list_snapshot_blocks, **gone) == missing
    volume = making.volume(ec2)
    simulator.write(volume, {0: b"x", 1: b"y"})
    snapshot = making.snapshot(ec2, volume)
    first, second = ebs.list_snapshot_blocks(SnapshotId=snapshot)["Blocks"]
    mixed = {"SnapshotId": snapshot, **first, "BlockToken": second["BlockToken"]}
    invalid = (400, "ValidationException", "INVALID_BLOCK_TOKEN")
    assert reason(ebs.get_snapshot_block, **mixed) == invalid
    with accounts.client("ebs", simulator.url, accounts.PARTNER, REGION) as other:
        assert reason(other.list_snapshot_blocks, SnapshotId=snapshot) == missing
        ec2.modify_snapshot_attribute(
            SnapshotId=snapshot,
            CreateVolumePermission={"Add": [{"UserId": accounts.PARTNER}]},
        )
        assert len(other.list_snapshot_blocks(SnapshotId=snapshot)["Blocks"]) == 2


def test_an_encrypted_snapshot_is_read_with_its_key_only(
    simulator: Simulator, ec2: EC2Client, ebs: Any
) -> None:
    with accounts.client("kms", simulator.url, accounts.MAIN, REGION) as kms:
        key = kms.create_key()["KeyMetadata"]["Arn"]
        snapshot = making.snapshot(ec2, making.volume(ec2, Encrypted=True, KmsKeyId=key))
        ebs.list_snapshot_blocks(SnapshotId=snapshot)
        kms.disable_key(KeyId=key)
    assert reason(ebs.list_snapshot_blocks, SnapshotId=snapshot) == (
        403,
        "AccessDeniedException",
        "DEPENDENCY_ACCESS_DENIED",
    )


def test_a_block_call_can_fail_like_any_other(simulator: Simulator, ebs: Any) -> None:
    simulator.fault("StartSnapshot", "throttle", service="ebs")
    assert reason(ebs.start_snapshot, VolumeSize=1)[1] == "RequestThrottledException"
    (call,) = simulator.calls("StartSnapshot")
    assert (call["service"], call["code"], call["made"]) == (
        "ebs",
        "RequestThrottledException",
        [],
    )
    one = ebs.start_snapshot(VolumeSize=1)["SnapshotId"]
    assert simulator.calls("StartSnapshot")[1]["made"] == [one]
