"""The simulator's instances, volumes, snapshots and images do what AWS's do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from cloud import accounts, making
from cloud.client import Simulator
from cloud.seed import launch, register_image

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

REGION = "eu-central-1"
GONE = "0123456789abcdef0"


@pytest.fixture
def ec2(simulator: Simulator) -> Iterator[EC2Client]:
    simulator.settings(snapshot_s=0, volume_s=0, instance_s=0)
    with accounts.ec2(simulator.url, accounts.MAIN, REGION) as client:
        yield client


@pytest.fixture
def image(ec2: EC2Client) -> str:
    return register_image(ec2, "base")


def refused(call: Any, **ask: Any) -> str:
    """Return the code with which a call is refused."""
    with pytest.raises(ClientError) as caught:
        call(**ask)
    return str(caught.value.response["Error"]["Code"])


# bytes


def test_bytes_survive_snapshot_copy_and_restore(simulator: Simulator, ec2: EC2Client) -> None:
    volume = making.volume(ec2, Size=500)
    simulator.write(volume, {0: b"begin", 1_000: b"middle", 1_023_999: b"end"})
    digest = simulator.digest(volume)
    snapshot = making.snapshot(ec2, volume)
    with accounts.ec2(simulator.url, accounts.MAIN, "us-east-1") as there:
        copied = there.copy_snapshot(SourceRegion=REGION, SourceSnapshotId=snapshot)["SnapshotId"]
        restored = making.volume(there, SnapshotId=copied, Size=600)
    assert {simulator.digest(one) for one in (snapshot, copied, restored)} == {digest}
    assert list(simulator.blocks(restored)) == [0, 1_000, 1_023_999]


def test_a_pending_snapshot_has_the_bytes_of_its_moment(
    simulator: Simulator, ec2: EC2Client
) -> None:
    volume = making.volume(ec2)
    simulator.write(volume, {3: b"before"})
    digest = simulator.digest(volume)
    simulator.settings(snapshot_s=30)
    snapshot = ec2.create_snapshot(VolumeId=volume)
    assert snapshot["State"] == "pending"
    simulator.write(volume, {3: b"after", 4: b"more"})
    assert simulator.digest(snapshot["SnapshotId"]) == digest != simulator.digest(volume)


def test_zeros_are_no_bytes(simulator: Simulator, ec2: EC2Client) -> None:
    one, other = making.volume(ec2), making.volume(ec2)
    simulator.write(one, {3: b"x"})
    simulator.write(other, {3: b"x", 5: b""})
    assert simulator.digest(one) == simulator.digest(other)


# states over time


def test_a_snapshot_is_pending_first_and_shows_its_progress(
    simulator: Simulator, ec2: EC2Client
) -> None:
    volume = making.volume(ec2)
    simulator.settings(snapshot_s=0.3)
    one = ec2.create_snapshot(VolumeId=volume)["SnapshotId"]
    seen = []
    while not seen or seen[-1]["State"] == "pending":
        seen += ec2.describe_snapshots(SnapshotIds=[one])["Snapshots"]
    progress = [int(each["Progress"].rstrip("%") or 0) for each in seen]
    assert progress == sorted(progress)
    assert (seen[0]["State"], seen[-1]["State"], progress[-1]) == ("pending", "completed", 100)


def test_what_is_pending_cannot_be_used_yet(
    simulator: Simulator, ec2: EC2Client, image: str
) -> None:
    volume = making.volume(ec2)
    simulator.settings(snapshot_s=30, volume_s=30, instance_s=30)
    snapshot = ec2.create_snapshot(VolumeId=volume)["SnapshotId"]
    zone = f"{REGION}a"
    assert (
        refused(ec2.create_volume, SnapshotId=snapshot, AvailabilityZone=zone) == "IncorrectState"
    )
    copy = {"SourceRegion": REGION, "SourceSnapshotId": snapshot}
    assert refused(ec2.copy_snapshot, **copy) == "IncorrectState"
    new = ec2.create_volume(Size=1, AvailabilityZone=zone)["VolumeId"]
    assert refused(ec2.create_snapshot, VolumeId=new) == "IncorrectState"
    made = ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1)["Instances"][0]
    attach = {"InstanceId": made["InstanceId"], "VolumeId": volume, "Device": "/dev/sdf"}
    assert refused(ec2.attach_volume, **attach) == "IncorrectState"
    assert refused(ec2.stop_instances, InstanceIds=[made["InstanceId"]]) == "IncorrectInstanceState"


def test_an_instance_goes_through_its_states(
    simulator: Simulator, ec2: EC2Client, image: str
) -> None:
    simulator.settings(instance_s=0.1)
    one = making.instance(ec2, image)
    for call, through, end in (
        (ec2.stop_instances, "stopping", "stopped"),
        (ec2.start_instances, "pending", "running"),
        (ec2.terminate_instances, "shutting-down", "terminated"),
    ):
        answer: Any = call(InstanceIds=[one])
        changes = next(value for name, value in answer.items() if name.endswith("Instances"))
        assert changes[0]["CurrentState"]["Name"] == through
        making.wait_for(lambda end=end: making.instance_state(ec2, one) == end)


# instances and their volumes


def test_a_launch_takes_the_images_volumes_and_what_the_call_says_otherwise(
    simulator: Simulator, ec2: EC2Client
) -> None:
    source = making.volume(ec2, Size=4, VolumeType="gp3")
    simulator.write(source, {0: b"boot"})
    snapshot = making.snapshot(ec2, source)
    image = ec2.register_image(
        Name="app",
        RootDeviceName="/dev/sda1",
        BlockDeviceMappings=[
            {"DeviceName": "/dev/sda1", "Ebs": {"SnapshotId": snapshot}},
            {"DeviceName": "/dev/sdb", "Ebs": {"VolumeSize": 3}},
            {"DeviceName": "/dev/sdc", "Ebs": {"VolumeSize": 3}},
        ],
    )["ImageId"]
    one = making.instance(
        ec2,
        image,
        BlockDeviceMappings=[
            {"DeviceName": "/dev/sda1", "Ebs": {"VolumeSize": 9, "Encrypted": True}},
            {"DeviceName": "/dev/sdb", "NoDevice": ""},
            {"DeviceName": "/dev/sdd", "Ebs": {"SnapshotId": snapshot, "VolumeType": "io1"}},
        ],
        TagSpecifications=[{"ResourceType": "volume", "Tags": [{"Key": "a", "Value": "b"}]}],
    )
    found = making.volumes_of(ec2, one)
    assert list(found) == ["/dev/sda1", "/dev/sdc", "/dev/sdd"]
    root, data, own = ec2.describe_volumes(VolumeIds=list(found.values()))["Volumes"]
    assert (root["Size"], root["Encrypted"], root["SnapshotId"]) == (9, True, snapshot)
    assert (data["Size"], data["Encrypted"]) == (3, False)
    assert (own["Size"], own["VolumeType"]) == (4, "io1")
    assert all(each["Tags"] == [{"Key": "a", "Value": "b"}] for each in (root, data, own))
    assert simulator.digest(found["/dev/sda1"]) == simulator.digest(source)
    assert simulator.digest(found["/dev/sdd"]) == simulator.digest(source)


def test_a_volume_smaller_than_its_snapshot_is_refused(ec2: EC2Client, image: str) -> None:
    snapshot = making.snapshot(ec2, making.volume(ec2, Size=4))
    code = refused(
        ec2.run_instances,
        ImageId=image,
        MinCount=1,
        MaxCount=1,
        BlockDeviceMappings=[
            {"DeviceName": "/dev/sdf", "Ebs": {"SnapshotId": snapshot, "VolumeSize": 2}}
        ],
    )
    assert code == "InvalidBlockDeviceMapping"
    assert ec2.describe_instances()["Reservations"] == []
    create = {"SnapshotId": snapshot, "Size": 2, "AvailabilityZone": f"{REGION}a"}
    assert refused(ec2.create_volume, **create) == "InvalidParameterValue"


def test_a_terminated_instance_takes_the_volumes_that_end_with_it(
    ec2: EC2Client, image: str
) -> None:
    made = launch(ec2, accounts.MAIN, REGION, "web-1", (8, 20, 30), image=image)
    ec2.modify_instance_attribute(
        InstanceId=made.instance_id,
        BlockDeviceMappings=[{"DeviceName": "/dev/sdf", "Ebs": {"DeleteOnTermination": True}}],
    )
    ec2.terminate_instances(InstanceIds=[made.instance_id])
    left = ec2.describe_volumes()["Volumes"]
    assert [(each["VolumeId"], each["State"]) for each in left] == [
        (made.volume_ids[2], "available")
    ]


def test_the_same_token_gives_the_same_instances(ec2: EC2Client, image: str) -> None:
    ask: Any = {"ImageId": image, "MinCount": 2, "MaxCount": 2, "ClientToken": "one"}
    first, second = ec2.run_instances(**ask), ec2.run_instances(**ask)
    ids = [each["InstanceId"] for each in first["Instances"]]
    assert ids == [each["InstanceId"] for each in second["Instances"]]
    assert first["ReservationId"] == second["ReservationId"]
    other = ask | {"InstanceType": "m5.large"}
    assert refused(ec2.run_instances, **other) == "IdempotentParameterMismatch"
    assert len(ec2.describe_volumes()["Volumes"]) == 2
    ec2.terminate_instances(InstanceIds=ids)
    assert refused(ec2.run_instances, **ask) == "IdempotentInstanceTerminated"


def test_the_same_token_gives_the_same_volume(ec2: EC2Client) -> None:
    ask: Any = {"AvailabilityZone": f"{REGION}a", "Size": 1, "ClientToken": "one"}
    assert ec2.create_volume(**ask)["VolumeId"] == ec2.create_volume(**ask)["VolumeId"]
    assert refused(ec2.create_volume, **ask | {"Size": 2}) == "IdempotentParameterMismatch"
    assert len(ec2.describe_volumes()["Volumes"]) == 1


def test_a_volume_is_attached_once_and_in_its_zone(ec2: EC2Client, image: str) -> None:
    one, other = making.instance(ec2, image), making.instance(ec2, image)
    volume = making.volume(ec2)
    ask: Any = {"VolumeId": volume, "Device": "/dev/sdf"}
    ec2.attach_volume(InstanceId=one, **ask)
    assert refused(ec2.attach_volume, InstanceId=other, **ask) == "VolumeInUse"
    assert refused(ec2.delete_volume, VolumeId=volume) == "VolumeInUse"
    ec2.detach_volume(VolumeId=volume)
    ec2.attach_volume(InstanceId=other, **ask)
    assert making.volumes_of(ec2, one).keys() == {"/dev/sda1"}
    away = {"VolumeId": making.volume(ec2, AvailabilityZone=f"{REGION}b"), "Device": "/dev/sdg"}
    code = refused(ec2.attach_volume, InstanceId=one, **away)
    assert code == "InvalidVolume.ZoneMismatch"


def test_the_root_volume_of_a_running_instance_stays(ec2: EC2Client, image: str) -> None:
    one = making.instance(ec2, image)
    root = making.volumes_of(ec2, one)["/dev/sda1"]
    assert refused(ec2.detach_volume, VolumeId=root) == "OperationNotPermitted"
    ec2.stop_instances(InstanceIds=[one])
    ec2.detach_volume(VolumeId=root)
    assert making.volume_state(ec2, root) == "available"


# snapshots of a whole instance


def test_all_volumes_are_taken_at_one_moment(simulator: Simulator, ec2: EC2Client, image: str):
    made = launch(ec2, accounts.MAIN, REGION, "db-1", (8, 20, 30), image=image)
    for number, volume in enumerate(made.volume_ids):
        simulator.write(volume, {number: b"x"})
    taken = ec2.create_snapshots(
        InstanceSpecification={
            "InstanceId": made.instance_id,
            "ExcludeDataVolumeIds": [made.volume_ids[1]],
        },
        CopyTagsFromSource="volume",
        TagSpecifications=[
            {"ResourceType": "snapshot", "Tags": [{"Key": "Name", "Value": "mine"}]}
        ],
    )["Snapshots"]
    assert [each["VolumeId"] for each in taken] == [made.volume_ids[0], made.volume_ids[2]]
    assert len({each["StartTime"] for each in taken}) == 1
    for each in taken:
        assert simulator.digest(each["SnapshotId"]) == simulator.digest(each["VolumeId"])
        labels = {tag["Key"]: tag["Value"] for tag in each["Tags"]}
        assert (labels["Name"], labels["app"]) == ("mine", "shop")


@pytest.mark.parametrize(
    ("specification", "code"),
    [
        pytest.param({"ExcludeBootVolume": True}, "InvalidParameterCombination", id="nothing left"),
        pytest.param(
            {"ExcludeDataVolumeIds": [f"vol-{GONE}"]}, "InvalidParameterValue", id="not attached"
        ),
        pytest.param({"InstanceId": f"i-{GONE}"}, "InvalidInstanceID.NotFound", id="no instance"),
    ],
)
def test_wrong_sets_of_volumes_are_refused(
    ec2: EC2Client, image: str, specification: dict[str, Any], code: str
) -> None:
    one = making.instance(ec2, image)
    wanted = {"InstanceId": one} | specification
    assert refused(ec2.create_snapshots, InstanceSpecification=wanted) == code
    assert ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"] == []


def test_a_volume_takes_one_snapshot_in_a_while_where_that_is_wanted(
    simulator: Simulator, ec2: EC2Client
) -> None:
    volume = making.volume(ec2)
    making.snapshot(ec2, volume)
    simulator.settings(volume_rate=True)
    code = refused(ec2.create_snapshot, VolumeId=volume)
    assert code == "SnapshotCreationPerVolumeRateExceeded"
    simulator.settings(volume_rate=False)
    making.snapshot(ec2, volume)


# images


def test_an_image_keeps_its_snapshots_until_it_is_deregistered(ec2: EC2Client) -> None:
    snapshot = making.snapshot(ec2, making.volume(ec2))
    mapping: Any = [{"DeviceName": "/dev/sda1", "Ebs": {"SnapshotId": snapshot}}]
    ask: Any = {"RootDeviceName": "/dev/sda1", "BlockDeviceMappings": mapping}
    image = ec2.register_image(Name="app", **ask)["ImageId"]
    assert refused(ec2.register_image, Name="app", **ask) == "InvalidAMIName.Duplicate"
    assert refused(ec2.delete_snapshot, SnapshotId=snapshot) == "InvalidSnapshot.InUse"
    ec2.deregister_image(ImageId=image)
    ec2.delete_snapshot(SnapshotId=snapshot)
    assert refused(ec2.deregister_image, ImageId=image) == "InvalidAMIID.NotFound"


def test_an_image_of_an_instance_restores_it(simulator: Simulator, ec2: EC2Client, image: str):
    made = launch(ec2, accounts.MAIN, REGION, "web-1", (8, 20), image=image)
    for number, volume in enumerate(made.volume_ids):
        simulator.write(volume, {number: b"x"})
    copied = ec2.create_image(InstanceId=made.instance_id, Name="web-1 as it was")["ImageId"]
    restored = making.volumes_of(ec2, making.instance(ec2, copied))
    assert [simulator.digest(one) for one in restored.values()] == [
        simulator.digest(one) for one in made.volume_ids
    ]
