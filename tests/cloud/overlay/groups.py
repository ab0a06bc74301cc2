"""Security groups: the calls."""

from __future__ import annotations

from typing import Any

from cloud.overlay import lookup, networks, rules, tags
from cloud.overlay.context import Action, Ask, Call, Reply, new_id
from cloud.overlay.refusals import GROUP, Refusal, missing
from cloud.overlay.selecting import Selection
from cloud.overlay.things import Group, Instance, Rule

_FILTERS = {
    "group-id": "id",
    "group-name": "name",
    "vpc-id": "vpc",
    "description": "description",
    "owner-id": "account",
}


def describe_groups(call: Call, ask: Ask) -> Reply:
    networks.ensure_default(call)
    selection = Selection(call, call.store.table(Group), _FILTERS, "group-id")
    wanted = ask.get("GroupIds", ())
    selection.here()
    selection.ids(wanted, GROUP)
    selection.filters(ask.get("Filters", ()))
    if ask.get("GroupNames"):
        selection.filters([{"Name": "group-name", "Values": ask["GroupNames"]}])
    found, token = selection.page(ask)
    labels = tags.of(call, (each.id for each in found))
    return {
        "SecurityGroups": [_shown(call, each, labels[each.id]) for each in found],
        "NextToken": token,
    }


def create_group(call: Call, ask: Ask) -> Reply:
    (labels,) = tags.wanted(ask, "security-group")
    vpc = lookup.vpc(call, ask["VpcId"]).id if ask.get("VpcId") else networks.default_vpc(call)
    name = ask["GroupName"]
    if call.store.table(Group).unseen(call.now, "vpc = ? AND name = ?", vpc, name):
        raise Refusal(
            "InvalidGroup.Duplicate",
            f"The security group '{name}' already exists for VPC '{vpc}'",
        )
    made = rules.make(call, new_id("sg-"), vpc, name, ask["Description"])
    tags.put(call, made.id, labels)
    return {"GroupId": made.id, "Tags": tags.as_list(labels), "SecurityGroupArn": _arn(made)}


def delete_group(call: Call, ask: Ask) -> Reply:
    if not ask.get("GroupId"):
        raise missing("GroupId")
    found = lookup.group(call, ask["GroupId"])
    if found.name == "default":
        raise Refusal("CannotDelete", f'the specified group: "{found.id}" name: "default"')
    users = call.store.table(Instance).find(
        call.now,
        "vpc = ? AND groups LIKE ? AND NOT (later = 'terminated' AND turns <= ?)",
        *(found.vpc, f'%"{found.id}"%', call.now),
    )
    if users:
        raise Refusal("DependencyViolation", f"resource {found.id} has a dependent object")
    call.store.table(Group).change(found, gone=call.now)
    return {"Return": True, "GroupId": found.id}


def authorize_ingress(call: Call, ask: Ask) -> Reply:
    return _authorize(call, ask, egress=False)


def authorize_egress(call: Call, ask: Ask) -> Reply:
    return _authorize(call, ask, egress=True)


def revoke_ingress(call: Call, ask: Ask) -> Reply:
    return _revoke(call, ask, egress=False)


def revoke_egress(call: Call, ask: Ask) -> Reply:
    return _revoke(call, ask, egress=True)


def describe_rules(call: Call, ask: Ask) -> Reply:
    columns = {"group-id": '"group"', "security-group-rule-id": "id"}
    selection = Selection(call, call.store.table(Rule), columns)
    selection.filters(ask.get("Filters", ()))
    selection.here()
    found, token = selection.page(ask)
    return {"SecurityGroupRules": [rules.shown(each) for each in found], "NextToken": token}


def _authorize(call: Call, ask: Ask, *, egress: bool) -> Reply:
    found = lookup.group(call, ask.get("GroupId", ""))
    there = {rules.same(rule) for rule in rules.rules_of(call, found)}
    made = rules.from_permissions(call, found, _permissions(ask), egress=egress)
    for rule in made:
        if rules.same(rule) in there:
            raise Refusal(
                "InvalidPermission.Duplicate",
                f'the specified rule "peer: {rule.source}, {rule.protocol}" already exists',
            )
        call.store.table(Rule).insert(call, rule)
    return {"Return": True, "SecurityGroupRules": [rules.shown(rule) for rule in made]}


def _revoke(call: Call, ask: Ask, *, egress: bool) -> Reply:
    found = lookup.group(call, ask.get("GroupId", ""))
    there = {rules.same(rule): rule for rule in rules.rules_of(call, found)}
    by_id = {rule.id: rule for rule in there.values()}
    wanted = [by_id.get(one) for one in ask.get("SecurityGroupRuleIds", ())]
    asked = rules.from_permissions(call, found, _permissions(ask), egress=egress)
    wanted += [there.get(rules.same(rule)) for rule in asked]
    for rule in wanted:
        if rule is None:
            raise Refusal(
                "InvalidPermission.NotFound", "The specified rule does not exist in this group."
            )
        call.store.table(Rule).change(rule, gone=call.now)
    return {"Return": True, "UnknownIpPermissions": []}


def _permissions(ask: Ask) -> list[Any]:
    """Return the rules of a call, whichever of its two forms it has."""
    if ask.get("IpPermissions") or not ask.get("IpProtocol"):
        return list(ask.get("IpPermissions", ()))
    one = {name: ask[name] for name in ("IpProtocol", "FromPort", "ToPort") if name in ask}
    return [one | {"IpRanges": [{"CidrIp": ask.get("CidrIp", "")}]}]


def _arn(found: Group) -> str:
    return f"arn:aws:ec2:{found.region}:{found.account}:security-group/{found.id}"


def _shown(call: Call, found: Group, labels: list[Reply]) -> Reply:
    here = rules.rules_of(call, found)
    return {
        "GroupId": found.id,
        "GroupName": found.name,
        "Description": found.description,
        "VpcId": found.vpc,
        "OwnerId": found.account,
        "SecurityGroupArn": _arn(found),
        "IpPermissions": rules.together([rule for rule in here if not rule.egress]),
        "IpPermissionsEgress": rules.together([rule for rule in here if rule.egress]),
        "Tags": labels,
    }


ACTIONS: dict[str, Action] = {
    "DescribeSecurityGroups": describe_groups,
    "DescribeSecurityGroupRules": describe_rules,
    "CreateSecurityGroup": create_group,
    "DeleteSecurityGroup": delete_group,
    "AuthorizeSecurityGroupIngress": authorize_ingress,
    "AuthorizeSecurityGroupEgress": authorize_egress,
    "RevokeSecurityGroupIngress": revoke_ingress,
    "RevokeSecurityGroupEgress": revoke_egress,
}
