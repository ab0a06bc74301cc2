"""The table of instances in a page: states, keys, selection."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from integration.widgets.notebooks import picture
from integration.widgets.stage import Stage, failure

MACHINES = [
    {
        "id": f"res_{at}",
        "name": f"web-{at}" if at else "<img src=x onerror=alert(1)>",
        "cloud_id": f"i-{at:017}",
        "state": ["running", "stopped", "pending"][at % 3],
        "environment": "main",
        "region": "eu-central-1",
        "seen_at": "2026-07-01T12:00:00.000000Z",
    }
    for at in range(5)
]
FOUND = {"rows": MACHINES, "start": 0, "known": 340, "complete": True, "discovered": True}
NO_JOB = {"action": "", "arguments": {}, "stage": "none", "rows": []}
STATE = {
    "project": "shop",
    "query": "",
    "sort": "name",
    "page_size": 5,
    "selected": [],
    "job": NO_JOB,
}


def table(stage: Stage, answers: dict[str, Any] | None = None, **state: Any) -> Locator:
    dark = bool(state.pop("dark", False))
    given = {"rows": {"answer": FOUND}, "forget": {"answer": {}}, **(answers or {})}
    return stage.show("instance_table", {**STATE, **state}, given, dark=dark)


def test_the_page_of_the_server_is_shown_as_text(stage: Stage) -> None:
    widget = table(stage)
    expect(widget.get_by_role("row")).to_have_count(6)
    expect(widget.get_by_text("<img src=x onerror=alert(1)>")).to_be_visible()
    expect(widget.get_by_text("1\u20135 of 340")).to_be_visible()
    assert stage.asked("rows")[0] == {
        "ask": "rows", "query": "", "sort": "name", "start": 0, "size": 5, "fresh": True,
    }  # fmt: skip
    widget.get_by_role("button", name="Next").click()
    assert stage.asked("rows")[1]["start"] == 5
    assert stage.asked("rows")[1]["fresh"] is False


def test_the_order_is_the_server_s_and_told(stage: Stage) -> None:
    widget = table(stage)
    name = widget.get_by_role("columnheader", name="Name")
    expect(name).to_have_attribute("aria-sort", "ascending")
    name.get_by_role("button").press("Enter")
    expect(name).to_have_attribute("aria-sort", "descending")
    expect(name.get_by_role("button")).to_be_focused()
    assert stage.asked("rows")[-1]["sort"] == "-name"


def test_a_slash_goes_to_the_filter_and_no_key_leaves_the_widget(stage: Stage) -> None:
    widget = table(stage)
    stage.page.evaluate("document.body.addEventListener('keydown', e => (window.leaked = e.key))")
    widget.get_by_role("button", name="Next").focus()
    stage.page.keyboard.press("/")
    expect(widget.get_by_role("searchbox")).to_be_focused()
    stage.page.keyboard.type("web")
    stage.page.clock.run_for(300)
    assert stage.asked("rows")[-1]["query"] == "web"
    assert stage.state("query") == "web"
    expect(widget.get_by_role("searchbox")).to_be_focused()
    assert stage.page.evaluate("window.leaked") is None


def test_a_selection_survives_a_refresh_and_all_are_selected_on_purpose_only(
    stage: Stage,
) -> None:
    widget = table(stage, {"all": {"answer": {"ids": [f"res_{at}" for at in range(340)]}}})
    widget.get_by_label("Select web-1", exact=True).press("Space")
    expect(widget.get_by_label("Select web-1", exact=True)).to_be_focused()
    widget.get_by_role("button", name="Refresh").click()
    expect(widget.get_by_label("Select web-1", exact=True)).to_be_checked()
    widget.get_by_label("Select all on this page").check()
    assert len(stage.state("selected")) == 5
    widget.get_by_role("button", name="Select all 340").click()
    expect(widget.locator("span", has_text="340 selected")).to_be_visible()
    widget.get_by_role("button", name="Select none").click()
    start = widget.get_by_role("button", name="Start")
    expect(start).to_have_attribute("aria-disabled", "true")
    expect(start).to_have_attribute("title", "Select machines first")


def test_python_may_filter_and_select(stage: Stage) -> None:
    widget = table(stage)
    expect(widget.get_by_role("row")).to_have_count(6)
    stage.tell(query="web", selected=["res_2"])
    expect(widget.get_by_role("searchbox")).to_have_value("web")
    expect(widget.get_by_label("Select web-2")).to_be_checked()


@pytest.mark.parametrize(
    ("state", "answer", "words"),
    [
        ({}, {"answer": {**FOUND, "rows": [], "known": 0}}, "There is no instance in"),
        (
            {},
            {"answer": {**FOUND, "rows": [], "known": 0, "discovered": False}},
            "Nothing has been discovered yet",
        ),
        (
            {"query": "zz"},
            {"answer": {**FOUND, "rows": [], "known": 0}},
            "No instance matches",
        ),
        ({"project": None}, {"answer": FOUND}, "No project chosen"),
        ({}, failure("forbidden"), "Not allowed"),
        ({}, failure("not_found"), "Not there, or not for you"),
        ({}, failure("not_logged_in"), "Not logged in"),
        ({}, failure("unavailable"), "The appliance does not answer"),
        ({}, failure("bug"), "It did not work"),
    ],
    ids=["none", "new", "match", "project", "forbidden", "missing", "login", "away", "bug"],
)
def test_an_empty_place_says_why(
    stage: Stage, state: dict[str, Any], answer: dict[str, Any], words: str
) -> None:
    widget = table(stage, {"rows": answer}, **state)
    expect(widget.locator(".mavis-panel-title").get_by_text(words)).to_be_visible()
    assert stage.visit.faults() == []


def test_a_failure_names_the_mend_and_the_request_and_is_tried_again(stage: Stage) -> None:
    widget = table(stage, {"rows": failure("failed")})
    expect(widget.get_by_text("Make room.", exact=True)).to_be_visible()
    expect(widget.get_by_role("button", name="req_0042")).to_be_visible()
    picture(widget, "widget-failed")
    stage.answer(rows={"answer": FOUND})
    widget.get_by_role("button", name="Try again").click()
    expect(widget.get_by_role("row")).to_have_count(6)
    expect(widget.get_by_text("Make room.", exact=True)).to_have_count(0)


def test_what_was_read_stays_in_sight_and_shows_its_age(stage: Stage) -> None:
    widget = table(stage)
    expect(widget.get_by_role("row")).to_have_count(6)
    stage.page.clock.run_for(185_000)
    expect(widget.get_by_text("stale")).to_be_visible()
    expect(widget.get_by_text("3 min ago").first).to_be_visible()
    stage.answer(rows=failure("unavailable"))
    widget.get_by_role("button", name="Refresh").click()
    expect(widget.get_by_text("The appliance does not answer")).to_be_visible()
    expect(widget.get_by_role("row")).to_have_count(6)
    picture(widget, "widget-stale")
    assert stage.visit.faults() == []


def test_a_busy_kernel_is_told_from_a_slow_appliance(stage: Stage) -> None:
    widget = table(stage, {"rows": "nothing"})
    expect(widget.get_by_text("Asking the appliance")).to_be_visible()
    stage.page.clock.run_for(2_100)
    expect(widget.get_by_text("A cell is running")).to_be_visible()
    picture(widget, "widget-busy")
    stage.answer(rows="heard")
    widget.get_by_role("button", name="Refresh").click()
    expect(widget.get_by_text("A cell is running")).to_have_count(0)
    stage.page.clock.run_for(5_000)
    expect(widget.get_by_text("Asking the appliance")).to_contain_text("7 s")


def test_a_kernel_that_is_gone_is_told_of_and_one_that_comes_back_too(stage: Stage) -> None:
    widget = table(stage, {"ping": "nothing"})
    expect(widget.get_by_role("row")).to_have_count(6)
    stage.emit("comm_live_update")
    stage.page.clock.run_for(3_100)
    expect(widget.get_by_text("The kernel is gone")).to_be_visible()
    expect(widget.get_by_role("row")).to_have_count(6)
    picture(widget, "widget-gone")
    stage.answer(ping={"answer": {}})
    stage.emit("comm_live_update")
    expect(widget.get_by_text("The kernel is gone")).to_have_count(0)


ROW = {
    "id": "res_1", "name": "web-1", "state": "planned", "warnings": [], "preview": "pre_1",
    "page": "", "run": "", "message": "", "mend": "", "request_id": None,
    "effects": [
        {"verb": "stop", "kind": "instance", "name": "web-1", "cloud_id": "i-1", "detail": ""}
    ],
}  # fmt: skip


def job(stage: str, *rows: dict[str, Any], action: str = "resource.start") -> dict[str, Any]:
    return {"action": action, "arguments": {}, "stage": stage, "rows": [{**ROW, **r} for r in rows]}


def test_a_plan_is_read_first_and_the_focus_is_on_cancel(stage: Stage) -> None:
    widget = table(stage, {"plan": {"answer": {}}, "apply": {"answer": {}}}, selected=["res_1"])
    widget.get_by_role("button", name="Start").click()
    assert stage.asked("plan") == [
        {"ask": "plan", "action": "resource.start", "ids": ["res_1"], "arguments": {}}
    ]
    stage.tell(job=job("planned", {}, {"id": "res_2", "state": "failed", "message": "No."}))
    expect(widget.get_by_text("stop instance web-1 i-1").first).to_be_visible()
    widget.get_by_role("button", name="Start 1").click()
    assert len(stage.asked("apply")) == 1


def test_escape_leaves_a_plan(stage: Stage) -> None:
    widget = table(stage, {"plan": {"answer": {}}}, selected=["res_1"])
    expect(widget.get_by_role("row")).to_have_count(6)
    widget.get_by_role("button", name="Tag").click()
    expect(widget.get_by_label("Key")).to_be_focused()
    stage.page.keyboard.press("Escape")
    expect(widget.get_by_label("Key")).to_have_count(0)
    widget.get_by_role("button", name="Tag").click()
    stage.page.keyboard.type("team")
    widget.get_by_label("Value").fill("red")
    stage.page.keyboard.press("Enter")
    assert stage.asked("plan")[0]["arguments"] == {"tags": {"team": "red"}}
    stage.tell(job=job("planned", {}, action="resource.tag"))
    widget.get_by_role("button", name="Cancel").focus()
    stage.page.keyboard.press("Escape")
    assert len(stage.asked("forget")) == 1


def test_many_that_interrupt_link_to_one_page(stage: Stage) -> None:
    page = "http://127.0.0.1:9/services/mavis/projects/shop/preview-groups/pgr_1"
    planned = job("planned", {"page": page}, {"page": page}, action="resource.stop")
    widget = table(stage, {"apply": {"answer": {}}}, job=planned, selected=["res_1", "res_2"])
    expect(widget.get_by_role("link", name="Confirm the 2")).to_have_attribute("href", page)
    expect(widget.get_by_role("link")).to_have_count(1)
    picture(widget, "widget-instance_table-many")
    waiting = [{"page": page, "state": "unconfirmed"}] * 2
    stage.tell(job=job("applied", *waiting, action="resource.stop"))
    expect(widget.get_by_role("link", name="Confirm the 2")).to_be_visible()


def test_what_interrupts_links_to_its_own_page(stage: Stage) -> None:
    page = "http://127.0.0.1:9/services/mavis/projects/shop/previews/pre_1"
    planned = job("planned", {"page": page}, action="resource.stop")
    widget = table(stage, {"apply": {"answer": {}}}, job=planned, selected=["res_1"])
    confirm = widget.get_by_role("link", name="Confirm")
    expect(confirm).to_have_attribute("href", page)
    expect(confirm).to_have_attribute("target", "_blank")
    assert widget.get_by_role("button", name="Stop 1").count() == 0
    picture(widget, "widget-confirm")
    assert stage.visit.faults() == []


def test_each_has_a_result_and_only_what_failed_is_tried_again(stage: Stage) -> None:
    applied = job(
        "applied",
        {"state": "succeeded", "run": "run_1"},
        {"id": "res_2", "state": "failed", "message": "It is moved.", "mend": "Wait."},
        {"id": "res_3", "state": "running", "run": "run_3"},
    )
    widget = table(stage, {"plan": {"answer": {}}}, job=applied, selected=["res_1"])
    expect(widget.get_by_text("1 of 3 done, 1 failed, 1 going on").first).to_be_visible()
    expect(widget.get_by_role("link", name="Run").first).to_have_attribute(
        "href", "http://127.0.0.1:9/services/mavis/projects/shop/runs/run_1"
    )
    picture(widget, "widget-results")
    widget.get_by_role("button", name="Retry the 1 that failed").click()
    assert stage.asked("plan")[0]["ids"] == ["res_2"]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [900, 390])
def test_it_is_usable_in_light_and_dark_wide_and_narrow(
    stage: Stage, width: int, dark: bool
) -> None:
    stage.page.set_viewport_size({"width": width, "height": 800})
    planned = job("planned", {"warnings": ["Its public address changes."]})
    widget = table(stage, job=planned, selected=["res_1"], dark=dark)
    expect(widget.get_by_role("row")).to_have_count(6)
    assert stage.visit.faults() == []
    assert stage.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    picture(widget, f"widget-table-{width}-{'dark' if dark else 'light'}")


def test_what_is_shown_no_more_asks_no_more(stage: Stage) -> None:
    widget = table(stage)
    expect(widget.get_by_role("row")).to_have_count(6)
    stage.page.evaluate("kernel.end()")
    stage.tell(query="web")
    assert len(stage.asked("rows")) == 1
