"""Widgets without a page: their questions, their answers, and what they follow."""

from __future__ import annotations

import queue
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import comm
import pytest
import traitlets
from comm.base_comm import BaseComm

from appliance_double.objects import (
    check_json,
    detail_json,
    explanation_json,
    plan_json,
    point_json,
    preview_json,
    resource_json,
    run_json,
    session_json,
)
from appliance_double.server import TOKEN, Appliance, Asked, Reply, events, pages, problem
from core_double import wait_until
from mavis_kernel.client import Mavis
from mavis_kernel.models import Session
from mavis_kernel.widgets import (
    BackupPlanEditor,
    InstanceTable,
    Player,
    ProjectPicker,
    Records,
    RecoveryPoints,
    RunProgress,
    Terminal,
)
from mavis_kernel.widgets.conversation import Conversation, Given
from mavis_kernel.widgets.widget import Widget

SHOP = "/projects/shop"


class Line(BaseComm):
    """The way to the page; what was said on it waits in `said`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.said: queue.Queue[dict[str, Any]] = queue.Queue()
        super().__init__(*args, **kwargs)

    def publish_msg(self, _type: str, data: Any = None, **_more: Any) -> None:
        content = (data or {}).get("content")
        if isinstance(content, dict):
            self.said.put(content)


@pytest.fixture(autouse=True)
def line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comm, "create_comm", Line)


class Page:
    """What shows a widget."""

    def __init__(self, widget: Widget) -> None:
        self.widget = widget
        self.count = 0

    def say(self, content: object) -> None:
        data = {"method": "custom", "content": content}
        self.widget._handle_msg({"content": {"data": data}, "buffers": []})

    def hear(self) -> dict[str, Any]:
        line: Line = self.widget.comm  # type: ignore[assignment]
        return line.said.get(timeout=10)

    def ask(self, what: str, **given: object) -> dict[str, Any]:
        """Return what comes back at last."""
        self.count += 1
        question = f"q{self.count}"
        self.say({"id": question, "ask": what, "with": given})
        assert self.hear() == {"id": question, "heard": True}
        answer = self.hear()
        assert answer.pop("id") == question
        return answer

    def change(self, **traits: object) -> None:
        data = {"method": "update", "state": traits, "buffer_paths": []}
        self.widget._handle_msg({"content": {"data": data}, "buffers": []})


@pytest.fixture
def table(mavis: Mavis) -> Iterator[InstanceTable]:
    made = InstanceTable("shop", mavis=mavis)
    yield made
    end(made)


def rows(page: Page, start: int = 0, size: int = 25, **more: object) -> dict[str, Any]:
    given = {"query": "", "sort": "name", "start": start, "size": size, **more}
    return page.ask("rows", **given)


def job_until(table: InstanceTable, *states: str) -> dict[str, Any]:
    """Return what the table is at as soon as its parts have these states."""
    reached = threading.Event()

    def look(_change: object = None) -> None:
        if [row["state"] for row in table.job["rows"]] == list(states):
            reached.set()

    table.observe(look, "job")
    look()
    assert reached.wait(10), table.job
    return table.job


def end(widget: InstanceTable | RecoveryPoints | RunProgress) -> None:
    """Close it and wait for its threads: they use the client until then."""
    widget.close()
    follows = widget if isinstance(widget, RunProgress) else widget._bulk
    for thread in follows._threads:
        thread.join(10)
        assert not thread.is_alive()


def test_a_question_is_heard_at_once_and_answered_from_another_thread() -> None:
    said: queue.Queue[dict[str, Any]] = queue.Queue()
    go_on = threading.Event()

    def slow(given: Given) -> dict[str, object]:
        assert go_on.wait(10)
        return {"by": threading.current_thread().name, "is": given.text("text")}

    conversation = Conversation(said.put, {"slow": slow})
    conversation.hear({"id": "1", "ask": "slow", "with": {"text": "there"}})
    assert said.get(timeout=10) == {"id": "1", "heard": True}
    conversation.hear({"id": "2", "ask": "ping"})
    assert [said.get(timeout=10) for _ in range(2)] == [
        {"id": "2", "heard": True},
        {"id": "2", "answer": {}},
    ]
    go_on.set()
    answer = said.get(timeout=10)["answer"]
    assert answer["is"] == "there"
    assert answer["by"] != threading.current_thread().name
    conversation.close()


@pytest.mark.parametrize(
    "message", [None, "text", {}, {"id": "1"}, {"id": 1, "ask": "ping"}, {"ask": "ping"}], ids=str
)
def test_what_is_no_question_is_not_answered(message: object) -> None:
    said: list[object] = []
    conversation = Conversation(said.append, {})
    conversation.hear(message)
    assert said == []
    conversation.close()


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (403, "forbidden", "forbidden"),
        (404, "not_found", "not_found"),
        (401, "unauthenticated", "not_logged_in"),
        (409, "conflict", "conflict"),
        (400, "invalid_input", "invalid"),
        (500, "internal", "failed"),
    ],
)
def test_an_error_of_the_appliance_comes_with_its_mend_and_the_request_s_id(
    appliance: Appliance, table: InstanceTable, status: int, code: str, kind: str
) -> None:
    appliance.on("GET", f"{SHOP}/resources", problem(status, code))
    assert rows(Page(table))["failure"] == {
        "kind": kind,
        "message": "It went wrong.",
        "mend": "Do the other thing.",
        "field": None,
        "request_id": "req_0000",
    }


def test_a_bug_is_told_as_one_and_its_text_is_not(
    table: InstanceTable, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_given: object, **_more: object) -> None:
        raise ValueError(f"holds {TOKEN}")

    monkeypatch.setattr(table.mavis.resources, "list", broken)
    failure = rows(Page(table))["failure"]
    assert (failure["kind"], failure["message"]) == ("bug", "The widget has a bug: ValueError.")
    assert "a question of a widget failed" in caplog.text


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"query": 1}, "query"),
        ({"start": -1}, "start"),
        ({"start": True}, "start"),
        ({"size": 201}, "size"),
        ({"size": None}, "size"),
    ],
    ids=str,
)
def test_what_a_page_may_not_say_is_refused_by_name(
    table: InstanceTable, given: dict[str, object], field: str
) -> None:
    failure = rows(Page(table), **given)["failure"]
    assert (failure["kind"], failure["field"]) == ("invalid", field)
    assert Page(table).ask("anything")["failure"]["kind"] == "invalid"


def test_a_widget_of_no_project_says_so(mavis: Mavis) -> None:
    table = InstanceTable(mavis=mavis)
    assert rows(Page(table))["failure"]["kind"] == "no_project"
    table.close()


def test_a_widget_is_there_before_anybody_is_logged_in() -> None:
    table = InstanceTable("shop")
    failure = rows(Page(table))["failure"]
    assert failure["kind"] == "not_logged_in"
    assert "mavis login" in failure["mend"]
    table.close()


def test_the_environment_names_the_first_project(
    mavis: Mavis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAVIS_PROJECT", "shop")
    table, other = InstanceTable(mavis=mavis), InstanceTable("lab", mavis=mavis)
    assert (table.project, other.project) == ("shop", "lab")
    table.close()
    other.close()


def test_pages_are_the_appliance_s_and_read_as_far_as_somebody_looks(
    appliance: Appliance, table: InstanceTable
) -> None:
    machines = [resource_json(f"web-{at:03}") for at in range(450)]
    appliance.on("GET", f"{SHOP}/resources", pages(machines))
    page = Page(table)
    first = rows(page, query="web", fresh=True)["answer"]
    assert [row["name"] for row in first["rows"]] == [f"web-{at:03}" for at in range(25)]
    assert (first["start"], first["known"], first["complete"]) == (0, 200, False)
    assert rows(page, 175, query="web")["answer"]["rows"][-1]["name"] == "web-199"
    asked = appliance.to("GET", f"{SHOP}/resources")
    assert [each.query["kind"] for each in asked] == ["instance"]
    assert (asked[0].query["q"], asked[0].query["sort"]) == ("web", "name")
    last = rows(page, 9_000, query="web")["answer"]
    assert (last["start"], last["known"], last["complete"]) == (425, 450, True)
    assert len(appliance.to("GET", f"{SHOP}/resources")) == 3
    assert len(page.ask("all", query="web")["answer"]["ids"]) == 450


def test_an_empty_list_says_whether_anybody_has_looked(
    appliance: Appliance, table: InstanceTable
) -> None:
    appliance.on("GET", f"{SHOP}/resources", pages([]))
    states = ("new", "ok")
    found = [Reply({"items": [{"state": state}], "next": None}) for state in states]
    appliance.on("GET", f"{SHOP}/environments", *found)
    page = Page(table)
    for discovered in (False, True):
        answer = rows(page, fresh=True)["answer"]
        assert (answer["rows"], answer["discovered"]) == ([], discovered)


def test_a_bulk_action_is_planned_then_applied_and_only_what_failed_again(
    appliance: Appliance, table: InstanceTable
) -> None:
    def preview(asked: Asked) -> Reply:
        if asked.body["resource"] == "res_2":
            return problem(409, "conflict", "web-2 is being moved.")
        name = asked.body["resource"]
        made = preview_json(id=f"pre_{name}", resource=name, action="resource.start", confirm=None)
        return Reply(made, 201)

    appliance.on("POST", f"{SHOP}/previews", preview)
    going = run_json("running", id="run_1", kind="resource.start")
    appliance.on("POST", f"{SHOP}/previews/pre_res_1/apply", Reply(going, 202))
    appliance.on("POST", f"{SHOP}/previews/pre_res_3/apply", problem(503, "unavailable"))
    over = run_json("succeeded", id="run_1", kind="resource.start")
    appliance.on("GET", f"{SHOP}/runs", pages([over]))
    page = Page(table)
    ids = ["res_1", "res_2", "res_3"]
    assert page.ask("plan", action="resource.start", ids=ids)["answer"] == {}
    job = job_until(table, "planned", "failed", "planned")
    assert job["rows"][0]["effects"][0]["cloud_id"] == "i-1"
    assert not [each for each in appliance.asked if each.path.endswith("/apply")]
    assert page.ask("apply")["answer"] == {}
    job = job_until(table, "succeeded", "failed", "failed")
    assert [row["message"] for row in job["rows"]] == [
        "",
        "web-2 is being moved.",
        "It went wrong.",
    ]
    assert job["rows"][1]["request_id"] == "req_0000"
    failed = [row["id"] for row in job["rows"] if row["state"] == "failed"]
    page.ask("plan", action="resource.start", ids=failed)
    assert [row["id"] for row in job_until(table, "failed", "planned")["rows"]] == failed
    page.ask("forget")
    assert table.job["stage"] == "none"


def test_what_destroys_waits_for_the_person_on_the_page_of_the_preview(
    appliance: Appliance, table: InstanceTable
) -> None:
    table._bulk.round_s = 0.01
    appliance.on("POST", f"{SHOP}/previews", Reply(preview_json(), 201))
    waits, applied = preview_json(), preview_json(run="run_9")
    appliance.on("GET", f"{SHOP}/previews/pre_1", Reply(waits), Reply(waits), Reply(applied))
    appliance.on("GET", f"{SHOP}/runs/run_9", Reply(run_json("running", id="run_9")))
    appliance.on("GET", f"{SHOP}/runs", pages([run_json("succeeded", id="run_9")]))
    page = Page(table)
    page.ask("plan", action="resource.stop", ids=["res_1"])
    planned = job_until(table, "planned")["rows"][0]
    assert planned["page"] == f"{appliance.url}/projects/shop/previews/pre_1"
    page.ask("apply")
    assert job_until(table, "succeeded")["rows"][0]["run"] == "run_9"
    assert not [each for each in appliance.asked if each.path.endswith("/apply")]


def test_a_preview_that_nobody_confirms_expires(appliance: Appliance, table: InstanceTable) -> None:
    table._bulk.round_s = 0.01
    appliance.on("POST", f"{SHOP}/previews", Reply(preview_json(), 201))
    old = preview_json(expires_at="2001-01-01T00:00:00Z")
    appliance.on("GET", f"{SHOP}/previews/pre_1", Reply(old))
    page = Page(table)
    page.ask("plan", action="resource.stop", ids=["res_1"])
    page.ask("apply")
    assert "Nobody confirmed" in job_until(table, "expired")["rows"][0]["message"]


def test_many_are_confirmed_on_one_page_and_one_that_is_refused_says_why(
    appliance: Appliance, table: InstanceTable
) -> None:
    table._bulk.round_s = 0.01
    why = {"code": "conflict", "message": "web-2 is gone.", "mend": "Discover again."}
    shown = [preview_json(id=f"pre_{n}", resource=f"web-{n}") for n in (1, 2)]
    appliance.on("POST", f"{SHOP}/previews", *(Reply(each, 201) for each in shown))
    done = run_json("succeeded", id="run_1")
    appliance.on("GET", f"{SHOP}/runs/run_1", Reply(done))
    appliance.on("GET", f"{SHOP}/previews/pre_1", Reply({**shown[0], "run": "run_1"}))
    appliance.on("GET", f"{SHOP}/previews/pre_2", Reply({**shown[1], "error": why}))
    page = Page(table)
    page.ask("plan", action="resource.stop", ids=["res_1", "res_2"])
    (group,) = {each.body["group"] for each in appliance.to("POST", f"{SHOP}/previews")}
    assert re.fullmatch(r"pgr_[0-7][0-9a-hjkmnp-tv-z]{25}", group)
    assert {row["page"] for row in table.job["rows"]} == {
        f"{appliance.url}/projects/shop/preview-groups/{group}"
    }
    page.ask("apply")
    wait_until(lambda: {row["state"] for row in table.job["rows"]} == {"succeeded", "refused"})
    rows = {row["preview"]: row for row in table.job["rows"]}
    assert rows["pre_2"]["message"] == "web-2 is gone."
    page.ask("plan", action="resource.stop", ids=["res_1"])
    assert "group" not in appliance.to("POST", f"{SHOP}/previews")[-1].body
    end(table)


def test_who_may_not_look_any_more_is_told_so(appliance: Appliance, table: InstanceTable) -> None:
    table._bulk.round_s = 0.01
    made = preview_json(action="resource.start", confirm=None)
    appliance.on("POST", f"{SHOP}/previews", Reply(made, 201))
    going = run_json("running", id="run_1")
    appliance.on("POST", f"{SHOP}/previews/pre_1/apply", Reply(going, 202))
    refused = problem(403, "forbidden", "olga is no member.")
    appliance.on("GET", f"{SHOP}/runs", pages([going]), problem(503, "unavailable"), refused)
    told = threading.Event()
    table.observe(
        lambda c: told.set() if any(r["message"] for r in c["new"]["rows"]) else None, "job"
    )
    page = Page(table)
    page.ask("plan", action="resource.start", ids=["res_1"])
    page.ask("apply")
    assert told.wait(10)
    (row,) = table.job["rows"]
    assert (row["state"], row["run"]) == ("running", "run_1")
    assert row["message"].endswith("cannot be seen any more: olga is no member.")


def test_more_than_goes_at_once_is_refused(table: InstanceTable) -> None:
    failure = Page(table).ask("plan", action="resource.start", ids=["x"] * 201)["failure"]
    assert "at most 200" in failure["message"]


def test_another_project_has_another_selection(appliance: Appliance, mavis: Mavis) -> None:
    picker = ProjectPicker("shop", mavis=mavis)
    table = InstanceTable(picker, mavis=mavis)
    Page(table).change(selected=["res_1"])
    assert table.selected == ["res_1"]
    Page(picker).change(value="lab")
    assert (table.project, table.selected) == ("lab", [])
    picker.close()
    table.close()


def test_the_only_project_is_chosen(appliance: Appliance, mavis: Mavis) -> None:
    one = {"name": "shop", "title": "Web shop", "role": "operator"}
    appliance.on("GET", "/projects", pages([one]))
    picker = ProjectPicker(mavis=mavis)
    told: list[str] = []
    picker.observe(lambda change: told.append(change["new"]), "value")
    assert Page(picker).ask("projects")["answer"] == {"projects": [one], "more": False}
    assert (picker.value, told) == ("shop", ["shop"])
    picker.close()


def test_a_run_is_followed_to_its_end_with_a_line_for_each_change(
    appliance: Appliance, mavis: Mavis
) -> None:
    def step(state: str, detail: str = "") -> dict[str, object]:
        return {"name": "take", "state": state, "detail": detail, "progress_percent": None}

    told = [
        run_json("queued", version=1, steps=[step("pending")]),
        run_json("running", version=2, steps=[step("running", "0 of 2")]),
        run_json("running", version=3, steps=[step("running", "1 of 2")]),
        run_json("succeeded", version=4, steps=[step("done")]),
    ]
    appliance.on("GET", f"{SHOP}/runs/{told[0]['id']}/events", events(*told))
    run = RunProgress(str(told[0]["id"]), "shop", mavis=mavis)
    over = threading.Event()
    run.observe(
        lambda change: over.set() if change["new"]["run"]["state"] == "succeeded" else None,
        "following",
    )
    if run.following["run"] is None or run.following["run"]["state"] != "succeeded":
        assert over.wait(10), run.following
    assert [line["text"] for line in run.following["lines"]] == [
        "take: running (0 of 2)",
        "take: running (1 of 2)",
        "take: done",
        "the Run succeeded",
    ]
    end(run)


def test_a_run_that_may_not_be_read_says_why_and_is_asked_for_again(
    appliance: Appliance, mavis: Mavis
) -> None:
    run = RunProgress(mavis=mavis, project="shop")
    failed = threading.Event()
    run.observe(lambda c: failed.set() if c["new"]["failure"] else None, "following")
    appliance.on("GET", f"{SHOP}/runs/run_1", problem(403, "forbidden"))
    run.follow("run_1")
    assert failed.wait(10)
    assert run.following["failure"]["kind"] == "forbidden"
    assert Page(run).ask("look")["failure"]["kind"] == "forbidden"
    appliance.on("GET", f"{SHOP}/runs/run_1", Reply(run_json("succeeded", id="run_1")))
    assert Page(run).ask("look")["answer"] == {}
    assert run.following["failure"] is None
    end(run)


def test_what_comes_late_of_another_run_changes_nothing(appliance: Appliance, mavis: Mavis) -> None:
    first, second = run_json("running", id="run_1"), run_json("succeeded", id="run_2")
    for run in (first, second):
        appliance.on("GET", f"{SHOP}/runs/{run['id']}", Reply(run))
        appliance.on("GET", f"{SHOP}/runs/{run['id']}/events", events(run))
    progress = RunProgress("run_1", "shop", mavis=mavis)
    progress.follow("run_2")
    assert Page(progress).ask("look")["answer"] == {}
    progress._see(mavis.runs.get("shop", "run_1"))
    assert progress.following["run"]["id"] == "run_2"
    end(progress)


def test_a_run_is_cancelled(appliance: Appliance, mavis: Mavis) -> None:
    gone = run_json("cancelled", id="run_1", cancelled_by="olga")
    appliance.on("POST", f"{SHOP}/runs/run_1/cancel", Reply(gone))
    appliance.on("GET", f"{SHOP}/runs/run_1/events", events(gone))
    run = RunProgress("run_1", "shop", mavis=mavis)
    assert Page(run).ask("cancel")["answer"] == {}
    assert run.following["run"]["state"] == "cancelled"
    end(run)


def test_recovery_points_say_why_they_are_there_and_restore_as_they_were_previewed(
    appliance: Appliance, mavis: Mavis
) -> None:
    points = RecoveryPoints("shop", instance="web-1", mavis=mavis)
    appliance.on("GET", f"{SHOP}/recovery-points", pages([point_json(id="rp_1")]))
    page = Page(points)
    given = {"instance": "web-1", "state": "complete", "sort": "-created_at"}
    found = page.ask("rows", **given, start=0, size=25)["answer"]
    assert [row["id"] for row in found["rows"]] == ["rp_1"]
    asked = appliance.to("GET", f"{SHOP}/recovery-points")[0].query
    assert (asked["instance"], asked["state"]) == ("web-1", "complete")
    told = Reply({"items": [explanation_json()], "next": None})
    appliance.on("GET", f"{SHOP}/recovery-points/rp_1/explanation", told)
    manifest = detail_json()["manifest"]
    appliance.on("GET", f"{SHOP}/recovery-points/rp_1", Reply({"manifest": manifest}))
    explained = page.ask("explain", point="rp_1")["answer"]
    assert explained["copies"][0]["sentence"] == explanation_json()["sentence"]
    assert [disk["volume_id"] for disk in explained["disks"]] == [
        disk["volume_id"] for disk in manifest["disks"]
    ]
    preview = preview_json(action="restore.volumes", confirm=None)
    appliance.on("POST", f"{SHOP}/restores", Reply(preview))
    over = run_json("succeeded", id="run_1")
    appliance.on("POST", f"{SHOP}/previews/pre_1/apply", Reply(over, 202))
    page.ask("plan", action="restore.volumes", ids=["rp_1"])
    page.ask("apply")
    body = appliance.to("POST", f"{SHOP}/restores")[0].body
    assert (body["kind"], body["point"], body["dry_run"]) == ("volumes", "rp_1", True)
    end(points)


def test_records_are_sought_by_what_the_form_says(appliance: Appliance, mavis: Mavis) -> None:
    records = Records("shop", query="web", mavis=mavis)
    appliance.on("GET", f"{SHOP}/records", pages([]))
    page = Page(records)
    sought = {**records.filter, "person": "olga", "since": "2026-07-01T12:00:00Z"}
    assert page.ask("rows", filter=sought, start=0, size=50)["answer"]["rows"] == []
    asked = appliance.to("GET", f"{SHOP}/records")[0].query
    assert (asked["q"], asked["person"]) == ("web", "olga")
    assert asked["since"] == "2026-07-01T12:00:00.000000Z"
    assert "until" not in asked
    failure = page.ask("rows", filter={"until": "soon"}, start=0, size=50)["failure"]
    assert (failure["kind"], failure["field"]) == ("invalid", "until")
    records.close()


def test_records_are_counted_by_the_same_filter(appliance: Appliance, mavis: Mavis) -> None:
    records = Records("shop", mavis=mavis)
    counted = {
        "total": 3,
        "facets": [{"field": "outcome", "values": [{"value": "ok", "count": 3}], "other": 0}],
        "step": "1h",
        "zone": "Europe/Vienna",
        "buckets": [{"begin": "2026-07-01T12:00:00Z", "count": 3}],
        "until": "2026-07-01T13:00:00Z",
    }
    appliance.on("GET", f"{SHOP}/records/summary", Reply(counted))
    page = Page(records)
    sought = {**records.filter, "words": "web*", "outcome": "ok", "source": "worker"}
    assert page.ask("summary", filter=sought, zone="Europe/Vienna")["answer"] == counted
    asked = appliance.to("GET", f"{SHOP}/records/summary")[0].query
    assert asked == {
        "words": "web*",
        "outcome": "ok",
        "source": "worker",
        "zone": "Europe/Vienna",
    }
    records.close()


@pytest.fixture
def editor(appliance: Appliance, mavis: Mavis) -> Iterator[BackupPlanEditor]:
    appliance.on("GET", f"{SHOP}/backup-plans", pages([{"name": "nightly"}]))
    appliance.on("GET", f"{SHOP}/backup-plans/presets", pages([]))
    appliance.on("GET", f"{SHOP}/environments", pages([{"name": "prod"}]))
    appliance.on("GET", f"{SHOP}/backup-plans/nightly", Reply(plan_json(version=3)))
    made = BackupPlanEditor("shop", plan="nightly", mavis=mavis)
    yield made
    made.close()


@pytest.mark.parametrize(("role", "why"), [("operator", "Only an admin of shop"), ("admin", "")])
def test_an_editor_says_why_somebody_cannot_save_a_plan(
    appliance: Appliance, editor: BackupPlanEditor, role: str, why: str
) -> None:
    appliance.on("GET", SHOP, Reply({"role": role, "production": True}))
    opened = Page(editor).ask("open", plan="nightly")["answer"]
    assert (opened["plans"], opened["environments"]) == (["nightly"], ["prod"])
    assert opened["plan"]["version"] == 3
    assert why in opened["why_not"]
    assert bool(why) == bool(opened["why_not"])
    assert editor.production, "the page marks it"


def test_a_plan_is_checked_or_refused_at_its_field(
    appliance: Appliance, editor: BackupPlanEditor
) -> None:
    page, definition = Page(editor), plan_json()["definition"]
    refused = problem(400, "invalid_input", field="definition.rules[0].cron")
    appliance.on("POST", f"{SHOP}/backup-plans", Reply(check_json()), refused)
    checked = page.ask("check", name="nightly", definition=definition)["answer"]
    assert checked["upcoming"][0]["rule"] == "daily"
    failure = page.ask("check", name="", definition={})["failure"]
    assert (failure["kind"], failure["field"]) == ("invalid", "definition.rules[0].cron")


@pytest.mark.parametrize("confirm", ["shop", None])
def test_a_plan_is_saved_on_the_page_of_its_preview_and_never_from_here(
    appliance: Appliance, mavis: Mavis, editor: BackupPlanEditor, confirm: str | None
) -> None:
    shown = preview_json(action="backup_plan.change", confirm=confirm)
    appliance.on("POST", f"{SHOP}/previews", Reply(shown, 201))
    appliance.on("GET", f"{SHOP}/previews/pre_1", Reply(shown))
    page, given = Page(editor), {"definition": plan_json()["definition"], "version": 3}
    page.ask("plan", action="backup_plan.change", ids=["nightly"], arguments=given)
    asked = appliance.to("POST", f"{SHOP}/previews")[0].body
    assert (asked["action"], asked["resource"], asked["arguments"]) == (
        "backup_plan.change",
        "nightly",
        given,
    )
    page.ask("apply")
    (row,) = editor.job["rows"]
    assert row["state"] == "unconfirmed"
    assert row["page"] == f"{mavis.url}/projects/shop/previews/pre_1"
    assert appliance.to("POST", f"{SHOP}/previews/pre_1/apply") == []
    end(editor)


def test_a_plan_is_written_beside_the_notebook_and_over_no_file(
    editor: BackupPlanEditor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    page = Page(editor)
    for file in ("nightly.json", "nightly-2.json"):
        made = page.ask("export", name="nightly", definition={"zone": "UTC"}, new=False)["answer"]
        assert made["path"] == str(tmp_path / file)
        assert made["command"] == f"mavis backup-plan edit nightly -p shop -f {file}"
        assert (tmp_path / file).read_text() == '{\n  "zone": "UTC"\n}\n'
    for name in ("", "../nightly", "a b; rm"):
        assert "is no name" in page.ask("export", name=name, definition={})["failure"]["message"]


def test_a_terminal_says_which_device_and_asks_nobody(appliance: Appliance, mavis: Mavis) -> None:
    terminal = Terminal("shop", "web-1", access_service="console", rows=30, mavis=mavis)
    state = terminal.get_state()
    assert (state["project"], state["device"], state["access_service"]) == (
        "shop",
        "web-1",
        "console",
    )
    assert (state["rows"], state["session"], state["url"]) == (30, "", mavis.url)
    assert ".xterm" in state["_css"]
    Page(terminal).change(session="ses_1")
    assert terminal.session == "ses_1"
    assert appliance.asked == []
    assert TOKEN not in str(state), "no token is in a page"
    terminal.close()


@pytest.mark.parametrize("rows", [4, 101])
def test_a_terminal_has_a_height_that_can_be_worked_in(mavis: Mavis, rows: int) -> None:
    with pytest.raises(traitlets.TraitError, match="rows"):
        Terminal("shop", "web-1", rows=rows, mavis=mavis)


def test_a_player_takes_a_session_or_its_id_and_jumps(appliance: Appliance, mavis: Mavis) -> None:
    session = Session.from_json(session_json())
    for player in (
        Player(session, at_s=12.5, mavis=mavis),
        Player("ses_1", "shop", at_s=12.5, mavis=mavis),
    ):
        assert (player.session, player.project, player.at_s) == ("ses_1", "shop", 12.5)
        player.at_s = 40
        assert player.get_state("at_s") == {"at_s": 40}
        player.close()
    assert appliance.asked == []


def test_without_an_appliance_they_are_made_all_the_same_and_link_nowhere(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("MAVIS_URL", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    terminal = Terminal("shop", "web-1")
    assert terminal.url == ""
    terminal.close()


def test_one_source_makes_the_terminal_of_the_page_and_of_the_notebook() -> None:
    """The words of the notice are the gateway's; the page in Lab has them before it comes there."""
    root = Path(__file__).parents[3]
    widget = (root / "mavis_kernel/js/src/terminal.ts").read_text("utf-8")
    assert "extensions/assets/src/screen'" in widget
    gateway = (root / "hub/mavis_hub/gateway/sockets.py").read_text("utf-8")
    (notice,) = re.findall(r'NOTICE = \(\n    "(.*)"\n\)', gateway)
    assert notice in widget
