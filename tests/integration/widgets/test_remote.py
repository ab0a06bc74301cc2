"""Terminal and player in a page: what they say of the appliance's answers, and how they look.

Server and gateway say what a test wants; `tests/e2e/test_terminal_in_lab.py` has the real ones.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Locator, Request, Route, WebSocketRoute, expect

from integration.widgets.notebooks import picture
from integration.widgets.stage import Stage

ORIGIN = "http://127.0.0.1:9"
BASE = "/user/olga/"
API = f"{BASE}mavis/api/v1/projects/shop"
PAGES = f"{ORIGIN}/services/mavis/projects/shop"
PROJECT = {"name": "shop", "production": True}
SESSION = {
    "id": "ses_1", "project": "shop", "device": "web-1", "person": "olga", "login": "admin",
    "state": "ended", "opened_at": "2026-07-01T12:00:00.000000Z",
}  # fmt: skip
TICKET = {
    "ticket": "good-once", "address": "/services/mavis-gateway/2/terminal", "session": SESSION,
}  # fmt: skip
OPEN = {"session": "ses_1", "device": "web-1", "login": "admin", "person": "olga"}
TERMINAL = {
    "project": "shop", "production": False, "device": "web-1", "access_service": None, "rows": 12,
    "session": "",
}  # fmt: skip
PLAYER = {"project": "shop", "production": False, "session": "ses_1", "at_s": 0}
CAST = "\n".join(
    [
        json.dumps({"version": 2, "width": 80, "height": 12}),
        json.dumps([0.5, "o", "\x1b[1;32madmin@web-1\x1b[0m:~$ uptime\r\n"]),
        json.dumps(
            [1.0, "o", " 12:00:01 up 40 days\r\n\x1b[31mred\x1b[0m \x1b[34mblue\x1b[0m\r\n"]
        ),
        json.dumps([61.0, "m", "ada watches"]),
        json.dumps([62.0, "o", "after a minute\r\n"]),
        "",
    ]
)
COLOURS = (
    "\x1b[1;32madmin@web-1\x1b[0m:~$ ls --color\r\n"
    "\x1b[34mfolder\x1b[0m  \x1b[33myellow\x1b[0m  \x1b[36mcyan\x1b[0m  \x1b[37mwhite\x1b[0m\r\n"
)


class Lab:
    """A page in Lab: its server's answers by method and path, and a gateway."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.asked: list[Request] = []
        self.typed: list[str | bytes] = []
        self.gateway: WebSocketRoute | None = None
        self.answers: dict[tuple[str, str], tuple[int, object]] = {
            ("GET", API): (200, PROJECT),
            ("POST", f"{API}/sessions"): (201, TICKET),
            ("POST", f"{API}/sessions/ses_1/return"): (200, TICKET),
            ("GET", f"{API}/sessions/ses_1"): (200, SESSION),
            ("GET", f"{API}/sessions/ses_1/recording"): (200, CAST),
        }
        stage.page.route(f"{ORIGIN}/**", self._answer)
        stage.page.route_web_socket(f"ws://127.0.0.1:9{BASE}mavis/gateway/2/terminal", self._come)
        stage.page.goto(f"{ORIGIN}/lab")

    def show(self, name: str, state: dict[str, Any], *, dark: bool = False) -> Locator:
        self.stage.config = {"baseUrl": BASE}
        return self.stage.show(name, state, {}, dark=dark)

    def refuse(self, method: str, path: str, status: int, code: str, detail: str) -> None:
        problem = {"code": code, "detail": detail, "mend": "Do this.", "request_id": "req_1"}
        self.answers[method, path] = (status, problem)

    def say(self, **told: object) -> None:
        assert self.gateway is not None
        self.gateway.send(json.dumps(told))

    def shown(self, text: str) -> None:
        assert self.gateway is not None
        self.gateway.send(b"\x01" + text.encode())

    def opened(self, widget: Locator) -> None:
        """Let a session begin."""
        widget.get_by_role("button", name="Open a terminal at web-1").click()
        expect(widget.get_by_text("is recorded.")).to_be_visible()
        self.say(**{"open": OPEN, "from": 0, "return": "back-once"})
        expect(widget.get_by_text("Connected", exact=True)).to_be_visible()

    def _answer(self, route: Route, request: Request) -> None:
        self.asked.append(request)
        path = urlsplit(request.url).path
        if path == "/lab":
            route.fulfill(body="<!doctype html>", content_type="text/html")
            return
        status, body = self.answers.get((request.method, path), (404, "<h1>Not Found</h1>"))
        if isinstance(body, str):
            route.fulfill(status=status, body=body, content_type="text/plain")
            return
        kind = "application/json" if status < 400 else "application/problem+json"
        route.fulfill(status=status, body=json.dumps(body), content_type=kind)

    def _hear(self, message: str | bytes) -> None:
        self.typed.append(message)

    def _come(self, socket: WebSocketRoute) -> None:
        self.gateway = socket
        socket.on_message(self._hear)
        socket.send(json.dumps({"notice": "This session is recorded."}))


@pytest.fixture
def lab(stage: Stage) -> Lab:
    return Lab(stage)


def said(widget: Locator, text: str) -> Locator:
    """Return the paragraph with a text; who listens is told it, too."""
    return widget.locator("p", has_text=text).first


def link(widget: Locator, name: str) -> str:
    return str(widget.get_by_role("link", name=name).get_attribute("href"))


@pytest.mark.parametrize(
    ("name", "state", "page"),
    [("terminal", TERMINAL, "devices"), ("player", PLAYER, "sessions/ses_1")],
)
def test_elsewhere_each_says_that_it_is_not_there_and_where_it_is(
    stage: Stage, name: str, state: dict[str, Any], page: str
) -> None:
    widget = stage.show(name, state, {})
    expect(widget.get_by_text("Not in this page")).to_be_visible()
    expect(said(widget, "works in the JupyterLab that Mavis starts")).to_be_visible()
    assert str(widget.get_by_role("link").get_attribute("href")) == f"{PAGES}/{page}"
    assert stage.visit.faults() == []


def test_a_jupyter_without_mavis_is_elsewhere_too(lab: Lab) -> None:
    lab.answers.clear()
    for name, state in (("terminal", TERMINAL), ("player", PLAYER)):
        expect(lab.show(name, state).get_by_text("Not in this page")).to_be_visible()
    lab.stage.visit.errors.clear()  # the browser notes each 404


def test_without_a_device_or_a_session_they_say_how_one_is_named(lab: Lab) -> None:
    widget = lab.show("terminal", {**TERMINAL, "device": ""})
    expect(widget.get_by_text("No device named")).to_be_visible()
    widget = lab.show("player", {**PLAYER, "session": ""})
    expect(widget.get_by_text("No session named")).to_be_visible()
    assert [each.url for each in lab.asked if "sessions" in each.url] == []


def test_nothing_is_asked_for_before_somebody_has_read_the_notice(lab: Lab) -> None:
    widget = lab.show("terminal", TERMINAL)
    expect(widget.get_by_text("Do not go on if you do not agree.")).to_be_visible()
    expect(widget.get_by_text("production")).to_be_visible()
    assert [each.method for each in lab.asked if "/sessions" in each.url] == []
    assert lab.stage.visit.faults() == []
    lab.opened(widget)
    (asked,) = (each for each in lab.asked if each.method == "POST")
    assert asked.post_data_json == {"device": "web-1", "entrance": "notebook"}
    first = json.loads(lab.typed[0])
    assert first["ticket"] == "good-once"
    assert first["rows"] == 12
    assert lab.stage.state("session") == "ses_1"


@pytest.mark.parametrize(
    ("status", "code", "detail", "title"),
    [
        (403, "forbidden", "session.open needs the role operator", "Not allowed"),
        (404, "not_found", "shop has no device 'web-1'", "Not there, or not for you"),
        (409, "conflict", "The policy allows no terminal", "It did not work"),
        (503, "unavailable", "The gateway is down", "The appliance does not answer"),
    ],
)
def test_what_the_api_refuses_is_said_with_its_mend(
    lab: Lab, status: int, code: str, detail: str, title: str
) -> None:
    lab.refuse("POST", f"{API}/sessions", status, code, detail)
    widget = lab.show("terminal", TERMINAL)
    widget.get_by_role("button", name="Open a terminal").click()
    expect(said(widget, detail)).to_be_visible()
    expect(said(widget, "Do this.")).to_be_visible()
    expect(widget.locator(".mavis-panel-title")).to_have_text(title)
    assert link(widget, "Devices of this project") == f"{PAGES}/devices"
    lab.answers["POST", f"{API}/sessions"] = (201, TICKET)
    widget.get_by_role("button", name="Try again").click()
    expect(widget.get_by_text("is recorded.")).to_be_visible()
    lab.stage.visit.errors.clear()  # the browser notes each refusal


def test_a_host_key_that_nobody_has_approved_leads_to_where_that_is_done(lab: Lab) -> None:
    widget = lab.show("terminal", TERMINAL)
    widget.get_by_role("button", name="Open a terminal").click()
    expect(widget.get_by_text("is recorded.")).to_be_visible()
    unknown = {"code": "host_key_unknown", "title": "It shows SHA256:abc", "mend": "Compare it."}
    lab.say(problem=unknown)
    expect(said(widget, "It shows SHA256:abc")).to_be_visible()
    assert link(widget, "Compare and approve host keys") == f"{PAGES}/devices"
    expect(widget.locator(".xterm")).to_be_hidden()


def test_what_is_typed_goes_to_the_gateway_and_a_paste_of_lines_is_asked_about(lab: Lab) -> None:
    widget = lab.show("terminal", TERMINAL)
    lab.opened(widget)
    lab.stage.page.keyboard.type("ls /")
    lab.stage.page.keyboard.press("Enter")
    lab.stage.page.wait_for_function("() => true")
    assert b"".join(each for each in lab.typed if isinstance(each, bytes)) == b"ls /\r"
    paste = (
        "([at, text]) => { const data = new DataTransfer(); data.setData('text/plain', text);"
        " document.querySelector(at).dispatchEvent("
        "new ClipboardEvent('paste', { clipboardData: data, bubbles: true })) }"
    )
    lab.stage.page.evaluate(paste, [".xterm-helper-textarea", "echo one\necho two"])
    expect(widget.get_by_role("heading", name="Paste 2 lines?")).to_be_visible()
    expect(widget.get_by_role("button", name="Do not")).to_be_focused()
    assert lab.stage.visit.faults() == []
    picture(lab.stage.page, "widget-terminal-paste")
    lab.stage.page.keyboard.press("Escape")
    expect(widget.get_by_role("heading", name="Paste 2 lines?")).to_be_hidden()
    assert not any(b"two" in each for each in lab.typed if isinstance(each, bytes))
    lab.stage.page.evaluate(paste, [".xterm-helper-textarea", "echo one\necho two"])
    widget.get_by_role("button", name="Paste", exact=True).click()
    lab.stage.page.wait_for_function("() => true")
    assert any(b"echo two" in each for each in lab.typed if isinstance(each, bytes))


def test_a_broken_connection_comes_back_by_itself_and_an_end_is_an_end(lab: Lab) -> None:
    widget = lab.show("terminal", TERMINAL)
    lab.opened(widget)
    lab.shown("before")
    before = lab.gateway
    assert before is not None
    before.close(code=1011)
    expect(widget.get_by_text("The connection broke; trying again")).to_be_visible()
    lab.typed.clear()
    lab.stage.page.clock.run_for(1_000)
    expect(widget.get_by_text("is recorded.")).to_be_visible()
    came = json.loads(lab.typed[0])
    assert (came["session"], came["return"], came["from"]) == ("ses_1", "back-once", 6)
    lab.say(**{"open": OPEN, "from": 6, "return": "back-twice"})
    expect(widget.get_by_text("Connected again")).to_be_visible()
    widget.get_by_role("button", name="Hang up").click()
    lab.stage.page.wait_for_function("() => true")
    assert json.loads(lab.typed[-1]) == {"end": True}
    lab.say(ended={"reason": "closed", "detail": "Its person hung up"})
    expect(said(widget, "Its person hung up.")).to_be_visible()
    assert link(widget, "Show the session") == f"{PAGES}/sessions/ses_1"
    picture(widget, "widget-terminal-ended")
    assert lab.stage.visit.faults() == []


def test_a_page_that_was_loaded_again_comes_back_to_its_session(lab: Lab) -> None:
    widget = lab.show("terminal", {**TERMINAL, "session": "ses_1"})
    expect(widget.get_by_text("is recorded.")).to_be_visible()
    (asked,) = (each for each in lab.asked if each.method == "POST")
    assert asked.url.endswith("/sessions/ses_1/return")
    lab.refuse("POST", f"{API}/sessions/ses_1/return", 409, "conflict", "ses_1 has ended")
    widget = lab.show("terminal", {**TERMINAL, "session": "ses_1"})
    expect(said(widget, "That session has ended")).to_be_visible()
    assert link(widget, "Show the session") == f"{PAGES}/sessions/ses_1"
    widget.get_by_role("button", name="Open another").click()
    expect(widget.get_by_text("is recorded.")).to_be_visible()
    lab.stage.visit.errors.clear()  # the browser notes the refusal


def test_a_kernel_that_goes_ends_no_terminal(lab: Lab) -> None:
    widget = lab.show("terminal", TERMINAL)
    lab.opened(widget)
    lab.stage.emit("comm_live_update")
    lab.stage.page.clock.run_for(4_000)
    expect(widget.get_by_text("The kernel is gone")).to_have_count(0)
    lab.shown("still here")
    expect(widget.locator(".xterm-rows")).to_contain_text("still here")


def test_a_terminal_that_is_not_in_sight_keeps_its_size(lab: Lab) -> None:
    widget = lab.show("terminal", TERMINAL)
    lab.opened(widget)
    lab.typed.clear()
    lab.stage.page.evaluate("document.querySelector('main').style.display = 'none'")
    lab.stage.page.evaluate("() => new Promise(done => setTimeout(done)) && 0")
    lab.stage.page.evaluate("document.querySelector('main').style.display = ''")
    lab.stage.page.set_viewport_size({"width": 600, "height": 800})
    lab.stage.page.wait_for_function("() => true")
    sizes = [json.loads(each)["size"] for each in lab.typed if "size" in str(each)]
    assert sizes
    assert all(columns > 40 for columns, _ in sizes)


@pytest.mark.parametrize(("width", "look"), [(900, "light"), (390, "dark")])
def test_both_are_usable_in_light_and_dark_wide_and_narrow(lab: Lab, width: int, look: str) -> None:
    page = lab.stage.page
    page.set_viewport_size({"width": width, "height": 800})
    widget = lab.show("terminal", TERMINAL, dark=look == "dark")
    lab.opened(widget)
    lab.shown(COLOURS)
    expect(widget.locator(".xterm-rows")).to_contain_text("folder")
    assert lab.stage.visit.faults() == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    picture(widget, f"widget-terminal-{width}-{look}")
    widget = lab.show("player", {**PLAYER, "at_s": 30}, dark=look == "dark")
    expect(widget.locator(".ap-term")).to_contain_text("12:00:01 up 40 days")
    widget.get_by_role("searchbox").fill("minute")
    page.clock.run_for(300)
    expect(widget.get_by_text("1 line", exact=True)).to_be_visible()
    assert lab.stage.visit.faults() == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    picture(widget, f"widget-player-{width}-{look}")


def test_a_recording_is_sought_sped_up_and_linked_to(lab: Lab) -> None:
    lab.stage.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    widget = lab.show("player", PLAYER)
    expect(widget.get_by_text("That you replay it is recorded.")).to_be_visible()
    widget.get_by_role("searchbox").fill("AFTER a")
    lab.stage.page.clock.run_for(300)
    widget.get_by_role("button", name="01:02 after a minute").click()
    expect(widget.locator(".ap-term")).to_contain_text("up 40 days")
    widget.get_by_label("Speed").select_option("4")
    expect(widget.locator(".ap-term")).to_contain_text("up 40 days")
    widget.get_by_role("button", name="Copy a link to this moment").click()
    expect(widget.get_by_text("A link to 01:01 is in your clipboard.")).to_be_visible()
    copied = lab.stage.page.evaluate("navigator.clipboard.readText()")
    assert copied == f"{PAGES}/sessions/ses_1#t=61"
    lab.stage.tell(at_s=0.7)
    expect(widget.locator(".ap-term")).not_to_contain_text("up 40 days")


def test_what_is_idle_is_left_out_and_seconds_stay_the_recording_s(lab: Lab) -> None:
    widget = lab.show("player", {**PLAYER, "at_s": 1.5})
    widget.get_by_label("Leave out what is idle").check()
    expect(widget.locator(".ap-term")).to_contain_text("up 40 days")
    widget.locator(".ap-playback-button").click()
    lab.stage.page.clock.run_for(3_000)
    expect(widget.locator(".ap-term")).to_contain_text("after a minute")
    expect(widget.locator(".ap-time-elapsed")).to_have_text("01:02")


def test_who_may_not_replay_is_told_so(lab: Lab) -> None:
    path = f"{API}/sessions/ses_1/recording"
    lab.refuse("GET", path, 403, "forbidden", "recording.read needs the role admin or auditor")
    widget = lab.show("player", PLAYER)
    expect(said(widget, "needs the role admin or auditor")).to_be_visible()
    expect(widget.locator(".mavis-panel-title")).to_have_text("Not allowed")
    lab.stage.visit.errors.clear()  # the browser notes the refusal
