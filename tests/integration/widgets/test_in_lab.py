"""Widgets in JupyterLab: real server, kernel with an operator's narrow token, and API."""

from __future__ import annotations

from playwright.sync_api import Locator, expect

from core_double import PLATFORM, call
from integration.widgets.notebooks import Visit, picture
from rest_service import RestService

ADA = call("ada", PLATFORM)
BUSY = """
import threading

heard = threading.Event()
table.observe(lambda change: heard.set(), 'query')
print('heard:', heard.wait(20))
"""


def span(widget: Locator, text: str) -> Locator:
    return widget.locator("span", has_text=text).first


def state(widget: Locator, word: str) -> Locator:
    """Return what tells of a state, so that it can be waited for."""
    return widget.locator(".mavis-state", has_text=word).first


def test_machines_are_filtered_selected_and_taken_together(lab: Visit, rest: RestService) -> None:
    widget = lab.run("table = InstanceTable('shop')\ntable")
    expect(widget.get_by_text("of 58")).to_be_visible()
    widget.get_by_role("searchbox").fill("app-0")
    expect(widget.get_by_text("of 10")).to_be_visible()
    widget.get_by_label("Select app-00").check()
    widget.get_by_label("Select app-03").check()
    expect(span(widget, "2 selected")).to_be_visible()
    cells = lab.page.locator(".jp-Notebook .jp-Cell")
    before = cells.count()
    widget.get_by_role("button", name="Select all 10").focus()
    lab.page.keyboard.press("b")  # adds a cell where Lab hears it
    assert cells.count() == before
    picture(widget, "widgets")
    widget.get_by_role("button", name="Take recovery point").click()
    expect(widget.get_by_role("button", name="Cancel")).to_be_focused()
    widget.get_by_role("button", name="Take recovery points of 2").click()
    expect(widget.get_by_text("2 going on").first).to_be_visible()
    assert rest.core.carry_out() is None
    expect(widget.get_by_text("2 of 2 done").first).to_be_visible()
    assert lab.faults() == []
    lab.run("print(len(table.selected), table.query, table.job['stage'])")
    expect(lab.page.locator(".jp-OutputArea-output").first).to_have_text("2 app-0 applied\n")


def test_what_interrupts_is_confirmed_elsewhere_and_seen_here(
    lab: Visit, rest: RestService
) -> None:
    widget = lab.run("InstanceTable('shop', query='app-01')")
    widget.get_by_label("Select app-01").check()
    widget.get_by_role("button", name="Stop").click()
    confirm = widget.get_by_role("link", name="Confirm")
    widget.get_by_role("button", name="I confirm them there").click()
    expect(state(widget, "unconfirmed")).to_be_visible()
    with lab.page.context.expect_page() as opening:
        confirm.click()
    page = opening.value
    page.get_by_label("Type the project's name").fill("shop")
    page.get_by_role("button", name="Apply: resource.stop").click()
    page.wait_for_url("**/projects/shop/runs/*")
    page.close()
    assert rest.core.carry_out() is None
    expect(widget.get_by_text("1 of 1 done").first).to_be_visible()
    expect(widget.get_by_role("cell", name="stopped")).to_be_visible()


def test_a_run_is_live_and_survives_a_reload_of_the_page(lab: Visit, rest: RestService) -> None:
    widget = lab.run("RunProgress(mavis.recovery_points.create('shop', 'app-05'))")
    expect(state(widget, "queued")).to_be_visible()
    lab.page.keyboard.press("Control+s")
    lab.page.locator(".jp-Notebook .jp-Cell .cm-content").first.click()
    lab.page.keyboard.press("Control+s")
    expect(lab.page.locator(".jp-DirtyIndicator, .jp-mod-dirty")).to_have_count(0)
    lab.page.reload()
    expect(lab.page.get_by_text("| Idle")).to_be_visible()
    expect(state(widget, "queued")).to_be_visible()
    assert rest.core.carry_out() is None
    expect(state(widget, "succeeded")).to_be_visible()
    widget.get_by_text("Log (").click()
    expect(widget.locator("pre")).to_contain_text("the Run succeeded")
    assert lab.faults() == []
    picture(widget, "lab-run")


def test_a_run_is_cancelled_after_a_question(lab: Visit, rest: RestService) -> None:
    widget = lab.run("RunProgress(mavis.recovery_points.create('shop', 'app-06'))")
    widget.get_by_role("button", name="Cancel the Run").click()
    expect(widget.get_by_role("button", name="Let it go on")).to_be_focused()
    lab.page.keyboard.press("Escape")
    expect(widget.get_by_role("button", name="Let it go on")).to_have_count(0)
    widget.get_by_role("button", name="Cancel the Run").click()
    widget.get_by_role("button", name="Cancel the Run", exact=True).click()
    expect(widget.get_by_text("olga cancels it")).to_be_visible()
    rest.core.carry_out()
    expect(state(widget, "cancelled")).to_be_visible()


def test_a_choice_of_project_reaches_python_and_other_widgets(
    lab: Visit, rest: RestService
) -> None:
    rest.core.projects.create(ADA, name="lab", title="Laboratory")
    rest.core.projects.put_member(ADA, "lab", "user:olga", "viewer")
    lab.run("picker = ProjectPicker()\npicker")
    widget = lab.page.locator(".mavis")
    widget.get_by_role("radio", name="shop").click()
    expect(widget.get_by_text("fake 111111111111")).to_be_visible()
    picture(widget, "lab-picker")
    assert lab.faults() == []
    lab.page.keyboard.press("ArrowUp")
    expect(widget.get_by_role("radio", name="lab")).to_be_focused()
    expect(widget.get_by_text("No environment is connected yet")).to_be_visible()
    lab.run("InstanceTable(picker)")
    expect(widget.get_by_text("Nothing has been discovered yet")).to_be_visible()


def test_a_recovery_point_says_why_it_is_kept_and_what_a_restore_would_do(
    lab: Visit, rest: RestService
) -> None:
    taken = rest.ask("POST", "/projects/shop/recovery-points", body={"resource": "app-07"})
    assert taken.status == 202
    assert rest.core.carry_out() is None
    widget = lab.run("points = RecoveryPoints('shop', instance='app-07')\npoints")
    expect(widget.get_by_role("row")).to_have_count(2)
    widget.get_by_role("button", name="Why and restore").click()
    expect(widget.get_by_text("Why it is kept, and when it goes")).to_be_visible()
    widget.get_by_role("button", name="New volumes").click()
    expect(widget.get_by_role("button", name="Cancel")).to_be_focused()
    picture(widget, "lab-points")
    assert lab.faults() == []
    widget.get_by_role("button", name="Restore volumes of 1").click()
    expect(widget.get_by_text("1 going on").first).to_be_visible()
    assert rest.core.carry_out() is None
    expect(widget.get_by_text("1 of 1 done").first).to_be_visible()
    widget.get_by_role("button", name="In place").click()
    expect(widget.get_by_role("link", name="Confirm")).to_be_visible()
    widget.get_by_role("searchbox").fill("nothing-like-it")
    expect(widget.get_by_text("No recovery point of")).to_be_visible()


def test_a_plan_is_checked_as_it_is_written_and_leaves_as_a_file(
    lab: Visit, rest: RestService
) -> None:
    widget = lab.run("editor = BackupPlanEditor('shop')\neditor")
    expect(widget.get_by_text("It would take 0 instances now")).to_be_visible()
    match = widget.get_by_label("Instances that match")
    match.fill("name ~ 'app-0*'")
    expect(match).to_have_attribute("aria-invalid", "true")
    match.fill('name ~ "app-0*"')
    expect(widget.get_by_text("It would take 10 instances now")).to_be_visible()
    cron = widget.get_by_label("Cron")
    cron.fill("61 2 * * *")
    expect(cron).to_have_attribute("aria-invalid", "true")
    assert lab.faults() == []
    picture(widget, "lab-plan-wrong")
    cron.fill("30 2 * * *")
    expect(cron).not_to_have_attribute("aria-invalid", "true")
    expect(widget.get_by_text("02:30 daily").first).to_be_visible()
    widget.get_by_label("Name", exact=True).fill("each-night")
    save = widget.get_by_role("button", name="Save the new plan")
    expect(save).to_have_attribute("aria-disabled", "true")
    expect(save).to_have_attribute(
        "title", "Only an admin of shop writes backup plans; you are operator."
    )
    widget.get_by_role("button", name="Write it into a file").click()
    command = "mavis backup-plan create each-night -p shop -f each-night.json"
    expect(widget.get_by_role("button", name=command)).to_be_visible()
    picture(widget, "lab-plan")
    assert lab.faults() == []


def test_records_are_sought_by_person_text_and_time(lab: Visit, rest: RestService) -> None:
    widget = lab.run("Records('shop', query='app-07')")
    expect(widget.get_by_role("cell", name="recovery_point.create").first).to_be_visible()
    story = widget.get_by_role("link", name="Story").first
    assert "/services/mavis/stories/cor_" in str(story.get_attribute("href"))
    expect(widget.get_by_role("img", name="records over time")).to_be_visible()
    widget.get_by_text("By field").click()
    only = widget.get_by_role("button", name="Only Outcome ok")
    expect(only).to_be_visible()
    picture(widget, "lab-records")
    assert lab.faults() == []
    only.click()
    widget.get_by_text("More filters").click()
    outcome = widget.get_by_role("combobox", name="Outcome")
    expect(outcome).to_have_value("ok")
    expect(widget.get_by_role("cell", name="intent")).to_have_count(0)
    outcome.select_option("")
    expect(widget.get_by_role("button", name="Only Outcome ok")).to_be_visible()
    widget.get_by_label("How the text is sought").select_option("words")
    expect(widget.get_by_role("cell", name="recovery_point.create").first).to_be_visible()
    assert lab.faults() == []
    widget.get_by_role("textbox", name="Person").fill("nobody")
    widget.get_by_role("textbox", name="Person").press("Enter")
    expect(widget.get_by_text("No record matches")).to_be_visible()
    widget.get_by_role("button", name="Clear the filter").click()
    expect(widget.get_by_role("row").nth(1)).to_be_visible()
    widget.get_by_label("Since").fill("2999-01-01T00:00")
    widget.get_by_label("Since").press("Tab")
    expect(widget.get_by_text("No record matches")).to_be_visible()


def test_a_cell_that_runs_keeps_no_widget_from_answering(lab: Visit) -> None:
    lab.run("table = InstanceTable('shop', query='app-1')\ntable")
    expect(lab.widget.get_by_text("of 10")).to_be_visible()
    lab.start(BUSY, cell=1)
    expect(lab.page.locator(".jp-InputPrompt").nth(1)).to_have_text("[*]:")
    lab.widget.get_by_role("searchbox").fill("app-55")
    expect(lab.widget.get_by_text("of 1", exact=False)).to_be_visible()
    expect(lab.page.locator(".jp-OutputArea-output").last).to_have_text("heard: True\n")


def test_a_kernel_that_was_restarted_is_told_of(lab: Visit) -> None:
    lab.run("InstanceTable('shop', query='app-1')")
    expect(lab.widget.get_by_text("of 10")).to_be_visible()
    lab.page.get_by_role("button", name="Restart the kernel", exact=True).click()
    lab.page.get_by_role("button", name="Confirm Kernel Restart").click()
    expect(lab.widget.get_by_text("The kernel is gone")).to_be_visible()
    expect(lab.widget.get_by_text("of 10")).to_be_visible()
    expect(lab.page.get_by_text("| Idle")).to_be_visible()
