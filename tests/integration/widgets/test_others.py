"""The other widgets in a page: what they say where there is nothing, or nothing may be seen."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from integration.widgets.notebooks import picture
from integration.widgets.stage import Stage, failure

NOW = "2026-07-01T12:00:00.000000Z"
NO_ROWS = {"answer": {"rows": [], "start": 0, "known": 0, "complete": True}}
NO_JOB = {"action": "", "arguments": {}, "stage": "none", "rows": []}
POINT = {
    "id": "rp_1", "instance_name": "web-1", "instance_id": "i-1", "state": "complete",
    "taken_at": NOW, "created_at": NOW, "region": "here-1", "environment": "main",
    "plan": "nightly", "rule": "daily", "size_gib": 28, "lock": None, "run_id": "run_1",
    "hold": {"by": "aud", "reason": "case 7"}, "error": None,
    "proof": {"ok": False, "at": NOW, "why": "No answer."},
}  # fmt: skip
COPY = {
    "copy": "copy_1", "role": "primary", "environment": "main", "region": "here-1",
    "state": "complete", "fate": "kept", "goes_at": NOW, "sentence": "kept by nightly",
    "reasons": [{"code": "daily", "sentence": "the newest of its day"}],
}  # fmt: skip
DISK = {"volume_id": "vol-1", "device": "/dev/xvda", "size_gib": 8}
RUN = {
    "id": "run_1", "project": "shop", "kind": "recovery_point.create", "state": "failed",
    "subject": "web-1 (i-1)", "person": "olga", "created_at": NOW, "started_at": NOW,
    "finished_at": "2026-07-01T12:03:05.000000Z", "cancelled_by": None, "attempt": 2,
    "result": {}, "correlation_id": "cor_1", "version": 7,
    "error": {"code": "cloud", "message": "The cloud said no.", "mend": "Ask for a higher quota."},
    "steps": [
        {"name": "Take", "state": "done", "detail": "2 of 2", "progress_percent": 100,
         "started_at": NOW, "finished_at": NOW},
        {"name": "Wait", "state": "failed", "detail": "", "progress_percent": 40,
         "started_at": NOW, "finished_at": NOW},
        {"name": "Check", "state": "pending", "detail": "", "progress_percent": None,
         "started_at": None, "finished_at": None},
    ],
}  # fmt: skip
FOLLOWING = {
    "run": RUN,
    "lines": [{"at": NOW, "text": "Take: done (2 of 2)"}],
    "trouble": "",
    "failure": None,
}
NOT_FOLLOWING = {"run": None, "lines": [], "trouble": "", "failure": None}
OPENED = {
    "plans": ["nightly"], "environments": ["main"], "presets": [], "plan": None, "why_not": "",
}  # fmt: skip
DEFINITION = {"selection": {"match": ""}, "rules": [{"name": "daily", "cron": "30 2 * * *"}]}
PLAN = {"name": "nightly", "version": 3, "definition": DEFINITION, "updated_by": "ada"}
CHECKED = {
    "definition": {"zone": "UTC"},
    "effects": [{"name": "web-1", "cloud_id": "i-1", "environment": "main", "region": "here-1",
                 "detail": ""}],
    "left_out": ["db-1 (i-2)"],
    "upcoming": [{"rule": "daily", "slot": "2026-07-02T02:30", "due_at": NOW}],
}  # fmt: skip
RECORD = {
    "id": "rec_1", "time": NOW, "kind": "audit", "phase": "event", "action": "api.refused",
    "person": "eve", "object": "<b>shop</b>", "outcome": "refused", "error_code": "forbidden",
    "summary": "eve may not", "correlation_id": "cor_1", "source": "127.0.0.1",
}  # fmt: skip
SUMMARY = {
    "total": 1234, "step": "1h", "zone": "UTC", "until": "2026-07-01T14:00:00Z",
    "buckets": [
        {"begin": "2026-07-01T11:00:00Z", "count": 1200},
        {"begin": "2026-07-01T12:00:00Z", "count": 0},
        {"begin": "2026-07-01T13:00:00Z", "count": 34},
    ],
    "facets": [
        {"field": "project", "values": [{"value": "prj_1", "count": 1234}], "other": 0},
        {"field": "person", "values": [
            {"value": "eve", "count": 1200}, {"value": "<i>mallory</i>", "count": 30},
            {"value": "a, b", "count": 2},
        ], "other": 2},
        {"field": "outcome", "values": [
            {"value": "refused", "count": 1000}, {"value": None, "count": 234},
        ], "other": 0},
    ],
}  # fmt: skip

STATES: dict[str, dict[str, Any]] = {
    "project_picker": {"value": None},
    "recovery_points": {
        "project": "shop", "instance": "", "state": "", "sort": "-created_at", "page_size": 25,
        "selected": [], "job": NO_JOB,
    },
    "run_progress": {"project": "shop", "run_id": "run_1", "following": NOT_FOLLOWING},
    "records": {"project": "shop", "filter": {}, "page_size": 25},
    "backup_plan_editor": {
        "project": "shop", "plan": "", "definition": {}, "selected": [], "job": NO_JOB,
    },
}  # fmt: skip
QUESTIONS = {
    "project_picker": "projects",
    "recovery_points": "rows",
    "run_progress": "look",
    "records": "rows",
    "backup_plan_editor": "open",
}
GOOD: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "project_picker": (
        {"value": "shop"},
        {
            "projects": {
                "answer": {
                    "projects": [{"name": "shop", "title": "Web shop", "role": "operator"}],
                    "more": False,
                }
            },
            "environments": failure("forbidden"),
        },
    ),
    "recovery_points": (
        {},
        {
            "rows": {"answer": {"rows": [POINT], "start": 0, "known": 1, "complete": True}},
            "explain": {"answer": {"copies": [COPY], "disks": [DISK]}},
        },
    ),
    "run_progress": ({"following": FOLLOWING}, {"look": {"answer": {}}}),
    "records": (
        {},
        {
            "rows": {"answer": {"rows": [RECORD], "start": 0, "known": 1, "complete": True}},
            "summary": {"answer": SUMMARY},
        },
    ),
    "backup_plan_editor": (
        {"plan": "nightly"},
        {
            "open": {"answer": {**OPENED, "plan": PLAN}},
            "check": {"answer": CHECKED},
            "plan": {"answer": {}},
            "apply": {"answer": {}},
        },
    ),
}


def shown(stage: Stage, name: str, *, dark: bool = False) -> Locator:
    state, answers = GOOD[name]
    return stage.show(name, {**STATES[name], **state}, answers, dark=dark)


@pytest.mark.parametrize("name", STATES)
def test_each_says_what_is_wrong_and_asks_again(stage: Stage, name: str) -> None:
    question = QUESTIONS[name]
    for kind, title in (
        ("forbidden", "Not allowed"),
        ("failed", "It did not work"),
        ("unavailable", "The appliance does not answer"),
    ):
        widget = stage.show(name, STATES[name], {question: failure(kind)})
        expect(widget.locator(".mavis-panel-title")).to_have_text(title)
        expect(widget.get_by_role("button", name="req_0042")).to_be_visible()
        before = len(stage.asked(question))
        widget.get_by_role("button", name="Try again").click()
        assert len(stage.asked(question)) == before + 1
    assert stage.visit.faults() == []
    widget = stage.show(name, STATES[name], {question: "nothing"})
    stage.page.clock.run_for(2_100)
    expect(widget.get_by_text("A cell is running")).to_be_visible()
    stage.emit("comm_live_update")
    stage.page.clock.run_for(3_100)
    expect(widget.get_by_text("The kernel is gone").first).to_be_visible()


@pytest.mark.parametrize(
    ("name", "state", "answers", "words"),
    [
        (
            "project_picker",
            {},
            {"projects": {"answer": {"projects": [], "more": False}}},
            "You are in no project yet",
        ),
        ("recovery_points", {}, {"rows": NO_ROWS}, "There is no recovery point yet"),
        ("recovery_points", {"state": "failed"}, {"rows": NO_ROWS}, "No recovery point is failed"),
        ("recovery_points", {"project": None}, {}, "No project chosen"),
        ("run_progress", {"run_id": ""}, {}, "No Run yet"),
        ("records", {}, {"rows": NO_ROWS}, "Nothing was recorded yet"),
        ("records", {"filter": {"person": "x"}}, {"rows": NO_ROWS}, "No record matches"),
        ("records", {"project": None}, {}, "No project chosen"),
        ("backup_plan_editor", {"project": ""}, {}, "No project chosen"),
    ],
)
def test_an_empty_place_says_why(
    stage: Stage, name: str, state: dict[str, Any], answers: dict[str, Any], words: str
) -> None:
    widget = stage.show(name, {**STATES[name], **state}, answers)
    expect(widget.locator(".mavis-panel-title")).to_contain_text(words)


@pytest.mark.parametrize("name", STATES)
def test_each_is_usable_in_light_and_dark_wide_and_narrow(stage: Stage, name: str) -> None:
    for width in (900, 390):
        for look in ("light", "dark"):
            stage.page.set_viewport_size({"width": width, "height": 800})
            widget = shown(stage, name, dark=look == "dark")
            if name == "recovery_points":
                widget.get_by_role("button", name="Why and restore").click()
                expect(widget.get_by_text("the newest of its day")).to_be_visible()
            if name == "backup_plan_editor":
                expect(widget.get_by_text("It would take 1 instance now")).to_be_visible()
            if name == "project_picker":
                expect(widget.get_by_text("The environments could not be read")).to_be_visible()
            assert stage.visit.faults() == []
            assert stage.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            picture(widget, f"widget-{name}-{width}-{look}")


def test_a_run_that_failed_says_why_and_what_to_do(stage: Stage) -> None:
    widget = shown(stage, "run_progress")
    expect(widget.locator(".mavis-state").first).to_have_text("failed")
    expect(widget.get_by_text("Ask for a higher quota.")).to_be_visible()
    expect(widget.get_by_text("3 min 05 s", exact=True)).to_be_visible()
    assert widget.get_by_role("button", name="Cancel").count() == 0
    stage.tell(following={**FOLLOWING, "trouble": "No answer. Asking again; the Run goes on."})
    expect(widget.get_by_text("Asking again; the Run goes on.")).to_be_visible()


def test_a_plan_is_saved_on_the_page_of_its_preview(stage: Stage) -> None:
    widget = shown(stage, "backup_plan_editor")
    expect(widget.get_by_text("version 3, written by ada")).to_be_visible()
    widget.get_by_role("spinbutton", name="Daily").fill("14")
    stage.page.clock.run_for(500)
    assert stage.state("definition") == {**DEFINITION, "keep": {"daily": 14}}
    widget.get_by_role("button", name="Save …").click()
    (asked,) = stage.asked("plan")
    assert (asked["action"], asked["ids"]) == ("backup_plan.change", ["nightly"])
    assert asked["arguments"] == {"definition": stage.state("definition"), "version": 3}
    effect = {
        "verb": "change", "kind": "retention", "name": "nightly", "cloud_id": "",
        "detail": "14 daily; before: every recovery point; lets go of 3 that it kept before",
    }  # fmt: skip
    row = {
        "id": "nightly", "name": "nightly", "state": "planned", "effects": [effect],
        "warnings": [], "preview": "pre_1", "page": "http://127.0.0.1:1/projects/shop/previews/pre_1",
        "run": "", "message": "", "mend": "", "request_id": None,
    }  # fmt: skip
    job = {"action": "backup_plan.change", "arguments": {}, "stage": "planned", "rows": [row]}
    stage.tell(job=job)
    expect(widget.get_by_text("lets go of 3 that it kept before")).to_be_visible()
    page = widget.get_by_role("link", name="Confirm")
    expect(page).to_have_attribute("href", row["page"])
    picture(widget, "widget-backup_plan_editor-planned")
    widget.get_by_role("button", name="I confirm").click()
    assert len(stage.asked("apply")) == 1
    stage.tell(job={**job, "stage": "applied", "rows": [{**row, "state": "unconfirmed"}]})
    stage.answer(open={"answer": {**OPENED, "plan": {**PLAN, "version": 4}}})
    done = {**row, "state": "succeeded", "run": "run_1"}
    stage.tell(job={**job, "stage": "applied", "rows": [done]})
    expect(widget.get_by_text("version 4, written by ada")).to_be_visible()


def test_what_the_form_has_no_field_for_stays_in_the_document(stage: Stage) -> None:
    plan = {**PLAN, "definition": {**DEFINITION, "copies": [{"region": "there-1"}]}}
    state, answers = GOOD["backup_plan_editor"]
    answers = {**answers, "open": {"answer": {**OPENED, "plan": plan}}}
    widget = stage.show("backup_plan_editor", {**STATES["backup_plan_editor"], **state}, answers)
    widget.get_by_role("button", name="Add a rule").click()
    expect(widget.get_by_label("Rule", exact=True)).to_have_count(2)
    stage.answer(check=failure("invalid", field="definition.copies[0].region", message="No."))
    stage.page.clock.run_for(500)
    assert stage.state("definition")["copies"] == [{"region": "there-1"}]
    widget.get_by_text("As a document").click()
    document = widget.get_by_label("The document")
    expect(document).to_have_attribute("aria-invalid", "true")
    document.fill("{")
    document.blur()
    expect(widget.get_by_text("That is no JSON")).to_be_visible()
    document.fill('{"rules": [{"name": "only", "cron": "0 1 * * *"}], "selection": {}}')
    document.blur()
    expect(widget.get_by_label("Rule", exact=True)).to_have_count(1)
    expect(widget.get_by_label("Rule", exact=True)).to_have_value("only")


def test_what_is_not_saved_is_left_on_purpose_only(stage: Stage) -> None:
    widget = shown(stage, "backup_plan_editor")
    widget.get_by_label("Title").fill("Every night")
    which = widget.get_by_label("Plan", exact=True)
    which.select_option("A new plan")
    expect(widget.get_by_role("button", name="Stay")).to_be_focused()
    stage.page.keyboard.press("Escape")
    expect(which).to_have_value("nightly")
    assert stage.state("plan") == "nightly"
    stage.answer(open={"answer": OPENED})
    which.select_option("A new plan")
    widget.get_by_role("button", name="Leave it").click()
    expect(widget.get_by_text("a new plan", exact=True)).to_be_visible()
    expect(widget.get_by_label("Title")).to_have_value("")


def test_a_click_on_a_person_shows_only_theirs(stage: Stage) -> None:
    widget = shown(stage, "records")
    expect(widget.get_by_text("<b>shop</b>")).to_be_visible()
    widget.get_by_role("button", name="Only eve").click()
    assert stage.asked("rows")[-1]["filter"]["person"] == "eve"
    expect(widget.get_by_role("textbox", name="Person")).to_have_value("eve")


def test_counts_stand_beside_a_wide_list_and_narrow_it(stage: Stage) -> None:
    stage.page.set_viewport_size({"width": 1300, "height": 900})
    widget = shown(stage, "records")
    expect(widget.get_by_text("By field (1,234 records)")).to_be_visible()
    expect(widget.get_by_text("<i>mallory</i>")).to_be_visible()
    expect(widget.get_by_text("prj_1")).to_have_count(0)  # it is the same in every record
    expect(widget.get_by_text("a, b")).to_be_visible()
    expect(widget.get_by_role("button", name="Only Person a, b")).to_have_count(0)
    expect(widget.get_by_role("list", name="Person")).to_contain_text("others")
    assert stage.visit.faults() == []
    picture(widget, "widget-records-wide")
    widget.get_by_role("button", name="Only Outcome refused").click()
    assert stage.asked("rows")[-1]["filter"]["outcome"] == "refused"
    assert stage.asked("summary")[-1]["filter"]["outcome"] == "refused"
    widget.locator(".mavis-bars g.is-full").last.click()
    sought = stage.asked("rows")[-1]["filter"]
    assert (sought["since"], sought["until"]) == (
        "2026-07-01T13:00:00.000Z",
        "2026-07-01T14:00:00.000Z",
    )


def test_a_list_that_cannot_be_counted_is_there_all_the_same(stage: Stage) -> None:
    state, answers = GOOD["records"]
    given = {**answers, "summary": failure("unavailable")}
    widget = stage.show("records", {**STATES["records"], **state}, given)
    expect(widget.get_by_text("<b>shop</b>")).to_be_visible()
    expect(widget.get_by_text("Not counted")).to_be_visible()
