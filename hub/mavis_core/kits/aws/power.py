"""Power and tags of EC2 resources."""

from __future__ import annotations

from collections.abc import Mapping

from mavis_core.contract import PowerChange
from mavis_core.kits.aws.clients import Clients
from mavis_core.kits.aws.errors import translated
from mavis_core.kits.aws.forms import tag_list

__all__ = ["AwsPower", "AwsTags"]


class AwsPower:
    """Fulfils `mavis_core.contract.Power`."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def start(self, region: str, instance_id: str) -> PowerChange:
        ec2 = self._clients.ec2(region)
        with translated(region, f"instance {instance_id}"):
            (change,) = ec2.start_instances(InstanceIds=[instance_id])["StartingInstances"]
        return PowerChange(
            instance_id, change["PreviousState"]["Name"], change["CurrentState"]["Name"]
        )

    def stop(self, region: str, instance_id: str) -> PowerChange:
        ec2 = self._clients.ec2(region)
        with translated(region, f"instance {instance_id}"):
            (change,) = ec2.stop_instances(InstanceIds=[instance_id])["StoppingInstances"]
        return PowerChange(
            instance_id, change["PreviousState"]["Name"], change["CurrentState"]["Name"]
        )


class AwsTags:
    """Fulfils `mavis_core.contract.Tags`."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def put(self, region: str, cloud_id: str, tags: Mapping[str, str]) -> None:
        ec2 = self._clients.ec2(region)
        with translated(region, cloud_id):
            ec2.create_tags(Resources=[cloud_id], Tags=tag_list(tags))
