"""What each noun sends and what it makes of the answer."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

import pytest

from appliance_double.objects import (
    NOW,
    calendar_json,
    check_json,
    copy_json,
    explanation_json,
    plan_json,
    point_json,
    preview_json,
    project_json,
    report_json,
    resource_json,
    restore_json,
    row_json,
    run_json,
    slots_json,
    step_json,
)
from appliance_double.server import Appliance, Reply, pages, problem
from mavis_core.access import Role
from mavis_core.protection.model import PointState
from mavis_core.protection.reports import Finding
from mavis_core.protection.restore_model import RestoreKind, RestoreState
from mavis_core.scheduling.model import RunState
from mavis_kernel import errors
from mavis_kernel.client import Mavis
from mavis_kernel.models import (
    FINDINGS,
    POINT_STATES,
    RESTORE_KINDS,
    RESTORE_STATES,
    ROLES,
    RUN_STATES,
    BackupPlan,
    Failure,
    Preview,
    ProtectionReport,
    RecoveryPoint,
    Restore,
    Run,
)

KEY = {"id": "key_1", "name": "main", "kind": "aws", "fields": ["access_key_id"], "created_at": NOW}
MEMBER = {"subject": "user:al", "role": "viewer", "added_at": NOW, "added_by": "root"}
ENVIRONMENT = {
    "id": "env_1",
    "project": "shop",
    "name": "prod",
    "kit": "aws",
    "account": "111122223333",
    "regions": ["eu-west-1"],
    "key": None,
    "options": {"profile": "ops"},
    "state": "failed",
    "checked_at": None,
    "error": {"code": "cloud_denied", "message": "No.", "mend": "Ask."},
    "created_at": NOW,
    "created_by": "root",
}
RECORD = {
    "id": "rec_1",
    "time": NOW,
    "kind": "audit",
    "phase": "outcome",
    "action": "recovery_point.create",
    "project": "prj_shop",
    "person": "olga",
    "object": "web-1",
    "outcome": "ok",
    "error_code": None,
    "summary": "A recovery point of web-1.",
    "correlation_id": "cor_1",
    "request_id": "req_1",
    "source": "10.0.0.1",
    "data": {"n": 1},
}
ME = {
    "name": "olga",
    "groups": ["ops"],
    "scopes": ["custom:mavis:read"],
    "platform_admin": False,
    "projects": [{"name": "shop", "title": "Shop", "role": "operator"}],
}
WHOLE = {
    "manifest": {"disks": [{"volume_id": "vol-1", "size_gib": 8}], "hash": "abc123"},
    "hold": {"by": "ada", "at": NOW, "reason": "case 7"},
    "lock": {"mode": "governance", "until": NOW},
    "proof": {"ok": True, "at": NOW},
}
REPLACED = {
    "kind": "in_place",
    "before": {"instance_id": "i-1", "devices": {"/dev/a": "vol-1"}, "ran": True, "disks": "new"},
    "undo_until": "2999-01-01T00:00:00Z",
    "proof": {"volumes": []},
}
DEFINITION = plan_json()["definition"]
PREVIEW = Preview.from_json(preview_json())
RUN_202 = Reply(run_json("queued"), 202)

Call = Callable[[Mavis], Any]
CASES: list[tuple[str, str, Reply, Call, Any]] = [
    ("GET", "/health", Reply({"status": "ok", "version": "1"}), lambda m: m.health(), None),
    ("GET", "/me", Reply(ME), lambda m: m.me(), None),
    ("GET", "/projects/shop", Reply(project_json()), lambda m: m.projects.get("shop"), None),
    (
        "POST",
        "/projects",
        Reply(project_json(), 201),
        lambda m: m.projects.create("shop"),
        {"name": "shop", "title": "shop"},
    ),
    (
        "PUT",
        "/projects/shop/members/user:al",
        Reply(MEMBER),
        lambda m: m.members.grant("shop", "user:al", "viewer"),
        {"role": "viewer"},
    ),
    (
        "DELETE",
        "/projects/shop/members/group:ops",
        Reply(None, 204),
        lambda m: m.members.revoke("shop", "group:ops"),
        None,
    ),
    (
        "POST",
        "/keys",
        Reply(KEY, 201),
        lambda m: m.keys.add("main", {"access_key_id": "A"}),
        {"name": "main", "kind": "aws", "value": {"access_key_id": "A"}},
    ),
    ("DELETE", "/keys/main", Reply(None, 204), lambda m: m.keys.remove("main"), None),
    (
        "GET",
        "/projects/shop/environments/prod",
        Reply(ENVIRONMENT),
        lambda m: m.environments.get("shop", "prod"),
        None,
    ),
    (
        "POST",
        "/projects/shop/environments",
        Reply(ENVIRONMENT, 201),
        lambda m: m.environments.add(
            "shop", "prod", account="1", regions=("a", "b"), options={"profile": "ops"}
        ),
        {
            "name": "prod",
            "kit": "aws",
            "account": "1",
            "regions": ["a", "b"],
            "key": None,
            "options": {"profile": "ops"},
        },
    ),
    (
        "DELETE",
        "/projects/shop/environments/prod",
        Reply(None, 204),
        lambda m: m.environments.remove("shop", "prod"),
        None,
    ),
    (
        "POST",
        "/projects/shop/discoveries",
        RUN_202,
        lambda m: m.environments.discover("shop", "prod"),
        {"environment": "prod"},
    ),
    (
        "POST",
        "/projects/shop/discoveries",
        RUN_202,
        lambda m: m.environments.discover("shop"),
        {},
    ),
    (
        "GET",
        "/projects/shop/resources/i-1",
        Reply(resource_json()),
        lambda m: m.resources.get("shop", "i-1"),
        None,
    ),
    (
        "POST",
        "/projects/shop/previews",
        Reply(preview_json(), 201),
        lambda m: m.previews.create("shop", "resource.tag", "i-1", {"tags": {"a": "b"}}),
        {"action": "resource.tag", "resource": "i-1", "arguments": {"tags": {"a": "b"}}},
    ),
    (
        "POST",
        "/projects/shop/previews/pre_1/apply",
        RUN_202,
        lambda m: m.previews.apply("shop", PREVIEW, confirm="shop"),
        {"hash": "abc123", "confirm": "shop"},
    ),
    (
        "POST",
        "/projects/shop/previews/pre_1/apply",
        RUN_202,
        lambda m: m.previews.apply("shop", PREVIEW),
        {"hash": "abc123"},
    ),
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
        Reply(point_json(**WHOLE)),
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
        Reply(point_json(**WHOLE)),
        lambda m: m.recovery_points.hold("shop", "rp_1", "case 7"),
        {"reason": "case 7"},
    ),
    (
        "DELETE",
        "/projects/shop/recovery-points/rp_1/hold",
        Reply(point_json(**WHOLE)),
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
    (
        "GET",
        "/projects/shop/runs/run_1",
        Reply(run_json()),
        lambda m: m.runs.get("shop", "run_1"),
        None,
    ),
    (
        "POST",
        "/projects/shop/runs/run_1/cancel",
        Reply(run_json(cancelled_by="olga"), 202),
        lambda m: m.runs.cancel("shop", "run_1"),
        {},
    ),
]


@pytest.mark.parametrize(
    ("method", "path", "reply", "call", "body"), CASES, ids=[f"{c[0]} {c[1]}" for c in CASES]
)
def test_a_call_sends_what_the_contract_asks_for_and_reads_all_of_the_answer(
    appliance: Appliance, mavis: Mavis, method: str, path: str, reply: Reply, call: Call, body: Any
) -> None:
    appliance.on(method, path, reply)
    made = call(mavis)
    (asked,) = appliance.to(method, path)
    assert asked.body == body
    assert ("Idempotency-Key" in asked.headers) == (method == "POST")
    if reply.body is None:
        assert made is None
    else:
        unread = set(made.raw) - set(vars(made))
        assert unread == set()
        assert made.raw == reply.body


LISTS: list[tuple[str, Any, Call, dict[str, str]]] = [
    ("/projects", project_json(), lambda m: m.projects.list(), {}),
    ("/projects/shop/members", MEMBER, lambda m: m.members.list("shop"), {}),
    ("/keys", KEY, lambda m: m.keys.list(), {}),
    ("/projects/shop/environments", ENVIRONMENT, lambda m: m.environments.list("shop"), {}),
    (
        "/projects/shop/resources",
        resource_json(),
        lambda m: m.resources.list(
            "shop", environment="prod", region="eu-west-1", query="web", gone=True
        ),
        {"environment": "prod", "region": "eu-west-1", "q": "web", "gone": "true"},
    ),
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
    (
        "/projects/shop/runs",
        run_json(),
        lambda m: m.runs.list("shop", state="running"),
        {"state": "running"},
    ),
    (
        "/projects/shop/records",
        RECORD,
        lambda m: m.records.list(
            "shop",
            since=datetime(2026, 7, 1, tzinfo=UTC),
            person="olga",
            action="recovery_point.create",
            correlation_id="cor_1",
            query="web",
        ),
        {
            "since": "2026-07-01T00:00:00.000000Z",
            "person": "olga",
            "action": "recovery_point.create",
            "correlation_id": "cor_1",
            "q": "web",
        },
    ),
    ("/records", RECORD, lambda m: m.records.list(None), {}),
]


@pytest.mark.parametrize(("path", "item", "call", "query"), LISTS, ids=[c[0] for c in LISTS])
def test_a_list_sends_its_filters_and_reads_its_items(
    appliance: Appliance, mavis: Mavis, path: str, item: Any, call: Call, query: dict[str, str]
) -> None:
    appliance.on("GET", path, pages([item]))
    (made,) = call(mavis)
    assert made.raw == item
    assert set(item) <= set(vars(made))
    assert appliance.asked[0].query == {**query, "limit": "200"}


def test_moments_are_aware_and_in_utc() -> None:
    run = Run.from_json(run_json(created_at="2026-07-01T14:00:00.123456+02:00"))
    assert run.created_at == datetime(2026, 7, 1, 12, 0, 0, 123456, tzinfo=UTC)
    assert run.created_at.tzinfo is UTC


def test_a_member_that_is_new_is_kept_and_ignored() -> None:
    run = Run.from_json(run_json(colour="green"))
    assert run.raw["colour"] == "green"
    assert run == Run.from_json(run_json())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"id": None}, "Run.id of the appliance's answer is not text: null"),
        ({"created_at": "yesterday"}, "Run.created_at of the appliance's answer is not a moment"),
        ({"created_at": "2026-07-01T12:00:00"}, "with a zone"),
        ({"steps": {}}, "Run.steps of the appliance's answer is not a list: dict"),
        ({"steps": [{"name": "x"}]}, r"no Run.steps\[0\].state"),
        ({"steps": [7]}, r"Run.steps\[0\] of the appliance's answer is not an object: int"),
        ({"attempt": True}, "Run.attempt of the appliance's answer is not a whole number: bool"),
        ({"result": []}, "Run.result of the appliance's answer is not an object"),
    ],
)
def test_a_member_of_the_wrong_form_is_named(change: dict[str, Any], words: str) -> None:
    with pytest.raises(errors.UnexpectedAnswer, match=words):
        Run.from_json(run_json(**change))


def test_a_member_that_is_missing_is_named() -> None:
    data = run_json()
    del data["state"]
    with pytest.raises(errors.UnexpectedAnswer, match=r"no Run\.state"):
        Run.from_json(data)
    with pytest.raises(
        errors.UnexpectedAnswer, match="Run of the appliance's answer is not an obj"
    ):
        Run.from_json([])


def test_a_failure_is_an_object_or_plain_text() -> None:
    assert Failure.from_json("No.").message == "No."
    assert Failure.from_json(ENVIRONMENT["error"]).code == "cloud_denied"


@pytest.mark.parametrize(
    ("state", "final"),
    [
        ("queued", False),
        ("running", False),
        ("succeeded", True),
        ("failed", True),
        ("refused", True),
        ("cancelled", True),
    ],
)
def test_a_run_knows_whether_it_is_over(state: str, final: bool) -> None:
    run = Run.from_json(run_json(state))
    assert run.is_final is final
    assert run.succeeded is (state == "succeeded")


def _no_wait(_seconds: float) -> None:
    """Ask again at once."""


def test_watching_yields_each_change_and_ends(appliance: Appliance, mavis: Mavis) -> None:
    halfway = run_json(steps=[step_json("create snapshots", "running", progress_percent=50)])
    replies = [run_json("queued"), run_json("queued"), halfway, halfway, run_json("succeeded")]
    appliance.on("GET", "/projects/shop/runs/run_1", *map(Reply, replies))
    seen = [run.raw for run in mavis.runs.watch("shop", "run_1", wait=_no_wait)]
    assert seen == [replies[0], halfway, replies[-1]]
    assert len(appliance.asked) == 5


def test_watching_asks_less_and_less_often_while_nothing_changes(
    appliance: Appliance, mavis: Mavis
) -> None:
    same = [Reply(run_json())] * 15
    changed = Reply(run_json(attempt=2))
    appliance.on("GET", "/projects/shop/runs/run_1", *same, changed, Reply(run_json("succeeded")))
    waits: list[float] = []
    list(mavis.runs.watch("shop", "run_1", wait=waits.append))
    assert waits[0] == 0.5
    assert waits[:15] == sorted(waits[:15])
    assert waits[14] == 5.0
    assert waits[15] == 0.5


def test_watching_outlives_a_restart_of_the_appliance(appliance: Appliance, mavis: Mavis) -> None:
    down = [Reply(drop=True)] * 8
    appliance.on(
        "GET", "/projects/shop/runs/run_1", Reply(run_json()), *down, Reply(run_json("failed"))
    )
    troubles: list[errors.ApiError] = []
    seen = list(mavis.runs.watch("shop", "run_1", wait=_no_wait, on_trouble=troubles.append))
    assert [run.state for run in seen] == ["running", "failed"]
    assert [type(error) for error in troubles] == [errors.Unreachable] * 2  # three tries each


def test_watching_ends_when_patience_does(appliance: Appliance, mavis: Mavis) -> None:
    appliance.on("GET", "/projects/shop/runs/run_1", Reply(run_json()), problem(503, "unavailable"))
    watching = mavis.runs.watch("shop", "run_1", wait=_no_wait, patience_s=0.0)
    assert next(watching).state == "running"
    with pytest.raises(errors.Unavailable):
        next(watching)


def test_watching_ends_at_once_when_the_login_does(appliance: Appliance, mavis: Mavis) -> None:
    ended = problem(401, "unauthenticated")
    appliance.on("GET", "/projects/shop/runs/run_1", Reply(run_json()), ended)
    watching = mavis.runs.watch("shop", "run_1", wait=_no_wait)
    next(watching)
    with pytest.raises(errors.NotLoggedIn):
        next(watching)


def test_waiting_returns_what_succeeded_and_raises_what_failed(
    appliance: Appliance, mavis: Mavis
) -> None:
    appliance.on("GET", "/projects/shop/runs/good", Reply(run_json("succeeded")))
    failure = {"code": "cloud_vanished", "message": "vol-1 is gone.", "mend": "Discover again."}
    appliance.on("GET", "/projects/shop/runs/bad", Reply(run_json("failed", error=failure)))
    assert mavis.runs.wait("shop", "good").succeeded
    with pytest.raises(errors.RunFailed, match="vol-1 is gone") as caught:
        mavis.runs.wait("shop", "bad")
    assert (caught.value.code, caught.value.mend) == ("cloud_vanished", "Discover again.")
    appliance.on("GET", "/projects/shop/runs/over", Reply(run_json("cancelled")))
    with pytest.raises(errors.RunFailed, match="Run run_1 cancelled"):
        mavis.runs.wait("shop", "over")


def test_what_a_run_made_is_found_by_its_result_or_by_its_run(
    appliance: Appliance, mavis: Mavis
) -> None:
    appliance.on("GET", "/projects/shop/recovery-points/rp_1", Reply(point_json()))
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
    ("mine", "core"),
    [
        (RUN_STATES, RunState),
        (POINT_STATES, PointState),
        (RESTORE_STATES, RestoreState),
        (RESTORE_KINDS, RestoreKind),
        (FINDINGS, Finding),
        (ROLES, Role),
    ],
    ids=["of a Run", "of a point", "of a restore", "kinds of restore", "findings", "roles"],
)
def test_the_client_knows_every_word_of_the_appliance(
    mine: tuple[str, ...], core: type[StrEnum]
) -> None:
    assert sorted(mine) == sorted(core)


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
    assert not BackupPlan.from_json(plan_json(definition={"enabled": False})).enabled


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
