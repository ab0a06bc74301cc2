"""An end user with a browser, at a real Hub: what is shown, and how an open dashboard ends.

When the viewer's login ends, page, kernel and WebSockets do. Stated is `WITHIN_S`: 25 seconds for
which the api process believes the Hub, 5 between its looks, 3 between those of the dashboards
process, and the end of a kernel.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, WebSocket, expect, sync_playwright
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from e2e.browsing import ARGUMENTS, CHROMIUM

WITHIN_S = 40
OVER = 4001
"""The code with which the dashboards process closes the WebSockets of a view that is over."""
ME = "demo-enduser"
PROJECTS = "/services/mavis/api/v1/projects"
PAGE = "/services/mavis/dashboards/shop/numbers/"
GALLERY = "/services/mavis/dashboards"
AXE = Path(__file__).parents[2] / "js/node_modules/axe-core/axe.min.js"
CELL = "import ipywidgets\nipywidgets.IntSlider(description='Number')"


VIEWS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light", "viewport": {"width": 1280, "height": 800}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1280, "height": 800}},
    "phone": {"color_scheme": "light", "viewport": {"width": 390, "height": 800}},
}


@pytest.fixture(scope="module")
def appliance(short_home: Path, launch: Any, halt: Any) -> Iterator[Any]:
    running = launch(short_home, ("edge", "hub", "api", "dashboards"))
    try:
        publish(running)
        yield running
    finally:
        halt(running)


def publish(appliance: Any) -> None:
    """Make a project with a dashboard that the end user may open."""
    appliance.be(ME, "enduser")
    cell = {"cell_type": "code", "metadata": {}, "source": CELL}
    notebook = {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {"kernelspec": {"name": "mavis", "language": "python"}},
        "cells": [{**cell, "outputs": [], "execution_count": None}],
    }
    with appliance.client(headers=header(appliance, "demo-admin")) as client:
        body = {"name": "numbers", "title": "Numbers", "notebook": notebook}
        answer = client.post(f"{PROJECTS}/shop/dashboards", json=body)
    assert answer.status_code in (200, 201), answer.text


def header(appliance: Any, name: str) -> dict[str, str]:
    return {"Authorization": f"token {appliance.token(name)}"}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield found
        found.close()


@dataclass
class Opened:
    """A dashboard in a browser.

    Parameters
    ----------
    sockets
        The WebSockets that it has opened.
    """

    page: Page
    sockets: list[WebSocket] = field(default_factory=list)

    def note(self, socket: WebSocket) -> None:
        """Note a WebSocket."""
        self.sockets.append(socket)


@contextmanager
def logged_in(appliance: Any, browser: Browser, path: str, **options: Any) -> Iterator[Page]:
    """Open a page in a profile of its own, as the end user, who logs in on the way."""
    context = browser.new_context(
        ignore_https_errors=True, base_url=appliance.config.public_url, **options
    )
    context.set_default_timeout(90_000)
    page = context.new_page()
    page.goto(path)
    page.get_by_label("Username").fill(ME)
    page.get_by_label("Password").fill(password(appliance))
    with page.expect_navigation(url=lambda url: "/hub/" not in url):
        page.get_by_role("button", name="Sign in").click()
    yield page
    context.close()


@pytest.fixture
def opened(appliance: Any, browser: Browser) -> Iterator[Opened]:
    with logged_in(appliance, browser, GALLERY) as page:
        found = Opened(page)
        page.on("websocket", found.note)
        page.goto(PAGE)
        expect(page.frame_locator("#frame").get_by_text("Number")).to_be_visible(timeout=90_000)
        assert any(not each.is_closed() for each in found.sockets)
        assert used(appliance) == 1
        yield found


def password(appliance: Any) -> str:
    path = appliance.config.secret_file("hub", "demo-people")
    return str(json.loads(path.read_text(encoding="utf-8"))[ME])


def used(appliance: Any) -> int:
    """Return how many kernels run for pages."""
    address = f"http://127.0.0.1:{appliance.config.ports.dashboards}/health"
    return int(httpx.get(address, trust_env=False).json()["used"])


def log_out(appliance: Any, page: Page) -> None:
    """Log out in another tab of the same browser."""
    del appliance
    tab = page.context.new_page()
    tab.goto("/hub/logout")
    tab.close()


def revoke(appliance: Any, page: Page) -> None:
    """Take the page's token away at the Hub, as its page of tokens does."""
    del page
    with appliance.client(headers=header(appliance, ME)) as client:
        found = client.get(f"/hub/api/users/{ME}/tokens").json()["api_tokens"]
        ours = [each["id"] for each in found if "mavis" in str(each.get("oauth_client"))]
        assert ours
        for each in ours:  # the Hub ends all tokens of one client and login together
            answer = client.delete(f"/hub/api/users/{ME}/tokens/{each}")
            assert answer.status_code in (204, 404)


def delete(appliance: Any, page: Page) -> None:
    """Delete the person at the Hub, as an administrator does."""
    del page
    with appliance.client(headers=header(appliance, "demo-admin")) as client:
        assert client.delete(f"/hub/api/users/{ME}").status_code == 204


@pytest.mark.parametrize("view", VIEWS)
def test_an_end_user_s_login_leads_to_dashboards_and_no_way_to_a_server(
    appliance: Any, browser: Browser, view: str
) -> None:
    said: list[str] = []
    with logged_in(appliance, browser, "/", **VIEWS[view]) as page:
        expect(page).to_have_url(f"{appliance.config.public_url}/services/mavis/")
        expect(page.get_by_role("heading", name="Your dashboards")).to_be_visible()
        expect(page.get_by_role("link", name="Numbers")).to_be_visible()
        expect(page.get_by_role("link", name="JupyterLab")).to_have_count(0)
        for path in ("/hub/spawn", f"/user/{ME}/lab", "/hub/admin"):
            answer = page.goto(path)
            assert answer is not None
            assert answer.status == 403
            assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
            page.evaluate(AXE.read_text(encoding="utf-8"))
            found = page.evaluate("axe.run({ resultTypes: ['violations'] })")["violations"]
            assert [each["id"] for each in found if each["impact"] != "minor"] == []
        page.goto("/hub/spawn")
        expect(page.get_by_text("ask an administrator of shop")).to_contain_text("demo-admin")
        page.on("console", lambda m: said.append(m.text) if m.type == "error" else None)
        page.get_by_role("link", name="Start page").click()
        expect(page.get_by_role("heading", name="Your dashboards")).to_be_visible()
        page.goto("/hub/home")
        expect(page.get_by_role("heading", name="Your dashboards")).to_be_visible()
    assert said == []


def closed(socket: ClientConnection) -> int | None:
    """Return the code with which the other end has closed a WebSocket."""
    try:
        while True:
            socket.recv(timeout=5)
    except ConnectionClosed as exc:
        return exc.rcvd.code if exc.rcvd else None


@pytest.mark.parametrize("end", [log_out, revoke, delete])  # the last one comes back no more
def test_a_login_that_ends_takes_page_kernel_and_sockets_along(
    appliance: Any,
    opened: Opened,
    until: Callable[..., None],
    end: Callable[[Any, Page], None],
) -> None:
    page, address = opened.page, opened.sockets[-1].url.partition("?")[0]
    expect(page.get_by_role("alert")).to_be_hidden()
    # One beside the page's own, which the browser forgets with its frame; its session is another.
    with connect(address, origin=Origin("null"), ssl=appliance.trust, proxy=None) as socket:
        end(appliance, page)

        def over() -> bool:
            page.wait_for_timeout(200)  # lets the browser go on
            return used(appliance) == 0

        until(over, "the end of the kernel", WITHIN_S)
        assert closed(socket) == OVER
    expect(page.get_by_role("alert")).to_contain_text("Nobody is logged in", timeout=10_000)
    with pytest.raises(InvalidStatus):
        connect(address, origin=Origin("null"), ssl=appliance.trust, proxy=None)
