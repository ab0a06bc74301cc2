"""VPCs, subnets and zones. Every account has a default VPC in each region, with the same ids."""

from __future__ import annotations

import hashlib
import ipaddress
from dataclasses import replace

from cloud.overlay import lookup, rules, tags
from cloud.overlay.context import Action, Ask, Call, Fate, Reply, new_id
from cloud.overlay.refusals import SUBNET, VPC, Refusal, invalid
from cloud.overlay.selecting import Selection
from cloud.overlay.things import Group, Instance, Subnet, Vpc

_ZONES = "abc"
_VPC_FILTERS = {
    "vpc-id": "id",
    "cidr": "cidr",
    "is-default": "CASE \"default\" WHEN 1 THEN 'true' ELSE 'false' END",
    "isDefault": "CASE \"default\" WHEN 1 THEN 'true' ELSE 'false' END",
    "state": "'available'",
    "owner-id": "account",
}
_SUBNET_FILTERS = {
    "subnet-id": "id",
    "vpc-id": "vpc",
    "availability-zone": "zone",
    "availabilityZone": "zone",
    "default-for-az": "CASE \"default\" WHEN 1 THEN 'true' ELSE 'false' END",
    "state": "'available'",
    "cidr-block": "cidr",
    "owner-id": "account",
}


def ensure_default(call: Call) -> None:
    """Make the default VPC where the account has none yet; one look where it has."""
    one = _stable("vpc-", call)
    if call.store.row("SELECT 1 FROM vpc WHERE id = ?", one):
        return
    call = replace(call, fate=Fate(), made=[])  # it was there all the time
    vpcs = call.store.table(Vpc)
    vpcs.insert(call, Vpc(id=one, cidr="172.31.0.0/16", default=True, **call.origin))
    rules.make(call, _stable("sg-", call), one, "default", "default VPC security group")
    for index, zone in enumerate(zones(call)):
        call.store.table(Subnet).insert(
            call,
            Subnet(
                id=_stable("subnet-", call, zone),
                vpc=one,
                zone=zone,
                cidr=f"172.31.{16 * index}.0/20",
                default=True,
                public_ip=True,
                **call.origin,
            ),
        )


def default_subnet(call: Call, zone: str | None) -> Subnet:
    ensure_default(call)
    wanted = zone or zones(call)[0]
    if wanted not in zones(call):
        raise invalid(f"Invalid availability zone: [{wanted}]")
    found = call.store.table(Subnet).get(call, _stable("subnet-", call, wanted))
    if found is None:
        raise Refusal("MissingInput", f"No default subnet for availability zone: '{wanted}'.")
    return found


def default_vpc(call: Call) -> str:
    ensure_default(call)
    return _stable("vpc-", call)


def zones(call: Call) -> list[str]:
    return [call.region + letter for letter in _ZONES]


def next_address(call: Call, where: Subnet) -> str:
    """Return an address of the subnet that no instance had before."""
    row = call.store.row("SELECT count(*) FROM instance WHERE subnet = ?", where.id)
    network = ipaddress.IPv4Network(where.cidr)
    return str(network[4 + (row[0] if row else 0) % (network.num_addresses - 5)])


def describe_zones(call: Call, ask: Ask) -> Reply:
    wanted = ask.get("ZoneNames") or zones(call)
    for zone in wanted:
        if zone not in zones(call):
            raise invalid(f"Invalid availability zone: [{zone}]")
    return {
        "AvailabilityZones": [
            {
                "ZoneName": zone,
                "ZoneId": f"{call.region}-az{_ZONES.index(zone[-1]) + 1}",
                "State": "available",
                "RegionName": call.region,
                "OptInStatus": "opt-in-not-required",
                "ZoneType": "availability-zone",
                "GroupName": call.region,
                "NetworkBorderGroup": call.region,
                "Messages": [],
            }
            for zone in wanted
        ]
    }


def describe_vpcs(call: Call, ask: Ask) -> Reply:
    ensure_default(call)
    selection = Selection(call, call.store.table(Vpc), _VPC_FILTERS, "vpc-id")
    wanted = ask.get("VpcIds", ())
    selection.here()
    selection.ids(wanted, VPC)
    selection.filters(ask.get("Filters", ()))
    found, token = selection.page(ask)
    labels = tags.of(call, (each.id for each in found))
    return {"Vpcs": [_vpc(each, labels[each.id]) for each in found], "NextToken": token}


def describe_subnets(call: Call, ask: Ask) -> Reply:
    ensure_default(call)
    selection = Selection(call, call.store.table(Subnet), _SUBNET_FILTERS, "subnet-id")
    wanted = ask.get("SubnetIds", ())
    selection.here()
    selection.ids(wanted, SUBNET)
    selection.filters(ask.get("Filters", ()))
    found, token = selection.page(ask)
    labels = tags.of(call, (each.id for each in found))
    return {"Subnets": [_subnet(each, labels[each.id]) for each in found], "NextToken": token}


def create_vpc(call: Call, ask: Ask) -> Reply:
    (labels,) = tags.wanted(ask, "vpc")
    made = call.store.table(Vpc).insert(
        call,
        Vpc(
            id=new_id("vpc-"),
            **call.origin,
            cidr=_network(ask.get("CidrBlock", "")),
            default=False,
        ),
    )
    tags.put(call, made.id, labels)
    rules.make(call, new_id("sg-"), made.id, "default", "default VPC security group")
    return {"Vpc": _vpc(made, tags.as_list(labels))}


def create_subnet(call: Call, ask: Ask) -> Reply:
    (labels,) = tags.wanted(ask, "subnet")
    around = lookup.vpc(call, ask["VpcId"])
    cidr = ipaddress.IPv4Network(_network(ask.get("CidrBlock", "")))
    if not cidr.subnet_of(ipaddress.IPv4Network(around.cidr)):
        raise Refusal("InvalidSubnet.Range", f"The CIDR '{cidr}' is invalid.")
    for other in call.store.table(Subnet).find(call.now, "vpc = ?", around.id):
        if cidr.overlaps(ipaddress.IPv4Network(other.cidr)):
            raise Refusal(
                "InvalidSubnet.Conflict", f"The CIDR '{cidr}' conflicts with another subnet"
            )
    zone = ask.get("AvailabilityZone") or zones(call)[0]
    if zone not in zones(call):
        raise invalid(f"Value ({zone}) for parameter availabilityZone is invalid.")
    made = call.store.table(Subnet).insert(
        call,
        Subnet(
            id=new_id("subnet-"),
            **call.origin,
            vpc=around.id,
            zone=zone,
            cidr=str(cidr),
            default=False,
        ),
    )
    tags.put(call, made.id, labels)
    return {"Subnet": _subnet(made, tags.as_list(labels))}


def delete_subnet(call: Call, ask: Ask) -> Reply:
    found = lookup.subnet(call, ask["SubnetId"])
    _unused(call, "subnet", found.id)
    call.store.table(Subnet).change(found, gone=call.now)
    return {}


def delete_vpc(call: Call, ask: Ask) -> Reply:
    found = lookup.vpc(call, ask["VpcId"])
    here = call.store.table(Group).find(call.now, "vpc = ?", found.id)
    if call.store.table(Subnet).find(call.now, "vpc = ?", found.id) or len(here) > 1:
        raise Refusal(
            "DependencyViolation", f"The vpc '{found.id}' has dependencies and cannot be deleted."
        )
    for group in here:
        call.store.table(Group).change(group, gone=call.now)
    call.store.table(Vpc).change(found, gone=call.now)
    return {}


def _unused(call: Call, column: str, one: str) -> None:
    alive = f"{column} = ? AND NOT (later = 'terminated' AND turns <= ?)"
    if call.store.table(Instance).find(call.now, alive, one, call.now):
        raise Refusal(
            "DependencyViolation", f"The {column} '{one}' has dependencies and cannot be deleted."
        )


def _network(text: str) -> str:
    try:
        return str(ipaddress.IPv4Network(text))
    except ValueError as exc:
        raise invalid(f"Value ({text}) for parameter cidrBlock is invalid.") from exc


def _stable(prefix: str, call: Call, more: str = "") -> str:
    """Return the id that a default thing has whenever it is made."""
    text = f"{prefix}{call.account}{call.region}{more}"
    return prefix + hashlib.sha256(text.encode()).hexdigest()[:17]


def _vpc(found: Vpc, labels: list[Reply]) -> Reply:
    return {
        "VpcId": found.id,
        "OwnerId": found.account,
        "CidrBlock": found.cidr,
        "State": "available",
        "IsDefault": found.default,
        "InstanceTenancy": "default",
        "DhcpOptionsId": "dopt-" + found.id.removeprefix("vpc-"),
        "CidrBlockAssociationSet": [
            {
                "AssociationId": "vpc-cidr-assoc-" + found.id.removeprefix("vpc-"),
                "CidrBlock": found.cidr,
                "CidrBlockState": {"State": "associated"},
            }
        ],
        "Tags": labels,
    }


def _subnet(found: Subnet, labels: list[Reply]) -> Reply:
    return {
        "SubnetId": found.id,
        "VpcId": found.vpc,
        "OwnerId": found.account,
        "CidrBlock": found.cidr,
        "State": "available",
        "AvailabilityZone": found.zone,
        "AvailabilityZoneId": f"{found.region}-az{_ZONES.index(found.zone[-1]) + 1}",
        "AvailableIpAddressCount": ipaddress.IPv4Network(found.cidr).num_addresses - 5,
        "DefaultForAz": found.default,
        "MapPublicIpOnLaunch": found.public_ip,
        "SubnetArn": f"arn:aws:ec2:{found.region}:{found.account}:subnet/{found.id}",
        "Tags": labels,
    }


ACTIONS: dict[str, Action] = {
    "DescribeAvailabilityZones": describe_zones,
    "DescribeVpcs": describe_vpcs,
    "DescribeSubnets": describe_subnets,
    "CreateVpc": create_vpc,
    "CreateSubnet": create_subnet,
    "DeleteSubnet": delete_subnet,
    "DeleteVpc": delete_vpc,
}
