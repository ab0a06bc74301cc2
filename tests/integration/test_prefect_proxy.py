"""A real Prefect server behind the proxy, with a relay between them that writes down every request.

Fixtures: `prefect` is the server as the product starts it, with one object of each kind in it;
`stage` is the proxy before it, where a cookie says who asks; `reached` is what came through.
"""

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import httpx
import pytest
from tornado.httpserver import HTTPServer
from tornado.web import Application, RequestHandler
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.sync.connection import Connection

from mavis_core.access import CallContext, Principal, Scope
from mavis_core.config import Config, load
from mavis_core.errors import Unauthenticated
from mavis_ext.prefect_proxy import prefect_rules
from mavis_ext.prefect_routes import EVENTS, ROUTES
from mavis_hub.folders import ensure_folders
from mavis_hub.health import check
from mavis_hub.processes import PREFECT_BASE, processes
from mavis_hub.secrets import ensure_secrets

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
PERSON_SCOPES = {
    "ada": frozenset(Scope),
    "olga": frozenset({Scope.READ, Scope.OPERATE, Scope.DESTROY}),
}
NOBODY = str(uuid.UUID(int=7))
KINDS = (
    *("flows", "flow_runs", "deployments", "concurrency_limits", "v2/concurrency_limits"),
    *("work_pools", "work_queues", "artifacts", "automations", "block_documents", "variables"),
    *("saved_searches", "block_types"),
)
LIST_ROUTES = """
import json
from prefect.server.api.server import API_ROUTERS
routes = [r for router in API_ROUTERS for r in router.routes]
print(json.dumps([[sorted(getattr(r, "methods", None) or ["WEBSOCKET"]), r.path] for r in routes]))
"""


def until(condition: Callable[[], Any], what: str, timeout_s: float = 20) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come about in {timeout_s} s"
        threading.Event().wait(0.05)


def plain(path: str) -> str:
    """Return a path with nothing in its braces."""
    return re.sub(r"\{[^}]*\}", "{}", path)


@dataclass
class Prefect:
    """The running server.

    Parameters
    ----------
    routes
        Every route of its API: methods and path, the WebSockets' too.
    ids
        An existing id or name for each placeholder, by the first word of the path.
    """

    config: Config
    secret: str
    api: httpx.Client
    routes: list[tuple[frozenset[str], str]]
    ids: dict[str, str] = field(default_factory=dict)

    def create(self, path: str, value: dict[str, Any]) -> str:
        answers: list[httpx.Response] = []

        def made() -> bool:
            answers.append(self.api.post(path, json=value))
            return answers[-1].status_code != 503  # its first seconds lock the database

        until(made, path)
        assert answers[-1].status_code in (200, 201), (path, answers[-1].text)
        return str(answers[-1].json()["id"])

    def fill(self, path: str) -> str:
        """Return a route's path with things that exist in place of its placeholders."""
        kind = path.split("/")[1].replace("ui", "task_runs")
        if path.startswith("/v2/"):
            kind = "v2"

        def existing(match: re.Match[str]) -> str:
            name = match.group(1)
            by_name = {"name": "v1" if kind == "variables" else "platform", "countable": "event"}
            by_name |= {"work_pool_name": "platform", "tag": "ec2", "key": "report"}
            if "/queues/" in path:
                by_name["name"] = "default"
            if name.split(":")[0] in by_name:
                return by_name[name.split(":")[0]]
            return self.ids.get(kind, NOBODY)

        return re.sub(r"\{([^}]+)\}", existing, path)

    def served_by(self, method: str, target: str) -> tuple[str, str]:
        """Return method and path, with nothing in its braces, of the route that takes a request."""
        for methods, path in self.routes:
            pattern = re.sub(r"\{\w+:uuid\}", "[0-9a-f-]{36}", path)
            pattern = re.sub(r"\{\w+(:str)?\}", "[^/]+", pattern)
            if method in methods and re.fullmatch(pattern, target):
                return method, f"/api{plain(path)}"
        return method, f"none of Prefect's: {target}"

    def contents(self) -> dict[str, list[str]]:
        """Return ids and names of all there is."""
        found = {}
        for kind in KINDS:
            answer = self.api.post(f"/{kind}/filter", json={})
            assert answer.status_code == 200, (kind, answer.text)
            found[kind] = sorted(f"{row['id']} {row.get('name')}" for row in answer.json())
        return found


def _seed(prefect: Prefect) -> None:
    flow = prefect.create("/flows/", {"name": "snapshot"})
    done = {"type": "COMPLETED", "name": "Completed"}
    prefect.create("/work_pools/", {"name": "platform", "type": "process"})
    block_type = prefect.create("/block_types/", {"name": "Key", "slug": "key"})
    schema = prefect.create(
        "/block_schemas/", {"fields": {"title": "Key"}, "block_type_id": block_type}
    )
    deployment = {"name": "on demand", "flow_id": flow, "work_pool_name": "platform"}
    run = {"flow_id": flow, "state": done, "name": "run"}
    prefect.ids |= {
        "flows": flow,
        "flow_runs": prefect.create("/flow_runs/", run),
        "deployments": prefect.create("/deployments/", deployment),
        "variables": prefect.create("/variables/", {"name": "v1", "value": 1}),
        "concurrency_limits": prefect.create(
            "/concurrency_limits/", {"tag": "ec2", "concurrency_limit": 3}
        ),
        "v2": prefect.create("/v2/concurrency_limits/", {"name": "slots", "limit": 2}),
        "block_types": block_type,
        "block_schemas": schema,
        "block_documents": prefect.create(
            "/block_documents/",
            {"name": "k", "data": {}, "block_schema_id": schema, "block_type_id": block_type},
        ),
        "artifacts": prefect.create("/artifacts/", {"key": "report", "flow_run_id": NOBODY}),
    }
    queues = prefect.api.post("/work_queues/filter", json={}).json()
    prefect.ids["work_queues"] = queues[0]["id"]


@pytest.fixture(scope="module")
def prefect() -> Iterator[Prefect]:
    folder = Path(tempfile.mkdtemp(prefix="mv-", dir="/tmp"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    flags = {"appliance.isolation": "none", "ports.prefect": port}
    config = load(folder / "h", environ={}, flags=flags)
    ensure_folders(config)
    ensure_secrets(config, {})
    environ = {"PATH": os.environ["PATH"], "MAVIS_PORTS_PREFECT": str(port)}
    row = next(row for row in processes(config, environ) if row.name == "prefect")
    log = (folder / "prefect.log").open("wb")
    server = subprocess.Popen(
        row.command,
        env=dict(row.environment),
        cwd=row.folder,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    lister = subprocess.Popen(
        [sys.executable, "-c", LIST_ROUTES],
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "PREFECT_HOME": str(folder / "l")},
        stdout=subprocess.PIPE,
    )
    try:
        listed, _ = lister.communicate(timeout=60)
        routes = [(frozenset(methods), path) for methods, path in json.loads(listed)]
        until(lambda: check(row.health, config).well or server.poll() is not None, "Prefect", 90)
        assert server.poll() is None, (folder / "prefect.log").read_text()
        secret = config.read_secret("api", "prefect-auth")
        name, _, word = secret.partition(":")
        base = f"http://127.0.0.1:{port}/api"
        with httpx.Client(base_url=base, auth=(name, word), trust_env=False, timeout=30) as api:
            running = Prefect(config, secret, api, routes)
            _seed(running)
            yield running
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait(10)
        log.close()
        shutil.rmtree(folder)


class Relay:
    """Passes bytes to Prefect and keeps the head of each request: one connection carries one."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.heads: list[str] = []
        self.open: set[asyncio.StreamWriter] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.heads.append(head.decode())
        to_reader, to_writer = await asyncio.open_connection("127.0.0.1", self._port)
        to_writer.write(head)
        self.open.add(writer)
        try:
            await asyncio.gather(_pump(reader, to_writer), _pump(to_reader, writer))
        finally:
            self.open.discard(writer)
            for end in (writer, to_writer):
                end.close()

    def lines(self) -> list[str]:
        """Return method and path of what has reached Prefect, in order."""
        return [head.split(" HTTP/", 1)[0] for head in self.heads]


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


@dataclass
class Stage:
    """The proxy, and who has logged out."""

    prefect: Prefect
    relay: Relay
    loop: asyncio.AbstractEventLoop
    port: int = 0
    logged_out: set[str] = field(default_factory=set)

    async def identify(self, handler: RequestHandler) -> CallContext:
        cookie = SimpleCookie(handler.request.headers.get("Cookie", "")).get("person")
        if cookie is None or cookie.value in self.logged_out:
            raise Unauthenticated("Nobody is logged in")
        return CallContext(Principal(cookie.value), PERSON_SCOPES[cookie.value])

    def client(self, person: str | None, **headers: str) -> httpx.Client:
        """Return a browser of `person`; every answer is searched for the secret."""
        cookies = {} if person is None else {"person": person}
        return httpx.Client(
            base_url=f"http://127.0.0.1:{self.port}{PREFECT_BASE}",
            cookies=cookies,
            headers=headers,
            trust_env=False,
            timeout=30,
            event_hooks={"response": [self._search]},
        )

    def _search(self, answer: httpx.Response) -> None:
        text = f"{answer.headers.multi_items()}" + answer.read().decode("utf-8", "replace")
        assert self.prefect.secret.partition(":")[2] not in text
        assert not {"set-cookie", "www-authenticate", "server"} & set(answer.headers)

    def raw(self, target: str, method: str = "GET", length: str = "2") -> int:
        """Return the status of a request whose target no client would send like this."""
        head = (
            f"{method} {target} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nCookie: person=ada\r\n"
        )
        head += f"Content-Type: application/json\r\nContent-Length: {length}\r\n"
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as stream:
            stream.sendall(f"{head}Connection: close\r\n\r\n{{}}".encode())
            answer = b""
            while data := stream.recv(65536):
                answer += data
        return int(answer.split(b" ", 2)[1])

    def socket(
        self, person: str | None, path: str = EVENTS, origin: str | None = "", **headers: str
    ) -> ClientConnection:
        """Return an open WebSocket; `origin` "" is the proxy's own, None is none."""
        own = f"http://127.0.0.1:{self.port}"
        if person is not None:
            headers["Cookie"] = f"person={person}"
        return connect(
            f"ws://127.0.0.1:{self.port}{PREFECT_BASE}{path}",
            origin=own if origin == "" else origin,  # type: ignore[arg-type]  # a str by another name
            additional_headers=headers,
            subprotocols=["prefect"],  # type: ignore[list-item]  # a str by another name
            compression=None,
            proxy=None,
        )


def _go_to_login(handler: RequestHandler) -> None:
    handler.redirect("/hub/login")


@pytest.fixture(scope="module")
def stage(prefect: Prefect) -> Iterator[Stage]:
    loop = asyncio.new_event_loop()
    made = Stage(prefect, Relay(prefect.config.ports.prefect), loop)
    done = asyncio.Event()
    ready = threading.Event()

    async def run() -> None:
        relay = await asyncio.start_server(made.relay.serve, "127.0.0.1", 0)
        rules = prefect_rules(
            prefix=PREFECT_BASE,
            upstream=f"http://127.0.0.1:{relay.sockets[0].getsockname()[1]}",
            secret=prefect.secret,
            identify=made.identify,
            login=_go_to_login,
            recheck_s=0.2,
        )
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.setblocking(False)
            made.port = listener.getsockname()[1]
            server = HTTPServer(Application(rules))
            server.add_socket(listener)
            ready.set()
            await done.wait()
            server.stop()
        await server.close_all_connections()
        relay.close()

    thread = threading.Thread(target=lambda: loop.run_until_complete(run()))
    thread.start()
    assert ready.wait(10)
    yield made
    loop.call_soon_threadsafe(done.set)
    thread.join(10)
    assert not thread.is_alive()
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()


@pytest.fixture
def reached(stage: Stage) -> list[str]:
    """What reaches Prefect during this test: the heads of the requests."""
    stage.relay.heads.clear()
    return stage.relay.heads


def test_of_all_routes_with_all_methods_only_the_list_answers(
    prefect: Prefect, stage: Stage, reached: list[str]
) -> None:
    before = prefect.contents()
    answered, passed = set(), []
    with stage.client("ada") as browser:
        for path in sorted({path for _, path in prefect.routes} - {EVENTS.removeprefix("/api")}):
            for method in METHODS:
                target = prefect.fill(path)
                answer = browser.request(method, f"/api{target}", json={"name": "evil"})
                if answer.status_code == 403:
                    if method != "HEAD":
                        assert answer.json()["code"] == "forbidden", (method, target)
                        assert answer.json()["request_id"] == answer.headers["x-request-id"]
                        assert answer.headers["content-type"] == "application/problem+json"
                    continue
                assert answer.status_code < 500, (method, target, answer.text)
                answered.add(prefect.served_by(method, target))
                if path != "/admin/settings":  # the proxy makes that itself
                    passed.append(f"{method} /api{target}")
    listed = {(r.method, plain(r.path)) for r in ROUTES if r.path.startswith("/api/")}
    own = {("GET", "/api/health")}  # of the app, not of a router
    assert answered == listed - own
    assert stage.relay.lines() == passed
    assert len(prefect.routes) > 150
    assert prefect.contents() == before


def test_rows_are_reads_and_hold_no_keys() -> None:
    asking = {"filter", "count", "paginate", "history", "lateness"}
    asking |= {"count-task-runs", "count-deployments", "next-runs", "{word}"}
    for route in ROUTES:
        assert route.method in ("GET", "POST")
        if route.method == "POST":
            assert route.path.rpartition("/")[2] in asking, route
        assert not re.search("block|variable|secret|storage|input|collections", route.path), route


def test_reads_answer_as_prefect_does(prefect: Prefect, stage: Stage) -> None:
    run = f"/flow_runs/{prefect.ids['flow_runs']}"
    with stage.client("ada") as browser:
        assert browser.get(f"/api{run}").json() == prefect.api.get(run).json()
        asked = {"flows": {"name": {"any_": ["snapshot"]}}}
        there = prefect.api.post("/flows/filter", json=asked).json()
        assert [row["name"] for row in there] == ["snapshot"]
        assert browser.post("/api/flows/filter", json=asked).json() == there
        download = browser.get(f"/api{run}/logs/download")
        assert download.headers["content-disposition"] == (
            "attachment; filename=\"flow-run-logs.csv\"; filename*=UTF-8''run-logs.csv"
        )
        missing = browser.get(f"/api/flow_runs/{NOBODY}")
        assert missing.status_code == 404


@pytest.mark.parametrize("path", ["", "/", "/v2"])
def test_the_entrance_leads_to_the_first_page(stage: Stage, path: str) -> None:
    with stage.client("ada") as browser:
        answer = browser.get(f"http://127.0.0.1:{stage.port}{PREFECT_BASE}{path}")
    assert (answer.status_code, answer.headers["location"]) == (302, f"{PREFECT_BASE}/v2/")


def test_pages_come_from_this_machine_and_ask_for_no_password(stage: Stage) -> None:
    with stage.client("ada", Accept="text/html") as browser:
        page = browser.get("/v2/runs/flow-run/x?tab=Logs")
        assert "connect-src 'self';" in page.headers["content-security-policy"]
        assert "frame-ancestors 'self'" in page.headers["content-security-policy"]
        addresses = re.findall(r'(?:src|href)="([^"]+)"', page.text)
        scripts = [a for a in addresses if a.startswith(f"{PREFECT_BASE}/v2/assets/")]
        assert len(scripts) > 20
        script = browser.get(f"http://127.0.0.1:{stage.port}{scripts[0]}")
        assert script.status_code == 200
        assert "immutable" in script.headers["cache-control"]
        settings = browser.get("/ui-settings").json()
        assert settings["auth"] is None
        assert settings["api_url"] == f"{PREFECT_BASE}/api"
        server = browser.get("/api/admin/settings").json()
        assert server["server"]["analytics_enabled"] is False
        assert set(server) == {"server"}


def test_neither_cookies_nor_tokens_nor_other_methods_are_sent_on(
    prefect: Prefect, stage: Stage, reached: list[str]
) -> None:
    tricks = {
        "Authorization": "Basic dHJpY2s6dHJpY2s=",
        "X-HTTP-Method-Override": "DELETE",
        "X-Method-Override": "DELETE",
        "X-Forwarded-Host": "evil.example",
        "Connection": "keep-alive, X-Hop",
        "X-Hop": "1",
    }
    with stage.client("ada", **tricks) as browser:
        path = f"/api/flows/{prefect.ids['flows']}"
        assert browser.get(path).status_code == 200
        assert browser.post("/api/flows/filter?_method=DELETE", json={}).status_code == 403
        assert browser.post("/api/flows/filter", json={}).status_code == 200
        assert browser.get(path).status_code == 200
    for head in reached:
        names = {line.split(":")[0].lower() for line in head.splitlines()[1:] if line}
        assert names <= {
            *("host", "connection", "authorization", "accept", "accept-encoding"),
            *("content-type", "content-length", "user-agent"),
        }
        assert "trick" not in head
        assert not re.search(r"\bada\b", head)  # an id may have these letters


ODD = {
    "two slashes": "/api//admin/version",
    "two slashes before": "//api/admin/version",
    "up": "/v2/../api/variables/filter",
    "up from a file": "/v2/assets/../../../../api/variables/filter",
    "up, escaped": "/v2/%2e%2e/api/variables/filter",
    "up, escaped twice": "/v2/%252e%252e/api/variables/filter",
    "slash, escaped": "/v2/assets/..%2f..%2fapi",
    "up as a name": "/api/work_pools/..",
    "up as a name, escaped": "/api/work_pools/%2e%2e%2fvariables%2ffilter",
    "here": "/api/./admin/version",
    "slash at the end": "/api/admin/version/",
    "capitals": "/API/admin/version",
    "a letter escaped": "/api/%61dmin/version",
    "nothing in the query": "/api/admin/version?",
    "an unknown query": "/api/admin/version?method=DELETE",
    "a query twice": "/api/events/filter/next?page-token=YQ==&page-token=Yg==",
    "a fragment": "/api/admin/version#/",
    "a parameter": "/api/admin/version;x",
    "zero": "/api/admin/version%00",
    "a line's end": "/api/admin/version%0d%0aX:1",
    "backslashes": "/v2\\..\\api",
    "letters that are not ASCII": "/api/work_pools/pl\u00e4tform",
    "the other pages": "/dashboard",
    "documentation": "/docs",
    "the list of routes": "/api/openapi.json",
    "another prefix": "x/api/admin/version",
}


@pytest.mark.parametrize("path", ODD.values(), ids=ODD)
def test_odd_paths_are_refused(stage: Stage, reached: list[str], path: str) -> None:
    assert stage.raw(f"{PREFECT_BASE}{path}") in (400, 403, 404)
    assert stage.raw(f"{PREFECT_BASE}{path}", "POST") in (400, 403, 404)
    assert reached == []


def test_whole_addresses_and_unknown_methods_are_refused(stage: Stage, reached: list[str]) -> None:
    version = f"{PREFECT_BASE}/api/admin/version"
    assert stage.raw(f"http://127.0.0.1:{stage.port}{version}") in (400, 403, 404)
    assert stage.raw(f"http://evil.example{version}") in (400, 403, 404)
    assert stage.raw(f"/{version}") in (400, 403, 404)
    for method in ("TRACE", "PROPFIND", "get", "CONNECT"):
        assert stage.raw(version, method) in (400, 403, 404, 405)
    assert reached == []


def test_nobody_gets_401_and_others_403(prefect: Prefect, stage: Stage, reached: list[str]) -> None:
    with stage.client(None) as nobody, stage.client("olga") as operator:
        for _, path in prefect.routes:
            target = f"/api{prefect.fill(path)}"
            for method in ("GET", "POST", "DELETE"):
                assert nobody.request(method, target).status_code == 401, target
                assert operator.request(method, target).status_code == 403, target
        for path in ("/", "/ui-settings", "/v2/", "/v2/runs", "/v2/assets/index.js"):
            assert nobody.get(path).status_code == 401
            refusal = operator.get(path).json()
            assert (refusal["code"], refusal["status"]) == ("forbidden", 403)
            assert "custom:mavis:admin" in refusal["detail"]
    assert reached == []


def test_a_page_without_a_login_leads_to_the_login(stage: Stage, reached: list[str]) -> None:
    with stage.client(None, Accept="text/html,*/*;q=0.8") as browser:
        answer = browser.get("/v2/runs")
        assert (answer.status_code, answer.headers["location"]) == (302, "/hub/login")
        assert browser.post("/api/flows/filter", json={}).status_code == 401
    assert reached == []


@pytest.mark.parametrize("site", ["cross-site", "same-site", "none", "nonsense"])
def test_other_sites_cannot_ask_with_the_cookie(
    stage: Stage, reached: list[str], site: str
) -> None:
    with stage.client("ada", **{"Sec-Fetch-Site": site}) as browser:
        assert browser.post("/api/flows/filter", json={}).status_code == 403
        expected = 200 if site == "none" else 403  # typed into the bar of addresses
        assert browser.get("/api/admin/version").status_code == expected
        assert browser.get("/v2/runs").status_code == 200
    assert "POST" not in "".join(stage.relay.lines())


def test_bodies_are_small_and_json(stage: Stage, reached: list[str]) -> None:
    json_type = {"Content-Type": "application/json"}
    big = b"[" + b" " * 1024 * 1024 + b"]"

    def pieces() -> Iterator[bytes]:
        yield from (b" " * 65536 for _ in range(20))

    with stage.client("ada") as browser:
        for content in (big, pieces()):
            answer = browser.post("/api/flows/filter", content=content, headers=json_type)
            assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
        answer = browser.post("/api/flows/filter", content=b"a=b")
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_input")
    for length in ("x", "-1", "2, 3", "1e9"):
        assert stage.raw(f"{PREFECT_BASE}/api/flows/filter", "POST", length) == 400
    assert reached == []


def test_a_prefect_that_is_down_or_has_another_secret_is_unavailable(
    prefect: Prefect, stage: Stage
) -> None:
    async def ask(port: int) -> httpx.Response:
        rules = prefect_rules(
            prefix=PREFECT_BASE,
            upstream=f"http://127.0.0.1:{port}",
            secret="mavis:wrong",
            identify=stage.identify,
        )
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.setblocking(False)
            server = HTTPServer(Application(rules))
            server.add_socket(listener)
            base = f"http://127.0.0.1:{listener.getsockname()[1]}{PREFECT_BASE}"
            async with httpx.AsyncClient(trust_env=False, cookies={"person": "ada"}) as browser:
                answer = await browser.get(f"{base}/api/admin/version")
            server.stop()
        await server.close_all_connections()
        return answer

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        down = asyncio.run(ask(taken.getsockname()[1]))
    wrong = asyncio.run(ask(prefect.config.ports.prefect))
    for answer in (down, wrong):
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert "www-authenticate" not in answer.headers


def event(name: str) -> dict[str, Any]:
    return {
        "occurred": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "event": name,
        "resource": {"prefect.resource.id": "mavis.test"},
        "id": str(uuid.uuid4()),
    }


def closed(connection: Connection) -> int:
    with pytest.raises(ConnectionClosed) as caught:
        connection.recv(10)
    assert caught.value.rcvd is not None
    return caught.value.rcvd.code


def test_events_come_through_the_socket_and_no_token_goes(
    prefect: Prefect, stage: Stage, reached: list[str]
) -> None:
    with stage.socket("ada") as browser:
        browser.send(json.dumps({"type": "auth", "token": "guess"}))
        assert json.loads(browser.recv(10)) == {"type": "auth_success"}
        wanted = {"event": {"name": ["mavis.hello"]}}
        browser.send(json.dumps({"type": "filter", "filter": wanted, "backfill": True}))
        assert prefect.api.post("/events", json=[event("mavis.hello")]).status_code == 204
        text = str(browser.recv(20))
        assert json.loads(text)["event"]["event"] == "mavis.hello"
        assert prefect.secret.partition(":")[2] not in text
        assert stage.relay.lines() == [f"GET {EVENTS}"]
        assert "guess" not in "".join(reached)
        assert "Cookie" not in reached[0]
        assert stage.relay.open
    until(lambda: not stage.relay.open, "the end of the feed from Prefect")


def test_a_socket_ends_when_its_owner_logs_out(stage: Stage) -> None:
    with stage.socket("ada") as browser:
        until(lambda: stage.relay.open, "the feed from Prefect")
        stage.logged_out.add("ada")
        try:
            assert closed(browser) == 1008
        finally:
            stage.logged_out.clear()
    until(lambda: not stage.relay.open, "the end of the feed from Prefect")


def test_a_socket_ends_with_the_feed(stage: Stage) -> None:
    with stage.socket("ada") as browser:
        until(lambda: stage.relay.open, "the feed from Prefect")
        for end in tuple(stage.relay.open):
            stage.loop.call_soon_threadsafe(end.transport.abort)
        assert closed(browser) == 1011


@pytest.mark.parametrize(
    "message",
    ['{"type": "event", "event": {}}', "no JSON", '["filter"]', b"\x00"],
    ids=["an event", "no JSON", "a list", "bytes"],
)
def test_a_socket_takes_a_filter_and_nothing_else(stage: Stage, message: str | bytes) -> None:
    with stage.socket("ada") as browser:
        browser.send(message)
        assert closed(browser) == 1008
    until(lambda: not stage.relay.open, "the end of the feed from Prefect")


def test_a_long_message_ends_the_socket(stage: Stage) -> None:
    with stage.socket("ada") as browser:
        browser.send(json.dumps({"type": "filter", "filter": {}, "x": "x" * 70_000}))
        with pytest.raises(ConnectionClosed):
            browser.recv(10)
    until(lambda: not stage.relay.open, "the end of the feed from Prefect")


@pytest.mark.parametrize(
    ("person", "origin", "headers", "status"),
    [
        (None, "", {}, 401),
        ("olga", "", {}, 403),
        ("ada", "https://evil.example", {}, 403),
        ("ada", None, {}, 403),
        ("ada", "null", {}, 403),
        ("ada", "", {"Sec-Fetch-Site": "cross-site"}, 403),
    ],
    ids=["nobody", "an operator", "another site", "no origin", "a sandbox", "a lying origin"],
)
def test_who_may_not_open_the_socket(
    stage: Stage,
    reached: list[str],
    person: str | None,
    origin: str | None,
    headers: dict[str, str],
    status: int,
) -> None:
    with pytest.raises(InvalidStatus) as caught, stage.socket(person, origin=origin, **headers):
        pass
    assert caught.value.response.status_code == status
    assert caught.value.response.headers["Content-Type"] == "application/problem+json"
    assert reached == []


def test_no_other_socket_opens(prefect: Prefect, stage: Stage, reached: list[str]) -> None:
    sockets = [path for methods, path in prefect.routes if "WEBSOCKET" in methods]
    assert f"/api{sockets[0]}" != EVENTS
    assert len(sockets) >= 4
    tried = {f"/api{prefect.fill(path)}" for path in sockets} - {EVENTS}
    for path in (*tried, f"{EVENTS}/", f"{EVENTS}?a=b", "/api/events//out", "/api/flows/filter"):
        with pytest.raises(InvalidStatus) as caught, stage.socket("ada", path):
            pass
        assert caught.value.response.status_code == 403, path
    with stage.client("ada") as browser:
        assert browser.get(EVENTS).status_code == 400
    assert reached == []
