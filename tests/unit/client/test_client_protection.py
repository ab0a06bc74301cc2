"""What the nouns of protection send, and what they make of the answer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from appliance_double.exchanges import Call, lists_and_reads, sends_and_reads
from appliance_double.objects import (
    NOW,
    calendar_json,
    check_json,
    copy_json,
    detail_json,
    explanation_json,
    plan_json,
    point_json,
    preview_json,
    proof_json,
    report_json,
    restore_json,
    row_json,
    run_json,
    slots_json,
)
from appliance_double.server import Appliance, Reply, pages
from mavis_kernel import errors
from mavis_kernel.client import Mavis
from mavis_kernel.models import BackupPlan, ProtectionReport, RecoveryPoint, Restore, Run

WHOLE = {
    "hold": {"by": "ada", "at": NOW, "reason": "case 7"},
    "lock": {"mode": "governance", "until": NOW},
    "proof": proof_json(),
}
REPLACED = {
    "kind": "in_place",
    "before": {"instance_id": "i-1", "devices": {"/dev/a": "vol-1"}, "ran": True, "disks": "new"},
    "undo_until": "2999-01-01T00:00:00Z",
    "proof": {"volumes": []},
}
DEFINITION = plan_json()["definition"]
RUN_202 = Reply(run_json("queued"), 202)

CASES: list[tuple[str, str, Reply, Call, Any]] = [
    (
        "POST",
        "/projects/shop/recovery-points",
        RUN_202,
        lambda m: m.recovery_points.create("shop", "web-1", description="why"),
        {"resource": "web-1", "dry_run": False, "description": "why"},
    ),
    (
        "POST",
        "/projects/shop/recovery-points",
        Reply(preview_json(confirm=None)),
        lambda m: m.recovery_points.preview("shop", "web-1"),
        {"resource": "web-1", "dry_run": True},
    ),
    (
        "GET",
        "/projects/shop/recovery-points/rp_1",
        Reply(detail_json(**WHOLE)),
        lambda m: m.recovery_points.get("shop", "rp_1"),
        None,
    ),
    (
        "GET",
        "/projects/shop/backup-plans/nightly",
        Reply(plan_json()),
        lambda m: m.backup_plans.get("shop", "nightly"),
        None,
    ),
    (
        "POST",
        "/projects/shop/backup-plans",
        Reply(plan_json(), 201),
        lambda m: m.backup_plans.create("shop", "nightly", DEFINITION),
        {"name": "nightly", "definition": DEFINITION},
    ),
    (
        "POST",
        "/projects/shop/backup-plans",
        Reply(check_json()),
        lambda m: m.backup_plans.check("shop", "new", DEFINITION),
        {"name": "new", "definition": DEFINITION, "dry_run": True},
    ),
    (
        "PUT",
        "/projects/shop/backup-plans/nightly",
        Reply(plan_json()),
        lambda m: m.backup_plans.replace("shop", "nightly", DEFINITION, version=3),
        {"definition": DEFINITION, "version": 3},
    ),
    (
        "PUT",
        "/projects/shop/backup-plans/nightly",
        Reply(plan_json()),
        lambda m: m.backup_plans.replace("shop", "nightly", DEFINITION),
        {"definition": DEFINITION},
    ),
    (
        "DELETE",
        "/projects/shop/backup-plans/nightly",
        Reply(None, 204),
        lambda m: m.backup_plans.remove("shop", "nightly"),
        None,
    ),
    (
        "POST",
        "/projects/shop/backup-plans/nightly/runs",
        RUN_202,
        lambda m: m.backup_plans.run("shop", "nightly", rule="daily"),
        {"rule": "daily"},
    ),
    (
        "POST",
        "/projects/shop/backup-plans/nightly/runs",
        Reply(preview_json(confirm=None)),
        lambda m: m.backup_plans.preview_run("shop", "nightly"),
        {"dry_run": True},
    ),
    (
        "GET",
        "/projects/shop/backup-plans/nightly/slots",
        Reply(slots_json()),
        lambda m: m.backup_plans.slots("shop", "nightly"),
        None,
    ),
    (
        "GET",
        "/projects/shop/backup-plans/nightly/calendar",
        Reply(calendar_json()),
        lambda m: m.backup_plans.calendar("shop", "nightly", instance="web-1"),
        None,
    ),
    (
        "POST",
        "/projects/shop/recovery-points/rp_1/copies",
        RUN_202,
        lambda m: m.recovery_points.copy("shop", "rp_1", environment="dr", region="us-1"),
        {"environment": "dr", "region": "us-1"},
    ),
    (
        "POST",
        "/projects/shop/recovery-points/rp_1/copies",
        Reply(preview_json(confirm=None)),
        lambda m: m.recovery_points.preview_copy("shop", "rp_1", region="us-1", kms_key="k"),
        {"region": "us-1", "kms_key": "k", "dry_run": True},
    ),
    (
        "POST",
        "/projects/shop/recovery-points/rp_1/verifications",
        RUN_202,
        lambda m: m.recovery_points.verify("shop", "rp_1", {"blocks": 0}),
        {"blocks": 0},
    ),
    (
        "POST",
        "/projects/shop/recovery-points/rp_1/verifications",
        Reply(preview_json(confirm=None)),
        lambda m: m.recovery_points.preview_verification("shop", "rp_1"),
        {"dry_run": True},
    ),
    (
        "PUT",
        "/projects/shop/recovery-points/rp_1/hold",
        Reply(detail_json(**WHOLE)),
        lambda m: m.recovery_points.hold("shop", "rp_1", "case 7"),
        {"reason": "case 7"},
    ),
    (
        "DELETE",
        "/projects/shop/recovery-points/rp_1/hold",
        Reply(detail_json(**WHOLE)),
        lambda m: m.recovery_points.release("shop", "rp_1", "case closed"),
        {"reason": "case closed"},
    ),
    (
        "PUT",
        "/projects/shop/recovery-points/rp_1/lock",
        RUN_202,
        lambda m: m.recovery_points.lock("shop", "rp_1", until=timedelta(days=7)),
        {"for": "168h"},
    ),
    (
        "PUT",
        "/projects/shop/recovery-points/rp_1/lock",
        RUN_202,
        lambda m: m.recovery_points.lock("shop", "rp_1", until=datetime(2999, 1, 1, tzinfo=UTC)),
        {"until": "2999-01-01T00:00:00+00:00"},
    ),
    (
        "DELETE",
        "/projects/shop/recovery-points/rp_1/lock",
        RUN_202,
        lambda m: m.recovery_points.unlock("shop", "rp_1"),
        None,
    ),
    (
        "POST",
        "/projects/shop/restores",
        RUN_202,
        lambda m: m.restores.start("shop", "rp_1", "volumes", {"zone": "eu-west-1a"}),
        {"point": "rp_1", "kind": "volumes", "zone": "eu-west-1a"},
    ),
    (
        "POST",
        "/projects/shop/restores",
        Reply(preview_json(confirm=None)),
        lambda m: m.restores.preview("shop", "rp_1", "instance"),
        {"point": "rp_1", "kind": "instance", "dry_run": True},
    ),
    (
        "GET",
        "/projects/shop/restores/rst_1",
        Reply(restore_json(**REPLACED)),
        lambda m: m.restores.get("shop", "rst_1"),
        None,
    ),
    (
        "GET",
        "/projects/shop/reports/protection",
        Reply(report_json(row_json(), row_json("ok", newest_at=NOW))),
        lambda m: m.reports.protection("shop"),
        None,
    ),
]


@pytest.mark.parametrize(
    ("method", "path", "reply", "call", "body"), CASES, ids=[f"{c[0]} {c[1]}" for c in CASES]
)
def test_a_call_sends_what_the_contract_asks_for_and_reads_all_of_the_answer(
    appliance: Appliance, mavis: Mavis, method: str, path: str, reply: Reply, call: Call, body: Any
) -> None:
    sends_and_reads(appliance, mavis, method, path, reply, call, body)


LISTS: list[tuple[str, Any, Call, dict[str, str]]] = [
    ("/projects/shop/recovery-points", point_json(), lambda m: m.recovery_points.list("shop"), {}),
    (
        "/projects/shop/recovery-points",
        point_json(),
        lambda m: m.recovery_points.list(
            "shop", instance="web-1", plan="nightly", state="complete", region="eu-west-1"
        ),
        {"instance": "web-1", "plan": "nightly", "state": "complete", "region": "eu-west-1"},
    ),
    (
        "/projects/shop/backup-plans",
        plan_json(),
        lambda m: m.backup_plans.list("shop"),
        {},
    ),
    (
        "/projects/shop/backup-plans/presets",
        {"name": "gold", "definition": DEFINITION},
        lambda m: m.backup_plans.presets("shop"),
        {},
    ),
    (
        "/projects/shop/recovery-points/rp_1/explanation",
        explanation_json(),
        lambda m: m.recovery_points.explain("shop", "rp_1"),
        {},
    ),
    (
        "/projects/shop/restores",
        restore_json(),
        lambda m: m.restores.list("shop", point="rp_1", kind="volumes", state="complete"),
        {"point": "rp_1", "kind": "volumes", "state": "complete"},
    ),
]


@pytest.mark.parametrize(("path", "item", "call", "query"), LISTS, ids=[c[0] for c in LISTS])
def test_a_list_sends_its_filters_and_reads_its_items(
    appliance: Appliance, mavis: Mavis, path: str, item: Any, call: Call, query: dict[str, str]
) -> None:
    lists_and_reads(appliance, mavis, path, item, call, query)


def test_what_a_run_made_is_found_by_its_result_or_by_its_run(
    appliance: Appliance, mavis: Mavis
) -> None:
    appliance.on("GET", "/projects/shop/recovery-points/rp_1", Reply(detail_json()))
    named = Run.from_json(run_json("succeeded", result={"recovery_point": "rp_1"}))
    made = mavis.recovery_points.made_by("shop", named)
    assert made is not None
    assert made.id == "rp_1"
    items = [point_json(id="rp_2", run_id="run_9"), point_json()]
    appliance.on("GET", "/projects/shop/recovery-points", pages(items))
    assert mavis.recovery_points.made_by("shop", Run.from_json(run_json("succeeded"))) == made
    assert mavis.recovery_points.made_by("shop", Run.from_json(run_json(id="run_0"))) is None


def test_the_members_of_a_point_are_those_of_its_primary_copy() -> None:
    elsewhere = copy_json(id="cop_2", role="copy", members=[])
    point = RecoveryPoint.from_json(point_json(copies=[elsewhere, copy_json()]))
    assert [member.cloud_id for member in point.members] == ["snap-1"]
    assert RecoveryPoint.from_json(point_json(copies=[])).members == ()


@pytest.mark.parametrize(
    ("more", "can"),
    [
        ({}, False),
        (REPLACED, True),
        (REPLACED | {"undo_until": NOW}, False),
        (REPLACED | {"undo_until": None}, False),
        (REPLACED | {"state": "undone"}, False),
        (REPLACED | {"state": "stranded", "undo_until": NOW}, True),
        (REPLACED | {"before": None}, False),
    ],
    ids=["volumes", "in time", "too late", "not yet", "undone", "stranded", "nothing touched"],
)
def test_a_restore_in_place_can_be_undone_for_a_time(more: dict[str, Any], can: bool) -> None:
    assert Restore.from_json(restore_json(**more)).can_be_undone() is can


def test_a_plan_that_is_paused_is_not_enabled() -> None:
    assert BackupPlan.from_json(plan_json()).enabled
    assert not BackupPlan.from_json(plan_json(definition={**DEFINITION, "enabled": False})).enabled


def test_only_what_is_not_well_is_a_finding() -> None:
    report = ProtectionReport.from_json(report_json(row_json(), row_json("ok")))
    assert [row.finding for row in report.findings] == ["unprotected"]


def test_a_report_comes_as_csv_too(appliance: Appliance, mavis: Mavis) -> None:
    path = "/projects/shop/reports/protection"
    text = "finding,machine\r\nok,web-1\r\n"
    appliance.on("GET", path, Reply(text, headers={"Content-Type": "text/csv; charset=utf-8"}))
    assert mavis.reports.protection_csv("shop", everything=True) == text
    (asked,) = appliance.to("GET", path)
    assert (asked.headers["Accept"], asked.query) == ("text/csv", {"everything": "true"})


def test_an_answer_that_is_no_csv_is_not_taken_for_one(appliance: Appliance, mavis: Mavis) -> None:
    appliance.on("GET", "/projects/shop/reports/protection", Reply(report_json()))
    with pytest.raises(errors.UnexpectedAnswer, match="is no CSV"):
        mavis.reports.protection_csv("shop")
