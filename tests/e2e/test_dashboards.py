"""An end user's first day: a dashboard that an operator has published, on the whole appliance."""

from __future__ import annotations

import pwd
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from core_double import wait_until
from e2e.appliance import Appliance
from e2e.browsing import ARGUMENTS, CHROMIUM
from mavis_hub.dashboards.addresses import FRAMES
from mavis_kernel import Mavis

GALLERY = "/services/mavis/dashboards"
SLOW_MS = 90_000


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield found
        found.close()


@pytest.fixture
def enda(appliance: Appliance, browser: Browser) -> Iterator[Page]:
    """The end user's browser, at the gallery, logged in as a person logs in."""
    context = browser.new_context(ignore_https_errors=True, base_url=appliance.config.public_url)
    context.set_default_timeout(SLOW_MS)
    page = context.new_page()
    page.goto(GALLERY)
    page.get_by_label("Username").fill("demo-enduser")
    page.get_by_label("Password").fill(appliance.people["demo-enduser"])
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(lambda url: url.rstrip("/").endswith(GALLERY))
    yield page
    context.close()


def processes_of(user: str) -> list[tuple[int, str]]:
    """Return the processes of a Unix user."""
    uid, found = pwd.getpwnam(user).pw_uid, []
    for each in Path("/proc").iterdir():
        if each.name.isdigit():
            try:
                if each.stat().st_uid == uid or f"\nUid:\t{uid}" in (each / "status").read_text():
                    found.append((int(each.name), (each / "cmdline").read_text()))
            except OSError:
                continue
    return found


def test_an_end_user_opens_what_an_operator_has_published(
    appliance: Appliance, operator: Mavis, enduser: Mavis, shop: str, enda: Page
) -> None:
    expect(enda.get_by_text("no dashboard for you yet")).to_be_visible()
    operator.dashboards.publish(shop, "status", shipped="status")
    assert [each.name for each in enduser.dashboards.list(shop)] == ["status"]
    errors: list[str] = []
    enda.on("pageerror", lambda error: errors.append(str(error)))
    enda.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
    enda.reload()
    enda.get_by_role("link", name=re.compile("Project status")).click()
    frame = enda.frame_locator("#frame")
    expect(frame.get_by_text("web-1")).to_be_visible(timeout=SLOW_MS)
    frame.get_by_role("button", name="Refresh").click()
    expect(frame.get_by_text("as of")).to_be_visible()
    assert errors == []
    for path in ("/services/mavis/projects/shop", "/services/mavis/projects/shop/schedules"):
        assert enda.request.get(path).status == 403
    expect(enda.get_by_role("alert")).to_be_hidden()

    ticket = enda.locator("#frame").get_attribute("src") or ""
    assert FRAMES in ticket
    log = (appliance.config.home / "log").rglob("*edge*")
    assert all(ticket.rsplit("/", 2)[1] not in each.read_text() for each in log if each.is_file())

    operator.dashboards.unpublish(shop, "status")
    expect(enda.get_by_role("alert")).to_contain_text("not published any more", timeout=SLOW_MS)


@pytest.mark.root
def test_kernels_are_the_dashboards_own_user_s_and_end_with_it(appliance: Appliance) -> None:
    def kernels() -> list[int]:
        return [pid for pid, line in processes_of("mavis-dashboards") if "ipykernel" in line]

    wait_until(lambda: bool(kernels()), timeout_s=60)
    before = kernels()
    appliance.kill("dashboards")
    wait_until(lambda: not set(before) & set(kernels()), timeout_s=20)
    wait_until(lambda: bool(kernels()), timeout_s=90)
