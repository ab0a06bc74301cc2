"""Fixtures for the command line against the appliance's own API.

- `url`: the API over the core, with a worker that does each Run; its address
- `cli`: the command line about the project ``shop``, as one of `PEOPLE`
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import tornado.httpserver
import tornado.netutil
from click.testing import CliRunner, Result

from core_double import PERSON, PLATFORM, Core, sqlite_url
from mavis_core.access import Principal, Scope
from mavis_core.bootstrap import api_app
from mavis_core.testing.cloud import FakeKit
from mavis_core.vault.service import Vault
from mavis_ext.app import make_application, make_services
from mavis_kernel.cli.root import root
from rest_service import Logins, make_home

Cli = Callable[..., Result]


@dataclass(frozen=True)
class _Caller:
    principal: Principal
    scopes: frozenset[Scope]
    confined: None = None


PEOPLE = {
    "token-ada": _Caller(Principal("ada"), PLATFORM),
    "token-olga": _Caller(Principal("olga"), PERSON),
    "token-vera": _Caller(Principal("vera", frozenset({"lookers"})), PERSON),
    "token-eve": _Caller(Principal("eve"), PERSON),
}


async def _identify(token: str) -> _Caller | None:
    return PEOPLE.get(token)


@pytest.fixture
def url(core: Core, tmp_path: Path) -> Iterator[str]:
    """Serve the API on loopback, with a worker that does each Run; return its address."""
    config = make_home(tmp_path / "home", sqlite_url(tmp_path))
    app = api_app(config, kits={"fake": FakeKit(core.cloud)})
    # The worker of `core` opens what the API seals, each with its own way to the database.
    app = replace(app, vault=Vault(app.database, core.vault._sealer))
    ready, ports = threading.Event(), []
    over = asyncio.Event()

    async def serve() -> None:
        services = make_services(app, _identify, Logins(), secret=b"of the test")
        server = tornado.httpserver.HTTPServer(make_application(services))
        sockets = tornado.netutil.bind_sockets(0, "127.0.0.1")
        ports.append((sockets[0].getsockname()[1], asyncio.get_running_loop()))
        server.add_sockets(sockets)
        ready.set()
        await over.wait()
        server.stop()
        await server.close_all_connections()
        services.close()

    serving = threading.Thread(target=lambda: asyncio.run(serve()))
    done = threading.Event()

    def work() -> None:
        while not done.wait(0.02):
            core.carry_out()

    working = threading.Thread(target=work)
    serving.start()
    working.start()
    assert ready.wait(10)
    ((port, loop),) = ports
    yield f"http://127.0.0.1:{port}"
    done.set()
    loop.call_soon_threadsafe(over.set)
    working.join(10)
    serving.join(10)
    app.close()


@pytest.fixture
def cli(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Call the command line about the project ``shop`` as one of `PEOPLE`."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setattr("mavis_kernel.nouns.runs._FIRST_POLL_S", 0.02)

    def call(person: str, *words: str, stdin: str | None = None) -> Result:
        environment = {"MAVIS_URL": url, "MAVIS_TOKEN": f"token-{person}", "MAVIS_PROJECT": "shop"}
        return CliRunner().invoke(root, words, input=stdin, env=environment)

    return call
