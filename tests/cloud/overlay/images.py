"""Machine images.

One thing is looser than AWS: a root device without a snapshot is taken where it says its size; it
is an empty disk. So a test may make an image out of nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from cloud.overlay import encryption, lookup, sharing, snapshots, tags
from cloud.overlay.context import Action, Ask, Call, Reply, new_id
from cloud.overlay.refusals import IMAGE, Refusal, foreign, invalid
from cloud.overlay.selecting import Selection
from cloud.overlay.things import Attachment, Image, Snapshot
from cloud.overlay.wire import iso

_FILTERS = {
    "image-id": "id",
    "name": "name",
    "description": "description",
    "architecture": "architecture",
    "owner-id": "account",
    "state": "CASE WHEN ready > {now} THEN 'pending' ELSE outcome END",
    "image-type": "'machine'",
    "root-device-name": "root_device",
    "root-device-type": "'ebs'",
    "virtualization-type": "virtualization",
    "is-public": "CASE WHEN EXISTS (SELECT 1 FROM permission p WHERE p.id = image.id"
    " AND p.grantee = 'all') THEN 'true' ELSE 'false' END",
}
Mappings = list[dict[str, Any]]


def register_image(call: Call, ask: Ask) -> Reply:
    (labels,) = tags.wanted(ask, "image")
    mappings: Mappings = [_mapping(call, each) for each in ask.get("BlockDeviceMappings", ())]
    root = ask.get("RootDeviceName") or (mappings[0]["DeviceName"] if mappings else "/dev/sda1")
    if not any(each["DeviceName"] == root and "Ebs" in each for each in mappings):
        raise Refusal(
            "InvalidBlockDeviceMapping", f"The mappings have no volume for the root device {root}"
        )
    image = _new(call, ask.get("Name", ""), ask.get("Description", ""), mappings, root)
    image = replace(
        image,
        architecture=ask.get("Architecture") or "x86_64",
        virtualization=ask.get("VirtualizationType") or "paravirtual",
        boot_mode=ask.get("BootMode") or "",
        ena=bool(ask.get("EnaSupport")),
    )
    return {"ImageId": insert(call, image, labels).id}


def create_image(call: Call, ask: Ask) -> Reply:
    """Take all volumes of an instance at one moment, and make an image of them."""
    labels, inner = tags.wanted(ask, "image", "snapshot")
    instance = lookup.instance(call, ask["InstanceId"])
    if instance.later == "terminated":
        raise Refusal("IncorrectState", f"The instance '{instance.id}' is terminated")
    _check_name(call, ask.get("Name", ""))
    described = f"Created by CreateImage({instance.id})"
    mappings: Mappings = []
    for each in lookup.attachments(call, instance.id):
        made = snapshots.take(call, lookup.volume(call, each.id), described, inner)
        mappings.append(_of_attachment(call, each, made))
    changed = {each["DeviceName"]: each for each in ask.get("BlockDeviceMappings", ())}
    mappings = [each for each in mappings if "NoDevice" not in changed.get(each["DeviceName"], {})]
    image = _new(call, ask["Name"], ask.get("Description", ""), mappings, instance.root_device)
    image = replace(
        image,
        architecture=instance.architecture,
        source_instance=instance.id,
        ready=call.now + call.settings.snapshot_s,
    )
    return {"ImageId": insert(call, image, labels).id}


def copy_image(call: Call, ask: Ask) -> Reply:
    there = replace(call, region=ask["SourceRegion"])
    labels, inner = tags.wanted(ask, "image", "snapshot")
    source = usable(there, ask["SourceImageId"])
    _check_name(call, ask["Name"])
    mappings: Mappings = []
    for each in source.mappings:
        ebs = dict(each.get("Ebs", {}))
        if ebs.get("SnapshotId"):
            one = lookup.usable_snapshot(there, ebs["SnapshotId"])
            text = f"Copied for {source.id} from {source.region}"
            ebs["SnapshotId"] = snapshots.copy(call, one, ask, text, inner).id
        mappings.append({**each, "Ebs": ebs} if ebs else each)
    image = _new(call, ask["Name"], ask.get("Description", ""), mappings, source.root_device)
    image = replace(
        image, architecture=source.architecture, ready=call.now + call.settings.snapshot_s
    )
    return {"ImageId": insert(call, image, labels).id}


def describe_images(call: Call, ask: Ask) -> Reply:
    selection = Selection(call, call.store.table(Image), _FILTERS, "image-id")
    wanted = ask.get("ImageIds", ())
    sharing.visible(selection)
    selection.ids(wanted, IMAGE)
    rest = []
    for each in ask.get("Filters", ()):
        if each.get("Name") == "block-device-mapping.snapshot-id":
            marks = ", ".join("?" * len(each["Values"]))
            inner = f"SELECT image FROM image_snapshot WHERE snapshot IN ({marks})"
            selection.where(f"id IN ({inner})", *each["Values"])
        else:
            rest.append(each)
    selection.filters(rest)
    sharing.owners(selection, ask.get("Owners", ()))
    sharing.usable_by(selection, ask.get("ExecutableUsers", ()))
    found, token = selection.page(ask)
    labels = tags.of(call, (each.id for each in found))
    return {
        "Images": [_shown(call, each, labels[each.id]) for each in found],
        "NextToken": token,
    }


def deregister_image(call: Call, ask: Ask) -> Reply:
    image = _own(call, ask["ImageId"])
    call.store.table(Image).change(image, gone=call.now)
    sharing.forget(call, image.id)
    results = []
    if ask.get("DeleteAssociatedSnapshots"):
        for one in _snapshots(image.mappings):
            snapshots.remove(call, lookup.snapshot(call, one))
            results.append({"SnapshotId": one, "ReturnCode": "success"})
    return {"Return": True, "DeleteSnapshotResults": results or None}


def modify_attribute(call: Call, ask: Ask) -> Reply:
    """Share an image; AWS refuses where one of its snapshots has the account's default key."""
    image = _own(call, ask["ImageId"])
    if "Description" in ask:
        text = ask["Description"].get("Value", "")
        call.store.table(Image).change(image, description=text)
        return {}
    add, remove = sharing.wanted(ask, "LaunchPermission")
    for one in _snapshots(image.mappings) if add else ():
        found = call.store.table(Snapshot).get(call, one)
        if found and found.encrypted and encryption.default_key(call, found.key):
            raise Refusal(
                "InvalidParameter",
                "Snapshots encrypted with the AWS Managed CMK can't be shared."
                " Specify another snapshot.",
            )
    sharing.change(call, image.id, add, remove)
    return {}


def describe_attribute(call: Call, ask: Ask) -> Reply:
    image = _own(call, ask["ImageId"])
    if ask.get("Attribute") == "description":
        return {"ImageId": image.id, "Description": {"Value": image.description}}
    if ask.get("Attribute") != "launchPermission":
        raise invalid(f"Value ({ask.get('Attribute')}) for parameter attribute is invalid.")
    return {
        "ImageId": image.id,
        "LaunchPermissions": [
            {"Group": one} if one == "all" else {"UserId": one}
            for one in sharing.grantees(call, image.id)
        ],
    }


def usable(call: Call, one: str) -> Image:
    """Return an image that the caller owns or was given, and that is available."""
    selection = Selection(call, call.store.table(Image))
    sharing.visible(selection)
    selection.ids([one], IMAGE)
    found = selection.all()
    if call.now < found[0].ready or found[0].outcome != "available":
        raise Refusal("InvalidAMIID.Unavailable", f"The image '{one}' is not available")
    return found[0]


def insert(call: Call, image: Image, labels: tags.Tags) -> Image:
    if call.fate.broken:
        image = replace(image, outcome="failed")
    made = call.store.table(Image).insert(call, image)
    tags.put(call, made.id, labels)
    call.store.run_many(
        "INSERT OR IGNORE INTO image_snapshot VALUES (?, ?)",
        [(one, made.id) for one in _snapshots(made.mappings)],
    )
    return made


def _new(call: Call, name: str, description: str, mappings: Mappings, root: str) -> Image:
    _check_name(call, name)
    return Image(
        id=new_id("ami-"),
        **call.origin,
        name=name,
        description=description,
        architecture="x86_64",
        root_device=root,
        virtualization="hvm",
        source_instance="",
        mappings=tuple(mappings),
        ready=call.now,
    )


def _check_name(call: Call, name: str) -> None:
    if not 3 <= len(name) <= 128:
        raise Refusal("InvalidAMIName.Malformed", "AMI names have 3 to 128 characters")
    same = call.store.table(Image).unseen(
        call.now, "name = ? AND account = ? AND region = ?", name, call.account, call.region
    )
    if same:
        raise Refusal(
            "InvalidAMIName.Duplicate", f"AMI name {name} is already in use by AMI {same[0].id}"
        )


def _mapping(call: Call, asked: Ask) -> dict[str, Any]:
    """Return a mapping as an image keeps it, with the size and the encryption of its snapshot."""
    if not asked.get("Ebs"):
        return dict(asked)
    ebs = {"VolumeType": "gp2", "DeleteOnTermination": True} | dict(asked["Ebs"])
    if ebs.get("SnapshotId"):
        found = lookup.usable_snapshot(call, ebs["SnapshotId"])
        ebs.setdefault("VolumeSize", found.size)
        ebs["Encrypted"] = found.encrypted
        if ebs["VolumeSize"] < found.size:
            raise Refusal(
                "InvalidBlockDeviceMapping",
                f"Volume of size {ebs['VolumeSize']}GB is smaller than snapshot '{found.id}',"
                f" expect size >= {found.size}GB",
            )
    elif not ebs.get("VolumeSize"):
        raise Refusal("InvalidBlockDeviceMapping", "A mapping needs a snapshot or a size")
    return {**asked, "Ebs": ebs}


def _of_attachment(call: Call, attached: Attachment, made: Snapshot) -> dict[str, Any]:
    return {
        "DeviceName": attached.device,
        "Ebs": {
            "SnapshotId": made.id,
            "VolumeSize": made.size,
            "VolumeType": lookup.volume(call, attached.id).type,
            "DeleteOnTermination": attached.ends_with_instance,
            "Encrypted": made.encrypted,
        },
    }


def _snapshots(mappings: Sequence[Ask]) -> list[str]:
    return [each["Ebs"]["SnapshotId"] for each in mappings if each.get("Ebs", {}).get("SnapshotId")]


def _own(call: Call, one: str) -> Image:
    IMAGE.check(one)
    found = call.store.table(Image).get(call, one)
    if found is None or found.region != call.region:
        raise IMAGE.missing(one)
    if found.account != call.account:
        raise foreign(one) if sharing.allows(call, one, call.account) else IMAGE.missing(one)
    return found


def _shown(call: Call, image: Image, labels: list[Reply]) -> Reply:
    return {
        "ImageId": image.id,
        "OwnerId": image.account,
        "ImageLocation": f"{image.account}/{image.name}",
        "Name": image.name,
        "Description": image.description or None,
        "State": "pending" if call.now < image.ready else image.outcome,
        "CreationDate": iso(image.born),
        "Public": "all" in sharing.grantees(call, image.id),
        "Architecture": image.architecture,
        "ImageType": "machine",
        "PlatformDetails": "Linux/UNIX",
        "UsageOperation": "RunInstances",
        "RootDeviceName": image.root_device,
        "RootDeviceType": "ebs",
        "VirtualizationType": image.virtualization,
        "Hypervisor": "xen",
        "BootMode": image.boot_mode or None,
        "EnaSupport": image.ena,
        "SourceInstanceId": image.source_instance or None,
        "BlockDeviceMappings": list(image.mappings),
        "Tags": labels or None,
    }


ACTIONS: dict[str, Action] = {
    "RegisterImage": register_image,
    "CreateImage": create_image,
    "CopyImage": copy_image,
    "DescribeImages": describe_images,
    "DeregisterImage": deregister_image,
    "ModifyImageAttribute": modify_attribute,
    "DescribeImageAttribute": describe_attribute,
}
