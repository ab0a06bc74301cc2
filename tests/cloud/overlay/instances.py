"""Instances after their launch: described, changed, started, stopped, terminated."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from cloud.overlay import lookup, tags
from cloud.overlay.context import Action, Ask, Call, Reply
from cloud.overlay.refusals import INSTANCE, Refusal, invalid
from cloud.overlay.selecting import Selection
from cloud.overlay.things import Attachment, Group, Instance, Volume

STATES = {
    "pending": 0,
    "running": 16,
    "shutting-down": 32,
    "terminated": 48,
    "stopping": 64,
    "stopped": 80,
}
_KEPT_S = 3600.0  # a terminated instance is shown for another hour
_STATE = "CASE WHEN turns <= {now} THEN later ELSE sooner END"
_FILTERS = {
    "instance-id": "id",
    "instance-state-name": _STATE,
    "instance-type": "type",
    "image-id": "image",
    "vpc-id": "vpc",
    "subnet-id": "subnet",
    "availability-zone": "zone",
    "client-token": "token",
    "reservation-id": "reservation",
    "private-ip-address": "ip",
    "key-name": "key_name",
    "owner-id": "account",
}


def state(call: Call, instance: Instance) -> str:
    return instance.later if instance.turns <= call.now else instance.sooner


def describe_instances(call: Call, ask: Ask) -> Reply:
    selection = Selection(call, call.store.table(Instance), _FILTERS, "instance-id")
    wanted = ask.get("InstanceIds", ())
    selection.here()
    selection.ids(wanted, INSTANCE)
    selection.filters(ask.get("Filters", ()))
    found, token = selection.page(ask, "InstanceIds")
    labels = tags.of(call, (each.id for each in found))
    reservations: dict[str, Reply] = {}
    for each in found:
        reservation = reservations.setdefault(
            each.reservation,
            {"ReservationId": each.reservation, "OwnerId": each.account, "Instances": []},
        )
        reservation["Instances"].append(shown(call, each, labels[each.id]))
    return {"Reservations": list(reservations.values()), "NextToken": token}


def describe_status(call: Call, ask: Ask) -> Reply:
    selection = Selection(call, call.store.table(Instance), _FILTERS, "instance-id")
    wanted = ask.get("InstanceIds", ())
    selection.here()
    selection.ids(wanted, INSTANCE)
    selection.filters(ask.get("Filters", ()))
    if not ask.get("IncludeAllInstances"):
        selection.where(f"{_STATE.format(now=call.now)} = 'running'")
    found, token = selection.page(ask, "InstanceIds")
    return {"InstanceStatuses": [_status(call, each) for each in found], "NextToken": token}


def start_instances(call: Call, ask: Ask) -> Reply:
    changes = [
        _turn(call, one, ("stopped",), ("pending", "running"), "started")
        for one in ask["InstanceIds"]
    ]
    return {"StartingInstances": changes}


def stop_instances(call: Call, ask: Ask) -> Reply:
    call.after += [partial(call.shells.stop, one) for one in ask["InstanceIds"]]
    changes = [
        _turn(call, one, ("running",), ("stopping", "stopped"), "stopped")
        for one in ask["InstanceIds"]
    ]
    return {"StoppingInstances": changes}


def reboot_instances(call: Call, ask: Ask) -> Reply:
    for one in ask["InstanceIds"]:
        if state(call, lookup.instance(call, one)) != "running":
            raise _wrong_state(one, "rebooted")
    return {}


def terminate_instances(call: Call, ask: Ask) -> Reply:
    found = [lookup.instance(call, one) for one in ask["InstanceIds"]]
    call.after += [partial(call.shells.stop, one) for one in ask["InstanceIds"]]
    for instance in found:
        if instance.protected:
            raise Refusal(
                "OperationNotPermitted",
                f"The instance '{instance.id}' may not be terminated. Modify its"
                " 'disableApiTermination' instance attribute and try again.",
            )
    return {"TerminatingInstances": [_terminate(call, instance) for instance in found]}


def end_volume(call: Call, volume: Volume, attached: Attachment, when: float) -> None:
    """Let a volume go with its instance, or only its attachment."""
    call.store.table(Attachment).change(attached, gone=when)
    if attached.ends_with_instance:
        call.store.table(Volume).change(volume, gone=min(when, volume.gone))


def describe_attribute(call: Call, ask: Ask) -> Reply:
    instance = lookup.instance(call, ask["InstanceId"])
    name = ask["Attribute"]
    if name not in _ATTRIBUTES:
        raise invalid(f"Value ({name}) for parameter attribute is invalid.")
    return {"InstanceId": instance.id, **_ATTRIBUTES[name](call, instance)}


def modify_attribute(call: Call, ask: Ask) -> Reply:
    instance = lookup.instance(call, ask["InstanceId"])
    changes: dict[str, Any] = {}
    if ask.get("Groups"):
        changes["groups"] = tuple(lookup.group(call, one).id for one in ask["Groups"])
    if ask.get("DisableApiTermination"):
        changes["protected"] = bool(ask["DisableApiTermination"].get("Value"))
    if ask.get("InstanceType"):
        if state(call, instance) != "stopped":
            raise Refusal("IncorrectInstanceState", f"The instance '{instance.id}' is not stopped.")
        changes["type"] = ask["InstanceType"]["Value"]
    if changes:
        call.store.table(Instance).change(instance, **changes)
    for each in ask.get("BlockDeviceMappings", ()):
        _keep_or_end(call, instance, each)
    return {}


def _keep_or_end(call: Call, instance: Instance, mapping: Ask) -> None:
    for each in lookup.attachments(call, instance.id):
        if each.device == mapping.get("DeviceName"):
            ends = bool(mapping.get("Ebs", {}).get("DeleteOnTermination"))
            call.store.table(Attachment).change(each, ends_with_instance=ends)
            return
    raise Refusal(
        "InvalidInstanceAttributeValue", f"No device is attached at {mapping.get('DeviceName')}"
    )


def _turn(call: Call, one: str, begin: Sequence[str], through: tuple[str, str], word: str) -> Reply:
    """Turn an instance from one state through another into a third; what is there stays."""
    instance = lookup.instance(call, one)
    before = state(call, instance)
    if before in through:
        return _change(one, before, before)
    if before not in begin:
        raise _wrong_state(one, word)
    sooner, later = through
    turns = call.now + call.settings.instance_s
    changed = call.store.table(Instance).change(
        instance, sooner=sooner, later=later, turns=turns, reason=""
    )
    return _change(one, before, state(call, changed))


def _terminate(call: Call, instance: Instance) -> Reply:
    before = state(call, instance)
    if instance.later == "terminated":
        return _change(instance.id, before, before)
    turns = call.now + call.settings.instance_s
    for each in lookup.attachments(call, instance.id):
        end_volume(call, lookup.volume(call, each.id), each, turns)
    changed = call.store.table(Instance).change(
        instance,
        sooner="shutting-down",
        later="terminated",
        turns=turns,
        gone=turns + _KEPT_S,
        reason="User initiated",
    )
    return _change(instance.id, before, state(call, changed))


def _change(one: str, before: str, after: str) -> Reply:
    return {"InstanceId": one, "PreviousState": _named(before), "CurrentState": _named(after)}


def _named(state: str) -> Reply:
    return {"Code": STATES[state], "Name": state}


def _wrong_state(one: str, word: str) -> Refusal:
    return Refusal(
        "IncorrectInstanceState",
        f"The instance '{one}' is not in a state from which it can be {word}.",
    )


def _devices(call: Call, instance: Instance) -> list[Reply]:
    return [
        {
            "DeviceName": each.device,
            "Ebs": {
                "VolumeId": each.id,
                "Status": "attached",
                "AttachTime": each.born,
                "DeleteOnTermination": each.ends_with_instance,
            },
        }
        for each in lookup.attachments(call, instance.id)
    ]


def _groups(call: Call, instance: Instance) -> list[Reply]:
    found = call.store.table(Group).made(*instance.groups)
    return [{"GroupId": each.id, "GroupName": each.name} for each in found]


def _status(call: Call, instance: Instance) -> Reply:
    now = state(call, instance)
    health = "ok" if now == "running" else "not-applicable"
    return {
        "InstanceId": instance.id,
        "AvailabilityZone": instance.zone,
        "InstanceState": _named(now),
        "InstanceStatus": {"Status": health, "Details": []},
        "SystemStatus": {"Status": health, "Details": []},
    }


def shown(call: Call, instance: Instance, labels: list[Reply]) -> Reply:
    now = state(call, instance)
    alive = now not in ("terminated", "shutting-down")
    name = f"ip-{instance.ip.replace('.', '-')}.{instance.region}.compute.internal"
    code = instance.reason.split(":")[0] if instance.failed else "Client.UserInitiatedShutdown"
    return {
        "InstanceId": instance.id,
        "ImageId": instance.image,
        "State": _named(now),
        "StateTransitionReason": instance.reason if now in ("terminated", "stopped") else "",
        "StateReason": {"Code": code, "Message": instance.reason}
        if now == "terminated" and instance.reason
        else None,
        "PrivateDnsName": name if alive else "",
        "PublicDnsName": "",
        "PrivateIpAddress": instance.ip if alive else None,
        "AmiLaunchIndex": instance.number,
        "InstanceType": instance.type,
        "KeyName": instance.key_name or None,
        "LaunchTime": instance.born,
        "Placement": {"AvailabilityZone": instance.zone, "GroupName": "", "Tenancy": "default"},
        "Monitoring": {"State": "disabled"},
        "SubnetId": instance.subnet if alive else None,
        "VpcId": instance.vpc if alive else None,
        "Architecture": instance.architecture,
        "RootDeviceType": "ebs",
        "RootDeviceName": instance.root_device,
        "BlockDeviceMappings": _devices(call, instance),
        "VirtualizationType": "hvm",
        "Hypervisor": "xen",
        "PlatformDetails": "Linux/UNIX",
        "ClientToken": instance.token,
        "EbsOptimized": False,
        "EnaSupport": True,
        "SourceDestCheck": True if alive else None,
        "SecurityGroups": _groups(call, instance) if alive else [],
        "NetworkInterfaces": [_interface(call, instance)] if alive else [],
        "IamInstanceProfile": {
            "Arn": instance.profile,
            "Id": "AIPA" + instance.id.removeprefix("i-").upper(),
        }
        if instance.profile
        else None,
        "MetadataOptions": {"State": "applied", "HttpTokens": "required"},
        "Tags": labels or None,
    }


def _interface(call: Call, instance: Instance) -> Reply:
    return {
        "NetworkInterfaceId": "eni-" + instance.id.removeprefix("i-"),
        "SubnetId": instance.subnet,
        "VpcId": instance.vpc,
        "OwnerId": instance.account,
        "Status": "in-use",
        "PrivateIpAddress": instance.ip,
        "PrivateIpAddresses": [{"Primary": True, "PrivateIpAddress": instance.ip}],
        "Groups": _groups(call, instance),
        "SourceDestCheck": True,
        "Attachment": {
            "AttachmentId": "eni-attach-" + instance.id.removeprefix("i-"),
            "DeviceIndex": 0,
            "DeleteOnTermination": True,
            "Status": "attached",
            "AttachTime": instance.born,
        },
    }


def _user_data(call: Call, instance: Instance) -> Reply:
    text = instance.user_data
    try:
        base64.b64decode(text, validate=True)
    except ValueError:
        text = base64.b64encode(text.encode()).decode()
    return {"UserData": {"Value": text} if text else {}}


_ATTRIBUTES: dict[str, Callable[[Call, Instance], Reply]] = {
    "blockDeviceMapping": lambda call, one: {"BlockDeviceMappings": _devices(call, one)},
    "disableApiTermination": lambda call, one: {"DisableApiTermination": {"Value": one.protected}},
    "ebsOptimized": lambda call, one: {"EbsOptimized": {"Value": False}},
    "groupSet": lambda call, one: {"Groups": _groups(call, one)},
    "instanceInitiatedShutdownBehavior": lambda call, one: {
        "InstanceInitiatedShutdownBehavior": {"Value": "stop"}
    },
    "instanceType": lambda call, one: {"InstanceType": {"Value": one.type}},
    "rootDeviceName": lambda call, one: {"RootDeviceName": {"Value": one.root_device}},
    "sourceDestCheck": lambda call, one: {"SourceDestCheck": {"Value": True}},
    "userData": _user_data,
}
ACTIONS: dict[str, Action] = {
    "DescribeInstances": describe_instances,
    "DescribeInstanceStatus": describe_status,
    "DescribeInstanceAttribute": describe_attribute,
    "ModifyInstanceAttribute": modify_attribute,
    "StartInstances": start_instances,
    "StopInstances": stop_instances,
    "RebootInstances": reboot_instances,
    "TerminateInstances": terminate_instances,
}
