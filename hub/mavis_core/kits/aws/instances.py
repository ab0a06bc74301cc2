"""Instances launched from snapshots.

EC2 launches from images only, so each launch registers one, named after its token, and `clean`
takes it away again. The instance keeps running without it; its snapshots can be deleted only
then.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from mavis_core.contract import Disk, Health, Instance, InstanceState, Launch
from mavis_core.errors import CloudError, CloudInUse, CloudVanished, InvalidInput
from mavis_core.kits.aws.clients import PAGE_SIZE, Clients
from mavis_core.kits.aws.errors import code_of, translated
from mavis_core.kits.aws.forms import check_token, chunks, tag_map, tagged, with_tag
from mavis_core.kits.aws.inventory import attached_volumes
from mavis_core.kits.aws.volumes import put_performance

if TYPE_CHECKING:  # stubs, which an appliance does not have
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_ec2.type_defs import (
        BlockDeviceMappingTypeDef,
        EbsBlockDeviceTypeDef,
        FilterTypeDef,
        ImageTypeDef,
        InstanceStatusTypeDef,
        InstanceTypeDef,
        RegisterImageRequestTypeDef,
        RunInstancesRequestTypeDef,
    )

__all__ = ["AwsInstances"]

_STATES = {
    "pending": InstanceState.PENDING,
    "running": InstanceState.RUNNING,
    "stopping": InstanceState.STOPPING,
    "stopped": InstanceState.STOPPED,
}
_OPTIONS = {"tpm_support": "TpmSupport", "imds_support": "ImdsSupport"}
_STATUS_IDS = 100  # what DescribeInstanceStatus takes


class AwsInstances:
    """Fulfils `mavis_core.contract.Instances`."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def launch(
        self, region: str, launch: Launch, *, tags: Mapping[str, str], token: str
    ) -> Instance:
        check_token(token)
        _check_launch(launch)
        ec2 = self._clients.ec2(region)
        image_id = self._image(ec2, region, launch, tags, token)
        request = _run_request(launch, image_id, tags, token)
        with translated(region, f"launch {token}"):
            try:
                (made,) = ec2.run_instances(**request)["Instances"]
            except ClientError as exc:
                if code_of(exc) != "IdempotentParameterMismatch":
                    raise
                made = _launched(ec2, region, launch, image_id, token)
        instance = _instance(made, region, Health.UNKNOWN)
        if instance.state is InstanceState.GONE:
            raise CloudVanished(
                f"The instance {instance.cloud_id} in {region}, which was launched as {token}, is"
                " gone"
            )
        return instance

    def _image(
        self,
        ec2: EC2Client,
        region: str,
        launch: Launch,
        tags: Mapping[str, str],
        token: str,
    ) -> str:
        """Return the id of the image to launch from, as soon as it is available."""
        with translated(region, f"image {token}"):
            try:
                ec2.register_image(**_image_request(launch, tags, token))
            except ClientError as exc:
                if code_of(exc) != "InvalidAMIName.Duplicate":
                    raise

        def look() -> str | None:
            for image in _images(ec2, region, token):
                if not tags.items() <= tag_map(image.get("Tags", [])).items():
                    raise CloudInUse(
                        f"The name {token} in {region} is taken by the image"
                        f" {image['ImageId']}, which is not of this launch"
                    )
                if image["State"] == "failed":
                    raise CloudError(f"The image {image['ImageId']} in {region} has failed")
                if image["State"] == "available":
                    return image["ImageId"]
            return None

        return self._clients.until(look, f"ec2:DescribeImages: the image {token} is not there yet")

    def clean(self, region: str, token: str) -> None:
        ec2 = self._clients.ec2(region)
        for image in _images(ec2, region, token):
            with suppress(CloudVanished), translated(region, f"image {image['ImageId']}"):
                ec2.deregister_image(ImageId=image["ImageId"])

    def find(self, region: str, *, tag: str, values: Sequence[str]) -> Sequence[Instance]:
        ec2 = self._clients.ec2(region)
        found: list[Instance] = []
        for some in chunks(values):
            alive: list[FilterTypeDef] = [
                {"Name": f"tag:{tag}", "Values": some},
                {"Name": "instance-state-name", "Values": list(_STATES)},
            ]
            found += with_tag(_described(ec2, region, alive), tag, some)
        return found

    def describe(self, region: str, cloud_ids: Sequence[str]) -> Sequence[Instance]:
        ec2 = self._clients.ec2(region)
        found: dict[str, Instance] = {}
        for some in chunks(cloud_ids):
            which: list[FilterTypeDef] = [{"Name": "instance-id", "Values": some}]
            found |= {one.cloud_id: one for one in _described(ec2, region, which)}
        return [found.get(one) or _gone(one, region) for one in cloud_ids]

    def terminate(self, region: str, cloud_id: str) -> None:
        ec2 = self._clients.ec2(region)
        with suppress(CloudVanished), translated(region, f"instance {cloud_id}"):
            ec2.terminate_instances(InstanceIds=[cloud_id])


def _check_launch(launch: Launch) -> None:
    if not launch.disks:
        raise InvalidInput("An instance needs at least its root disk", field="disks")
    unknown = sorted(set(launch.options) - set(_OPTIONS))
    if unknown:
        raise InvalidInput(
            f"The AWS kit does not know the option {unknown[0][:40]!r} of a launch; it knows"
            f" {', '.join(_OPTIONS)}",
            field="options",
        )


def _image_request(
    launch: Launch, tags: Mapping[str, str], token: str
) -> RegisterImageRequestTypeDef:
    request: RegisterImageRequestTypeDef = {
        "Name": token,
        "Architecture": launch.architecture,  # type: ignore[typeddict-item]  # EC2 checks it
        "RootDeviceName": launch.disks[0].device,
        "VirtualizationType": "hvm",
        "EnaSupport": True,
        "BlockDeviceMappings": [_mapping(disk) for disk in launch.disks],
        "TagSpecifications": tagged(tags, "image"),
    }
    if launch.boot_mode is not None:
        request["BootMode"] = launch.boot_mode  # type: ignore[typeddict-item]  # EC2 checks it
    for option, value in launch.options.items():
        request[_OPTIONS[option]] = value  # type: ignore[literal-required]  # EC2 checks it
    return request


def _mapping(disk: Disk) -> BlockDeviceMappingTypeDef:
    device: EbsBlockDeviceTypeDef = {
        "SnapshotId": disk.snapshot_id,
        "DeleteOnTermination": disk.delete_on_termination,
    }
    put_performance(device, disk.volume_type, disk.iops, disk.throughput_mibps)
    return {"DeviceName": disk.device, "Ebs": device}


def _run_request(
    launch: Launch, image_id: str, tags: Mapping[str, str], token: str
) -> RunInstancesRequestTypeDef:
    """Return the call of RunInstances; the disks are the image's."""
    request: RunInstancesRequestTypeDef = {
        "ImageId": image_id,
        "InstanceType": launch.instance_type,  # type: ignore[typeddict-item]  # EC2 checks it
        "MinCount": 1,
        "MaxCount": 1,
        "ClientToken": token,
        "TagSpecifications": tagged(tags, "instance", "volume"),
    }
    if launch.subnet_id is not None:
        request["SubnetId"] = launch.subnet_id
    elif launch.zone is not None:
        request["Placement"] = {"AvailabilityZone": launch.zone}
    if launch.security_groups:
        request["SecurityGroupIds"] = list(launch.security_groups)
    if launch.key_name is not None:
        request["KeyName"] = launch.key_name
    if launch.profile is not None:
        word = "Arn" if launch.profile.startswith("arn:") else "Name"
        request["IamInstanceProfile"] = {word: launch.profile}  # type: ignore[misc]  # one of two
    return request


def _images(ec2: EC2Client, region: str, token: str) -> list[ImageTypeDef]:
    """Return this account's images that bear the name of a token."""
    with translated(region, f"image {token}"):
        answer = ec2.describe_images(Owners=["self"], Filters=[{"Name": "name", "Values": [token]}])
    return [image for image in answer["Images"] if image.get("Name") == token]


def _launched(
    ec2: EC2Client, region: str, launch: Launch, image_id: str, token: str
) -> InstanceTypeDef:
    """Return the instance of an earlier call with `token`, whose image was cleaned since.

    EC2 takes the new image for another launch; whoever asks for it knows better.
    """
    for item in _items(ec2, [{"Name": "client-token", "Values": [token]}]):
        if (
            item["ImageId"] != image_id
            and item["InstanceType"] == launch.instance_type
            and launch.subnet_id in (None, item.get("SubnetId"))
        ):
            return item
    raise CloudError(f"The token {token} was used for another launch in {region}")


def _items(ec2: EC2Client, which: Sequence[FilterTypeDef]) -> Iterator[InstanceTypeDef]:
    pages = ec2.get_paginator("describe_instances").paginate(
        Filters=which, PaginationConfig={"PageSize": PAGE_SIZE}
    )
    for page in pages:
        for reservation in page["Reservations"]:
            yield from reservation["Instances"]


def _described(ec2: EC2Client, region: str, which: Sequence[FilterTypeDef]) -> list[Instance]:
    """Return instances with what EC2's checks say of those that run."""
    with translated(region, f"instances by {which[0]['Name']}"):
        items = list(_items(ec2, which))
        running = [item["InstanceId"] for item in items if item["State"]["Name"] == "running"]
        health: dict[str, Health] = {}
        for some in chunks(running, _STATUS_IDS):
            for status in ec2.describe_instance_status(InstanceIds=some)["InstanceStatuses"]:
                health[status["InstanceId"]] = _health(status)
    return [
        _instance(item, region, health.get(item["InstanceId"], Health.UNKNOWN)) for item in items
    ]


def _health(status: InstanceStatusTypeDef) -> Health:
    said = {
        status.get("InstanceStatus", {}).get("Status"),
        status.get("SystemStatus", {}).get("Status"),
    }
    if "impaired" in said or status.get("AttachedEbsStatus", {}).get("Status") == "impaired":
        return Health.IMPAIRED
    return Health.OK if said == {"ok"} else Health.UNKNOWN


def _instance(item: InstanceTypeDef, region: str, health: Health) -> Instance:
    return Instance(
        cloud_id=item["InstanceId"],
        region=region,
        zone=item.get("Placement", {}).get("AvailabilityZone", ""),
        state=_STATES.get(item["State"]["Name"], InstanceState.GONE),
        health=health,
        devices=attached_volumes(item),
        tags=tag_map(item.get("Tags", [])),
    )


def _gone(cloud_id: str, region: str) -> Instance:
    return Instance(cloud_id, region, "", InstanceState.GONE, Health.UNKNOWN, {}, {})
