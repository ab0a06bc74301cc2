"""The gateway as a process, beside a main database, a Hub's double and a device.

`Scene` stands for the api process: it adds devices and asks for sessions as the API does, with the
services of the core. `Viewer` is a page or a notebook at the WebSocket.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Self, TypeVar

from cryptography.hazmat.primitives import serialization as coding
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from core_double import KERNEL, PERSON, PLATFORM, call
from hub_double import Hub, hub_application
from mavis_core.access import CallContext, Role
from mavis_core.config import Config, load
from mavis_core.db import Database, migrate, open_database
from mavis_core.db.paging import PageRequest
from mavis_core.logs.client import SocketConnection
from mavis_core.logs.sealing import private_key
from mavis_core.projects.service import Projects
from mavis_core.records import Outbox, Record
from mavis_core.remote.devices import Devices
from mavis_core.remote.gateway_client import GatewayClient
from mavis_core.remote.model import KEY_FIELDS, Policy, Protocol, Session, terminal_path
from mavis_core.remote.person_certificates import PersonCertificates
from mavis_core.remote.person_keys import PersonKeys
from mavis_core.remote.replays import Replays
from mavis_core.remote.sessions import Asked, Sessions
from mavis_core.vault.sealing import Sealer
from mavis_core.vault.service import Vault
from mavis_hub.folders import ensure_folders
from mavis_hub.health import SocketCheck, check
from mavis_hub.secrets import ensure_secrets
from rest_service import served
from ssh_client import Client
from ssh_servers import free_port, keygen

__all__ = ["ADA", "OLGA", "Scene", "Viewer", "call_of", "make_scene", "until"]

T = TypeVar("T")


def _call(name: str, scopes: Any) -> CallContext:
    made = call(name, scopes)
    return CallContext(made.principal, made.scopes, source="127.0.0.1")


ADA, OLGA = _call("ada", PLATFORM), _call("olga", KERNEL)


def call_of(name: str) -> CallContext:
    """Return a call of somebody who has logged in, and is no notebook."""
    return _call(name, PERSON)


def until(condition: Callable[[], T], what: str, within_s: float = 30.0) -> T:
    """Return what `condition` returns as soon as that is true; fail after the time."""
    deadline = time.monotonic() + within_s
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {within_s:.0f} s: {what}"
        time.sleep(0.05)
    return found


class Viewer:
    """One connection to a session."""

    def __init__(self, socket_: ClientConnection) -> None:
        self._socket = socket_
        self.shown = b""
        self.errors = b""
        self.told: list[dict[str, Any]] = []
        self.drawn = 0
        self.confirms = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._socket.close()

    def say(self, **told: Any) -> None:
        self._socket.send(json.dumps(told))

    def send(self, message: str | bytes) -> None:
        self._socket.send(message)

    def type(self, text: str | bytes) -> None:
        self._socket.send(text.encode() if isinstance(text, str) else text)

    def take(self, timeout_s: float = 20.0) -> bool:
        """Take one message; False where the connection has ended."""
        try:
            message = self._socket.recv(timeout=timeout_s)
        except ConnectionClosed:
            return False
        if isinstance(message, str):
            told = json.loads(message)
            self.told.append(told)
            self.drawn = told.get("from", self.drawn)
            return True
        if message[0] == 1:
            self.shown += message[1:]
        else:
            self.errors += message[1:]
        self.drawn += len(message) - 1
        if self.confirms:
            with suppress(ConnectionClosed):  # the next look tells
                self.say(drawn=self.drawn)
        return True

    def until_shown(self, text: str | bytes) -> None:
        """Take messages until `text` was shown."""
        wanted = text.encode() if isinstance(text, str) else text
        while wanted not in self.shown:
            assert self.take(), (self.told, self.shown[-500:])

    def until_told(self, name: str, within_s: float = 20.0) -> Any:
        """Take messages until one of `name` came, and return what it says."""
        while not (found := [each[name] for each in self.told if name in each]):
            assert self.take(within_s), self.told
        return found[-1]

    def until_quiet(self, quiet_s: float = 1.0) -> None:
        """Take messages until none comes for a while."""
        with suppress(TimeoutError):
            while self.take(quiet_s):
                pass

    def until_closed(self) -> None:
        """Take messages until the connection ends."""
        while self.take():
            pass


@dataclass
class Scene:
    """A state folder with a gateway, and what the api process does.

    Parameters
    ----------
    inside
        The words of a command that runs the gateway in a place of its own.
    """

    config: Config
    environ: dict[str, str]
    database: Database
    project: str
    devices: Devices
    sessions: Sessions
    vault: Vault
    projects: Projects
    replays: Replays
    certificates: PersonCertificates
    hub: Hub
    inside: tuple[str, ...] = ()
    processes: dict[int, subprocess.Popen[bytes]] = field(default_factory=dict, repr=False)

    def device(
        self,
        name: str,
        port: int,
        login: str,
        key: Path,
        *,
        address: str = "127.0.0.1",
        approved: bool = True,
        **policy: Any,
    ) -> None:
        """Add a device at `port`, whose host key was approved or not."""
        stored = f"key-{name}"
        value = {"private_key": key.read_text(encoding="ascii")}
        self.vault.store(ADA, name=stored, kind="ssh-key", value=value, known=KEY_FIELDS)
        self.add(name, port, login, stored, address=address, **policy)
        if approved:
            self.approve(name)

    def add(
        self,
        name: str,
        port: int,
        login: str,
        key: str | None,
        *,
        address: str = "127.0.0.1",
        **policy: Any,
    ) -> None:
        self.devices.create(ADA, "shop", name=name, address=address)
        self.devices.allow(
            ADA,
            "shop",
            name,
            name="ssh",
            protocol=Protocol.SSH,
            port=port,
            login=login,
            key=key,
            policy=Policy(**policy),
        )

    def approve(self, name: str) -> None:
        """Approve what the device shows, as an administrator does after a first try."""
        with self.come(self.sessions.ask(OLGA, "shop", name)) as viewer:
            assert viewer.until_told("problem")["code"] == "host_key_unknown"
        (shown,) = self.devices.host_keys(ADA, "shop", name, "ssh")
        self.devices.approve(ADA, "shop", name, "ssh", shown.fingerprint)

    def come(self, asked: Asked, *, by: int | None = None, **first: Any) -> Viewer:
        """Come with a ticket; `by`: a port that leads to the gateway."""
        viewer = self.stranger(asked.session.shard or 0, by=by)
        viewer.say(ticket=asked.ticket, **first)
        return viewer

    def stranger(self, shard: int = 0, *, by: int | None = None) -> Viewer:
        """Connect, and say nothing."""
        port = by or self.config.gateway_port(shard)
        address = f"ws://127.0.0.1:{port}{terminal_path(shard)}"
        return Viewer(connect(address, proxy=None))

    def terminal(self, name: str, **first: Any) -> Viewer:
        """Open a terminal."""
        return self.come(self.sessions.ask(OLGA, "shop", name), **first)

    @property
    def door_key(self) -> str:
        """The host key of the door, as clients know it."""
        key = private_key(self.config.read_secret("gateway", "door-host-key")).public_key()
        line = key.public_bytes(coding.Encoding.OpenSSH, coding.PublicFormat.OpenSSH)
        return line.decode()

    def client(self, folder: Path) -> Client:
        """Return an SSH client of olga's, with a key that is registered."""
        key = keygen(folder / "own")
        keys, name = PersonKeys(self.database), f"k{abs(hash(str(folder))) % 10**8}"
        keys.add(call_of("olga"), name=name, public=key.with_suffix(".pub").read_text("ascii"))
        return Client(folder, self.config.remote.port, key, self.door_key, login="olga:web-1")

    def newest(self) -> Session:
        """Return the session that was asked for last."""
        return self.sessions.list(ADA, "shop", PageRequest(limit=1)).items[0]

    def ended(self, session_id: str) -> Session:
        """Return a session as it is when it has ended."""

        def look() -> Session | None:
            found = self.sessions.get(ADA, "shop", session_id)
            return found if found.ended_at else None

        return until(look, "the session has ended")  # type: ignore[return-value]  # it is one

    def cast(self, session_id: str) -> bytes:
        """Return the recording of a session, as an auditor takes it."""
        with closing(self.replays.cast(ADA, "shop", session_id)) as cast:
            return b"".join(cast.chunks())

    def health(self) -> Any:
        """Return what the gateway says of itself."""
        with closing(SocketConnection(self.config.gateway_socket())) as connection:
            token = self.config.read_secret("gateway", "gateway-token")
            connection.request("GET", "/health", headers={"Authorization": f"Bearer {token}"})
            return json.loads(connection.getresponse().read())

    def records(self, about: str) -> list[Record]:
        """Return the records of an object, oldest first."""
        waiting = Outbox(self.database).pending(10_000)
        return [record for _, record in waiting if record.object == about]

    @property
    def process(self) -> subprocess.Popen[bytes] | None:
        """The only process of the gateway, or the first one."""
        return self.processes.get(0)

    def change(self, **settings: str) -> None:
        """Have other settings from the next start on; by variable, without ``MAVIS_``."""
        self.environ |= {f"MAVIS_{name}": value for name, value in settings.items()}
        self.config = load(self.config.home, environ=self.environ)
        gateways = self.config.remote.processes
        self.sessions = Sessions(self.database, self.projects, gateways=gateways)
        client = GatewayClient.of(self.config)
        self.replays = Replays(self.database, self.projects, self.sessions, client)

    def start(self) -> None:
        """Start the gateway, and wait until it is ready."""
        for shard in range(self.config.remote.processes):
            self.start_one(shard)

    def start_one(self, shard: int) -> None:
        """Start one process of the gateway, and wait until it is ready."""
        with (self.config.home / "log" / "gateway.log").open("ab") as log:
            self.processes[shard] = subprocess.Popen(
                [*self.inside, sys.executable, "-m", "mavis_hub.gateway", str(shard)],
                env=self.environ,
                stderr=log,
            )
        token = ("gateway", "gateway-token")
        health = SocketCheck(self.config.gateway_socket(shard), "/health", token)
        until(
            lambda: self._alive(shard) and check(health, self.config).well and self._listens(shard),
            "the gateway is ready",
        )

    def kill(self) -> None:
        """Kill the gateway: it tidies up nothing."""
        self._end(signal.SIGKILL)

    def kill_one(self, shard: int) -> None:
        """Kill one process of the gateway."""
        process = self.processes.pop(shard)
        process.kill()
        process.wait(20)

    def stop(self) -> None:
        """Stop the gateway."""
        self._end(signal.SIGTERM)

    def _end(self, number: int) -> None:
        for each in self.processes.values():
            each.send_signal(number)
        for each in self.processes.values():
            each.wait(20)
        self.processes.clear()

    def _alive(self, shard: int) -> bool:
        words = (self.config.home / "log" / "gateway.log").read_text()
        assert self.processes[shard].poll() is None, words
        return True

    def _listens(self, shard: int) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.config.gateway_port(shard))) == 0


@contextmanager
def make_scene(
    home: Path,
    *,
    inside: Sequence[str] = (),
    prepare: Callable[[Config], object] = lambda _: None,
    **settings: str,
) -> Iterator[Scene]:
    """Make a state folder with the project ``shop``, and start a gateway in it.

    Parameters
    ----------
    inside
        The words of a command that runs the gateway in a place of its own.
    prepare
        Called before it starts.
    settings
        By variable, without ``MAVIS_``.
    """
    environ = {
        "PATH": os.environ["PATH"],
        "LANG": "C.UTF-8",
        "MAVIS_HOME": str(home),
        "MAVIS_APPLIANCE_ISOLATION": "none",
        "MAVIS_REMOTE_LOOPBACK": "allowed",
        "MAVIS_REMOTE_PORT": str(free_port()),
        "MAVIS_PORTS_GATEWAY": str(free_port(int(settings.get("REMOTE_PROCESSES", "1")) - 1)),
        "MAVIS_PORTS_HUB": str(free_port()),
        **{f"MAVIS_{name}": value for name, value in settings.items()},
    }
    config = load(home, environ=environ)
    ensure_folders(config)
    ensure_secrets(config, {})
    prepare(config)
    migrate(config.database_url)
    database = open_database(config.database_url)
    projects = Projects(database)
    project = projects.create(ADA, name="shop", title="Web shop").project
    projects.put_member(ADA, "shop", "user:olga", Role.OPERATOR)
    sealer = Sealer(config.read_secret("api", "device-public-key"))
    gateway = GatewayClient.of(config)
    scene = Scene(
        config,
        environ,
        database,
        project.id,
        Devices(database, projects),
        Sessions(database, projects, gateways=config.remote.processes),
        Vault(database, sealer, sealers=dict.fromkeys(KEY_FIELDS, sealer)),
        projects,
        Replays(database, projects, Sessions(database, projects), gateway),
        PersonCertificates(database, longest=timedelta(hours=24), signer=gateway),
        Hub(config.read_secret("gateway", "gateway-hub-token")),
        tuple(inside),
    )
    try:
        with served(hub_application(scene.hub), config.ports.hub):
            scene.start()
            yield scene
    finally:
        scene.stop()
        database.close()
