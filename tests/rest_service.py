"""The REST API as it is served, on a loopback port, with a table of tokens in JupyterHub's place.

Handlers, services, database and log process are the real ones; the cloud is the shipped fake one.
"""

from __future__ import annotations

import asyncio
import gzip
import http.client
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeAlias

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application

from contract import contract
from core_double import ACCOUNT, KERNEL, PERSON, PLATFORM, REGION, Core, call, wait_until
from mavis_core.access import Confinement, Principal, Role, Scope
from mavis_core.bootstrap import ApiApp, api_app
from mavis_core.config import Config, load
from mavis_core.contract import Kit
from mavis_core.errors import MavisError, Unavailable
from mavis_core.logins.model import TOKEN_LIFETIME, Grant
from mavis_core.remote.alarms import Alarm
from mavis_core.remote.front_door import FrontDoors
from mavis_core.remote.person_authority import PersonAuthority
from mavis_core.remote.person_certificates import PersonCertificates, Wanted
from mavis_core.remote.replays import Replays
from mavis_core.testing.cloud import FakeCloud, FakeKit
from mavis_core.vault.sealing import generate
from mavis_core.vault.service import Vault
from mavis_ext.app import API, make_application, make_services
from mavis_ext.auth import Issued
from mavis_ext.base import Services
from mavis_ext.events import RunEvents
from mavis_ext.pools import Pool
from mavis_hub.secrets import SECRETS
from mavis_hub.serving import end_connections

COOKIE_SECRET = "of the test"
MakeApplication: TypeAlias = Callable[[Config, Services], Application]
_READ_AT_MOST = 17 * 1024 * 1024  # as the api process does


@dataclass(frozen=True)
class Caller:
    """What the Hub would say of a token."""

    principal: Principal
    scopes: frozenset[Scope]
    confined: Confinement | None = None


def caller(name: str, scopes: frozenset[Scope], *groups: str) -> Caller:
    return Caller(Principal(name, frozenset(groups)), scopes)


class Tokens:
    """Fulfils `mavis_ext.auth.Identify`: callers by token."""

    def __init__(self) -> None:
        self.known = {
            "ada": caller("ada", PLATFORM),  # administrator of the platform and of the project
            "olga": caller("olga", PERSON),  # operator
            "kernel": caller("olga", KERNEL),  # the operator's notebook
            "vera": caller("vera", PERSON, "lookers"),  # viewer, by group
            "eve": caller("eve", PLATFORM),  # may everything and is no member
        }
        for role in Role:
            self.known[f"as-{role}"] = caller(f"as-{role}", PLATFORM)

    async def __call__(self, token: str) -> Caller | None:
        if token == "hub-is-down":
            raise Unavailable("JupyterHub does not answer", retry_after_s=5)
        if token == "bug":
            raise RuntimeError("an inner matter with a s3cret in it")
        return self.known.get(token)


class Gateway:
    """In the gateway's place: a recording of each session, and an authority of its own."""

    def __init__(self, longest: timedelta) -> None:
        self._authority = PersonAuthority(Ed25519PrivateKey.generate(), longest=longest)
        self.standing: tuple[Alarm, ...] = ()

    def cast(self, project_id: str, session_id: str, shard: int | None) -> Gateway:
        self._sent = (project_id, session_id, shard)
        return self

    def search(self, project_id: str, words: str, *, limit: int) -> list[dict[str, object]]:
        del project_id, words, limit
        return []

    def alarms(self) -> tuple[Alarm, ...]:
        return self.standing

    def door_key(self) -> str | None:
        return "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"

    def sign(self, wanted: Wanted) -> str:
        return self._authority.sign(wanted)

    def chunks(self) -> Iterator[bytes]:
        yield b'{"version": 2, "width": 80, "height": 24}\n'
        yield b'[0.1, "o", "hello"]\n'

    def close(self) -> None:
        """Do nothing: it is no connection."""


@dataclass
class Logins:
    """Fulfils `mavis_ext.auth.Issue`: a token a login, and what each was made with.

    Parameters
    ----------
    fails
        Errors with which the next ones end.
    """

    made: list[Grant] = field(default_factory=list)
    fails: list[MavisError] = field(default_factory=list)

    def __call__(self, grant: Grant) -> Issued:
        if self.fails:
            raise self.fails.pop(0)
        self.made.append(grant)
        return Issued(f"token-{len(self.made)}-of-{grant.person}", TOKEN_LIFETIME)


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def plain(self) -> bytes:
        """The content as it was before it was compressed."""
        packed = self.headers.get("Content-Encoding") == "gzip"
        return gzip.decompress(self.content) if packed else self.content

    @property
    def json(self) -> Any:
        return json.loads(self.plain)

    @property
    def code(self) -> str:
        """The code of the problem; asserts that it is one."""
        problem = self.json
        assert self.headers["Content-Type"] == "application/problem+json"
        assert {"type", "title", "status", "detail", "code", "mend", "request_id"} <= set(problem)
        assert problem["status"] == self.status
        assert problem["type"] == f"urn:mavis:error:{problem['code']}"
        assert problem["request_id"] == self.headers["X-Request-Id"]
        assert problem["detail"]
        assert problem["mend"]
        return str(problem["code"])


@dataclass
class Address:
    """Where an API answers on loopback."""

    port: int

    def ask(
        self,
        method: str,
        path: str,
        token: str | None = "ada",
        body: object = None,
        *,
        raw: bytes | None = None,
        prefix: str = API,
        **headers: str,
    ) -> Answer:
        """Call the API; `path` goes out exactly as it is.

        Raises
        ------
        AssertionError
            The answer is the API's and none that the description tells of (`contract`).
        """
        content = raw if raw is not None else b"" if body is None else json.dumps(body).encode()
        sent = {"Content-Length": str(len(content))}
        if token is not None:
            sent["Authorization"] = f"token {token}"
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.putrequest(method, prefix + path, skip_accept_encoding=True)
            for name, value in sent.items():
                connection.putheader(name, value)
            connection.endheaders(content or None)
            response = connection.getresponse()
            content = _first_event(response) if _is_endless(path, response) else response.read()
            answer = Answer(response.status, response.headers, content)  # type: ignore[arg-type]
        finally:
            connection.close()
        if (prefix + path).startswith(API):  # pages are described nowhere
            contract().hold(method, prefix + path, answer.status, answer.headers, answer.plain)
        return answer


def _is_endless(path: str, response: http.client.HTTPResponse) -> bool:
    return response.status == 200 and path.partition("?")[0].endswith("/records/events")


def _first_event(response: http.client.HTTPResponse) -> bytes:
    """Return a stream up to the end of its first event."""
    content = b""
    while b"\ndata: " not in content or not content.endswith(b"\n\n"):
        content += response.readline()
    return content


@dataclass
class RestService(Address):
    """A running service.

    Parameters
    ----------
    core
        The same database from the inside, for setting up and for looking.
    recordings
        What the gateway has, and says of itself.
    """

    config: Config
    app: ApiApp
    core: Core
    cloud: FakeCloud
    tokens: Tokens
    logins: Logins
    services: Services
    recordings: Gateway
    facts: dict[str, str] = field(default_factory=dict)
    start_logs: Callable[[], None] = lambda: None
    end_logs: Callable[[], None] = lambda: None

    @property
    def events(self) -> RunEvents:
        return self.services.events

    def record_of(self, answer: Answer) -> dict[str, Any] | None:
        """Return the record of the call, as it lies in the database at this moment."""
        request_id = answer.headers["X-Request-Id"]
        for record in self.core.records_ever():
            if record["request_id"] == request_id:
                return record
        return None


def make_home(home: Path, url: str = "") -> Config:
    """Make a state folder as far as api and log process need it."""
    environ = {
        "MAVIS_APPLIANCE_ISOLATION": "none",
        "MAVIS_DATABASE_URL": url,
        "MAVIS_API_RATE_PER_S": "100000",  # tests are faster than people
    }
    config = load(home, environ=environ)
    (home / "db").mkdir(parents=True)
    _, public = generate()
    made = {secret.name: (secret.holders, secret.make()) for secret in SECRETS}
    for name, (holders, text) in {
        **made,
        "vault-public-key": (("api",), public),
        "device-public-key": (("api",), public),
    }.items():
        for process in {"api", "logs"} & set(holders):
            path = config.secret_file(process, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text + "\n")
    return config


def fill(core: Core, cloud: FakeCloud) -> None:
    """Make the project ``shop`` with a machine, and somebody in each role."""
    cloud.launch(ACCOUNT, REGION, "web-1", sizes=(8, 20))
    shop = core.shop()
    for role in Role:
        core.projects.put_member(call("ada", PLATFORM), "shop", f"user:as-{role}", role)
    shop.discover()


@contextmanager
def serving(
    home: Path,
    *,
    url: str = "",
    database: Pool | None = None,
    logs: bool = False,
    pages: Sequence[tuple[Any, ...]] = (),
    kits: Mapping[str, Kit] | None = None,
    application: MakeApplication | None = None,
    port: int = 0,
) -> Iterator[RestService]:
    """Serve a new state folder.

    Parameters
    ----------
    url
        The main database; empty: SQLite in the folder.
    database
        Another pool for calls of the database.
    logs
        Whether to run the log process, too.
    pages
        Rules of pages that are served beside the API.
    kits
        Others besides the fake cloud's.
    application
        Makes what is served; None: the API with `pages`.
    port
        Where; 0: wherever there is room.
    """
    config = make_home(home, url)
    cloud = FakeCloud()
    every = {"fake": FakeKit(cloud), **(kits or {})}
    core = Core(config.database_url, cloud, kits=every)
    fill(core, cloud)
    app = api_app(config, kits=every)
    # Runs are carried out by `core`, which must open what the API seals.
    app = replace(app, vault=Vault(app.database, core.vault._sealer))
    longest = timedelta(hours=config.remote.certificate_hours)
    gateway = Gateway(longest)
    app = replace(
        app,
        replays=Replays(app.database, app.projects, app.sessions, gateway),
        person_certificates=PersonCertificates(app.database, longest=longest, signer=gateway),
        front_doors=FrontDoors("", config.remote.port, gateway),
    )
    tokens, logins = Tokens(), Logins()
    services = make_services(app, tokens, logins, secret=b"of the test")
    if database is not None:
        services.database.close()
        services = replace(services, database=database, events=RunEvents(app.runs, database))
    try:
        make = application or (lambda _, services: _plain(services, pages))
        with served(make(config, services), port) as at:
            service = RestService(at, config, app, core, cloud, tokens, logins, services, gateway)
            if not logs:
                yield service
                return
            with _log_process(service):
                yield service
    finally:
        services.close()
        app.close()
        core.close()


def _plain(services: Services, pages: Sequence[tuple[Any, ...]]) -> Application:
    return make_application(services, *pages, cookie_secret=COOKIE_SECRET)


@contextmanager
def served(application: Application, port: int = 0) -> Iterator[int]:
    """Run Tornado in a thread, as the api process sets it up; return its port."""
    sockets = bind_sockets(port, "127.0.0.1")
    stop = asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []
    ready = threading.Event()

    async def serve() -> None:
        server = HTTPServer(application, max_body_size=_READ_AT_MOST)
        server.add_sockets(sockets)
        loops.append(asyncio.get_running_loop())
        ready.set()
        await stop.wait()
        server.stop()
        await end_connections(server)

    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="rest")
    thread.start()
    ready.wait(10)
    try:
        yield sockets[0].getsockname()[1]
    finally:
        loops[0].call_soon_threadsafe(stop.set)
        thread.join(10)


@contextmanager
def _log_process(service: RestService) -> Iterator[None]:
    environ = {
        **os.environ,
        "MAVIS_HOME": str(service.config.home),
        "MAVIS_APPLIANCE_ISOLATION": "none",
        "MAVIS_DATABASE_URL": service.config.database.url,
    }
    command = [sys.executable, "-m", "mavis_hub.log_service"]

    def start() -> None:
        process = subprocess.Popen(command, env=environ, stderr=subprocess.DEVNULL)

        def up() -> bool:
            assert process.poll() is None, "the log process has ended"
            try:
                return service.app.logs.health().status == "ok"
            except Unavailable:
                return False

        def end() -> None:
            process.terminate()
            process.wait(30)

        service.end_logs = end
        wait_until(up, timeout_s=30)

    service.start_logs = start
    try:
        start()
        yield
    finally:
        service.end_logs()
