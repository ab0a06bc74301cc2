"""Fixtures for dashboards.

- `made`: the api process's pages, the dashboards process and real kernels, for all tests of a
  module; with the module's ``SETTINGS`` of the dashboards process
- `browser`: Chromium
- `open_page`: a page of a browser that is logged in as somebody; what it asks for is on this
  machine, and what its console says is kept
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, FrameLocator, Page, expect, sync_playwright

from dashboards_scene import COOKIE, Scene, scene
from mavis_ext.app import PREFIX

AXE = Path(__file__).parents[2] / "js" / "node_modules" / "axe-core" / "axe.min.js"
_SLOW_MS = 40_000
CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = (
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)


@dataclass
class Opened:
    """A page of a browser, and what was seen of it."""

    page: Page
    outside: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    @property
    def frame(self) -> FrameLocator:
        return self.page.frame_locator("#frame")

    def faults(self) -> list[str]:
        """Return what axe finds fault with, of moderate impact and worse, in page and frame."""
        # By the debugger, since the policies let no other script in.
        for frame in self.page.frames:
            frame.evaluate(AXE.read_text(encoding="utf-8"))
        return [
            f"{each['id']} ({each['impact']}): {each['nodes'][0]['html'][:160]}"
            for frame in self.page.frames
            for each in frame.evaluate(
                "axe.run(document, { resultTypes: ['violations'], iframes: false })"
            )["violations"]
            if each["impact"] != "minor"
        ]

    def picture(self, name: str) -> None:
        """Keep a picture of the page where pictures are wanted."""
        if folder := os.environ.get("MAVIS_SCREENSHOTS"):
            Path(folder).mkdir(parents=True, exist_ok=True)
            self.page.screenshot(path=Path(folder, f"dashboard-{name}.png"))


OpenPage = Callable[..., AbstractContextManager[Opened]]


@pytest.fixture(scope="module")
def made(request: pytest.FixtureRequest) -> Iterator[Scene]:
    with scene(**getattr(request.module, "SETTINGS", {})) as found:
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=_SLOW_MS)
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield found
        found.close()


@pytest.fixture
def open_page(made: Scene, browser: Browser) -> OpenPage:
    @contextmanager
    def opened(path: str, token: str = "as-enduser", **options: object) -> Iterator[Opened]:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **options})  # type: ignore[arg-type]
        try:
            context.add_cookies(
                [
                    {
                        "name": COOKIE,
                        "value": made.cookie(token),
                        "domain": "127.0.0.1",
                        "path": f"{PREFIX}/",
                    }
                ]
            )
            context.set_default_timeout(_SLOW_MS)
            page = context.new_page()
            found = Opened(page)

            def note(url: str) -> None:
                if urlsplit(url).hostname not in ("127.0.0.1", None):
                    found.outside.append(url)

            page.on("request", lambda request: note(request.url))
            page.on("websocket", lambda socket: note(socket.url))
            page.on(
                "console",
                lambda said: found.errors.append(said.text) if said.type == "error" else None,
            )
            page.on("pageerror", lambda error: found.errors.append(str(error)))
            page.goto(f"{made.site}{PREFIX}{path}")
            yield found
        finally:
            context.close()

    return opened
