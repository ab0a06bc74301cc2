"""Machines in the AWS simulator: made without delay, counted by a witness of their own."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from cloud.accounts import KEY, MAIN, ec2
from cloud.client import Simulator
from cloud.seed import register_image
from cloud.witness import Witness

ACCOUNT, REGION = MAIN, "eu-central-1"
TAG = ("env", "production")
DEVICES = ("/dev/sda1", "/dev/sdf")


def make(simulator: Simulator, machines: int, *, latency_s: float, snapshot_s: float) -> None:
    """Empty the cloud, make running machines with two volumes each, then let calls take time."""
    simulator.reset()
    simulator.settings(instance_s=0.0, volume_s=0.0)
    with ec2(simulator.url, ACCOUNT, REGION) as client:
        labels = [{"Key": TAG[0], "Value": TAG[1]}]
        made = client.run_instances(
            ImageId=register_image(client, "base"),
            InstanceType="t3.small",
            MinCount=machines,
            MaxCount=machines,
            BlockDeviceMappings=[
                {"DeviceName": device, "Ebs": {"VolumeSize": 8, "VolumeType": "gp3"}}
                for device in DEVICES
            ],
            TagSpecifications=[
                {"ResourceType": "instance", "Tags": labels},
                {"ResourceType": "volume", "Tags": labels},
            ],
        )["Instances"]

        def name(number: int) -> None:
            tags = [{"Key": "Name", "Value": f"machine-{number}"}]
            client.create_tags(Resources=[made[number]["InstanceId"]], Tags=tags)

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(name, range(machines)))
    simulator.clear_log()
    simulator.settings(latency_s=latency_s, snapshot_s=snapshot_s)


def calls(simulator: Simulator, action: str = "CreateSnapshots") -> int:
    """Return how many calls of `action` came since the machines were made, by the oracle."""
    return len(simulator.calls(action))


def snapshots(simulator: Simulator) -> dict[str, int]:
    """Return how many snapshots there are by state, as a witness sees them, without delay."""
    simulator.settings(latency_s=0.0)
    seen = [each.state for each in Witness(simulator.url).snapshots(ACCOUNT, REGION)]
    return {state: seen.count(state) for state in sorted(set(seen))}


def aws(simulator: Simulator) -> dict[str, str]:
    """Return the environment variables that lead every AWS client to the simulator."""
    return {
        "AWS_ENDPOINT_URL": simulator.url,
        "AWS_ACCESS_KEY_ID": KEY["access_key_id"],
        "AWS_SECRET_ACCESS_KEY": KEY["secret_access_key"],
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
