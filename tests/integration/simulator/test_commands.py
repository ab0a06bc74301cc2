"""Commands run on the simulator's instances, and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from cloud import accounts, making
from cloud.client import Simulator
from cloud.seed import register_image

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

REGION = "eu-central-1"


@pytest.fixture
def ec2(simulator: Simulator) -> Iterator[EC2Client]:
    simulator.settings(snapshot_s=0, volume_s=0, instance_s=0)
    with accounts.ec2(simulator.url, accounts.MAIN, REGION) as client:
        yield client


@pytest.fixture
def ssm(simulator: Simulator) -> Iterator[Any]:
    with accounts.client("ssm", simulator.url, accounts.MAIN, REGION) as client:
        yield client


@pytest.fixture
def machine(ec2: EC2Client) -> str:
    return making.instance(ec2, register_image(ec2, "base"))


def send(ssm: Any, machine: str, *lines: str, **parameters: list[str]) -> str:
    answer = ssm.send_command(
        InstanceIds=[machine],
        DocumentName="AWS-RunShellScript",
        Parameters={"commands": list(lines), **parameters},
    )
    return str(answer["Command"]["CommandId"])


def ended(ssm: Any, machine: str, command: str) -> Any:
    ask = {"CommandId": command, "InstanceId": machine}
    open_states = ("Pending", "InProgress")
    making.wait_for(lambda: ssm.get_command_invocation(**ask)["Status"] not in open_states)
    return ssm.get_command_invocation(**ask)


@pytest.mark.parametrize(
    ("lines", "status", "code", "output", "error"),
    [
        pytest.param(["echo frozen"], "Success", 0, "frozen\n", "", id="success"),
        pytest.param(["echo no >&2", "exit 3"], "Failed", 3, "", "no\n", id="failure"),
        pytest.param(["x=1", "echo $((x + 1))"], "Success", 0, "2\n", "", id="one script"),
    ],
)
def test_a_script_really_runs(
    ssm: Any, machine: str, lines: list[str], status: str, code: int, output: str, error: str
) -> None:
    found = ended(ssm, machine, send(ssm, machine, *lines))
    assert (found["Status"], found["ResponseCode"]) == (status, code)
    assert (found["StandardOutputContent"], found["StandardErrorContent"]) == (output, error)


def test_an_instance_keeps_its_folder_and_sees_nothing_else(
    simulator: Simulator, ec2: EC2Client, ssm: Any, machine: str
) -> None:
    other = making.instance(ec2, register_image(ec2, "other"))
    ended(ssm, machine, send(ssm, machine, "echo here > marker; env > environment"))
    assert ended(ssm, machine, send(ssm, machine, "cat ~/marker"))["Status"] == "Success"
    assert ended(ssm, other, send(ssm, other, "cat marker"))["Status"] == "Failed"
    home = simulator.folder(machine)
    names = {line.split("=")[0] for line in (home / "environment").read_text().splitlines()}
    assert names - {"PWD", "SHLVL", "_"} == {"PATH", "HOME", "MAVIS_HOOKS"}
    assert (home / "marker").read_text() == "here\n"


def test_a_script_is_killed_at_its_timeout_with_what_it_started(
    simulator: Simulator, ssm: Any, machine: str
) -> None:
    lines = ["(sleep 1; echo late > late) &", "sleep 600"]
    found = ended(ssm, machine, send(ssm, machine, *lines, executionTimeout=["0.2"]))
    assert (found["Status"], found["StatusDetails"]) == ("TimedOut", "ExecutionTimedOut")
    ended(ssm, machine, send(ssm, machine, "sleep 1.2"))
    assert not (simulator.folder(machine) / "late").exists()


def test_a_command_can_be_cancelled(ssm: Any, machine: str) -> None:
    command = send(ssm, machine, "sleep 600")
    (listed,) = ssm.list_command_invocations(CommandId=command)["CommandInvocations"]
    assert listed["Status"] == "InProgress"
    ssm.cancel_command(CommandId=command)
    assert ended(ssm, machine, command)["Status"] == "Cancelled"
    (found,) = ssm.list_commands(CommandId=command)["Commands"]
    assert (found["Status"], found["CompletedCount"]) == ("Cancelled", 1)


def test_a_command_fails_when_its_instance_stops(ec2: EC2Client, ssm: Any, machine: str) -> None:
    command = send(ssm, machine, "sleep 600")
    ec2.stop_instances(InstanceIds=[machine])
    assert ended(ssm, machine, command)["Status"] == "Failed"


def test_an_instance_that_does_not_run_takes_no_command(
    ec2: EC2Client, ssm: Any, machine: str
) -> None:
    def ping() -> list[tuple[str, str]]:
        filters = [{"Key": "InstanceIds", "Values": [machine]}]
        found = ssm.describe_instance_information(Filters=filters)["InstanceInformationList"]
        return [(each["InstanceId"], each["PingStatus"]) for each in found]

    assert ping() == [(machine, "Online")]
    ec2.stop_instances(InstanceIds=[machine])
    assert ping() == [(machine, "ConnectionLost")]
    with pytest.raises(ClientError, match="InvalidInstanceId"):
        send(ssm, machine, "true")
    ec2.terminate_instances(InstanceIds=[machine])
    assert ping() == []


def test_a_command_finds_its_instances_by_tag(ec2: EC2Client, ssm: Any, machine: str) -> None:
    ec2.create_tags(Resources=[machine], Tags=[{"Key": "role", "Value": "db"}])
    answer = ssm.send_command(
        Targets=[{"Key": "tag:role", "Values": ["db"]}],
        DocumentName="AWS-RunShellScript",
        Parameters={"commands": ["true"]},
    )
    assert answer["Command"]["InstanceIds"] == [machine]
    assert ended(ssm, machine, answer["Command"]["CommandId"])["Status"] == "Success"


@pytest.mark.parametrize(
    ("ask", "code"),
    [
        ({"DocumentName": "AWS-Nothing"}, "InvalidDocument"),
        ({"Parameters": {}}, "InvalidParameters"),
        ({"InstanceIds": ["i-0123456789abcdef0"]}, "InvalidInstanceId"),
    ],
)
def test_a_command_that_makes_no_sense_is_refused(
    ssm: Any, machine: str, ask: dict[str, Any], code: str
) -> None:
    right: dict[str, Any] = {
        "InstanceIds": [machine],
        "DocumentName": "AWS-RunShellScript",
        "Parameters": {"commands": ["true"]},
    }
    with pytest.raises(ClientError) as caught:
        ssm.send_command(**right | ask)
    assert caught.value.response["Error"]["Code"] == code
