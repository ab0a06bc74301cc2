"""Cards and widgets in Lab, light and dark, and in Notebook 7: axe finds nothing serious.

Notebook 7 is the package as it comes, beside the virtual environment (``make build/notebook7``).
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from integration.widgets.notebooks import Jupyter, Visit, jupyter, opened
from rest_service import RestService

NOTEBOOK7 = Path(__file__).parents[3] / "build" / "notebook7"
CARDS = """\
from IPython.display import display
from mavis_kernel import Mavis

mavis = Mavis()
run = next(iter(mavis.runs.list("shop", sort="created_at")))
display(mavis.resources.list("shop", kind="instance", limit=5), run, mavis.me())
display(mavis.records.list("shop", correlation_id=run.correlation_id))
display(mavis.environments.list("shop"), mavis.projects.get("shop"))
"""
WIDGETS = """\
from mavis_kernel.widgets import *

display(ProjectPicker("shop"), InstanceTable("shop", query="app-4"), RecoveryPoints("shop"))
display(RunProgress(run, "shop"), Records("shop"), BackupPlanEditor("shop"))
"""
_LIVE = 6


@pytest.fixture(scope="module")
def notebook7(rest: RestService, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jupyter]:
    assert NOTEBOOK7.is_dir(), "run `make build/notebook7`"
    lab = tmp_path_factory.mktemp("lab") / "lab"  # of both, as if they lay in one place
    for each in (Path(sys.prefix), NOTEBOOK7):
        shutil.copytree(each / "share" / "jupyter" / "lab", lab, dirs_exist_ok=True)
    environ = {
        "MAVIS_URL": f"http://127.0.0.1:{rest.port}/services/mavis",
        "MAVIS_TOKEN": "kernel",
        "PYTHONPATH": str(NOTEBOOK7),
        "JUPYTERLAB_DIR": str(lab),
        "JUPYTER_PATH": str(NOTEBOOK7 / "share" / "jupyter"),
    }
    with jupyter(tmp_path_factory.mktemp("notebook7"), environ, "notebook") as found:
        yield found


@pytest.fixture(scope="module", autouse=True)
def point(rest: RestService) -> None:
    """A recovery point, so that each widget has something to show."""
    taken = rest.ask("POST", "/projects/shop/recovery-points", body={"resource": "app-40"})
    assert taken.status == 202
    assert rest.core.carry_out() is None


@pytest.fixture
def page_of(server: Jupyter, request: pytest.FixtureRequest, browser: Browser) -> Iterator[Visit]:
    """A notebook with cards and widgets, executed, in one of the two and one of the looks."""
    where, look = request.param
    at = request.getfixturevalue("notebook7") if where == "notebook7" else server
    name = at.notebook(f"looks-{where}-{look}", CARDS, WIDGETS)
    context = browser.new_context(viewport={"width": 1280, "height": 1000}, locale="en-GB")
    # In a workspace of its own: else Lab opens what other tests have had open, too.
    path = {"lab": f"/lab/workspaces/looks-{look}/tree/", "notebook7": "/notebooks/"}[where]
    visit = opened(context, f"{at.url}{path}{name}")
    _execute(visit.page, look)
    yield visit
    context.close()


def _execute(page: Page, look: str) -> None:
    expect(page.locator(".jp-Notebook-ExecutionIndicator[data-status=idle]")).to_be_visible()
    for path in (("Settings", "Theme", f"JupyterLab {look.title()}"), ("Run", "Run All Cells")):
        page.get_by_role("menuitem", name=path[0], exact=True).click()
        for words in path[1:]:
            page.locator(".lm-Menu-itemLabel", has_text=re.compile(f"^{words}$")).click()
    is_light = "true" if look == "light" else "false"
    expect(page.locator("body")).to_have_attribute("data-jp-theme-light", is_light)


@pytest.mark.parametrize(
    "page_of",
    [("lab", "light"), ("lab", "dark"), ("notebook7", "light")],
    ids="-".join,
    indirect=True,
)
def test_cards_and_widgets_are_for_everybody(
    page_of: Visit, request: pytest.FixtureRequest
) -> None:
    where, look = request.node.callspec.id.split("-")
    page = page_of.page
    expect(page_of.widget).to_have_count(_LIVE)
    for at, words in enumerate(("fake 111111111111", "of 10", "of ", "succeeded", "of ", "Next")):
        expect(page_of.widget.nth(at).get_by_text(words).first).to_be_visible()
    for each in page_of.widget.all():
        expect(each).to_have_attribute("data-theme", look)
    cards = page.locator(".mavis-d")
    expect(cards.first).to_contain_text("app-00")
    _picture(page, f"looks-{where}-{look}")
    assert page_of.faults(".mavis-d") == []
    assert page_of.faults() == []
    assert page_of.outside == []
    if where == "lab":  # Notebook 7 has an error of its own: it looks for a schema that it lacks
        assert page_of.errors == []


def _picture(page: Page, name: str) -> None:
    """Keep pictures of all that was put out, where pictures are wanted."""
    if folder := os.environ.get("MAVIS_SCREENSHOTS"):
        for at, each in enumerate(page.locator(".mavis-d, .mavis").all()):
            each.screenshot(path=Path(folder, f"{name}-{at}.png"))
