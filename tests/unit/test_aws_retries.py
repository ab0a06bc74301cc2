"""When calls to AWS are sent again, against a real HTTP server."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloud import accounts
from cloud.client import Simulator, write_aws_config
from cloud.seed import Machine, launch, register_image
from cloud.witness import Witness
from mavis_core.contract import Connection, EnvironmentSettings, OnBehalf, ResourceKind
from mavis_core.errors import (
    CloudCredentials,
    CloudDenied,
    CloudThrottled,
    CloudUnreachable,
    CloudVanished,
)
from mavis_core.kits.aws import AwsKit, RetryPolicy
from mavis_core.kits.aws.kit import _configured
from mavis_core.kits.aws.sessions import base_session

REGION = "eu-central-1"
HERE = EnvironmentSettings("env_1", "shop", accounts.MAIN, (REGION,))
ALICE = OnBehalf("alice", "cor_test")
POLICY = RetryPolicy(
    throttled_attempts=4, failed_attempts=3, first_wait_s=0.01, longest_wait_s=0.02
)
KIT = AwsKit(POLICY)


class Waits(list[tuple[float, str]]):
    def __call__(self, seconds: float, reason: str, /) -> None:
        self.append((seconds, reason))


@pytest.fixture
def waits() -> Waits:
    return Waits()


@pytest.fixture
def machine(simulator: Simulator) -> Machine:
    with accounts.ec2(simulator.url, accounts.MAIN, REGION) as ec2:
        image = register_image(ec2, "base")
        made = launch(ec2, accounts.MAIN, REGION, "web-1", (8, 20), image=image)
    simulator.clear_log()
    return made


@pytest.fixture
def connection(machine: Machine, aws_environment: Path, waits: Waits) -> Iterator[Connection]:
    connection = KIT.connect(HERE, accounts.KEY, ALICE, on_wait=waits)
    yield connection
    connection.close()


def _take(connection: Connection, machine: Machine) -> None:
    connection.snapshots.create(
        REGION,
        machine.instance_id,
        volume_ids=machine.volume_ids,
        description="test",
        tags={"mavis:test": "1"},
    )


def _made(simulator: Simulator) -> int:
    return len(Witness(simulator.url).tagged(accounts.MAIN, REGION, "mavis:test"))


def test_throttled_twice_then_taken_is_one_effect(simulator, connection, machine, waits):
    simulator.fault("CreateSnapshots", "throttle", times=2)
    _take(connection, machine)
    assert [call["happened"] for call in simulator.calls("CreateSnapshots")] == [False, False, True]
    assert _made(simulator) == 2
    assert [reason for _, reason in waits] == ["ec2:CreateSnapshots: throttled"] * 2


def test_throttling_that_lasts_ends_after_the_attempts_of_the_policy(
    simulator, connection, machine, waits
):
    simulator.fault("CreateSnapshots", "throttle", times=99)
    with pytest.raises(CloudThrottled) as caught:
        _take(connection, machine)
    assert len(simulator.calls("CreateSnapshots")) == POLICY.throttled_attempts
    assert len(waits) == POLICY.throttled_attempts - 1
    assert caught.value.retry_after_s
    assert _made(simulator) == 0


@pytest.mark.parametrize("effect", ["lost_reply", "error500", "error500_after"])
def test_a_making_call_is_sent_once_when_nobody_knows_its_outcome(
    simulator, connection, machine, waits, effect
):
    simulator.fault("CreateSnapshots", effect)
    with pytest.raises(CloudUnreachable):
        _take(connection, machine)
    assert len(simulator.calls("CreateSnapshots")) == 1
    assert _made(simulator) == (0 if effect == "error500" else 2)
    assert waits == []


@pytest.mark.parametrize("effect", ["lost_reply", "error500", "throttle"])
def test_a_reading_call_is_sent_again(simulator, connection, machine, waits, effect):
    simulator.fault("DescribeVolumes", effect)
    (page,) = connection.inventory.discover(REGION, ResourceKind.VOLUME)
    assert set(machine.volume_ids) <= {one.cloud_id for one in page}
    assert len(simulator.calls("DescribeVolumes")) == 2
    assert len(waits) == 1


@pytest.mark.parametrize("effect", ["lost_reply", "error500_after"])
def test_stopping_is_harmless_and_sent_again(simulator, connection, machine, effect):
    simulator.fault("StopInstances", effect)
    connection.power.stop(REGION, machine.instance_id)
    assert len(simulator.calls("StopInstances")) == 2


def test_a_reading_call_is_given_up_after_the_attempts_of_the_policy(simulator, connection):
    simulator.fault("DescribeVolumes", "lost_reply", times=99)
    with pytest.raises(CloudUnreachable):
        list(connection.inventory.discover(REGION, ResourceKind.VOLUME))
    assert len(simulator.calls("DescribeVolumes")) == POLICY.failed_attempts


@pytest.mark.parametrize(
    ("effect", "error"),
    [("expired_credentials", CloudCredentials), ("deny", CloudDenied)],
)
def test_a_refusal_is_final_for_every_call(simulator, connection, machine, waits, effect, error):
    simulator.fault("DescribeInstances", effect)
    with pytest.raises(error):
        list(connection.inventory.discover(REGION, ResourceKind.INSTANCE))
    assert len(simulator.calls("DescribeInstances")) == 1
    assert waits == []


def test_a_volume_that_vanished_before_the_snapshot_stops_it(simulator, connection, machine):
    with accounts.ec2(simulator.url, accounts.MAIN, REGION) as ec2:
        gone = machine.volume_ids[1]
        ec2.detach_volume(VolumeId=gone, InstanceId=machine.instance_id)
        ec2.delete_volume(VolumeId=gone)
    with pytest.raises(CloudVanished, match=gone):
        _take(connection, machine)
    assert simulator.calls("CreateSnapshots") == []
    assert _made(simulator) == 0


def test_what_the_hook_raises_ends_the_call(simulator, machine, aws_environment):
    class Enough(Exception):
        pass

    def stop(seconds: float, reason: str, /) -> None:
        raise Enough

    connection = KIT.connect(HERE, accounts.KEY, ALICE, on_wait=stop)
    simulator.fault("CreateSnapshots", "throttle")
    with pytest.raises(Enough):
        _take(connection, machine)
    connection.close()
    assert _made(simulator) == 0


def test_nobody_listening_is_tried_again_and_then_unreachable(aws_environment, tmp_path, waits):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening: every connection is refused
        write_aws_config(aws_environment, f"http://127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(CloudUnreachable):
            KIT.connect(HERE, accounts.KEY, ALICE, on_wait=waits)
    assert len(waits) == POLICY.failed_attempts - 1


def test_waits_grow_and_stay_below_the_longest():
    policy = RetryPolicy(first_wait_s=1.0, longest_wait_s=20.0)
    for attempts in range(1, 12):
        whole = min(20.0, 2.0 ** (attempts - 1))
        assert whole / 2 <= policy.wait_s(attempts) <= whole


@pytest.mark.parametrize(
    ("line", "throttled", "failed"), [("", 8, 3), ("max_attempts = 2", 2, 2)], ids=["unset", "set"]
)
def test_the_number_of_attempts_comes_from_the_aws_configuration(
    aws_environment, line, throttled, failed
):
    aws_environment.write_text(f"[default]\n{line}\n")
    policy = _configured(base_session(HERE, accounts.KEY, KIT._loader))
    assert (policy.throttled_attempts, policy.failed_attempts) == (throttled, failed)
