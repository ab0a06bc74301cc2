"""Every fault goes wrong in its own way, and only where it was asked for."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx
import pytest
from botocore.exceptions import ClientError, HTTPClientError

from cloud import accounts, making
from cloud.client import Simulator
from cloud.seed import launch, register_image

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

REGION = "eu-central-1"
NEW: Any = {"AvailabilityZone": f"{REGION}a", "Size": 1}


@pytest.fixture
def ec2(simulator: Simulator) -> Iterator[EC2Client]:
    simulator.settings(snapshot_s=0, volume_s=0, instance_s=0)
    with accounts.ec2(simulator.url, accounts.MAIN, REGION) as client:
        yield client


def _volumes(ec2: EC2Client) -> list[str]:
    return [each["VolumeId"] for each in ec2.describe_volumes()["Volumes"]]


def test_the_first_calls_may_go_well(simulator: Simulator, ec2: EC2Client) -> None:
    simulator.fault("CreateVolume", "throttle", skip=2, times=2)
    codes = []
    for _ in range(5):
        try:
            ec2.create_volume(**NEW)
            codes.append("")
        except ClientError as exc:
            codes.append(exc.response["Error"]["Code"])
    assert codes == ["", "", "RequestLimitExceeded", "RequestLimitExceeded", ""]


@pytest.mark.parametrize(
    ("match", "hit"),
    [
        pytest.param({}, True, id="everywhere"),
        pytest.param({"account": accounts.MAIN}, True, id="this account"),
        pytest.param({"account": accounts.PARTNER}, False, id="another account"),
        pytest.param({"region": REGION, "service": "ec2"}, True, id="this region and service"),
        pytest.param({"region": "us-east-1"}, False, id="another region"),
        pytest.param({"service": "kms"}, False, id="another service"),
    ],
)
def test_a_fault_happens_where_it_was_asked_for(
    simulator: Simulator, ec2: EC2Client, match: dict[str, str], hit: bool
) -> None:
    simulator.fault("CreateVolume", "deny", **match)  # type: ignore[arg-type]  # names only
    if hit:
        with pytest.raises(ClientError, match="UnauthorizedOperation"):
            ec2.create_volume(**NEW)
    else:
        ec2.create_volume(**NEW)


@pytest.mark.parametrize("effect", ["hold_before", "hold_reply"])
def test_a_held_call_waits_before_or_after_its_effect(
    simulator: Simulator, ec2: EC2Client, effect: str
) -> None:
    simulator.fault("CreateVolume", effect, seconds=60)

    def create() -> None:
        with accounts.ec2(simulator.url, accounts.MAIN, REGION) as client:
            client.create_volume(**NEW)

    thread = threading.Thread(target=create)
    thread.start()
    making.wait_for(lambda: any(call["fault"] for call in simulator.calls("CreateVolume")))
    if effect == "hold_before":
        assert _volumes(ec2) == []
        assert simulator.calls("CreateVolume")[0]["happened"] is False
    else:
        making.wait_for(lambda: len(_volumes(ec2)) == 1)
    assert thread.is_alive()
    simulator.release()
    thread.join(30)
    assert len(_volumes(ec2)) == 1


@pytest.mark.parametrize("effect", ["lost_request", "hold_instead"])
def test_a_call_that_is_lost_on_its_way_has_no_effect_and_no_answer(
    simulator: Simulator, ec2: EC2Client, effect: str
) -> None:
    simulator.fault("CreateVolume", effect, seconds=0.1)
    with pytest.raises(HTTPClientError):
        ec2.create_volume(**NEW)
    (call,) = simulator.calls("CreateVolume")
    assert (call["happened"], call["status"], call["made"]) == (False, 0, [])
    assert _volumes(ec2) == []


def test_somebody_can_wait_until_a_call_is_held(simulator: Simulator, ec2: EC2Client) -> None:
    assert simulator.wait_for_held(timeout_s=0) == 0
    simulator.fault("CreateVolume", "hold_reply", seconds=60)
    thread = threading.Thread(target=ec2.create_volume, kwargs=NEW)
    thread.start()
    assert simulator.wait_for_held() == 1
    assert simulator.calls("CreateVolume")[0]["happened"] is True
    simulator.release()
    thread.join(30)
    assert simulator.wait_for_held(timeout_s=0) == 0


def test_a_late_call_is_done_before_the_third_that_follows(
    simulator: Simulator, ec2: EC2Client
) -> None:
    simulator.fault("CreateVolume", "late", seconds=60)
    thread = threading.Thread(target=ec2.create_volume, kwargs=NEW)
    thread.start()
    assert simulator.wait_for_held() == 1
    with accounts.client("sts", simulator.url, accounts.MAIN, REGION) as sts:
        sts.get_caller_identity()  # does not count
    assert [len(_volumes(ec2)) for _ in range(4)] == [0, 0, 1, 1]
    thread.join(30)


def test_a_lost_answer_may_be_of_something_that_is_invisible(
    simulator: Simulator, ec2: EC2Client
) -> None:
    simulator.fault("CreateVolume", "lost_reply", hidden_s=0.5)
    with pytest.raises(HTTPClientError):
        ec2.create_volume(**NEW)
    assert _volumes(ec2) == []
    making.wait_for(lambda: len(_volumes(ec2)) == 1)


def test_a_cloud_can_be_put_back_to_what_it_was(
    simulator: Simulator, ec2: EC2Client, tmp_path: Path
) -> None:
    kept = making.volume(ec2)
    simulator.write(kept, {3: b"before"})
    digest = simulator.digest(kept)
    simulator.save(tmp_path / "cloud")
    simulator.write(kept, {3: b"after"})
    making.volume(ec2)
    simulator.fault("CreateVolume", "deny")
    simulator.load(tmp_path / "cloud")
    assert (_volumes(ec2), simulator.digest(kept)) == ([kept], digest)
    assert [call["action"] for call in simulator.calls()] == ["DescribeVolumes"]
    making.volume(ec2)


def test_what_is_invisible_is_neither_shown_nor_usable_for_a_while(
    simulator: Simulator, ec2: EC2Client
) -> None:
    volume = making.volume(ec2)
    simulator.fault("CreateSnapshot", "invisible", seconds=0.5)
    one = ec2.create_snapshot(VolumeId=volume)["SnapshotId"]
    (call,) = simulator.calls("CreateSnapshot")
    assert (call["made"], call["fault"]) == ([one], "invisible")
    assert ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"] == []
    for use in (ec2.delete_snapshot, ec2.unlock_snapshot):
        with pytest.raises(ClientError, match=r"InvalidSnapshot\.NotFound"):
            use(SnapshotId=one)
    making.wait_for(lambda: bool(ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]))
    making.volume(ec2, SnapshotId=one)


def test_a_name_is_taken_by_what_is_not_shown_yet(simulator: Simulator, ec2: EC2Client) -> None:
    simulator.fault("RegisterImage", "invisible")
    simulator.fault("CreateSecurityGroup", "invisible")
    group: Any = {"GroupName": "one", "Description": "one"}
    register_image(ec2, "base")
    ec2.create_security_group(**group)
    assert ec2.describe_images(Owners=["self"])["Images"] == []
    with pytest.raises(ClientError, match=r"InvalidAMIName\.Duplicate"):
        register_image(ec2, "base")
    with pytest.raises(ClientError, match=r"InvalidGroup\.Duplicate"):
        ec2.create_security_group(**group)


def test_what_has_vanished_was_made_as_the_log_says(simulator: Simulator, ec2: EC2Client) -> None:
    simulator.fault("CreateVolume", "vanished")
    one = ec2.create_volume(**NEW)["VolumeId"]
    assert _volumes(ec2) == []
    (call,) = simulator.calls("CreateVolume")
    assert (call["made"], call["happened"], call["status"]) == ([one], True, 200)


def test_one_of_two_may_vanish(simulator: Simulator, ec2: EC2Client) -> None:
    image = register_image(ec2, "base")
    machine = launch(ec2, accounts.MAIN, REGION, "web-1", (8, 20), image=image)
    simulator.fault("CreateSnapshots", "one_vanished")
    wanted: Any = {"InstanceId": machine.instance_id}
    made = ec2.create_snapshots(InstanceSpecification=wanted)["Snapshots"]
    left = ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]
    assert [one["SnapshotId"] for one in left] == [made[0]["SnapshotId"]]


def test_a_vanished_instance_leaves_nothing(simulator: Simulator, ec2: EC2Client) -> None:
    image = register_image(ec2, "base")
    simulator.fault("RunInstances", "vanished")
    ask: Any = {"ImageId": image, "MinCount": 1, "MaxCount": 1, "ClientToken": "one"}
    ec2.run_instances(**ask)
    assert ec2.describe_instances()["Reservations"] == []
    assert _volumes(ec2) == []
    assert len(simulator.calls("RunInstances")[0]["made"]) == 2
    ec2.run_instances(**ask)  # its token went with it
    assert len(ec2.describe_instances()["Reservations"]) == 1


def test_the_default_network_is_there_though_the_first_launch_is_invisible(
    simulator: Simulator, ec2: EC2Client
) -> None:
    image = register_image(ec2, "base")
    simulator.fault("RunInstances", "invisible")
    ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1)
    assert ec2.describe_instances()["Reservations"] == []
    assert len(ec2.describe_vpcs()["Vpcs"]) == 1


def test_what_is_broken_ends_in_error(simulator: Simulator, ec2: EC2Client) -> None:
    volume = making.volume(ec2)
    image = register_image(ec2, "base")
    for action in ("CreateSnapshot", "CreateVolume", "RunInstances"):
        simulator.fault(action, "broken")
    snapshot = making.ended(ec2, ec2.create_snapshot(VolumeId=volume)["SnapshotId"])
    assert making.snapshot_state(ec2, snapshot) == "error"
    broken = ec2.create_volume(**NEW)["VolumeId"]
    assert making.volume_state(ec2, broken) == "error"
    made = ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1)["Instances"][0]
    assert making.instance_state(ec2, made["InstanceId"]) == "terminated"
    assert set(_volumes(ec2)) == {volume, broken}


@pytest.mark.parametrize(
    ("service", "action", "method", "code"),
    [
        ("kms", "ListKeys", "list_keys", "ThrottlingException"),
        ("sts", "GetCallerIdentity", "get_caller_identity", "Throttling"),
    ],
)
def test_each_service_refuses_in_its_own_words(
    simulator: Simulator, service: str, action: str, method: str, code: str
) -> None:
    simulator.fault(action, "throttle", service=service)
    with accounts.client(service, simulator.url, accounts.MAIN, REGION) as client:
        with pytest.raises(ClientError) as caught:
            getattr(client, method)()
        getattr(client, method)()
    assert caught.value.response["Error"]["Code"] == code
    assert [call["code"] for call in simulator.calls(action)] == [code, ""]


def test_settings_can_be_changed_and_unknown_ones_are_refused(simulator: Simulator) -> None:
    assert simulator.settings()["copy_limit"] == 20
    assert simulator.settings(copy_limit=3)["copy_limit"] == 3
    with pytest.raises(httpx.HTTPStatusError):
        simulator.settings(speed=1)
    simulator.reset()
    assert simulator.settings()["copy_limit"] == 20


def test_bytes_of_what_does_not_exist_are_refused(simulator: Simulator) -> None:
    with pytest.raises(httpx.HTTPStatusError):
        simulator.write("vol-0123456789abcdef0", {0: b"x"})
    with pytest.raises(httpx.HTTPStatusError):
        simulator.digest("snap-0123456789abcdef0")


def test_half_a_request_is_no_call(simulator: Simulator, ec2: EC2Client) -> None:
    address = urlsplit(simulator.url)
    body = b"Action=DescribeVolumes&Version=2016-11-15"
    head = f"POST / HTTP/1.1\r\nHost: {address.netloc}\r\nContent-Length: {len(body)}\r\n\r\n"
    for sent in (b"", body[:-1]):
        with socket.create_connection((address.hostname or "", address.port or 0)) as dying:
            dying.sendall(head.encode() + sent)
            dying.shutdown(socket.SHUT_WR)
            assert dying.recv(1) == b"", "who has died gets no answer"
    _volumes(ec2)
    assert [call["action"] for call in simulator.calls()] == ["DescribeVolumes"]
