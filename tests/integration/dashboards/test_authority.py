"""Who gets what of dashboards: every route and WebSocket of both processes, for who may not."""

from __future__ import annotations

import html
import json
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from core_double import PLATFORM, call, wait_until
from dashboards_scene import Scene, notebook
from mavis_core.access import Role
from mavis_hub.asking import VIEWS
from mavis_hub.dashboards.addresses import FRAMES
from rest_service import Answer

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
CELLS = ("# Fleet", "print('the fleet is here')")
# What Voila, Jupyter Server and JupyterHub serve; below a ticket and beside it.
ELSEWHERE = (
    "api/kernels",
    "api/kernels/",
    "api/kernelspecs",
    "api/sessions",
    "api/contents",
    "api/contents/fleet.ipynb",
    "api/terminals",
    "api/shutdown",
    "api/status",
    "api/config/x",
    "api/nbconvert",
    "api/spec.yaml",
    "terminals/websocket/1",
    "nbconvert/html/fleet.ipynb",
    "files/fleet.ipynb",
    "notebooks/fleet.ipynb",
    "edit/x",
    "tree",
    "lab",
    "voila/tree",
    "voila/tree/x",
    "voila/render/fleet.ipynb",
    "voila/files/fleet.ipynb",
    "voila/api/contents/fleet.ipynb",
    "voila/api/shutdown/{kernel}",
    "voila/api/themes/x",
    "voila/query/{kernel}",
    "voila/execution/{kernel}",
    "voila/static/../../../../../etc/passwd",
    "voila/static/%2e%2e/%2e%2e/page_config.json",
    "voila/templates/lab/static/../index.html.j2",
    "voila/labextensions/jupyterlab_pygments/static/style.js",
    "voila/labextensions/@voila-dashboards/widgets-manager8/package.json",
    "voila/labextensions/@voila-dashboards/widgets-manager8/static/../package.json",
    "health",
    "metrics",
    "logout",
    "login",
    "oauth_callback",
)


@dataclass(frozen=True)
class Shown:
    """A dashboard that somebody has open."""

    ticket: str
    kernel: str
    page: Answer
    live: str
    frame: Answer


@pytest.fixture(scope="module", autouse=True)
def published(made: Scene) -> None:
    made.publish("fleet", *CELLS)
    made.rest.app.projects.create(call("ada", PLATFORM), name="other", title="")
    made.publish("theirs", *CELLS, project="other")


def show(made: Scene, token: str) -> Shown:
    """Open a dashboard as a browser does, up to the frame's content."""
    page = made.page("/dashboards/shop/fleet/", token)
    assert page.status == 200, page.content
    text = page.content.decode()
    ticket = re.search(rf"{FRAMES}/([A-Za-z0-9_-]{{43}})/", text)
    live = re.search(r'data-live="([^"]+)"', text)
    assert ticket
    assert live
    frame = made.frames.ask("GET", f"{FRAMES}/{ticket[1]}/", None, prefix="")
    kernel = re.search(r'"kernelId": "([0-9a-f]{32})"', frame.content.decode())
    assert kernel, frame.content[-2000:]
    return Shown(ticket[1], kernel[1], page, live[1].replace("&amp;", "&"), frame)


@pytest.fixture(scope="module")
def enda(made: Scene) -> Iterator[Shown]:
    """The end user's, kept for the module as an open page keeps it."""
    shown = show(made, "as-enduser")
    view = re.search(r"view=(vew_[0-9a-z]+)", shown.live)
    assert view
    made.rest.app.views._idle *= 100  # type: ignore[operator]
    yield shown
    made.rest.app.views._idle /= 100  # type: ignore[operator]


@pytest.fixture(scope="module")
def vera(made: Scene, enda: Shown) -> Shown:
    """A viewer's, of the same dashboard."""
    return show(made, "vera")


def channels(
    made: Scene, ticket: str, kernel: str, origin: str | None = "null"
) -> ClientConnection:
    address = f"ws://127.0.0.1:{made.frames.port}{FRAMES}/{ticket}/api/kernels/{kernel}/channels"
    return connect(f"{address}?session_id=s", origin=origin)  # type: ignore[arg-type]


def status_of(made: Scene, ticket: str, kernel: str, origin: str | None = "null") -> int:
    """Return with what a WebSocket is answered."""
    try:
        with channels(made, ticket, kernel, origin):
            return 101
    except InvalidStatus as exc:
        return exc.response.status_code


# The pages of the api process


@pytest.mark.parametrize(
    "path", ["/dashboards", "/dashboards/shop/fleet/", "/dashboards/shop/fleet"]
)
def test_nobody_is_sent_to_the_login(made: Scene, path: str) -> None:
    for token in (None, "unknown"):
        answer = made.page(path, token)
        assert answer.status == 302
        assert "/hub/api/oauth2/authorize" in answer.headers["Location"]


@pytest.mark.parametrize("role", Role)
def test_every_role_opens_it_and_no_stranger(made: Scene, role: Role) -> None:
    assert b"fleet" in made.page("/dashboards", f"as-{role}").content
    assert made.page("/dashboards/shop/fleet/", f"as-{role}").status == 200
    for path in ("shop/fleet", "other/theirs", "nope/fleet", "shop/none"):
        assert made.page(f"/dashboards/{path}/", "eve").status == 404
    assert made.page("/dashboards/other/theirs/", f"as-{role}").status == 404
    assert b"theirs" not in made.page("/dashboards", f"as-{role}").content
    assert b"fleet" not in made.page("/dashboards", "eve").content


def test_a_stream_is_for_the_viewer_of_the_view(made: Scene, enda: Shown) -> None:
    path = f"/dashboards/shop/fleet/{enda.live}"
    assert made.page(path, None).status in (401, 403)
    told = made.page(path, "eve")
    assert b"event: over" in told.content
    assert b"no such view of yours" in told.content


def test_a_script_s_fetch_gets_no_ticket(made: Scene) -> None:
    xsrf = made.page("/dashboards", "as-enduser").headers["Set-Cookie"]
    for mode, dest in (("cors", "empty"), ("navigate", "iframe"), ("no-cors", "script")):
        answer = made.page(
            "/dashboards/shop/fleet/",
            "as-enduser",
            Sec_Fetch_Mode=mode,
            Sec_Fetch_Dest=dest,
            Sec_Fetch_Site="same-origin",
        )
        assert FRAMES.encode() not in answer.content, (answer.status, xsrf)


def test_only_the_dashboards_process_asks_for_views(made: Scene, enda: Shown) -> None:
    good = made.rest.config.read_secret("dashboards", "dashboards-token")
    for what in ("start", "alive", "began"):
        for token in (None, "ada", "x" * 64, ""):
            answer = made.rest.ask(
                "POST", f"{VIEWS}/{what}", token, {"ticket": enda.ticket}, prefix=""
            )
            assert answer.status == 404
        for method in ("GET", "PUT", "DELETE"):
            assert made.rest.ask(method, f"{VIEWS}/{what}", good, prefix="").status == 405
    for body in ({}, {"ticket": 1}, [], None):
        assert made.rest.ask("POST", f"{VIEWS}/start", good, body, prefix="").status == 400
    assert made.rest.ask("POST", f"{VIEWS}/alive", good, {"views": [1]}, prefix="").status == 400
    assert made.rest.ask("POST", f"{VIEWS}/start", good, {"ticket": "x"}, prefix="").status == 404


# The frames


def test_a_frame_is_sandboxed_and_reaches_its_own_addresses_only(enda: Shown) -> None:
    policy = dict(
        each.strip().partition(" ")[::2]
        for each in enda.frame.headers["Content-Security-Policy"].split(";")
    )
    assert "allow-same-origin" not in policy["sandbox"]
    assert "allow-scripts" in policy["sandbox"]
    assert "allow-top-navigation" not in policy["sandbox"]
    assert policy["default-src"] == "'none'"
    for each in ("connect-src", "script-src", "img-src", "style-src", "font-src"):
        hosts = [word for word in policy[each].split() if "://" in word]
        assert all(f"{FRAMES}/{enda.ticket}/" in word for word in hosts), policy[each]
    assert b"the fleet is here" in enda.frame.content


@pytest.mark.parametrize("method", METHODS)
def test_a_frame_is_for_its_ticket_only(made: Scene, enda: Shown, method: str) -> None:
    for ticket in ("x" * 43, enda.ticket[:-1] + "x", enda.ticket.swapcase(), "short", ""):
        answer = made.frames.ask(method, f"{FRAMES}/{ticket}/", None, prefix="")
        assert answer.status in (404, 405), ticket
        assert b"fleet is here" not in answer.content


@pytest.mark.parametrize("path", ELSEWHERE)
def test_below_a_ticket_and_beside_it_there_is_nothing_else(
    made: Scene, enda: Shown, path: str
) -> None:
    path = path.format(kernel=enda.kernel)
    for before in (f"{FRAMES}/{enda.ticket}/", f"{FRAMES}/", "/", "/services/mavis/dashboards/"):
        if before + path == "/health":
            continue  # for this machine: the edge leads nobody there
        for method in METHODS:
            answer = made.frames.ask(method, before + path, None, prefix="")
            assert answer.status in (403, 404, 405), (method, before + path)


@pytest.mark.parametrize("path", ELSEWHERE)
def test_no_other_websocket_opens(made: Scene, enda: Shown, path: str) -> None:
    path = path.format(kernel=enda.kernel)
    for before in (f"{FRAMES}/{enda.ticket}/", "/"):
        address = f"ws://127.0.0.1:{made.frames.port}{before}{path}"
        with pytest.raises(InvalidStatus) as caught, connect(address, origin="null"):  # type: ignore[arg-type]
            pass
        assert caught.value.response.status_code in (200, 400, 404), path
        if caught.value.response.status_code == 200:
            assert before + path == "/health"


def test_a_file_is_a_package_s_and_for_a_view_that_goes_on(made: Scene, enda: Shown) -> None:
    for path in (
        "voila/static/voila.js",
        "voila/templates/lab/static/voila-style.js",
    ):
        asked = made.frames.ask("GET", f"{FRAMES}/{enda.ticket}/{path}", None, prefix="")
        assert asked.status == 200
        assert asked.headers["Access-Control-Allow-Origin"] == "null"
        assert made.frames.ask("GET", f"{FRAMES}/{'x' * 43}/{path}", None, prefix="").status == 404


def test_a_kernel_is_the_view_s_only(made: Scene, enda: Shown, vera: Shown) -> None:
    assert enda.kernel != vera.kernel
    for ticket, kernel in (
        (enda.ticket, vera.kernel),
        (vera.ticket, enda.kernel),
        ("x" * 43, enda.kernel),
        (enda.ticket, "0" * 32),
    ):
        assert status_of(made, ticket, kernel) == 404
        path = f"{FRAMES}/{ticket}/api/kernels/{kernel}"
        assert made.frames.ask("GET", path, None, prefix="").status == 404
        assert made.frames.ask("DELETE", path, None, prefix="").status == 405
    assert status_of(made, enda.ticket, enda.kernel) == 101


@pytest.mark.parametrize("origin", [None, "https://evil.example", "http://127.0.0.1:1"])
def test_channels_open_for_a_sandboxed_page_only(
    made: Scene, enda: Shown, origin: str | None
) -> None:
    assert status_of(made, enda.ticket, enda.kernel, origin) == 403


@pytest.mark.parametrize(
    "kind", ["execute_request", "shutdown_request", "inspect_request", "complete_request",
             "history_request", "debug_request", "interrupt_request", "input_reply"]
)  # fmt: skip
def test_a_page_executes_nothing(made: Scene, enda: Shown, kind: str) -> None:
    marker = f"done by {kind}"
    content = {"code": f"print({marker!r})", "silent": False, "restart": False}
    header = {"msg_id": kind, "msg_type": kind, "session": "s", "username": "", "version": "5.3"}
    asked = {"header": {**header, "msg_id": "1", "msg_type": "kernel_info_request"}}
    rest = {"parent_header": {}, "metadata": {}, "channel": "shell"}
    with channels(made, enda.ticket, enda.kernel) as socket:
        socket.send(json.dumps({"header": header, "content": content, **rest}))
        socket.send(json.dumps({**asked, "content": {}, **rest}))
        seen = []
        while True:
            said = json.loads(socket.recv(timeout=20))
            seen.append(said)
            if said["msg_type"] == "kernel_info_reply" and said["parent_header"]["msg_id"] == "1":
                break
    assert marker not in json.dumps(seen)
    assert kind not in {each["parent_header"].get("msg_id") for each in seen}, "it never came there"


# An end


def _closed(socket: ClientConnection) -> int | None:
    """Return the code with which the other end closes a WebSocket."""
    try:
        while True:
            socket.recv(timeout=30)
    except ConnectionClosed as exc:
        return exc.rcvd.code if exc.rcvd else None


def test_who_loses_the_role_loses_the_page_and_its_kernel(made: Scene) -> None:
    core, ada = made.rest.core, call("ada", PLATFORM)
    made.hub.known["leaver"] = made.hub.known["as-viewer"]
    shown = show(made, "leaver")
    view = re.search(r"view=(vew_[0-9a-z]+)", shown.live)
    assert view
    viewer = call("as-viewer")
    made.rest.app.views.keep(viewer, view[1])
    with channels(made, shown.ticket, shown.kernel) as socket:
        before = made.health()["used"]
        core.projects.remove_member(ada, "shop", "user:as-viewer")
        began = time.monotonic()
        told = made.page(f"/dashboards/shop/fleet/{shown.live}", "leaver")
        assert b"event: over" in told.content
        assert _closed(socket) == 4001
        assert time.monotonic() - began < 30
    wait_until(lambda: made.health()["used"] == before - 1, timeout_s=20)
    for path in ("", "voila/static/voila.js", f"api/kernels/{shown.kernel}"):
        assert (
            made.frames.ask("GET", f"{FRAMES}/{shown.ticket}/{path}", None, prefix="").status == 404
        )
    assert status_of(made, shown.ticket, shown.kernel) == 404
    core.projects.put_member(ada, "shop", "user:as-viewer", Role.VIEWER)


# What a kernel finds


PROBE = """
import json, os, pathlib, subprocess
from mavis_kernel import Mavis
from mavis_kernel.errors import MavisError

state = pathlib.Path(os.environ['HOME']).parents[2]
mavis = Mavis()
told = {
    'environment': sorted(os.environ),
    'state': sorted(str(p.relative_to(state)) for p in state.rglob('*'))[:50],
    'home': os.environ['HOME'],
    'processes': sorted(int(p) for p in os.listdir('/proc') if p.isdigit()),
    'nice': os.nice(0),
    'caps': [l for l in open('/proc/self/status') if l.startswith(('CapEff', 'NoNewPrivs'))],
    'uncover': subprocess.run(['umount', str(state)], capture_output=True).returncode,
    'nest': subprocess.run(['unshare', '--user', 'true'], capture_output=True).returncode,
    'me': mavis.me().name,
    'machines': [each.name for each in mavis.resources.list('shop', kind='instance')],
}
for what, act in {
    'other': lambda: mavis.projects.get('other'),
    'power': lambda: mavis.previews.apply(
        'shop', mavis.previews.create('shop', 'resource.stop', 'web-1'), confirm='shop'
    ),
    'discover': lambda: mavis.environments.discover('shop'),
    'records': lambda: list(mavis.records.list('shop')),
    'publish': lambda: mavis.dashboards.publish('shop', 'mine', shipped='status'),
}.items():
    try:
        act()
        told[what] = 'done'
    except MavisError as exc:
        told[what] = type(exc).__name__
print('<<<' + json.dumps(told) + '>>>')
"""


def test_a_kernel_finds_its_project_and_nothing_of_the_process(made: Scene) -> None:
    made.rest.app.dashboards.publish(
        call("ada", PLATFORM), "shop", name="probe", notebook=notebook(PROBE)
    )
    page = made.page("/dashboards/shop/probe/", "as-enduser")
    ticket = re.search(rf"{FRAMES}/([A-Za-z0-9_-]{{43}})/", page.content.decode())
    assert ticket
    frame = made.frames.ask("GET", f"{FRAMES}/{ticket[1]}/", None, prefix="").content.decode()
    output = re.search(r"<<<(.*?)>>>", html.unescape(frame), re.DOTALL)
    assert output, frame[-3000:]
    told = json.loads(output[1])
    assert "A_SECRET_OF_THE_PROCESS" not in told["environment"]
    assert not [name for name in told["environment"] if "SECRET" in name or "HUB" in name]
    assert {"MAVIS_URL", "MAVIS_TOKEN", "MAVIS_PROJECT", "HOME"} <= set(told["environment"])
    own = told["home"].rsplit("/", 1)[1]
    assert all(own in path or path in ("run", "run/dashboards") for path in told["state"])
    assert len(told["processes"]) < 5
    assert told["nice"] == os.nice(0) + 5
    assert told["caps"] == ["CapEff:\t0000000000000000\n", "NoNewPrivs:\t1\n"]
    assert told["uncover"] != 0
    assert told["nest"] != 0
    assert (told["me"], told["machines"]) == ("mavis:dashboard:as-enduser", ["web-1"])
    assert told["other"] == "NotFound"
    refused = ("power", "discover", "records", "publish")
    assert {told[each] for each in refused} == {"Forbidden"}
