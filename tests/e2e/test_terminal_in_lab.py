"""A terminal and the player of its recording in a notebook: the Lab that the Hub starts.

Its kernel has the token of its server: it reads and operates. The bytes go by the server's own way
to the gateway, and never by the kernel.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, WebSocket, expect

from e2e.appliance import Appliance, until
from e2e.browsing import picture
from e2e.devices import new_device
from e2e.kernels import start_server
from mavis_kernel import Mavis

ME = "demo-admin"
NOTEBOOK = "terminal.ipynb"


class Frames:
    """What goes over the WebSockets of a page."""

    def __init__(self, page: Page) -> None:
        self._found: dict[str, str] = {}
        page.on("websocket", self._follow)

    def of(self, path: str) -> str:
        """Return what was received and sent at addresses with `path`."""
        return "".join(text for url, text in self._found.items() if path in url)

    def _follow(self, socket: WebSocket) -> None:
        def note(frame: str | bytes) -> None:
            text = frame if isinstance(frame, str) else frame.decode("utf-8", "replace")
            self._found[socket.url] = self._found.get(socket.url, "") + text

        socket.on("framesent", note)
        socket.on("framereceived", note)


@pytest.fixture(scope="module")
def device(admin: Mavis, shop: str) -> Iterator[str]:
    with new_device(admin, shop, "lab-1") as login:
        yield login


@pytest.fixture
def lab(appliance: Appliance, tokens: dict[str, str], visit: Callable[..., Any]) -> Iterator[Page]:
    """Start somebody's own server with a notebook, and log in."""
    start_server(appliance, ME, tokens[ME])
    cell = {"cell_type": "code", "source": "", "metadata": {}, "outputs": [], "id": "c0"}
    content = {
        "cells": [{**cell, "execution_count": None}],
        "metadata": {"kernelspec": {"name": "mavis", "display_name": "Mavis (Python)"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    with appliance.http(tokens[ME]) as client:
        path = f"/user/{ME}/api/contents/{NOTEBOOK}"
        saved = client.put(path, json={"type": "notebook", "content": content})
        assert saved.status_code == 201, saved.text
    with visit(ME, "/hub/home") as page:
        yield page


def run(page: Page, code: str) -> Locator:
    """Run `code` in the first cell to its end, and return its widget."""
    page.locator(".jp-Notebook .jp-Cell .cm-content").first.click()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(code)
    page.keyboard.press("Control+Enter")
    expect(page.locator(".jp-InputPrompt").first).not_to_have_text("[*]:")
    return page.locator(".mavis")


def said(widget: Locator, text: str) -> Locator:
    """Return the paragraph with a text; who listens is told it, too."""
    return widget.locator("p", has_text=text).first


def choose(page: Page, theme: str) -> None:
    """Choose a theme in Lab's menu."""
    page.get_by_role("menuitem", name="Settings", exact=True).click()
    entries = page.locator(".lm-Menu-itemLabel")
    entries.get_by_text("Theme", exact=True).hover()
    entries.get_by_text(theme, exact=True).click()
    expect(page.locator("#jupyterlab-splash")).to_have_count(0)


def shown(page: Page) -> str:
    """Return what stands in the terminal."""
    return page.locator(".xterm-rows").inner_text()


def test_a_terminal_and_its_recording_are_in_a_notebook(
    device: str, admin: Mavis, lab: Page, shop: str
) -> None:
    frames = Frames(lab)
    lab.goto(f"/user/{ME}/lab/tree/{NOTEBOOK}")
    expect(lab.get_by_text("| Idle")).to_be_visible()
    run(lab, "from mavis_kernel.widgets import Player, Terminal")
    widget = run(lab, f"terminal = Terminal('{shop}', 'lab-1')\nterminal")
    expect(widget.get_by_text("This session is recorded: what is shown")).to_be_visible()
    picture(lab, "lab-terminal-notice")
    widget.get_by_role("button", name="Open a terminal at lab-1").click()
    expect(said(widget, "which nobody has approved yet")).to_be_visible()
    approve = widget.get_by_role("link", name="Compare and approve host keys")
    assert str(approve.get_attribute("href")).endswith(f"/projects/{shop}/devices")
    picture(lab, "lab-terminal-host-key")
    (known,) = admin.devices.host_keys(shop, "lab-1", "ssh")
    admin.devices.approve(shop, "lab-1", "ssh", known.fingerprint)

    widget.get_by_role("button", name="Try again").click()
    expect(widget.get_by_text("Connected", exact=True)).to_be_visible()
    lab.keyboard.type("whoami; echo answer-$((40+2)); ls --color /\n")
    until(lambda: "answer-42" in shown(lab), "the device's answer is shown")
    assert device in shown(lab)
    picture(lab, "lab-terminal")
    assert "answer-42" in frames.of("/mavis/gateway/terminal")
    assert "answer-42" not in frames.of("/channels")  # the kernel's
    (session,) = admin.sessions.list(shop, state="open", device="lab-1")
    assert (session.person, session.entrance) == (ME, "notebook")

    lab.locator(".jp-Notebook .jp-Cell .cm-content").first.click()
    lab.keyboard.press("Control+s")
    expect(lab.locator(".jp-DirtyIndicator, .jp-mod-dirty")).to_have_count(0)
    lab.reload()
    expect(widget.get_by_text("Connected", exact=True)).to_be_visible()
    until(lambda: "answer-42" in shown(lab), "the same shell is back")
    choose(lab, "JupyterLab Dark")
    expect(widget).to_have_attribute("data-theme", "dark")
    picture(lab, "lab-terminal-dark")
    widget.get_by_role("button", name="Hang up").click()
    expect(said(widget, "Its person hung up.")).to_be_visible()

    widget = run(lab, f"Player(terminal.session, '{shop}')")
    expect(widget.locator(".ap-player")).to_be_visible()
    picture(lab, "lab-player-dark")
    choose(lab, "JupyterLab Light")
    expect(widget).to_have_attribute("data-theme", "light")
    widget.get_by_role("searchbox").fill("answer-42")
    widget.get_by_role("button", name="answer-42").first.click()
    widget.locator(".ap-playback-button").click()
    expect(widget.locator(".ap-term")).to_contain_text("answer-42")
    picture(lab, "lab-player")
    (read,) = admin.records.list(shop, action="recording.read", query=session.id)
    assert read.person == ME

    widget = run(lab, f"Terminal('{shop}', 'web-9')")
    widget.get_by_role("button", name="Open a terminal at web-9").click()
    expect(said(widget, "web-9")).to_be_visible()
    expect(widget.locator(".mavis-panel-title")).to_have_text("Not there, or not for you")
