"""kill -9 while a recovery point is taken: it ends complete, with no orphan, no double, no gap.

A claim on a Run lasts 15 seconds; so long the next attempt waits after a worker's death.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from e2e.appliance import Appliance, until
from e2e.stories import story, without_steps
from mavis_hub.processes import NAMES
from mavis_kernel import Mavis
from mavis_kernel.models import Run

_LATE_S = 5.0  # a call that is under way when its caller dies takes so long


@pytest.fixture(autouse=True)
def _no_faults(appliance: Appliance) -> Iterator[None]:
    yield
    appliance.simulator.clear_faults()


def begin(appliance: Appliance, operator: Mavis, machine: str, effect: str, **fault: Any) -> Run:
    """Begin a recovery point; return as soon as CreateSnapshots has come to the cloud."""
    region = appliance.world.machine(machine).region
    instance = appliance.world.machine(machine).instance_id
    before = appliance.simulator.calls()[-1]["seq"]
    appliance.simulator.fault("CreateSnapshots", effect, region=region, **fault)
    run = operator.recovery_points.create("shop", machine)

    def called() -> bool:
        calls = appliance.simulator.calls("CreateSnapshots", since=before)
        mine = [c for c in calls if c["params"]["InstanceSpecification.InstanceId"] == instance]
        return any(call["happened"] or effect == "delay" for call in mine)

    until(called, f"CreateSnapshots of {machine}")
    return run


def check(appliance: Appliance, operator: Mavis, run: Run, machine: str, *, attempt: int) -> None:
    """Wait for the end of a Run and compare cloud, catalogue and records."""
    run = operator.runs.wait("shop", run.id)
    assert (run.state, run.attempt) == ("succeeded", attempt)
    it = appliance.world.machine(machine)
    seen = appliance.witness.tagged(it.account, it.region, "mavis:run", run.id)
    assert sorted(each.volume_id for each in seen) == sorted(it.volume_ids)
    assert run.result is not None
    point = operator.recovery_points.get("shop", str(run.result["recovery_point"]))
    assert point.state == "complete"
    assert {m.cloud_id for m in point.members} == {each.snapshot_id for each in seen}
    told = Counter(
        (r.kind, r.action, r.phase, r.outcome) for r in without_steps(story(operator, run))
    )
    told.pop(("audit", "key.open", "event", "ok"))
    again = told.pop(("audit", "recovery_point.create", "event", None), 0)
    assert again == attempt - 1
    assert told == {
        ("audit", "recovery_point.create", "intent", None): 1,
        ("operation", "cloud.CreateSnapshots", "intent", None): 1,
        ("operation", "cloud.CreateSnapshots", "outcome", "ok"): 1,
        ("audit", "recovery_point.create", "outcome", "ok"): 1,
    }


def test_the_worker_dies_before_and_after_the_cloud_has_acted(
    appliance: Appliance, operator: Mavis, shop: str
) -> None:
    """Of one call only the answer is missing; the other takes effect after its caller's death."""
    held = begin(appliance, operator, "web-1", "hold_reply")
    late = begin(appliance, operator, "web-2", "delay", seconds=_LATE_S)
    back = appliance.kill("worker")
    appliance.simulator.release()
    back()
    check(appliance, operator, held, "web-1", attempt=2)
    check(appliance, operator, late, "web-2", attempt=2)


def test_api_and_log_service_die_while_the_cloud_answers(
    appliance: Appliance, operator: Mavis, shop: str
) -> None:
    run = begin(appliance, operator, "db-1", "hold_reply")
    for name in ("api", "logs"):
        appliance.kill(name)()
    assert operator.runs.get(shop, run.id).state == "running"
    appliance.simulator.release()
    check(appliance, operator, run, "db-1", attempt=1)


def test_all_three_die_at_once(appliance: Appliance, operator: Mavis, shop: str) -> None:
    run = begin(appliance, operator, "payments-1", "hold_reply")
    back = appliance.kill("worker", "api", "logs")
    appliance.simulator.release()
    back()
    check(appliance, operator, run, "payments-1", attempt=2)


def test_no_record_is_missing_or_there_twice(appliance: Appliance, admin: Mavis, shop: str) -> None:
    """What was committed to the main database is what the log service tells, record by record."""
    database = f"file:{appliance.config.home}/db/mavis.sqlite?mode=ro"

    def committed() -> set[str]:
        with closing(sqlite3.connect(database, uri=True)) as connection:
            waiting = connection.execute("SELECT count(*) FROM records WHERE NOT drained")
            if waiting.fetchone() != (0,):
                return set()
            return {row[0] for row in connection.execute("SELECT id FROM records")}

    assert list(admin.records.list(None, limit=1))  # the look is recorded itself, once an hour
    written = until(committed, "every record in the journal")
    # What kernels report does not come through the database.
    told = [record.id for record in admin.records.list(None) if record.origin == "observed"]
    assert len(told) == len(set(told))
    assert set(told) == written


def test_nothing_is_left_of_those_who_died(appliance: Appliance, shop: str) -> None:
    rows = appliance.status()
    assert {name: (row["state"], row["well"]) for name, row in rows.items()} == dict.fromkeys(
        NAMES, ("running", True)
    )
