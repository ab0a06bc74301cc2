"""Tags, pages, filters, networks and errors of the simulator are AWS's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from cloud import accounts, making
from cloud.client import Simulator
from cloud.seed import register_image

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


# tags


def test_tags_have_limits(ec2: EC2Client) -> None:
    volume = making.volume(ec2)
    many: Any = [{"Key": f"k{number}", "Value": "v"} for number in range(50)]
    ec2.create_tags(Resources=[volume], Tags=many)
    more = {"Resources": [volume], "Tags": [{"Key": "one more", "Value": ""}]}
    assert refused(ec2.create_tags, **more) == "TagLimitExceeded"
    assert len(ec2.describe_volumes(VolumeIds=[volume])["Volumes"][0]["Tags"]) == 50
    ec2.delete_tags(Resources=[volume], Tags=many[1:])
    found = ec2.describe_tags(Filters=[{"Name": "resource-id", "Values": [volume]}])["Tags"]
    assert [(each["Key"], each["ResourceType"]) for each in found] == [("k0", "volume")]
    reserved = {"Resources": [volume], "Tags": [{"Key": "aws:x", "Value": ""}]}
    assert refused(ec2.create_tags, **reserved) == "InvalidParameterValue"


@pytest.mark.parametrize(
    ("action", "ask", "code"),
    [
        ("describe_instances", {"InstanceIds": [f"i-{GONE}"]}, "InvalidInstanceID.NotFound"),
        ("describe_instances", {"InstanceIds": ["i-xyz"]}, "InvalidInstanceID.Malformed"),
        ("stop_instances", {"InstanceIds": [f"i-{GONE}"]}, "InvalidInstanceID.NotFound"),
        ("describe_volumes", {"VolumeIds": [f"vol-{GONE}"]}, "InvalidVolume.NotFound"),
        ("delete_volume", {"VolumeId": f"vol-{GONE}"}, "InvalidVolume.NotFound"),
        ("describe_snapshots", {"SnapshotIds": [f"snap-{GONE}"]}, "InvalidSnapshot.NotFound"),
        ("describe_snapshots", {"SnapshotIds": [f"vol-{GONE}"]}, "InvalidParameterValue"),
        ("describe_snapshots", {"SnapshotIds": ["snap-x"]}, "InvalidSnapshotID.Malformed"),
        ("delete_snapshot", {"SnapshotId": f"snap-{GONE}"}, "InvalidSnapshot.NotFound"),
        ("describe_images", {"ImageIds": [f"ami-{GONE}"]}, "InvalidAMIID.NotFound"),
        ("describe_vpcs", {"VpcIds": [f"vpc-{GONE}"]}, "InvalidVpcID.NotFound"),
        ("describe_subnets", {"SubnetIds": [f"subnet-{GONE}"]}, "InvalidSubnetID.NotFound"),
        ("describe_security_groups", {"GroupIds": [f"sg-{GONE}"]}, "InvalidGroup.NotFound"),
        (
            "create_tags",
            {"Resources": [f"snap-{GONE}"], "Tags": [{"Key": "a", "Value": "b"}]},
            "InvalidSnapshot.NotFound",
        ),
        (
            "describe_volumes",
            {"Filters": [{"Name": "x", "Values": ["y"]}]},
            "InvalidParameterValue",
        ),
    ],
)
def test_what_does_not_exist_has_its_code(
    ec2: EC2Client, action: str, ask: dict[str, Any], code: str
) -> None:
    assert refused(getattr(ec2, action), **ask) == code


def test_a_dry_run_changes_nothing(ec2: EC2Client) -> None:
    ask = {"AvailabilityZone": f"{REGION}a", "Size": 1, "DryRun": True}
    assert refused(ec2.create_volume, **ask) == "DryRunOperation"
    assert ec2.describe_volumes()["Volumes"] == []


# pages and filters


def test_pages_are_whole_whatever_is_made_and_deleted_meanwhile(ec2: EC2Client) -> None:
    zone = f"{REGION}a"
    ids = [ec2.create_volume(AvailabilityZone=zone, Size=1)["VolumeId"] for _ in range(17)]
    seen, token = [], ""
    while True:
        more: Any = {"NextToken": token} if token else {}
        page = ec2.describe_volumes(MaxResults=5, **more)
        seen += [each["VolumeId"] for each in page["Volumes"]]
        token = page.get("NextToken", "")
        if not token:
            break
        assert len(page["Volumes"]) == 5
        ec2.delete_volume(VolumeId=seen[-1])
    assert seen == ids


@pytest.mark.parametrize(
    ("ask", "code"),
    [
        ({"MaxResults": 4}, "InvalidParameterValue"),
        ({"MaxResults": 1001}, "InvalidParameterValue"),
        ({"NextToken": "12"}, "InvalidNextToken"),
    ],
)
def test_pages_have_limits(ec2: EC2Client, ask: dict[str, Any], code: str) -> None:
    assert refused(ec2.describe_snapshots, **ask) == code
    assert refused(ec2.describe_instances, **ask) == code


def test_a_token_belongs_to_its_question(ec2: EC2Client) -> None:
    for _ in range(6):
        making.volume(ec2)
    token = ec2.describe_volumes(MaxResults=5)["NextToken"]
    other = {"Filters": [{"Name": "status", "Values": ["available"]}], "NextToken": token}
    assert refused(ec2.describe_volumes, **other) == "InvalidNextToken"


def test_filters_find_by_tag_and_by_pattern(ec2: EC2Client) -> None:
    ids = {}
    for name in ("web-1", "web-2", "db-[1]"):
        tags: Any = [{"ResourceType": "volume", "Tags": [{"Key": "Name", "Value": name}]}]
        ids[making.volume(ec2, TagSpecifications=tags)] = name

    def found(name: str, *values: str) -> list[str]:
        filters: Any = [{"Name": name, "Values": list(values)}]
        return [ids[each["VolumeId"]] for each in ec2.describe_volumes(Filters=filters)["Volumes"]]

    assert found("tag:Name", "web-1", "db-[1]") == ["web-1", "db-[1]"]
    assert found("tag:Name", "web-*") == ["web-1", "web-2"]
    assert found("tag:Name", "?b-[?]") == ["db-[1]"]
    assert found("tag:Name", "web-\\*") == []
    assert found("tag-key", "Name") == ["web-1", "web-2", "db-[1]"]
    assert found("tag-key", "name") == []


def test_an_id_that_is_there_is_found_though_a_filter_leaves_it_out(ec2: EC2Client) -> None:
    ids, error = [making.volume(ec2)], [{"Name": "status", "Values": ["error"]}]
    assert ec2.describe_volumes(VolumeIds=ids, Filters=error)["Volumes"] == []  # type: ignore[arg-type]
    ids.append(f"vol-{GONE}")
    ask = {"VolumeIds": ids, "Filters": error}
    assert refused(ec2.describe_volumes, **ask) == "InvalidVolume.NotFound"


def test_tags_are_listed_in_pages(ec2: EC2Client) -> None:
    volume = making.volume(ec2)
    names = [f"k{number:02}" for number in range(12)]
    tags: Any = [{"Key": name, "Value": "v"} for name in names]
    ec2.create_tags(Resources=[volume], Tags=tags)
    seen: list[str] = []
    only: Any = [{"Name": "resource-type", "Values": ["volume"]}]
    pages = ec2.get_paginator("describe_tags").paginate(
        Filters=only, PaginationConfig={"PageSize": 5}
    )
    for page in pages:
        seen += [tag["Key"] for tag in page["Tags"]]
    assert seen == names


# networks


def test_the_default_network_has_the_same_ids_for_ever(simulator: Simulator, ec2: EC2Client):
    def seen() -> tuple[str, list[str], str]:
        (vpc,) = ec2.describe_vpcs()["Vpcs"]
        subnets = [each["SubnetId"] for each in ec2.describe_subnets()["Subnets"]]
        (group,) = ec2.describe_security_groups()["SecurityGroups"]
        assert vpc["IsDefault"]
        return vpc["VpcId"], subnets, group["GroupId"]

    before = seen()
    simulator.reset()
    assert seen() == before
    assert len(before[1]) == len(ec2.describe_availability_zones()["AvailabilityZones"]) == 3
    with accounts.ec2(simulator.url, accounts.PARTNER, REGION) as other:
        assert other.describe_vpcs()["Vpcs"][0]["VpcId"] != before[0]


def test_a_network_of_ones_own_holds_an_instance(ec2: EC2Client, image: str) -> None:
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    ask: Any = {"VpcId": vpc, "CidrBlock": "10.0.1.0/24", "AvailabilityZone": f"{REGION}b"}
    subnet = ec2.create_subnet(**ask)["Subnet"]["SubnetId"]
    assert refused(ec2.create_subnet, **ask) == "InvalidSubnet.Conflict"
    group = ec2.create_security_group(GroupName="web", Description="web", VpcId=vpc)["GroupId"]
    rule: Any = {
        "IpProtocol": "tcp",
        "FromPort": 443,
        "ToPort": 443,
        "IpRanges": [{"CidrIp": "10.0.0.0/8"}],
    }
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule])
    same = {"GroupId": group, "IpPermissions": [rule]}
    code = refused(ec2.authorize_security_group_ingress, **same)
    assert code == "InvalidPermission.Duplicate"
    one = making.instance(ec2, image, SubnetId=subnet, SecurityGroupIds=[group])
    found = ec2.describe_instances(InstanceIds=[one])["Reservations"][0]["Instances"][0]
    assert (found["VpcId"], found["SubnetId"]) == (vpc, subnet)
    assert found["Placement"]["AvailabilityZone"] == f"{REGION}b"
    assert [each["GroupId"] for each in found["SecurityGroups"]] == [group]
    assert refused(ec2.delete_security_group, GroupId=group) == "DependencyViolation"
    ec2.terminate_instances(InstanceIds=[one])
    ec2.revoke_security_group_ingress(**same)
    ec2.delete_security_group(GroupId=group)
    ec2.delete_subnet(SubnetId=subnet)
    ec2.delete_vpc(VpcId=vpc)


def test_groups_are_found_by_tag(ec2: EC2Client) -> None:
    made = {}
    for name, labels in {"one": {"env": "a"}, "two": {"env": "ab"}, "three": {}}.items():
        tags: Any = [{"Key": key, "Value": value} for key, value in labels.items()]
        specified: Any = [{"ResourceType": "security-group", "Tags": tags}] if tags else []
        made[name] = ec2.create_security_group(
            GroupName=name, Description=name, TagSpecifications=specified
        )["GroupId"]

    def found(name: str, *values: str) -> set[str]:
        filters: Any = [{"Name": name, "Values": list(values)}]
        groups = ec2.describe_security_groups(Filters=filters)["SecurityGroups"]
        assert all(group["Tags"] for group in groups)
        return {group["GroupName"] for group in groups}

    assert found("tag:env", "a") == {"one"}
    assert found("tag:env", "a", "ab") == {"one", "two"}
    assert found("tag:env", "a*") == found("tag-key", "env") == {"one", "two"}
    assert found("tag:Env", "a") == set()
    ec2.delete_security_group(GroupId=made["one"])
    assert found("tag:env", "a*") == {"two"}


# the rest is moto's


def test_what_the_overlay_does_not_know_goes_to_moto(ec2: EC2Client) -> None:
    assert REGION in {each["RegionName"] for each in ec2.describe_regions()["Regions"]}
    assert ec2.create_key_pair(KeyName="ops")["KeyName"] == "ops"
