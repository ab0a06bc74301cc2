"""RunInstances: an image and a call become an instance with its volumes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from cloud.overlay import images, instances, lookup, networks, rules, tags, tokens, volumes
from cloud.overlay.context import Action, Ask, Call, Reply, new_id
from cloud.overlay.refusals import Refusal, invalid, missing
from cloud.overlay.things import Image, Instance, Subnet, Volume

_EBS = ("SnapshotId", "VolumeSize", "VolumeType", "Encrypted", "KmsKeyId", "Iops", "Throughput")
_NO_KEY = "Client.InternalError: Client error on launch"
_BROKEN = "Server.InternalError: Internal error on launch"


@dataclass(frozen=True, slots=True)
class _Place:
    subnet: Subnet
    groups: tuple[str, ...]


def run_instances(call: Call, ask: Ask) -> Reply:
    ids = tokens.once(call, "RunInstances", ask, lambda: _run(call, ask))
    made = call.store.table(Instance).made(*ids)
    over = all(each.later == "terminated" and each.turns <= call.now for each in made)
    if over and not set(ids) & set(call.made):
        words = "The client token belongs to instances that are terminated."
        raise Refusal("IdempotentInstanceTerminated", words)
    labels = tags.of(call, ids)
    return {
        "ReservationId": made[0].reservation,
        "OwnerId": call.account,
        "Instances": [instances.shown(call, each, labels[each.id]) for each in made],
    }


def _run(call: Call, ask: Ask) -> list[str]:
    labels, inner, _ = tags.wanted(ask, "instance", "volume", "network-interface")
    least, most = ask.get("MinCount", 1), ask.get("MaxCount", 1)
    if not 1 <= least <= most:
        raise invalid(f"Value ({least}) for parameter minCount is invalid.")
    if not ask.get("ImageId"):
        raise missing("ImageId")
    image, place = images.usable(call, ask["ImageId"]), _place(call, ask)
    mappings = _mappings(image, ask.get("BlockDeviceMappings", ()))
    reservation = new_id("r-")
    made = []
    for number in range(most):
        instance = _instance(call, ask, image, place, reservation, number)
        instance = call.store.table(Instance).insert(call, instance)
        tags.put(call, instance.id, labels)
        disks = [_volume(call, instance, each, inner) for each in mappings]
        if call.fate.broken or any(disk.gone <= disk.ready for disk in disks):
            _fail(call, instance)
        made.append(instance.id)
    return made


def _instance(
    call: Call, ask: Ask, image: Image, place: _Place, reservation: str, number: int
) -> Instance:
    return Instance(
        id=new_id("i-"),
        **call.origin,
        reservation=reservation,
        number=number,
        image=image.id,
        type=ask.get("InstanceType") or "m1.small",
        zone=place.subnet.zone,
        subnet=place.subnet.id,
        vpc=place.subnet.vpc,
        groups=place.groups,
        ip=networks.next_address(call, place.subnet),
        architecture=image.architecture,
        root_device=image.root_device,
        sooner="pending",
        later="running",
        turns=call.now + call.settings.instance_s,
        token=ask.get("ClientToken", ""),
        key_name=ask.get("KeyName", ""),
        profile=_profile(call, ask),
        user_data=ask.get("UserData", ""),
        protected=bool(ask.get("DisableApiTermination")),
    )


def _fail(call: Call, instance: Instance) -> None:
    """Let an instance end at once: its volumes cannot be read, or a fault wants it."""
    reason = _BROKEN if call.fate.broken else _NO_KEY
    call.store.table(Instance).change(instance, later="terminated", reason=reason, failed=True)
    for each in lookup.attachments(call, instance.id):
        for volume in call.store.table(Volume).made(each.id):
            instances.end_volume(call, volume, each, instance.turns)


def _place(call: Call, ask: Ask) -> _Place:
    """Return where an instance goes: by its subnet, by its zone, or where the account begins."""
    interface: Ask = next(iter(ask.get("NetworkInterfaces", ())), {})
    wanted = ask.get("SubnetId") or interface.get("SubnetId")
    zone = (ask.get("Placement") or {}).get("AvailabilityZone")
    subnet = lookup.subnet(call, wanted) if wanted else networks.default_subnet(call, zone)
    asked = ask.get("SecurityGroupIds") or interface.get("Groups") or ()
    groups = [lookup.group(call, one) for one in asked]
    groups += rules.by_names(call, ask.get("SecurityGroups", ()), subnet.vpc)
    for each in groups:
        if each.vpc != subnet.vpc:
            raise invalid(f"Security group {each.id} and subnet {subnet.id} are of other VPCs")
    groups = groups or [rules.default_group(call, subnet.vpc)]
    return _Place(subnet, tuple(each.id for each in groups))


def _mappings(image: Image, asked: Sequence[Ask]) -> list[dict[str, Any]]:
    """Return the volumes to make: the image's with what the call says otherwise, and its own."""
    found = {each["DeviceName"]: dict(each["Ebs"]) for each in image.mappings if each.get("Ebs")}
    for each in asked:
        device = each["DeviceName"]
        if "NoDevice" in each:
            found.pop(device, None)
        elif each.get("Ebs"):
            found[device] = found.get(device, {}) | dict(each["Ebs"])
    return [{"DeviceName": device, **ebs} for device, ebs in found.items()]


def _volume(call: Call, instance: Instance, mapping: Ask, labels: tags.Tags) -> Volume:
    asked = {name: mapping[name] for name in _EBS if mapping.get(name) is not None}
    one = asked.pop("SnapshotId", None)
    source = lookup.usable_snapshot(_of_image(call, one), one) if one else None
    try:
        volume = volumes.make(call, asked, zone=instance.zone, source=source, labels=labels)
    except Refusal as exc:
        if exc.code in ("InvalidParameterValue", "MissingParameter"):
            raise Refusal("InvalidBlockDeviceMapping", exc.message) from exc
        raise
    volumes.attach(
        call,
        volume,
        instance.id,
        mapping["DeviceName"],
        ends_with_instance=mapping.get("DeleteOnTermination", True),
    )
    return volume


def _of_image(call: Call, one: str) -> Call:
    """Return the call in the name of the owner, where the snapshot comes with an image.

    Who may launch an image may read its snapshots, though they are not shared with him.
    """
    row = call.store.row(
        "SELECT i.account FROM image_snapshot s JOIN image i ON i.id = s.image"
        " WHERE s.snapshot = ? AND i.gone > ? AND i.id IN"
        " (SELECT id FROM permission WHERE grantee IN (?, 'all'))",
        *(one, call.now, call.account),
    )
    return replace(call, account=row[0]) if row else call


def _profile(call: Call, ask: Ask) -> str:
    asked = ask.get("IamInstanceProfile") or {}
    if asked.get("Arn"):
        return str(asked["Arn"])
    name = asked.get("Name")
    return f"arn:aws:iam::{call.account}:instance-profile/{name}" if name else ""


ACTIONS: dict[str, Action] = {"RunInstances": run_instances}
