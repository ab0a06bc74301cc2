"""A connection to one AWS account, and the proof that it is the right one."""

from __future__ import annotations

from botocore.exceptions import UnknownRegionError
from botocore.session import Session

from mavis_core.contract import EnvironmentSettings
from mavis_core.errors import CloudCredentials, CloudRegion
from mavis_core.kits.aws.blocks import AwsBlocks
from mavis_core.kits.aws.clients import Clients
from mavis_core.kits.aws.commands import AwsCommands
from mavis_core.kits.aws.copies import AwsCopies
from mavis_core.kits.aws.errors import translated
from mavis_core.kits.aws.instances import AwsInstances
from mavis_core.kits.aws.inventory import AwsInventory
from mavis_core.kits.aws.locks import AwsLocks
from mavis_core.kits.aws.networks import AwsNetworks
from mavis_core.kits.aws.power import AwsPower, AwsTags
from mavis_core.kits.aws.snapshots import AwsSnapshots
from mavis_core.kits.aws.volumes import AwsVolumes

__all__ = ["AwsConnection", "home_region", "prove"]

# Where each partition answers, for environments of regions that botocore has not heard of yet
_PARTITION_HOMES = {
    "aws": "us-east-1",
    "aws-cn": "cn-north-1",
    "aws-us-gov": "us-gov-west-1",
}


class AwsConnection:
    """Fulfils `mavis_core.contract.Connection`."""

    def __init__(self, account: str, clients: Clients) -> None:
        self._account = account
        self._clients = clients
        self._inventory = AwsInventory(clients)
        self._power = AwsPower(clients)
        self._tags = AwsTags(clients)
        self._snapshots = AwsSnapshots(clients)
        self._copies = AwsCopies(clients)
        self._locks = AwsLocks(clients)
        self._volumes = AwsVolumes(clients)
        self._instances = AwsInstances(clients)
        self._networks = AwsNetworks(clients)
        self._commands = AwsCommands(clients)
        self._blocks = AwsBlocks(clients)

    @property
    def account(self) -> str:
        return self._account

    @property
    def inventory(self) -> AwsInventory:
        return self._inventory

    @property
    def power(self) -> AwsPower:
        return self._power

    @property
    def tags(self) -> AwsTags:
        return self._tags

    @property
    def snapshots(self) -> AwsSnapshots:
        return self._snapshots

    @property
    def copies(self) -> AwsCopies:
        return self._copies

    @property
    def locks(self) -> AwsLocks:
        return self._locks

    @property
    def volumes(self) -> AwsVolumes:
        return self._volumes

    @property
    def instances(self) -> AwsInstances:
        return self._instances

    @property
    def networks(self) -> AwsNetworks:
        return self._networks

    @property
    def commands(self) -> AwsCommands:
        return self._commands

    @property
    def blocks(self) -> AwsBlocks:
        return self._blocks

    def close(self) -> None:
        """Close the network connections; the next call would open them again."""
        self._clients.close()


def home_region(session: Session, settings: EnvironmentSettings) -> str:
    """Return the region to ask about account and regions.

    The first of the environment that botocore knows; for regions that are younger than our
    botocore the home of their partition.

    Raises
    ------
    CloudRegion
        No partition of AWS has regions of this form.
    """
    first = settings.regions[0]
    try:
        partition = session.get_partition_for_region(first)
    except UnknownRegionError as exc:
        raise CloudRegion(f"AWS has no region {first}") from exc
    known = session.get_available_regions("ec2", partition_name=partition)
    return next(
        (region for region in settings.regions if region in known),
        _PARTITION_HOMES.get(partition, first),
    )


def prove(clients: Clients, settings: EnvironmentSettings, home: str) -> None:
    """Return where account and regions are those of `settings`.

    Raises
    ------
    CloudCredentials
        The key belongs to another account.
    CloudRegion
        A region does not exist, or the account has not enabled it.
    """
    with translated(home):
        account = clients.sts(home).get_caller_identity()["Account"]
    if account != settings.account:
        raise CloudCredentials(
            f"The key of the environment {settings.name} belongs to account {account}, and the"
            f" environment is account {settings.account}",
            mend="Set a key of the environment's account, or correct the account.",
        )
    _prove_regions(clients, settings, home)


def _prove_regions(clients: Clients, settings: EnvironmentSettings, home: str) -> None:
    with translated(home):
        # a filter, because AWS refuses the whole call for one unknown name
        answer = clients.ec2_anywhere(home).describe_regions(
            AllRegions=True,
            Filters=[{"Name": "region-name", "Values": list(settings.regions)}],
        )
    status = {item["RegionName"]: item.get("OptInStatus", "") for item in answer["Regions"]}
    for region in settings.regions:
        if region not in status:
            raise CloudRegion(f"AWS has no region {region}")
        if status[region] == "not-opted-in":
            raise CloudRegion(
                f"The account {settings.account} has not enabled the region {region}",
                mend="Enable the region in the account, or take it out of the environment.",
            )
