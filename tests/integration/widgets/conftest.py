"""Fixtures for the widgets.

- `browser`: Debian's Chromium; whatever it asks of another machine finds no address
- `stage`: a widget's bundle in a page of its own, with a kernel that says what a test wants
- `site`, `rest`: pages and API over a project with some machines, for all tests
- `server`: a Jupyter server whose kernels are olga's, the operator, with a kernel's token
- `lab`: an open notebook in olga's Lab for a module; at its end it had no error, and asked nobody
  outside
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from core_double import ACCOUNT, KERNEL, REGION, Project
from integration.widgets.notebooks import ARGUMENTS, CHROMIUM, Jupyter, Visit, jupyter, opened
from integration.widgets.stage import Stage
from mavis_ext.app import PREFIX
from pages_service import COOKIE, PagesService, pages_serving
from rest_service import RestService, caller

MACHINES = 57


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield found
        found.close()


@pytest.fixture
def stage(browser: Browser) -> Iterator[Stage]:
    context = browser.new_context(viewport={"width": 900, "height": 800}, locale="en-GB")
    made = Stage(Visit(context.new_page()))
    yield made
    context.close()
    assert made.visit.errors == []
    assert made.visit.outside == []


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PagesService]:
    with pages_serving(tmp_path_factory.mktemp("rest")) as found:
        found.hub.known["kernel"] = caller("olga", KERNEL)
        for at in range(MACHINES):
            found.rest.cloud.launch(ACCOUNT, REGION, f"app-{at:02}", sizes=(8,))
        Project(found.rest.core).discover()
        yield found


@pytest.fixture(scope="session")
def rest(site: PagesService) -> RestService:
    return site.rest


@pytest.fixture(scope="session")
def server(rest: RestService, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jupyter]:
    url = f"http://127.0.0.1:{rest.port}/services/mavis"
    environ = {"MAVIS_URL": url, "MAVIS_TOKEN": "kernel"}
    with jupyter(tmp_path_factory.mktemp("jupyter"), environ) as found:
        yield found


@pytest.fixture(scope="module")
def lab(server: Jupyter, site: PagesService, browser: Browser) -> Iterator[Visit]:
    context = browser.new_context(viewport={"width": 1280, "height": 1000}, locale="en-GB")
    login = {"name": COOKIE, "value": site.cookie("olga"), "url": f"{site.url}{PREFIX}/"}
    context.add_cookies([login])
    name = server.notebook("lab", "", "")
    visit = opened(context, f"{server.url}/lab/tree/{name}")
    expect(visit.page.get_by_text("| Idle")).to_be_visible()
    visit.run("from mavis_kernel import Mavis\nfrom mavis_kernel.widgets import *\nmavis = Mavis()")
    yield visit
    context.close()
    assert visit.errors == []
    assert visit.outside == []
