"""Security groups inside: their rules, and how they are made and found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cloud.overlay import lookup
from cloud.overlay.context import Ask, Call, Reply, new_id
from cloud.overlay.refusals import GROUP, invalid
from cloud.overlay.things import Group, Rule

# the list of an IpPermission, the member with the source in it, and the parameter of a Rule
_SOURCES = {
    "cidr": ("IpRanges", "CidrIp"),
    "cidr6": ("Ipv6Ranges", "CidrIpv6"),
    "group": ("UserIdGroupPairs", "GroupId"),
    "list": ("PrefixListIds", "PrefixListId"),
}


def make(call: Call, one: str, vpc: str, name: str, description: str) -> Group:
    """Make a group, which lets everything out."""
    made = Group(id=one, vpc=vpc, name=name, description=description, **call.origin)
    call.store.table(Group).insert(call, made)
    everything = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    for rule in from_permissions(call, made, [everything], egress=True):
        call.store.table(Rule).insert(call, rule)
    return made


def default_group(call: Call, vpc: str) -> Group:
    (found,) = call.store.table(Group).find(call.now, "vpc = ? AND name = 'default'", vpc)
    return found


def by_names(call: Call, names: Sequence[str], vpc: str) -> list[Group]:
    found = []
    for name in names:
        here = call.store.table(Group).find(call.now, "vpc = ? AND name = ?", vpc, name)
        if not here:
            raise GROUP.missing(name)
        found += here
    return found


def from_permissions(
    call: Call, found: Group, permissions: Sequence[Ask], *, egress: bool
) -> list[Rule]:
    made = []
    for each in permissions:
        for kind, (many, member) in _SOURCES.items():
            made += [
                Rule(
                    id=new_id("sgr-"),
                    group=found.id,
                    egress=egress,
                    protocol=str(each.get("IpProtocol", "-1")),
                    from_port=each.get("FromPort", -1),
                    to_port=each.get("ToPort", -1),
                    kind=kind,
                    source=source.get(member, ""),
                    description=source.get("Description", ""),
                    **call.origin,
                )
                for source in each.get(many, ())
            ]
    for rule in made:
        if rule.kind == "group":
            lookup.group(call, rule.source)
        elif not rule.source:
            raise invalid("CIDR block is malformed")
    return made


def same(rule: Rule) -> tuple[Any, ...]:
    return rule.egress, rule.protocol, rule.from_port, rule.to_port, rule.kind, rule.source


def rules_of(call: Call, found: Group) -> list[Rule]:
    return call.store.table(Rule).find(call.now, '"group" = ?', found.id)


def together(rules: Sequence[Rule]) -> list[Reply]:
    """Return rules as AWS lists them: those with the same ports are one permission."""
    found: dict[tuple[Any, ...], Reply] = {}
    for rule in rules:
        ports = {"FromPort": rule.from_port, "ToPort": rule.to_port}
        permission = found.setdefault(
            (rule.protocol, rule.from_port, rule.to_port),
            {"IpProtocol": rule.protocol}
            | ({} if rule.protocol == "-1" else ports)
            | {many: [] for many, _ in _SOURCES.values()},
        )
        many, member = _SOURCES[rule.kind]
        source = {member: rule.source, "Description": rule.description or None}
        if rule.kind == "group":
            source["UserId"] = rule.account
        permission[many].append(source)
    return list(found.values())


def shown(rule: Rule) -> Reply:
    shown: Reply = {
        "SecurityGroupRuleId": rule.id,
        "GroupId": rule.group,
        "GroupOwnerId": rule.account,
        "IsEgress": rule.egress,
        "IpProtocol": rule.protocol,
        "FromPort": rule.from_port,
        "ToPort": rule.to_port,
        "Description": rule.description or None,
    }
    if rule.kind == "group":
        return shown | {"ReferencedGroupInfo": {"GroupId": rule.source, "UserId": rule.account}}
    names = {"cidr": "CidrIpv4", "cidr6": "CidrIpv6", "list": "PrefixListId"}
    return shown | {names[rule.kind]: rule.source}
