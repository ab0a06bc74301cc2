"""The guide in a browser, from files: it is read, searched and asks for nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

ROOT = Path(__file__).parents[2]
AXE = ROOT / "tests" / "js" / "node_modules" / "axe-core" / "axe.min.js"
CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = (
    *("--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
AXE_RUN = {"resultTypes": ["violations"], "preload": False}  # from files nothing can be fetched
PAGES = ("index", "how-to/connect-aws", "reference/access", "reference/settings", "command-line")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-q", "-b", "html", str(ROOT / "docs"), str(folder)]
    subprocess.run(command, check=True, timeout=120)
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield found
        found.close()


@pytest.fixture(params=[(1280, "light"), (390, "dark")], ids=["wide and light", "narrow and dark"])
def page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page that fails its test where it says an error or asks for more than files."""
    width, scheme = request.param
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, reduced_motion="reduce"
    )
    made = context.new_page()
    wrong: list[str] = []
    made.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    made.on("pageerror", lambda error: wrong.append(str(error)))
    made.on(
        "request",
        lambda asked: None if asked.url.startswith(("file:", "data:")) else wrong.append(asked.url),
    )
    yield made
    context.close()
    assert wrong == []


def test_axe_finds_no_fault_of_consequence(page: Page, site: Path) -> None:
    for name in PAGES:
        page.goto((site / f"{name}.html").as_uri())
        page.evaluate(AXE.read_text(encoding="utf-8"))
        found = page.evaluate(f"axe.run({json.dumps(AXE_RUN)})")["violations"]
        serious = [
            f"{each['id']}: {each['nodes'][0]['html'][:120]}"
            for each in found
            if each["impact"] in ("serious", "critical")
        ]
        assert serious == [], name


def test_every_page_fits_and_wide_tables_scroll_inside_themselves(page: Page, site: Path) -> None:
    for name in PAGES:
        page.goto((site / f"{name}.html").as_uri())
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width == page.evaluate("document.documentElement.clientWidth"), name


def test_what_is_searched_for_is_found(page: Page, site: Path) -> None:
    page.goto((site / "search.html").as_uri() + "?q=external+id")
    found = page.locator("ul.search a").filter(has_text="Connect an AWS account")
    found.first.click()
    assert "connect-aws" in page.url
    assert "external id" in page.locator("article").inner_text()


def test_a_command_is_copied_without_its_prompt(page: Page, site: Path) -> None:
    page.goto((site / "how-to" / "connect-aws.html").as_uri())
    page.evaluate(
        "Object.defineProperty(navigator, 'clipboard',"
        " { value: { writeText: async text => { window.copied = text; } } })"
    )
    block = page.locator(".highlight-console").filter(has_text="mavis resource discover")
    block.get_by_role("button").focus()
    page.keyboard.press("Enter")
    expect(block.get_by_role("button")).to_have_text("Copied")
    copied = page.evaluate("window.copied")
    assert copied.splitlines() == [
        "mavis resource discover -p shop",
        "mavis resource list -p shop --kind instance",
    ]
