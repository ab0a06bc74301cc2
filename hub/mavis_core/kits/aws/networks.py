"""Places without a way in or out: security groups without rules.

A new group of EC2 lets everything out, so its rules are taken away until a look shows none. What
EC2 itself answers inside every network passes such a group all the same: the metadata address,
the resolver and the time service.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from mavis_core.contract import Isolation
from mavis_core.errors import CloudError, CloudInUse, CloudUnreachable, CloudVanished
from mavis_core.kits.aws.clients import Clients
from mavis_core.kits.aws.errors import code_of, translated
from mavis_core.kits.aws.forms import chunks, tag_map, tagged

if TYPE_CHECKING:  # stubs, which an appliance does not have
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_ec2.type_defs import FilterTypeDef, SecurityGroupTypeDef, SubnetTypeDef

__all__ = ["AwsNetworks"]


class AwsNetworks:
    """Fulfils `mavis_core.contract.Networks`."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def isolate(
        self, region: str, *, subnet_id: str | None, name: str, tags: Mapping[str, str]
    ) -> Isolation:
        ec2 = self._clients.ec2(region)
        subnet = _subnet(ec2, region, subnet_id)
        group_id = self._group(ec2, region, subnet["VpcId"], name, tags)
        try:
            self._close(ec2, region, group_id)
        except CloudUnreachable:
            raise  # whoever asks again finds it by its name
        except CloudError as exc:
            self._take_away(region, group_id, exc)
            raise
        return Isolation(subnet["SubnetId"], group_id)

    def _take_away(self, region: str, group_id: str, why: CloudError) -> None:
        """Remove a group that cannot be closed: a refusal leaves nothing behind.

        Raises
        ------
        CloudUnreachable
            It could not be removed either, so nobody knows what is there.
        """
        try:
            self.remove(region, group_id)
        except CloudError as exc:
            raise CloudUnreachable(
                f"{why.message}; nor could {group_id} be removed: {exc.message}",
                mend=why.mend,
            ) from exc

    def _group(
        self, ec2: EC2Client, region: str, vpc_id: str, name: str, tags: Mapping[str, str]
    ) -> str:
        """Return the id of the group with this name, which is made where there is none."""
        with translated(region, f"security group {name}"):
            found = _named(ec2, vpc_id, name)
            if found is None:
                try:
                    return ec2.create_security_group(
                        GroupName=name,
                        Description="Lets nothing pass",
                        VpcId=vpc_id,
                        TagSpecifications=tagged(tags, "security-group"),
                    )["GroupId"]
                except ClientError as exc:
                    if code_of(exc) != "InvalidGroup.Duplicate":
                        raise
                found = self._clients.until(
                    lambda: _named(ec2, vpc_id, name),
                    f"ec2:DescribeSecurityGroups: the group {name} is not there yet",
                )
        if not tags.keys() <= tag_map(found.get("Tags", [])).keys():
            raise CloudInUse(
                f"The name {name} in {vpc_id} is taken by the group {found['GroupId']}, which is"
                " not ours to close"
            )
        return found["GroupId"]

    def _close(self, ec2: EC2Client, region: str, group_id: str) -> None:
        """Take every rule of a group away, and see that none is left."""

        def look() -> str | None:
            group = _first(ec2, [{"Name": "group-id", "Values": [group_id]}])
            return None if group is None or _revoke(ec2, group) else group_id

        with translated(region, f"security group {group_id}"):
            self._clients.until(
                look, f"ec2:DescribeSecurityGroups: the group {group_id} is not closed yet"
            )

    def find(self, region: str, *, tag: str, values: Sequence[str]) -> Sequence[str]:
        ec2 = self._clients.ec2(region)
        found: list[str] = []
        for some in chunks(values):
            with translated(region, f"security groups by {tag}"):
                pages = ec2.get_paginator("describe_security_groups").paginate(
                    Filters=[{"Name": f"tag:{tag}", "Values": some}]
                )
                for page in pages:
                    found += [
                        group["GroupId"]
                        for group in page["SecurityGroups"]
                        if tag_map(group.get("Tags", [])).get(tag) in some  # no pattern is meant
                    ]
        return found

    def remove(self, region: str, security_group: str) -> None:
        ec2 = self._clients.ec2(region)
        with suppress(CloudVanished), translated(region, f"security group {security_group}"):
            ec2.delete_security_group(GroupId=security_group)


def _subnet(ec2: EC2Client, region: str, subnet_id: str | None) -> SubnetTypeDef:
    which: FilterTypeDef = (
        {"Name": "default-for-az", "Values": ["true"]}
        if subnet_id is None
        else {"Name": "subnet-id", "Values": [subnet_id]}
    )
    with translated(region, f"subnet {subnet_id or 'of the default network'}"):
        found = ec2.describe_subnets(Filters=[which])["Subnets"]
    if not found:
        raise CloudVanished(f"Gone in {region}: subnet {subnet_id or 'of the default network'}")
    return min(found, key=lambda subnet: (subnet["AvailabilityZone"], subnet["SubnetId"]))


def _named(ec2: EC2Client, vpc_id: str, name: str) -> SecurityGroupTypeDef | None:
    return _first(
        ec2,
        [{"Name": "vpc-id", "Values": [vpc_id]}, {"Name": "group-name", "Values": [name]}],
    )


def _first(ec2: EC2Client, which: list[FilterTypeDef]) -> SecurityGroupTypeDef | None:
    return next(iter(ec2.describe_security_groups(Filters=which)["SecurityGroups"]), None)


def _revoke(ec2: EC2Client, group: SecurityGroupTypeDef) -> bool:
    """Take the rules away that a look has shown; return whether there were any."""
    inward, outward = group.get("IpPermissions", []), group.get("IpPermissionsEgress", [])
    with suppress(CloudVanished), translated("", group["GroupId"]):
        if inward:
            ec2.revoke_security_group_ingress(GroupId=group["GroupId"], IpPermissions=inward)
        if outward:
            ec2.revoke_security_group_egress(GroupId=group["GroupId"], IpPermissions=outward)
    return bool(inward or outward)
