"""The main job over two accounts and two regions, through REST as persons.

What the cloud really holds is looked up by a boto3 client that shares nothing with the product.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from cloud.accounts import ec2
from cloud.seed import Machine
from e2e.appliance import Appliance, until
from e2e.stories import story
from mavis_kernel import Mavis
from mavis_kernel.errors import Conflict
from mavis_kernel.models import Record, RecoveryPoint, Run

# One in each pair of account and region; the last one is stopped.
MACHINES = ("web-1", "web-2", "payments-1", "archive-1")


@dataclass(frozen=True)
class Taken:
    """A recovery point that was asked for by name, with its Run at the end and its records."""

    machine: Machine
    run: Run
    point: RecoveryPoint
    records: list[Record]


@pytest.fixture(scope="module")
def taken(appliance: Appliance, operator: Mavis, shop: str) -> dict[str, Taken]:
    """Recovery points of all `MACHINES`, taken at the same time."""
    begun = [operator.recovery_points.create(shop, name, description="e2e") for name in MACHINES]
    return {
        name: _taken(appliance.world.machine(name), operator.runs.wait(shop, run.id), operator)
        for name, run in zip(MACHINES, begun, strict=True)
    }


def _taken(machine: Machine, run: Run, operator: Mavis) -> Taken:
    assert run.result is not None
    point = operator.recovery_points.get("shop", str(run.result["recovery_point"]))
    return Taken(machine, run, point, story(operator, run))


def test_discovery_finds_what_is_there(appliance: Appliance, operator: Mavis, shop: str) -> None:
    found = list(operator.resources.list(shop))
    machines = {r.cloud_id: r for r in found if r.kind == "instance"}
    world = appliance.world
    assert {(m.name, m.account, m.region, m.state) for m in machines.values()} == {
        (m.name, m.account, m.region, m.state) for m in world.machines
    }
    volumes = {volume for machine in world.machines for volume in machine.volume_ids}
    assert {r.cloud_id for r in found if r.kind == "volume"} == volumes
    assert {r.cloud_id for r in found if r.kind == "image"} == set(world.images.values())
    by_hand = set(world.snapshots.values())
    assert by_hand <= {r.cloud_id for r in found if r.kind == "volume_snapshot"}
    assert {(r.account, r.region) for r in found if r.kind == "network"} == set(world.places())


@pytest.mark.parametrize("name", MACHINES)
def test_a_recovery_point_has_every_volume_in_the_cloud_too(
    appliance: Appliance, taken: dict[str, Taken], name: str
) -> None:
    it = taken[name]
    account, region = it.machine.account, it.machine.region
    seen = appliance.witness.tagged(account, region, "mavis:run", it.run.id)
    assert sorted(each.volume_id for each in seen) == sorted(it.machine.volume_ids)
    for each in seen:
        assert each.tags["mavis:project"] == "shop"
        assert each.tags["mavis:person"] == "demo-operator"
        assert each.tags["mavis:recovery-point"] == it.point.id
        assert each.tags["mavis:intent"].startswith("int_")


@pytest.mark.parametrize("name", MACHINES)
def test_a_recovery_point_s_page_tells_the_same_as_the_cloud(
    appliance: Appliance, taken: dict[str, Taken], name: str
) -> None:
    it = taken[name]
    seen = appliance.witness.snapshots(it.machine.account, it.machine.region)
    volumes = {each.snapshot_id: each.volume_id for each in seen}
    assert (it.point.state, it.run.state, it.run.attempt) == ("complete", "succeeded", 1)
    assert {m.volume_id for m in it.point.members} == set(it.machine.volume_ids)
    assert all(volumes[m.cloud_id] == m.volume_id for m in it.point.members if m.cloud_id)
    assert {step.state for step in it.run.steps} == {"done"}


@pytest.mark.parametrize("name", MACHINES)
def test_one_correlation_id_tells_the_whole_story(taken: dict[str, Taken], name: str) -> None:
    records = taken[name].records
    steps = [r for r in records if r.action in ("step.begin", "step.end")]
    told = [(r.kind, r.action, r.phase, r.outcome) for r in records if r.action[:5] != "step."]
    assert told == [
        ("audit", "recovery_point.create", "intent", None),
        ("audit", "key.open", "event", "ok"),
        ("operation", "cloud.CreateSnapshots", "intent", None),
        ("operation", "cloud.CreateSnapshots", "outcome", "ok"),
        ("audit", "recovery_point.create", "outcome", "ok"),
    ]
    assert [(r.action, r.data["step"]) for r in steps] == [
        (action, step.name)
        for step in taken[name].run.steps
        for action in ("step.begin", "step.end")
    ]
    assert [r.action for r in records[:2]] == ["recovery_point.create", "step.begin"]
    assert {record.person for record in records} == {"demo-operator"}
    assert {record.project for record in records} == {"shop"}


def test_the_partner_s_account_is_reached_by_a_role_in_the_person_s_name(
    appliance: Appliance, taken: dict[str, Taken]
) -> None:
    calls = [
        call
        for call in appliance.simulator.calls("AssumeRole")
        if "mavis person/demo-operator" in call["user_agent"]
    ]
    assert calls
    for call in calls:
        assert call["params"]["SourceIdentity"] == "demo-operator"
        assert call["params"]["ExternalId"] == appliance.world.external_id


def test_a_preview_says_what_happens_and_is_applied_once(operator: Mavis, shop: str) -> None:
    shown = operator.recovery_points.preview(shop, "db-2")
    assert [(e.verb, e.kind, e.name, e.environment, e.region) for e in shown.effects] == [
        ("create", "recovery_point", "db-2", "main", "us-east-1")
    ]
    first, again = (operator.previews.apply(shop, shown) for _ in range(2))
    assert first.id == again.id
    operator.runs.wait(shop, first.id)


def test_stopping_asks_for_the_project_s_name_and_happens(
    appliance: Appliance, operator: Mavis, shop: str
) -> None:
    machine = appliance.world.machine("worker-1")
    shown = operator.previews.create(shop, "resource.stop", "worker-1")
    assert (shown.severity, shown.confirm) == ("interrupts", "shop")
    with pytest.raises(Conflict, match="needs the project's name"):
        operator.previews.apply(shop, shown)
    assert _state(appliance, machine) == "running"
    operator.runs.wait(shop, operator.previews.apply(shop, shown, confirm="shop").id)
    until(lambda: _state(appliance, machine) == "stopped", "worker-1 stopped")
    started = operator.previews.create(shop, "resource.start", "worker-1")
    operator.runs.wait(shop, operator.previews.apply(shop, started).id)
    until(lambda: _state(appliance, machine) == "running", "worker-1 running")


def _state(appliance: Appliance, machine: Machine) -> str:
    with ec2(appliance.simulator.url, machine.account, machine.region) as client:
        found = client.describe_instances(InstanceIds=[machine.instance_id])["Reservations"][0]
    return found["Instances"][0]["State"]["Name"]
