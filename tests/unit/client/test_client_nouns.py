"""What each noun sends and what it makes of the answer."""

from __future__ import annotations

import pickle
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from appliance_double.exchanges import Call, lists_and_reads, sends_and_reads
from appliance_double.objects import (
    NOW,
    plan_json,
    preview_json,
    project_json,
    resource_json,
    run_json,
    step_json,
)
from appliance_double.server import Appliance, Reply, pages, problem
from mavis_kernel import errors
from mavis_kernel.client import Mavis
from mavis_kernel.models import (
    BackupPlanDefinition,
    PlanBlackout,
    PlanKeep,
    PlanRule,
    PlanSelection,
    Preview,
    Run,
    RunState,
    Weekday,
)

KEY = {
    "id": "key_1",
    "name": "main",
    "kind": "aws",
    "fields": ["access_key_id"],
    "created_at": NOW,
    "created_by": "ada",
}
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
    "origin": "observed",
    "stream": None,
    "sequence": None,
    "data": {"n": 1},
}
ME = {
    "name": "olga",
    "groups": ["ops"],
    "scopes": ["custom:mavis:read"],
    "platform_admin": False,
    "projects": [{"name": "shop", "title": "Shop", "role": "operator"}],
}
PREVIEW = Preview.from_json(preview_json())
RUN_202 = Reply(run_json("queued"), 202)

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
    sends_and_reads(appliance, mavis, method, path, reply, call, body)


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
    lists_and_reads(appliance, mavis, path, item, call, query)


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
    assert len(appliance.to("GET", "/projects/shop/runs/run_1")) == 5
    assert len(appliance.to("GET", "/projects/shop/runs/run_1/events")) == 1, "it does not tell"


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


def test_a_word_that_is_new_is_no_error() -> None:
    run = Run.from_json(run_json("pondering"))
    assert run.state == "pondering"
    assert isinstance(run.state, RunState)
    assert run.state not in RunState.known()
    assert f"{run.state}" == "pondering"
    assert pickle.loads(pickle.dumps(run)) == run
    assert not run.is_final


def test_what_was_not_picked_is_told_when_it_is_read() -> None:
    run = Run.picked_from_json({"id": "run_1", "state": "failed"})
    assert (run.id, run.is_final, isinstance(run, Run)) == ("run_1", True, True)
    assert run == Run.picked_from_json({"state": "failed", "id": "run_1"})
    assert repr(run) == "Run(id='run_1', state=<RunState.FAILED: 'failed'>)"
    with pytest.raises(errors.NotPicked, match=r"Run.steps was not asked for; there are id, state"):
        _ = run.steps
    with pytest.raises(errors.NotPicked):
        _ = run.slot  # it has a default, which would say something untrue
    assert not hasattr(run, "colour")
    with pytest.raises(errors.UnexpectedAnswer, match=r"Run\.id"):
        Run.picked_from_json({"id": 7})


def test_a_member_whose_name_is_a_word_of_python_has_an_underscore() -> None:
    read = PlanBlackout.from_json({"from": "08:00", "to": "18:00"})
    assert (read.from_, read.to, read.days) == ("08:00", "18:00", None)


def test_an_object_goes_back_as_it_came_with_what_was_changed_and_what_is_new() -> None:
    told = {"selection": {}, "rules": [{"name": "d", "cron": "0 2 * * *"}], "colour": "green"}
    read = BackupPlanDefinition.from_json(told)
    assert read.to_json() == told
    changed = replace(read, zone="Europe/Berlin", keep=PlanKeep(daily=7))
    assert changed.to_json() == {**told, "zone": "Europe/Berlin", "keep": {"daily": 7}}


def test_a_definition_may_be_made_of_its_parts(appliance: Appliance, mavis: Mavis) -> None:
    appliance.on("POST", "/projects/shop/backup-plans", Reply(plan_json(), 201))
    blackout = PlanBlackout(from_="08:00", to="18:00", days=(Weekday.MON,))
    definition = BackupPlanDefinition(
        selection=PlanSelection(match="tag:backup = gold"),
        rules=(PlanRule(name="daily", cron="30 2 * * *"),),
        blackouts=(blackout,),
    )
    mavis.backup_plans.create("shop", "nightly", definition)
    assert appliance.asked[0].body["definition"] == {
        "selection": {"match": "tag:backup = gold"},
        "rules": [{"name": "daily", "cron": "30 2 * * *"}],
        "blackouts": [{"from": "08:00", "to": "18:00", "days": ["mon"]}],
    }


def test_a_list_of_some_fields_asks_for_those(appliance: Appliance, mavis: Mavis) -> None:
    appliance.on("GET", "/projects/shop/runs", pages([{"id": "run_1", "state": "failed"}]))
    (run,) = mavis.runs.list("shop", fields=("id", "state"))
    assert (run.id, run.state) == ("run_1", "failed")
    assert appliance.asked[0].query["fields"] == "id,state"
    with pytest.raises(errors.NotPicked):
        _ = run.subject
    with pytest.raises(errors.InvalidInput):
        list(mavis.runs.list("shop", fields=()))


def test_what_was_read_is_changed_only_where_it_is_still_so(
    appliance: Appliance, mavis: Mavis
) -> None:
    path = "/projects/shop/backup-plans/nightly"
    appliance.on("GET", path, Reply(plan_json(), headers={"ETag": '"v3"'}))
    appliance.on("PUT", path, problem(412, "precondition_failed"), Reply(plan_json()))
    plan = mavis.backup_plans.get("shop", "nightly")
    assert plan.etag == '"v3"'
    with pytest.raises(errors.ChangedSince):
        mavis.backup_plans.replace("shop", "nightly", plan.definition, if_match=plan.etag)
    mavis.backup_plans.replace("shop", "nightly", plan.definition)
    first, other = appliance.to("PUT", path)
    assert first.headers["If-Match"] == '"v3"'
    assert "If-Match" not in other.headers


def test_a_change_on_a_condition_is_not_tried_again(appliance: Appliance, mavis: Mavis) -> None:
    path = "/projects/shop/members/user:al"
    appliance.on("PUT", path, problem(503, "unavailable"), Reply(MEMBER))
    with pytest.raises(errors.Unavailable):
        mavis.members.grant("shop", "user:al", "viewer", if_match='"v1"')
    assert len(appliance.asked) == 1


def test_a_key_of_ones_own_makes_a_call_the_same_call(appliance: Appliance, mavis: Mavis) -> None:
    path = "/projects/shop/recovery-points"
    appliance.on("POST", path, Reply(run_json(), 202, {"Idempotent-Replayed": "true"}))
    mavis.recovery_points.create("shop", "web-1", idempotency_key="nightly-7")
    assert appliance.asked[0].headers["Idempotency-Key"] == "nightly-7"
