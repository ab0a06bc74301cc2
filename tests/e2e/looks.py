"""Pages of the running appliance in every look: light and dark, wide and on a phone.

What axe-core finds and is serious, what the console says, what asks another machine, and what is
wider than its window are faults of a page.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page, StorageState, expect

from e2e.appliance import Appliance

__all__ = ["LOOKS", "Place", "faults", "is_here", "logged_in"]

AXE = Path(__file__).parents[1] / "js" / "node_modules" / "axe-core" / "axe.min.js"
LOOKS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light", "viewport": {"width": 1280, "height": 900}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1280, "height": 900}},
    "phone": {"color_scheme": "light", "viewport": {"width": 390, "height": 800}},
    "phone-dark": {"color_scheme": "dark", "viewport": {"width": 390, "height": 800}},
}
_SLOW_MS = 90_000
_JUDGE = """
async () => (await axe.run(document, { resultTypes: ['violations'], iframes: false })).violations
"""


@dataclass(frozen=True, slots=True)
class Place:
    """An address of the appliance.

    Parameters
    ----------
    ready
        What is to be seen before it is judged; of the dashboard where it has one.
    status
        What it answers.
    """

    address: str
    ready: str = "h1"
    status: int = 200
    framed: bool = False


def is_here(url: str) -> bool:
    """Whether an address is on this machine."""
    parts = urlsplit(url)
    return parts.hostname == "127.0.0.1" or parts.scheme in ("data", "blob", "about")


def logged_in(appliance: Appliance, browser: Browser, name: str) -> StorageState:
    """Log somebody in as a person does, and return their browser's cookies."""
    context = browser.new_context(ignore_https_errors=True, base_url=appliance.config.public_url)
    page = context.new_page()
    page.goto("/services/mavis/")
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill(appliance.people[name])
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/services/mavis/")
    state = context.storage_state()
    context.close()
    return state


def faults(
    appliance: Appliance,
    browser: Browser,
    state: StorageState,
    look: str,
    places: Mapping[str, Place],
) -> list[str]:
    """Return what is wrong with pages in one look, and keep pictures where pictures are wanted."""
    context = browser.new_context(
        ignore_https_errors=True,
        base_url=appliance.config.public_url,
        storage_state=state,
        **LOOKS[look],
    )
    context.set_default_timeout(_SLOW_MS)
    found: list[str] = []
    page = context.new_page()
    page.on("console", lambda said: found.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: found.append(str(error)))
    page.on("request", lambda sent: None if is_here(sent.url) else found.append(sent.url))
    page.on("websocket", lambda made: None if is_here(made.url) else found.append(made.url))
    told: list[str] = []
    for name, place in places.items():
        found.clear()
        answer = page.goto(place.address)
        assert answer is not None
        if answer.status != place.status:
            found.append(f"answers {answer.status}")
        where = page.frame_locator("#frame") if place.framed else page
        expect(where.locator(place.ready).first).to_be_visible(timeout=_SLOW_MS)
        _picture(page, f"{name}-{look}")
        if place.status >= 400:  # Chromium tells the console of the page's status
            found[:] = [each for each in found if f"status of {place.status}" not in each]
        found += _judged(page)
        told += [f"{name} ({look}): {each}" for each in found]
    context.close()
    return told


def _judged(page: Page) -> list[str]:
    found = []
    for frame in page.frames:
        # By the debugger, since the pages' policies let no other script in.
        frame.evaluate(AXE.read_text(encoding="utf-8"))
        found += [
            f"{each['id']}: {each['nodes'][0]['html'][:160]}"
            for each in frame.evaluate(_JUDGE)
            if each["impact"] in ("serious", "critical")
        ]
        if frame.evaluate("document.documentElement.scrollWidth > window.innerWidth"):
            found.append("is wider than its window")
    return found


def _picture(page: Page, name: str) -> None:
    if folder := os.environ.get("MAVIS_SCREENSHOTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=Path(folder, f"day-{name}.png"), full_page=True)
