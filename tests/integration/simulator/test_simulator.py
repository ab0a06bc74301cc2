"""The simulator itself: an oracle that lies would prove nothing."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest
from botocore.exceptions import ClientError, ConnectionClosedError

from cloud import accounts
from cloud.client import SERVER, Simulator, attached
from cloud.seed import REGIONS, seed
from cloud.witness import Witness

REGION = "eu-central-1"


def test_the_world_is_what_the_cloud_says(simulator: Simulator) -> None:
    world = seed(simulator.url)
    assert set(world.places()) == {
        (account, region) for account in (accounts.MAIN, accounts.PARTNER) for region in REGIONS
    }
    assert len(world.machine("db-1").volume_ids) == 3
    assert {machine.state for machine in world.machines} == {"running", "stopped"}
    for machine in world.machines:
        with accounts.ec2(simulator.url, machine.account, machine.region) as ec2:
            answer = ec2.describe_instances(InstanceIds=[machine.instance_id])
            volumes = ec2.describe_volumes(VolumeIds=list(machine.volume_ids))["Volumes"]
        (instance,) = answer["Reservations"][0]["Instances"]
        assert instance["State"]["Name"] == machine.state
        assert {"Key": "Name", "Value": machine.name} in instance["Tags"]
        assert all(volume["Encrypted"] for volume in volumes)
    assert len(json.loads(world.to_json())["machines"]) == len(world.machines)


def test_the_witness_counts_by_tag_and_place(simulator: Simulator) -> None:
    world = seed(simulator.url)
    witness = Witness(simulator.url)
    assert set(witness.count(world.places()).values()) == {0}
    with accounts.ec2(simulator.url, accounts.PARTNER, REGION) as ec2:
        ec2.create_tags(
            Resources=[world.snapshots[accounts.PARTNER, REGION]],
            Tags=[{"Key": "mavis:run", "Value": "run_1"}],
        )
    assert witness.count(world.places())[accounts.PARTNER, REGION] == 1
    assert sum(witness.count(world.places()).values()) == 1
    assert len(witness.tagged(accounts.PARTNER, REGION, "mavis:run", "run_1")) == 1
    assert witness.tagged(accounts.PARTNER, REGION, "mavis:run", "run_2") == []


def test_the_witness_finds_doubles_orphans_and_what_is_missing(simulator: Simulator) -> None:
    world = seed(simulator.url)
    witness = Witness(simulator.url)
    machine = world.machine("web-1")
    place = (machine.account, machine.region)
    (image,) = witness.images(*place)
    assert image.id == world.images[place]
    found = {each.id: each for each in witness.instances(*place)}
    assert found[machine.instance_id].of == machine.volume_ids
    ids = [*machine.volume_ids, world.snapshots[place]]
    with accounts.ec2(simulator.url, *place) as ec2:
        ec2.create_tags(Resources=ids, Tags=[{"Key": "mavis:intent", "Value": "one"}])
    assert witness.doubles(world.places(), "mavis:intent") == {"one": 3}
    assert witness.orphans(world.places(), "mavis:intent", ids[:2]) == ids[2:]
    assert witness.missing(world.places(), [ids[0], "vol-0123456789abcdef0"]) == [
        "vol-0123456789abcdef0"
    ]


def test_a_lost_reply_has_its_effect_and_the_oracle_knows(simulator: Simulator) -> None:
    simulator.fault("CreateVolume", "lost_reply", region=REGION)
    with accounts.ec2(simulator.url, accounts.MAIN, REGION) as ec2:
        with pytest.raises(ConnectionClosedError):
            ec2.create_volume(AvailabilityZone=f"{REGION}a", Size=1)
        (volume,) = ec2.describe_volumes()["Volumes"]
    (call,) = simulator.calls("CreateVolume")
    assert (call["status"], call["fault"]) == (0, "lost_reply")
    assert call["made"] == [volume["VolumeId"]]


@pytest.mark.parametrize(
    ("effect", "code", "made"),
    [
        ("throttle", "RequestLimitExceeded", 0),
        ("error500", "InternalError", 0),
        ("error500_after", "InternalError", 1),
        ("expired_credentials", "RequestExpired", 0),
        ("deny", "UnauthorizedOperation", 0),
    ],
)
def test_a_fault_happens_as_often_as_asked_and_where_asked(
    simulator: Simulator, effect: str, code: str, made: int
) -> None:
    simulator.fault("CreateVolume", effect, region=REGION)
    simulator.fault("CreateVolume", "error500", region="us-east-1")
    with accounts.ec2(simulator.url, accounts.MAIN, REGION) as ec2:
        with pytest.raises(ClientError) as caught:
            ec2.create_volume(AvailabilityZone=f"{REGION}a", Size=1)
        assert caught.value.response["Error"]["Code"] == code
        assert len(ec2.describe_volumes()["Volumes"]) == made
        ec2.create_volume(AvailabilityZone=f"{REGION}a", Size=1)
    assert [call["code"] for call in simulator.calls("CreateVolume")] == [code, ""]


def test_a_held_reply_waits_for_its_release_while_the_effect_is_there(
    simulator: Simulator,
) -> None:
    simulator.fault("CreateVolume", "hold_reply", seconds=60)
    answered = threading.Event()

    def create() -> None:
        with accounts.ec2(simulator.url, accounts.MAIN, REGION) as ec2:
            ec2.create_volume(AvailabilityZone=f"{REGION}a", Size=1)
        answered.set()

    thread = threading.Thread(target=create)
    thread.start()
    (call,) = simulator.wait_for_calls("CreateVolume", 1)
    assert call["made"]
    with accounts.ec2(simulator.url, accounts.MAIN, REGION) as ec2:
        assert len(ec2.describe_volumes()["Volumes"]) == 1
    assert not answered.is_set()
    simulator.release()
    thread.join(30)
    assert answered.is_set()


def test_a_delay_comes_before_the_effect(simulator: Simulator) -> None:
    simulator.fault("DescribeVolumes", "delay", seconds=0.2)
    begin = time.monotonic()
    with accounts.ec2(simulator.url, accounts.MAIN, REGION) as ec2:
        ec2.describe_volumes()
    assert time.monotonic() - begin >= 0.2


def test_waiting_for_calls_that_do_not_come_fails(simulator: Simulator) -> None:
    with pytest.raises(TimeoutError, match="0 of 1 calls of CreateVolume"):
        simulator.wait_for_calls("CreateVolume", 1, timeout_s=0.05)


def test_an_unknown_effect_is_refused(simulator: Simulator) -> None:
    with pytest.raises(httpx.HTTPStatusError):
        simulator.fault("CreateVolume", "explode")


def test_the_log_holds_no_secret(simulator: Simulator) -> None:
    key = accounts.temporary_key(simulator.url, accounts.PARTNER)
    text = json.dumps(simulator.calls())
    assert key["session_token"] not in text
    assert key["secret_access_key"] not in text


def test_it_runs_by_path_announces_its_port_and_stops_at_once(tmp_path: Path) -> None:
    ready = tmp_path / "port"
    process = subprocess.Popen(
        [sys.executable, str(SERVER), "--port", "0", "--ready-file", str(ready)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
    )
    try:
        assert process.stdout is not None
        with process.stdout:
            port = process.stdout.readline().strip()
        assert ready.read_text().strip() == port
        with attached(f"http://127.0.0.1:{port}") as simulator:
            assert simulator.control.get("health").json() == {"status": "ok"}
    finally:
        process.terminate()
        assert process.wait(timeout=10) == 0
