"""The appliance as an administrator runs it: ``mavisctl`` in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx

from cloud.client import Simulator, write_aws_config
from cloud.seed import World
from cloud.witness import Witness
from mavis_core.config import Config, load
from mavis_kernel import Mavis
from mavis_kernel.hub import log_in
from mavis_kernel.masking import Secret
from mavis_kernel.settings import Trust

MAVISCTL = Path(sys.executable).with_name("mavisctl")
_PORTS = (
    "EDGE_PORT",
    "PORTS_HUB",
    "PORTS_API",
    "PORTS_PREFECT",
    "PORTS_EDGE_API",
    "PORTS_DASHBOARDS",
    "PORTS_GATEWAY",
    "REMOTE_PORT",
)
_SETTLE_S = 2  # the simulator shows at once what was made
_FOREIGN = ("AWS_", "MAVIS_", "JUPYTER", "PREFECT_")
T = TypeVar("T")


def until(condition: Callable[[], T], what: str, *, within_s: float = 30.0) -> T:
    """Return what `condition` returns as soon as that is true; fail after the time."""
    deadline = time.monotonic() + within_s
    pause = threading.Event()
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {within_s:.0f} s: {what}"
        pause.wait(0.1)
    return found


@dataclass(frozen=True)
class Appliance:
    """A running appliance.

    Parameters
    ----------
    environ
        What ``mavisctl`` was started with.
    simulator, world
        The cloud that its platform worker talks to, and what is in it.
    people
        Passwords of the demo people by name.
    answers
        What came back to `ask`, for the search for secrets.
    """

    config: Config
    environ: dict[str, str]
    simulator: Simulator
    world: World
    people: dict[str, str]
    answers: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"{self.config.public_url}/services/mavis"

    @property
    def trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.config.ca_file))

    @property
    def witness(self) -> Witness:
        return Witness(self.simulator.url)

    def token(self, name: str) -> str:
        """Log in as a person does at the command line; return the token."""
        trust = Trust(ca_file=str(self.config.ca_file))
        return log_in(self.url, trust, name, Secret(self.people[name])).token.reveal()

    def client(self, token: str) -> Mavis:
        return Mavis(self.url, token, self.config.ca_file)

    @contextmanager
    def http(self, token: str | None = None) -> Iterator[httpx.Client]:
        """Give a plain HTTP client of the public address."""
        headers = {"Authorization": f"token {token}"} if token else {}
        with httpx.Client(
            base_url=self.config.public_url,
            headers=headers,
            verify=self.trust,
            timeout=60,
            trust_env=False,
        ) as client:
            yield client

    def ask(self, token: str | None, method: str, path: str, **request: Any) -> httpx.Response:
        """Send one request to the REST API, as it is."""
        with self.http(token) as client:
            answer = client.request(method, f"/services/mavis/api/v1{path}", **request)
        self.answers.append(f"{answer.headers}\n{answer.text}")
        return answer

    def ctl(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return mavisctl(self.environ, *arguments)

    def status(self) -> dict[str, dict[str, Any]]:
        """Return what ``mavisctl status`` says, by process."""
        return {row["name"]: row for row in json.loads(self.ctl("status", "-o", "json").stdout)}

    def pids(self) -> dict[str, int]:
        return {name: row["pid"] for name, row in self.status().items() if row["pid"]}

    def kill(self, *names: str) -> Callable[[], None]:
        """End processes with SIGKILL; return what waits until others are well in their place."""
        before = self.pids()
        for name in names:
            os.kill(before[name], signal.SIGKILL)

        def back() -> bool:
            rows = self.status()
            return all(rows[n]["well"] and rows[n]["pid"] != before[n] for n in names)

        def wait() -> None:
            until(back, f"{', '.join(names)} back", within_s=60)

        return wait


@contextmanager
def running(home: Path, simulator: Simulator, world: World, **settings: str) -> Iterator[Appliance]:
    """Run an appliance in `home`; at its end, nothing of it is left.

    Parameters
    ----------
    settings
        Variables of its environment.
    """
    environ = {name: v for name, v in os.environ.items() if not name.startswith(_FOREIGN)}
    environ |= {"MAVIS_HOME": str(home), "MAVIS_WORKER_SETTLE_S": str(_SETTLE_S)}
    environ["MAVIS_REMOTE_LOOPBACK"] = "allowed"  # where the tests have their devices
    environ |= _free_ports() | settings
    config = load(environ=environ)
    up = mavisctl(environ, "up", "--demo")
    try:
        assert up.returncode == 0, f"{up.stdout}\n{up.stderr}"
        _lead_to(config, simulator.url)
        people = json.loads(config.secret_file("hub", "demo-people").read_text(encoding="utf-8"))
        yield Appliance(config, environ, simulator, world, people)
    finally:
        down = mavisctl(environ, "down")
    assert down.returncode == 0, down.stderr


def _free_ports() -> dict[str, str]:
    """Return a free port for each process, all of them held until all are known."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in _PORTS]
    try:
        numbers = [str(each.getsockname()[1]) for each in held]
    finally:
        for each in held:
            each.close()
    return {f"MAVIS_{name}": number for name, number in zip(_PORTS, numbers, strict=True)}


def _lead_to(config: Config, url: str) -> None:
    """Let the platform worker's AWS configuration lead to the simulator."""
    path = write_aws_config(config.aws_config_file, url)
    folder = path.parent.stat()
    path.chmod(0o640)
    if config.isolated:
        os.chown(path, folder.st_uid, folder.st_gid)


def mavisctl(environ: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the appliance's command line."""
    return subprocess.run(
        [MAVISCTL, *arguments],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
