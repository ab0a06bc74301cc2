"""The same widgets in Voila, with the list of lab extensions that dashboards allow."""

from __future__ import annotations

from playwright.sync_api import Browser, expect

from integration.widgets.notebooks import Jupyter, opened, picture

CELL = """\
from IPython.display import display
from mavis_kernel import Mavis
from mavis_kernel.widgets import *

picker = ProjectPicker("shop")
run = Mavis().recovery_points.create("shop", "app-40")
table = InstanceTable(picker, query="app-4")
display(picker, table, RecoveryPoints("shop"), RunProgress(run), Records("shop"))
display(BackupPlanEditor("shop"), Terminal("shop", "web-1"), Player("ses_1", "shop"))
"""


def test_each_widget_answers_there_too(server: Jupyter, browser: Browser) -> None:
    name = server.notebook("voila", CELL)
    context = browser.new_context(viewport={"width": 1280, "height": 900}, locale="en-GB")
    visit = opened(context, f"{server.url}/voila/render/{name}")
    widget = visit.widget
    expect(widget).to_have_count(8)
    for at, words in enumerate(
        (
            "fake 111111111111",
            "of 10",
            "of ",
            "queued",
            "of ",
            "Next slots",
            "Not in this page",
            "Not in this page",
        )
    ):
        expect(widget.nth(at).get_by_text(words).first).to_be_visible()
    table = widget.nth(1)
    expect(table).to_have_attribute("data-theme", "dark")
    table.get_by_label("Select app-40").check()
    expect(table.locator("span", has_text="1 selected")).to_be_visible()
    picture(table, "voila-table")
    assert visit.faults() == []
    # Voila's own template links fonts elsewhere, whatever it shows.
    plain = opened(context, f"{server.url}/voila/render/{server.notebook('plain', '1')}")
    expect(plain.page.get_by_text("1", exact=True)).to_be_visible()
    assert set(visit.outside) == set(plain.outside)
    own = [each for each in visit.errors if "127.0.0.1" in each or "http" not in each]
    assert [each for each in own if "/mavis/api/" not in each] == []  # which is not there
    context.close()
