"""Fixtures for the forwarder of people's servers.

- `upstream`: the api's double, see `integration.lab.upstream`; each test finds it as new
- `jupyter`: a Jupyter server of ada's, which forwards to it; what it wrote into its log is searched
  for the token and for tracebacks at the end
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.sync.client import ClientConnection, connect

from integration.lab.upstream import TOKEN, Upstream, serving

TESTS = Path(__file__).parents[2]
XSRF = "ab" * 16
OTHERS = ("jupyterlab", "jupyter_lsp", "notebook_shim", "voila.server_extension")


def until(condition: Callable[[], Any], what: str, *, within_s: float = 10) -> None:
    deadline = time.monotonic() + within_s
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, f"not within {within_s} s: {what}"
        pause.wait(0.02)


@dataclass
class Jupyter:
    """The running server."""

    port: int
    log: Path
    process: subprocess.Popen[bytes]

    base: str = "/user/ada/"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def api(self) -> str:
        return f"{self.base}mavis/api/v1"

    @property
    def gateway(self) -> str:
        return f"{self.base}mavis/gateway"

    @contextmanager
    def browser(self, person: str | None = "ada", **headers: str) -> Iterator[httpx.Client]:
        """Give a browser with the login of `person`, and a page's XSRF token."""
        cookies = {"_xsrf": XSRF} | ({"person": person} if person else {})
        with httpx.Client(
            base_url=f"{self.url}{self.api}",
            cookies=cookies,
            headers={"X-XSRFToken": XSRF, **headers},
            trust_env=False,
            timeout=20,
        ) as client:
            yield client

    def raw(self, target: str, method: str = "GET", **headers: str) -> tuple[int, bytes]:
        """Send what no client would send like this; return the status and what came."""
        sent = {
            "Host": f"127.0.0.1:{self.port}",
            "Cookie": f"person=ada; _xsrf={XSRF}",
            "X-XSRFToken": XSRF,
            "Connection": "close",
        } | {name.replace("_", "-"): value for name, value in headers.items()}
        lines = [f"{method} {target} HTTP/1.1", *(f"{k}: {v}" for k, v in sent.items()), "", ""]
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as stream:
            stream.sendall("\r\n".join(lines).encode("latin1"))
            answer = b""
            while not _is_whole(answer) and (data := stream.recv(65536)):
                answer += data
        return int(answer.split(b" ", 2)[1]), answer

    def socket(
        self, path: str = "/socket", person: str | None = "ada", **options: Any
    ) -> ClientConnection:
        headers = options.pop("additional_headers", {})
        if person:
            headers = {"Cookie": f"person={person}", **headers}
        below = options.pop("below", self.api)
        return connect(
            f"ws://127.0.0.1:{self.port}{below}{path}",
            additional_headers=headers,
            compression=None,
            proxy=None,
            **options,
        )


@pytest.fixture(scope="module")
def serving_upstream() -> Iterator[Upstream]:
    with serving() as found:
        yield found


@pytest.fixture
def upstream(serving_upstream: Upstream) -> Iterator[Upstream]:
    found = serving_upstream
    found.seen.clear()
    found.replies.clear()
    found.closed.clear()
    found.written = found.taken = 0
    found.hold()
    yield found
    found.let_go()
    until(lambda: not any(found.open.values()), f"an end of all connections: {found.open}")


@pytest.fixture(scope="module")
def jupyter(
    serving_upstream: Upstream, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Jupyter]:
    with running(tmp_path_factory.mktemp("jupyter"), {"MAVIS_URL": serving_upstream.url}) as found:
        yield found


@contextmanager
def running(folder: Path, environ: dict[str, str]) -> Iterator[Jupyter]:
    """Run a Jupyter server of ada's; its log holds no token and no traceback at the end."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    extensions = dict.fromkeys((*OTHERS, "mavis_ext.lab"), False) | {"integration.lab.people": True}
    config = folder / "config.py"
    config.write_text(
        f"c.ServerApp.jpserver_extensions = {extensions!r}\n"
        "c.ServerApp.identity_provider_class = 'integration.lab.people.People'\n"
        f"c.ServerApp.port = {port}\n"
        "c.ServerApp.ip = '127.0.0.1'\n"
        "c.ServerApp.base_url = '/user/ada/'\n"
        "c.ServerApp.port_retries = 0\n"
        "c.ServerApp.open_browser = False\n"
        "c.ServerApp.allow_root = True\n"
        f"c.ServerApp.root_dir = {str(folder)!r}\n",
        encoding="utf-8",
    )
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "jupyter_server", f"--config={config}"],
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": str(TESTS),
                "HOME": str(folder),
                "JUPYTERHUB_USER": "ada",
                "JUPYTERHUB_API_TOKEN": TOKEN,
                **environ,
            },
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    found = Jupyter(port, log, process)
    try:
        until(lambda: _answers(found), "the Jupyter server", within_s=30)
        yield found
    finally:
        process.terminate()
        process.wait(15)
    written = log.read_text(encoding="utf-8", errors="replace")
    assert "mavis" in written
    assert TOKEN not in written
    assert "Traceback" not in written, written
    assert "Uncaught" not in written, written


def _is_whole(answer: bytes) -> bool:
    head, end, body = answer.partition(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
    return bool(end) and length is not None and len(body) >= int(length.group(1))


def _answers(found: Jupyter) -> bool:
    assert found.process.poll() is None, found.log.read_text(encoding="utf-8")
    try:
        return httpx.get(f"{found.url}{found.base}api", trust_env=False).is_success
    except httpx.TransportError:
        return False
