"""Scripts inside instances, through the agent of Systems Manager."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mavis_core.contract import CommandResult, CommandState
from mavis_core.kits.aws.clients import Clients
from mavis_core.kits.aws.errors import translated
from mavis_core.kits.aws.forms import chunks

if TYPE_CHECKING:  # stubs, which an appliance does not have
    from mypy_boto3_ssm.type_defs import GetCommandInvocationResultTypeDef

__all__ = ["AwsCommands"]

# https://docs.aws.amazon.com/systems-manager/latest/userguide/monitor-commands.html
_RUNNING = ("Pending", "InProgress", "Delayed", "Cancelling")
_STATES = {"Success": CommandState.SUCCEEDED, "TimedOut": CommandState.TIMED_OUT}
_NOT_DELIVERED = ("Delivery Timed Out", "DeliveryTimedOut", "Undeliverable", "Terminated")
_IDS = 50
_DELIVERY_S = 60
_COMMENT_LENGTH = 100


class AwsCommands:
    """Fulfils `mavis_core.contract.Commands`."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def reachable(self, region: str, instance_ids: Sequence[str]) -> frozenset[str]:
        ssm = self._clients.ssm(region)
        answering: set[str] = set()
        for some in chunks(instance_ids, _IDS):
            pages = ssm.get_paginator("describe_instance_information").paginate(
                Filters=[{"Key": "InstanceIds", "Values": some}], PaginationConfig={"PageSize": 50}
            )
            with translated(region, f"agents of {', '.join(some[:5])}"):
                answering |= {
                    item["InstanceId"]
                    for page in pages
                    for item in page["InstanceInformationList"]
                    if item["PingStatus"] == "Online"
                }
        return frozenset(answering)

    def send(
        self, region: str, instance_id: str, script: str, *, timeout_s: int, comment: str
    ) -> str:
        ssm = self._clients.ssm(region)
        with translated(region, f"agent of instance {instance_id}"):
            answer = ssm.send_command(
                InstanceIds=[instance_id],
                DocumentName="AWS-RunShellScript",
                Parameters={"commands": [script], "executionTimeout": [str(timeout_s)]},
                TimeoutSeconds=_DELIVERY_S,
                Comment=comment[:_COMMENT_LENGTH],
            )
        return answer["Command"]["CommandId"]

    def result(self, region: str, instance_id: str, command_id: str) -> CommandResult:
        ssm = self._clients.ssm(region)
        with translated(region, f"command {command_id} on {instance_id}"):
            answer = ssm.get_command_invocation(CommandId=command_id, InstanceId=instance_id)
        state = _state(answer)
        done = state in (CommandState.SUCCEEDED, CommandState.FAILED)
        return CommandResult(state, answer["ResponseCode"] if done else None, _output(answer))


def _state(answer: GetCommandInvocationResultTypeDef) -> CommandState:
    if answer["Status"] in _RUNNING:
        return CommandState.RUNNING
    if answer["StatusDetails"] in _NOT_DELIVERED:
        return CommandState.UNDELIVERABLE
    return _STATES.get(answer["Status"], CommandState.FAILED)


def _output(answer: GetCommandInvocationResultTypeDef) -> str:
    """Return what a command printed: Systems Manager keeps the first 24,000 letters."""
    parts = (answer["StandardOutputContent"], answer["StandardErrorContent"])
    return "\n".join(part.rstrip("\n") for part in parts if part)
