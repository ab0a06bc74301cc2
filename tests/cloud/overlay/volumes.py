"""Volumes: made, described, changed, deleted, attached and detached."""

from __future__ import annotations

from cloud.overlay import blocks, encryption, lookup, networks, tags, tokens
from cloud.overlay.context import FOREVER, Action, Ask, Call, Reply, new_id
from cloud.overlay.refusals import (
    VOLUME,
    Refusal,
    invalid,
    missing,
    wrong_state,
)
from cloud.overlay.selecting import Selection
from cloud.overlay.things import Attachment, Snapshot, Volume

_ATTACHED = (
    "SELECT {column} FROM attachment a WHERE a.id = volume.id"
    " AND a.shown <= {{now}} AND a.gone > {{now}}"
)
_FILTERS = {
    "volume-id": "id",
    "status": "CASE WHEN ready > {now} THEN 'creating' WHEN outcome = 'error' THEN 'error'"
    f" WHEN EXISTS ({_ATTACHED.format(column='1')}) THEN 'in-use' ELSE 'available' END",
    "attachment.instance-id": f"({_ATTACHED.format(column='a.instance')})",
    "attachment.device": f"({_ATTACHED.format(column='a.device')})",
    "attachment.status": f"(SELECT 'attached' WHERE EXISTS ({_ATTACHED.format(column='1')}))",
    "snapshot-id": "snapshot",
    "availability-zone": "zone",
    "encrypted": "CASE encrypted WHEN 1 THEN 'true' ELSE 'false' END",
    "size": "CAST(size AS TEXT)",
    "volume-type": "type",
}
_IOPS = {"gp3": 3000, "gp2": 100, "io1": 100, "io2": 100}


def create_volume(call: Call, ask: Ask) -> Reply:
    (one,) = tokens.once(call, "CreateVolume", ask, lambda: [_create(call, ask).id])
    (volume,) = call.store.table(Volume).made(one)
    return shown(call, volume, tags.of(call, [one])[one])


def _create(call: Call, ask: Ask) -> Volume:
    (labels,) = tags.wanted(ask, "volume")
    zone = ask.get("AvailabilityZone")
    if not zone:
        raise missing("AvailabilityZone")
    if zone not in networks.zones(call):
        raise Refusal("InvalidZone.NotFound", f"The zone '{zone}' does not exist.")
    source = lookup.usable_snapshot(call, ask["SnapshotId"]) if ask.get("SnapshotId") else None
    return make(call, ask, zone=zone, source=source, labels=labels)


def make(call: Call, ask: Ask, *, zone: str, source: Snapshot | None, labels: tags.Tags) -> Volume:
    """Make a volume; `ask` has Size or VolumeSize, VolumeType, Encrypted, KmsKeyId and so on.

    One whose key its maker may not use is there while it is made, and gone then.
    """
    size = ask.get("Size") or ask.get("VolumeSize") or (source.size if source else None)
    if size is None:
        raise missing("size/snapshot")
    if source and size < source.size:
        raise invalid(
            f"The size {size} GiB is smaller than the snapshot '{source.id}' ({source.size} GiB)"
        )
    sealed = encryption.sealing(call, ask, source)
    kind = ask.get("VolumeType") or "gp2"
    ready = call.now + call.settings.volume_s
    volume = call.store.table(Volume).insert(
        call,
        Volume(
            id=new_id("vol-"),
            **call.origin,
            gone=FOREVER if sealed.accessible else ready,
            zone=zone,
            size=size,
            type=kind,
            iops=ask.get("Iops") or _IOPS.get(kind, 0),
            throughput=ask.get("Throughput") or (125 if kind == "gp3" else 0),
            encrypted=sealed.encrypted,
            key=sealed.key,
            snapshot=source.id if source else "",
            ready=ready,
            outcome="error" if call.fate.broken else "available",
        ),
    )
    tags.put(call, volume.id, labels)
    if source and sealed.accessible and not call.fate.broken:
        blocks.copy(call.store, source.id, volume.id)
    return volume


def describe_volumes(call: Call, ask: Ask) -> Reply:
    selection = Selection(call, call.store.table(Volume), _FILTERS, "volume-id")
    wanted = ask.get("VolumeIds", ())
    selection.here()
    selection.ids(wanted, VOLUME)
    selection.filters(ask.get("Filters", ()))
    found, token = selection.page(ask, "VolumeIds")
    labels = tags.of(call, (each.id for each in found))
    return {
        "Volumes": [shown(call, each, labels[each.id]) for each in found],
        "NextToken": token,
    }


def delete_volume(call: Call, ask: Ask) -> Reply:
    volume = lookup.volume(call, ask["VolumeId"])
    attached = lookup.attachment(call, volume.id)
    if attached:
        raise Refusal(
            "VolumeInUse", f"Volume {volume.id} is currently attached to {attached.instance}"
        )
    if call.now < volume.ready:
        raise wrong_state(f"Volume {volume.id} is creating")
    remove(call, volume)
    return {}


def remove(call: Call, volume: Volume, when: float | None = None) -> None:
    """Let a volume be gone, now or at a time to come."""
    call.store.table(Volume).change(volume, gone=when or call.now)


def attach_volume(call: Call, ask: Ask) -> Reply:
    volume, instance = (
        lookup.volume(call, ask["VolumeId"]),
        lookup.instance(call, ask["InstanceId"]),
    )
    attached = lookup.attachment(call, volume.id)
    if attached:
        raise Refusal("VolumeInUse", f"{volume.id} is already attached to an instance")
    if state(call, volume) != "available":
        raise wrong_state(f"'{volume.id}' is not 'available': it is {state(call, volume)}")
    if volume.zone != instance.zone:
        raise Refusal(
            "InvalidVolume.ZoneMismatch",
            f"The volume '{volume.id}' is not in the same availability zone as"
            f" instance '{instance.id}'",
        )
    now = instance.later if instance.turns <= call.now else instance.sooner
    if now not in ("running", "stopped"):
        raise wrong_state(f"Instance '{instance.id}' is not 'running': it is {now}")
    device = ask["Device"]
    if any(each.device == device for each in lookup.attachments(call, instance.id)):
        raise invalid(
            f"Invalid value '{device}' for unixDevice. Attachment point {device} is already in use"
        )
    return _attached(
        attach(call, volume, instance.id, device, ends_with_instance=False), "attaching"
    )


def attach(
    call: Call, volume: Volume, instance: str, device: str, *, ends_with_instance: bool
) -> Attachment:
    return call.store.table(Attachment).insert(
        call,
        Attachment(
            id=volume.id,
            **call.origin,
            gone=volume.gone,
            instance=instance,
            device=device,
            ends_with_instance=ends_with_instance,
        ),
    )


def detach_volume(call: Call, ask: Ask) -> Reply:
    volume = lookup.volume(call, ask["VolumeId"])
    found = lookup.attachment(call, volume.id)
    if found is None or ask.get("InstanceId", found.instance) != found.instance:
        raise wrong_state(
            f"Volume '{volume.id}' is in the 'available' state or elsewhere attached."
        )
    instance = lookup.instance(call, found.instance)
    stopped = instance.later == "stopped" and instance.turns <= call.now
    if found.device == instance.root_device and not stopped:
        raise Refusal(
            "OperationNotPermitted",
            f"Unable to detach root volume '{found.device}' from instance '{instance.id}'",
        )
    call.store.table(Attachment).change(found, gone=call.now)
    return _attached(found, "detaching")


def modify_volume(call: Call, ask: Ask) -> Reply:
    """A modification is done at once; it shows as one that is completed."""
    volume = lookup.volume(call, ask["VolumeId"])
    size = ask.get("Size") or volume.size
    if size < volume.size:
        raise invalid("New size cannot be smaller than existing size")
    kind = ask.get("VolumeType") or volume.type
    modified = {
        "VolumeId": volume.id,
        "ModificationState": "completed",
        "OriginalSize": volume.size,
        "TargetSize": size,
        "OriginalVolumeType": volume.type,
        "TargetVolumeType": kind,
        "Progress": 100,
        "StartTime": call.now,
        "EndTime": call.now,
    }
    changes = {"size": size, "type": kind, "modified": modified}
    changes |= {"iops": ask["Iops"]} if ask.get("Iops") else {}
    call.store.table(Volume).change(volume, **changes)
    return {"VolumeModification": modified | {"ModificationState": "modifying", "Progress": 0}}


def describe_modifications(call: Call, ask: Ask) -> Reply:
    selection = Selection(call, call.store.table(Volume), {"volume-id": "id"}, "volume-id")
    selection.here()
    selection.ids(ask.get("VolumeIds", ()), VOLUME)
    selection.filters(ask.get("Filters", ()))
    selection.where("modified <> 'null'")
    found, token = selection.page(ask)
    return {"VolumesModifications": [each.modified for each in found], "NextToken": token}


def state(call: Call, volume: Volume) -> str:
    if call.now < volume.ready:
        return "creating"
    if volume.outcome == "error":
        return "error"
    return "in-use" if lookup.attachment(call, volume.id) else "available"


def _attached(found: Attachment, state: str) -> Reply:
    return {
        "VolumeId": found.id,
        "InstanceId": found.instance,
        "Device": found.device,
        "State": state,
        "AttachTime": found.born,
        "DeleteOnTermination": found.ends_with_instance,
    }


def shown(call: Call, volume: Volume, labels: list[Reply]) -> Reply:
    found = lookup.attachment(call, volume.id)
    return {
        "VolumeId": volume.id,
        "OwnerId": volume.account,
        "Size": volume.size,
        "SnapshotId": volume.snapshot,
        "AvailabilityZone": volume.zone,
        "State": state(call, volume),
        "CreateTime": volume.born,
        "VolumeType": volume.type,
        "Iops": volume.iops or None,
        "Throughput": volume.throughput or None,
        "Encrypted": volume.encrypted,
        "KmsKeyId": volume.key or None,
        "MultiAttachEnabled": False,
        "Attachments": [_attached(found, "attached")] if found else [],
        "Tags": labels or None,
    }


ACTIONS: dict[str, Action] = {
    "CreateVolume": create_volume,
    "DescribeVolumes": describe_volumes,
    "DeleteVolume": delete_volume,
    "AttachVolume": attach_volume,
    "DetachVolume": detach_volume,
    "ModifyVolume": modify_volume,
    "DescribeVolumesModifications": describe_modifications,
}
