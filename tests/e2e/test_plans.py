"""A backup plan in the whole appliance: it runs by itself, survives its worker, and restores."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from e2e.appliance import Appliance, until
from mavis_kernel import Mavis
from mavis_kernel.models import Run

BLOCKS = {0: b"boot sector", 7: b"what the shop sells", 2000: b"somewhere in the middle"}


@pytest.fixture
def often(admin: Mavis, shop: str) -> Iterator[str]:
    """A plan over one machine that begins every minute."""
    definition = {
        "title": "Every minute",
        "selection": {"resources": ["web-2"]},
        "rules": [{"name": "often", "cron": "* * * * *"}],
        "keep": {"last": 2},
        "rpo": "1h",
    }
    admin.backup_plans.create(shop, "often", definition)
    yield "often"
    admin.backup_plans.remove(shop, "often")


def begun(operator: Mavis, shop: str, plan: str) -> list[Run]:
    runs = operator.runs.list(shop)
    return [run for run in runs if (run.kind, run.subject) == ("backup.run", plan)]


def test_a_plan_runs_by_itself_survives_its_worker_and_gives_the_bytes_back(
    appliance: Appliance, admin: Mavis, operator: Mavis, shop: str, often: str
) -> None:
    machine = appliance.world.machine("web-2")
    data = machine.volume_ids[1]
    appliance.simulator.write(data, BLOCKS)
    digest = appliance.simulator.digest(data)
    before = appliance.simulator.calls()[-1]["seq"]
    appliance.simulator.fault("CreateSnapshots", "hold_reply", region=machine.region)

    def called() -> bool:
        calls = appliance.simulator.calls("CreateSnapshots", since=before)
        return any(call["happened"] for call in calls)

    until(called, "the plan's first slot", within_s=150)
    (run,) = begun(operator, shop, often)
    back = appliance.kill("worker")
    appliance.simulator.release()
    back()
    ended = operator.runs.wait(shop, run.id)
    assert (ended.state, ended.attempt) == ("succeeded", 2)

    (point,) = [p for p in operator.recovery_points.list(shop, plan=often) if p.run_id == run.id]
    assert point.state == "complete"
    seen = appliance.witness.tagged(
        machine.account, machine.region, "mavis:recovery-point", point.id
    )
    assert sorted(each.volume_id for each in seen) == sorted(machine.volume_ids)
    slots = operator.backup_plans.slots(shop, often)
    assert run.id in [slot.run for slot in slots.begun]
    report = operator.reports.protection(shop)
    assert "web-2" not in " ".join(row.machine or "" for row in report.rows if row.plan == often)

    appliance.simulator.write(data, {7: b"a mistake"})
    begin = operator.restores.start(shop, point.id, "volumes")
    restored = operator.runs.wait(shop, begin.id)
    assert restored.state == "succeeded", restored.error
    (made,) = [r for r in operator.restores.list(shop) if r.run_id == begin.id]
    volumes = appliance.witness.volumes(machine.account, machine.region)
    mine = [v for v in volumes if v.tags.get("mavis:restore") == made.id]
    assert len(mine) == len(machine.volume_ids)
    assert digest in {appliance.simulator.digest(v.id) for v in mine}
    assert appliance.simulator.digest(data) != digest, "the original has moved on"
