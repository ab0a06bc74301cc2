"""A simulator that is started again with the same file shows the same cloud."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from cloud import accounts, making
from cloud.client import SERVER, attached, running
from cloud.seed import REGIONS, register_image, seed

REGION = REGIONS[0]
PENDING: Any = [{"Name": "status", "Values": ["pending"]}]


def _seen(url: str, account: str, region: str) -> Any:
    with accounts.ec2(url, account, region) as ec2:
        return [
            ec2.describe_instances()["Reservations"],
            ec2.describe_volumes()["Volumes"],
            ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"],
            ec2.describe_images(Owners=["self"])["Images"],
            ec2.describe_vpcs()["Vpcs"],
            ec2.describe_security_groups()["SecurityGroups"],
        ]


def test_the_cloud_survives_a_restart(tmp_path: Path) -> None:
    state = ["--state", str(tmp_path / "cloud.sqlite")]
    with running(state) as simulator:
        world = seed(simulator.url)
        volume = world.machine("db-1").volume_ids[1]
        simulator.write(volume, {7: b"x"})
        with accounts.ec2(simulator.url, accounts.MAIN, REGION) as ec2:
            snapshot = making.snapshot(ec2, volume)
            ask: Any = {"AvailabilityZone": f"{REGION}a", "Size": 1, "ClientToken": "one"}
            new = ec2.create_volume(**ask)["VolumeId"]
            making.wait_for(lambda: making.volume_state(ec2, new) == "available")
        with accounts.client("kms", simulator.url, accounts.MAIN, REGION) as kms:
            key = kms.create_key()["KeyMetadata"]["KeyId"]
        key_of_partner = accounts.temporary_key(simulator.url, accounts.PARTNER)
        for place in world.places():
            with accounts.ec2(simulator.url, *place) as ec2:
                making.wait_for(
                    lambda ec2=ec2: not ec2.describe_snapshots(Filters=PENDING)["Snapshots"]
                )
        before = {place: _seen(simulator.url, *place) for place in world.places()}
        digest = simulator.digest(snapshot)
    with running(state) as simulator:
        assert {place: _seen(simulator.url, *place) for place in world.places()} == before
        assert simulator.digest(snapshot) == simulator.digest(volume) == digest
        with accounts.ec2(simulator.url, accounts.MAIN, REGION) as ec2:
            assert ec2.create_volume(**ask)["VolumeId"] == new
        with accounts.client("kms", simulator.url, accounts.MAIN, REGION) as kms:
            assert kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "Enabled"
        with accounts.session("sts", simulator.url, REGION, key_of_partner) as sts:
            assert sts.get_caller_identity()["Account"] == accounts.PARTNER


def test_nothing_that_was_answered_is_lost_when_the_server_is_killed(tmp_path: Path) -> None:
    state = ["--state", str(tmp_path / "cloud.sqlite")]
    killed = subprocess.Popen(
        [sys.executable, str(SERVER), *state], stdout=subprocess.PIPE, text=True
    )
    assert killed.stdout is not None
    with killed.stdout:
        url = f"http://127.0.0.1:{killed.stdout.readline().strip()}"
    try:
        with attached(url) as simulator, accounts.ec2(url, accounts.MAIN, REGION) as ec2:
            volume = making.volume(ec2)
            simulator.write(volume, {0: b"x"})
            snapshot = ec2.create_snapshot(VolumeId=volume)["SnapshotId"]
            digest = simulator.digest(snapshot)
    finally:
        killed.kill()
        killed.wait(timeout=10)
    with (
        running(state) as simulator,
        accounts.ec2(simulator.url, accounts.MAIN, REGION) as ec2,
    ):
        making.ended(ec2, snapshot)
        assert simulator.digest(making.volume(ec2, SnapshotId=snapshot)) == digest


def test_without_a_file_a_simulator_begins_empty() -> None:
    for _ in range(2):
        with (
            running() as simulator,
            accounts.ec2(simulator.url, accounts.MAIN, REGION) as ec2,
        ):
            assert ec2.describe_volumes()["Volumes"] == []
            making.volume(ec2)


def test_a_command_that_ran_when_the_server_ended_has_failed(tmp_path: Path) -> None:
    state = ["--state", str(tmp_path / "cloud.sqlite")]
    with running(state) as simulator:
        with accounts.ec2(simulator.url, accounts.MAIN, REGION) as ec2:
            machine = making.instance(ec2, register_image(ec2, "base"))
        with accounts.client("ssm", simulator.url, accounts.MAIN, REGION) as ssm:
            command = ssm.send_command(
                InstanceIds=[machine],
                DocumentName="AWS-RunShellScript",
                Parameters={"commands": ["echo $$ > pid; sleep 600"]},
            )["Command"]["CommandId"]
        pid = simulator.folder(machine) / "pid"
        making.wait_for(lambda: pid.exists() and pid.read_text().endswith("\n"))
    making.wait_for(lambda: not Path(f"/proc/{pid.read_text().strip()}").exists())
    with (
        running(state) as simulator,
        accounts.client("ssm", simulator.url, accounts.MAIN, REGION) as ssm,
    ):
        found = ssm.get_command_invocation(CommandId=command, InstanceId=machine)
        assert found["Status"] == "Failed"
