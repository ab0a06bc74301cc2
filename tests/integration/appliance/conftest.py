"""Fixtures: `free_port` finds ports; `short_home` is a state folder whose path is short enough for
Unix sockets and open to other users; `edge` is a real Traefik with the product's own files before
an upstream that says what reached it; `appliance` is edge proxy, Hub, API and Prefect as the
product starts them, with isolation where the tests run as root."""

import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import uuid
from asyncio import new_event_loop, set_event_loop, wait_for
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import httpx
import pytest
from tornado.httpclient import HTTPRequest
from tornado.httpserver import HTTPServer
from tornado.ioloop import IOLoop
from tornado.web import Application, RequestHandler
from tornado.websocket import WebSocketHandler, websocket_connect

from mavis_core.config import Config, PortsConfig, load
from mavis_hub import appliance as product
from mavis_hub.edge import write_edge_files
from mavis_hub.folders import ensure_folders
from mavis_hub.health import check
from mavis_hub.installation import program
from mavis_hub.processes import processes
from mavis_hub.secrets import ensure_secrets
from mavis_hub.users import DEMO_PEOPLE, demo_passwords

STARTED = ("edge", "hub", "api", "prefect")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def free_port() -> Callable[[], int]:
    return _free_port


def wait_for_condition(condition: Callable[[], bool], what: str, timeout_s: float = 30) -> None:
    deadline = time.monotonic() + timeout_s
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come about in {timeout_s} s"
        pause.wait(0.05)


@pytest.fixture(scope="session")
def until() -> Callable[..., None]:
    return wait_for_condition


def _ports() -> dict[str, str]:
    names = ("EDGE_PORT", *(f"PORTS_{each.name.upper()}" for each in fields(PortsConfig)))
    return {f"MAVIS_{name}": str(_free_port()) for name in names}


@pytest.fixture(scope="module")
def short_home() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="mv-", dir="/tmp"))
    folder.chmod(0o755)
    yield folder / "h"
    shutil.rmtree(folder)


class _Echo(RequestHandler):
    """Say what arrived; `?status=`, `?wait=` and `?id=` shape the answer."""

    async def prepare(self) -> None:
        wait_s = float(self.get_query_argument("wait", "0"))
        if wait_s:
            await self.settings["sleep"](wait_s)
        self.set_status(int(self.get_query_argument("status", "200")))
        self.set_header("Service-Worker-Allowed", "/")
        if request_id := self.get_query_argument("id", ""):
            self.set_header("X-Request-Id", request_id)
        self.finish(
            {
                "port": self.settings["port"],
                "method": self.request.method,
                "path": self.request.path,
                "headers": dict(self.request.headers),
                "body_bytes": len(self.request.body),
            }
        )


class _EchoSocket(WebSocketHandler):
    def check_origin(self, origin: str) -> bool:
        return True

    def on_message(self, message: str | bytes) -> None:
        self.write_message(message)


@dataclass
class Edge:
    """A running edge proxy.

    Parameters
    ----------
    log
        Where its output goes.
    """

    config: Config
    log: Path
    folder: Path

    @property
    def trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.config.ca_file))

    def client(self, **options: Any) -> httpx.Client:
        verify = self.trust if self.config.edge.tls == "self-signed" else False
        return httpx.Client(
            base_url=self.config.public_url, verify=verify, timeout=30, trust_env=False, **options
        )


def _serve(ports: list[int], ready: threading.Event, loops: list[IOLoop]) -> None:
    import asyncio

    loop = new_event_loop()
    set_event_loop(loop)
    servers = []
    for port in ports:
        routes = [(r"/services/mavis/prefect/api/events/out", _EchoSocket), (r".*", _Echo)]
        application = Application(routes, port=port, sleep=asyncio.sleep)
        server = HTTPServer(application, max_buffer_size=64 * 1024 * 1024)
        server.listen(port, "127.0.0.1")
        servers.append(server)
    loops.append(IOLoop.current())
    ready.set()
    loop.run_forever()
    for server in servers:
        server.stop()
    loop.run_until_complete(asyncio.gather(*(s.close_all_connections() for s in servers)))
    loop.close()


@pytest.fixture(scope="module")
def upstream() -> Iterator[Callable[[list[int]], None]]:
    """Serve on these ports until the module's tests are done."""
    threads, loops = [], []

    def serve(ports: list[int]) -> None:
        ready = threading.Event()
        thread = threading.Thread(target=_serve, args=(ports, ready, loops))
        thread.start()
        threads.append(thread)
        assert ready.wait(10)

    yield serve
    for loop in loops:
        loop.add_callback(loop.asyncio_loop.stop)  # type: ignore[attr-defined]  # asyncio's own
    for thread in threads:
        thread.join(10)


@pytest.fixture(scope="module")
def start_edge(
    upstream: Callable[[list[int]], None],
) -> Iterator[Callable[..., Edge]]:
    """Start a Traefik on the product's files, with these settings."""
    running, folders = [], []

    def start(change: Callable[[Config], None] = lambda config: None, **flags: object) -> Edge:
        folder = Path(tempfile.mkdtemp(prefix="mv-", dir="/tmp"))
        folders.append(folder)
        given = {"appliance.isolation": "none", **flags}
        config = load(folder / "h", environ=_ports(), flags=given)
        ensure_folders(config)
        ensure_secrets(config, {})
        write_edge_files(config)
        change(config)
        ports = config.ports
        upstream([ports.hub, ports.api, ports.dashboards, ports.gateway])
        log = config.home / "log" / "edge.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [program("traefik"), f"--configfile={config.home}/edge/traefik.yml"],
                stdout=output,
                stderr=subprocess.STDOUT,
                env={},
            )
        running.append(process)
        row = next(row for row in processes(config, {}) if row.name == "edge")
        wait_for_condition(lambda: check(row.health, config).well, "the edge proxy")
        edge = Edge(config, log, folder)
        password = config.read_secret("hub", "edge-api-password")
        api = f"http://127.0.0.1:{config.ports.edge_api}/api/http/routers/api@file"

        def routed() -> bool:
            answer = httpx.get(api, auth=("hub", password), trust_env=False)
            return answer.status_code == 200

        wait_for_condition(routed, "the routes")
        return edge

    yield start
    for process in running:
        process.terminate()
    for process in running:
        process.wait(10)
    for folder in folders:
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def edge(start_edge: Callable[..., Edge]) -> Edge:
    return start_edge()


@dataclass
class Appliance:
    """The running appliance, as far as these tests start it."""

    config: Config
    environ: dict[str, str]

    @property
    def trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.config.ca_file))

    def client(self, **options: Any) -> httpx.Client:
        return httpx.Client(
            base_url=self.config.public_url,
            verify=self.trust,
            timeout=60,
            trust_env=False,
            **options,
        )

    def token(self, name: str) -> str:
        auth = {"username": name, "password": demo_passwords(self.config)[name]}
        with self.client() as client:
            answer = client.post(
                f"/hub/api/users/{name}/tokens",
                json={"auth": auth, "note": "test", "expires_in": 600},
            )
        assert answer.status_code == 201, answer.text
        return str(answer.json()["token"])

    @contextmanager
    def browser(self, name: str) -> Iterator[httpx.Client]:
        """Yield a client that has logged in with the page's form."""
        with self.client() as client:
            page = client.get("/hub/login")
            xsrf = re.search(r'name="_xsrf" value="([^"]+)"', page.text)
            assert xsrf is not None
            password = demo_passwords(self.config)[name]
            form = {"username": name, "password": password, "_xsrf": xsrf.group(1)}
            answer = client.post("/hub/login?next=/hub/home", data=form)
            assert (answer.status_code, answer.headers["location"]) == (302, "/hub/home")
            yield client

    def be(self, name: str, role: str | None) -> None:
        """Give a person this role in the project ``shop``, and no other; None: no role at all."""
        headers = {"Authorization": f"token {self.token('demo-admin')}"}
        api, member = "/services/mavis/api/v1/projects", f"shop/members/user:{name}"
        with self.client(headers=headers) as client:
            made = client.post(api, json={"name": "shop", "title": "Web shop"})
            assert made.status_code in (201, 409), made.text
            if role is None:
                answer = client.delete(f"{api}/{member}")
            else:
                answer = client.put(f"{api}/{member}", json={"role": role})
            assert answer.status_code in (200, 201, 204), answer.text

    def start_server(self, name: str, token: str) -> None:
        """Start the server of somebody who works in a project, or is an administrator."""
        if name != "demo-admin":
            self.be(name, "operator")
        headers = {"Authorization": f"token {token}"}
        with self.client(headers=headers) as client:
            answer = client.post(f"/hub/api/users/{name}/server")
            assert answer.status_code in (201, 202, 400), answer.text  # 400: it runs already

            def ready() -> bool:
                found = client.get(f"/hub/api/users/{name}").json()["servers"]
                return bool(found.get("", {}).get("ready"))

            wait_for_condition(ready, f"the server of {name}", 60)

    def run_in_kernel(self, name: str, token: str, code: str) -> str:
        """Run `code` in a new kernel of the person's server; return what it printed."""
        headers = {"Authorization": f"token {token}"}
        with self.client(headers=headers) as client:
            kernel = client.post(f"/user/{name}/api/kernels", json={"name": "python3"}).json()["id"]
            try:
                url = self.config.public_url.replace("http", "ws", 1)
                url += f"/user/{name}/api/kernels/{kernel}/channels"
                loop = new_event_loop()
                try:
                    return loop.run_until_complete(self._execute(url, headers, code))
                finally:
                    loop.close()
            finally:
                client.delete(f"/user/{name}/api/kernels/{kernel}")

    async def _execute(self, url: str, headers: dict[str, str], code: str) -> str:
        request = HTTPRequest(url, headers=headers, ssl_options=self.trust)
        socket = await websocket_connect(request)
        message_id = uuid.uuid4().hex
        header = {
            "msg_id": message_id,
            "username": "",
            "session": uuid.uuid4().hex,
            "msg_type": "execute_request",
            "version": "5.3",
        }
        content = {"code": code, "silent": False, "store_history": False, "user_expressions": {}}
        await socket.write_message(
            json.dumps(
                {
                    "header": header,
                    "parent_header": {},
                    "metadata": {},
                    "channel": "shell",
                    "content": {**content, "allow_stdin": False},
                }
            )
        )
        printed = ""
        while True:
            text = await wait_for(socket.read_message(), 60)
            assert text is not None, "the kernel's connection ended"
            message = json.loads(text)
            if message["parent_header"].get("msg_id") != message_id:
                continue
            if message["msg_type"] == "stream":
                printed += message["content"]["text"]
            elif message["msg_type"] == "error":
                printed += "\n".join(message["content"]["traceback"])
            elif message["content"].get("execution_state") == "idle":
                socket.close()
                while await wait_for(socket.read_message(), 60) is not None:
                    pass  # it is closed when nothing comes any more
                return printed


def start_appliance(
    home: Path, names: tuple[str, ...] = STARTED, *, demo: bool = True, **environ: str
) -> Appliance:
    """Start some of the processes as `mavisctl up` does; `environ` holds settings."""
    given = {**_ports(), **environ}
    config = load(home, environ=given)
    told = {**given, "PATH": os.environ["PATH"], "LEAKED_SECRET": "never"}
    table = tuple(row for row in processes(config, told) if row.name in names)
    started = product.start(config, table, told, demo=demo, report=lambda line: None)
    try:
        product.wait_until_well(config, started, report=lambda line: None)
    except BaseException:
        product.stop(config)
        started.supervisor.wait(15)
        raise
    _supervisors.append(started.supervisor)
    return Appliance(config, given)


_supervisors: list[subprocess.Popen[bytes]] = []


def stop_appliance(appliance: Appliance) -> int:
    ended = product.stop(appliance.config)
    while _supervisors:
        _supervisors.pop().wait(15)
    return ended


@pytest.fixture(scope="module")
def ports() -> dict[str, str]:
    """Return settings with a free port for each process."""
    return _ports()


@pytest.fixture(scope="module")
def visit() -> Callable[[Config], Appliance]:
    """Return a visitor of an appliance that somebody else started."""
    return lambda config: Appliance(config, {})


@pytest.fixture(scope="module")
def launch() -> Callable[..., Appliance]:
    return start_appliance


@pytest.fixture(scope="module")
def halt() -> Callable[[Appliance], int]:
    return stop_appliance


@pytest.fixture(scope="module")
def appliance(short_home: Path) -> Iterator[Appliance]:
    running = start_appliance(short_home)
    yield running
    stop_appliance(running)


@pytest.fixture(scope="session")
def people() -> list[str]:
    return [person.name for person in DEMO_PEOPLE]
