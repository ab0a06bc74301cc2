"""Fixtures of the client's tests.

Server: `appliance` (a real HTTP server that answers by the contract), `tls_appliance` (the same
behind a self-signed certificate). Home: `clean_home`, which every test gets. Client: `mavis`.
Command line: `cli` (in this process, no terminal), `spawn` (a process of its own). Notebook:
`cells`.
"""

from __future__ import annotations

import os
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result

from appliance_double.certificate import self_signed
from appliance_double.objects import me_json
from appliance_double.server import TOKEN, Appliance, Certified, Reply
from mavis_kernel.cli.root import root
from mavis_kernel.client import Mavis
from mavis_kernel.transport import RetryPolicy

if TYPE_CHECKING:
    from appliance_double.notebook import Notebook

QUICK = RetryPolicy(attempts=3, first_wait_s=0.001, longest_wait_s=0.5)


@pytest.fixture
def appliance() -> Iterator[Appliance]:
    server = Appliance()
    yield server
    server.close()


@pytest.fixture
def tls_appliance(tmp_path: Path) -> Iterator[Certified]:
    """A server with a self-signed certificate for a name that is not its address."""
    certificate, key = self_signed("appliance.internal")
    path, key_path = tmp_path / "appliance.pem", tmp_path / "appliance.key"
    path.write_text(certificate)
    key_path.write_text(key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path, key_path)
    server = Appliance(context)
    yield Certified(server, certificate, path)
    server.close()


@pytest.fixture(autouse=True)
def clean_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without a login, and an environment that says nothing of Mavis. Returns the file."""
    for name in list(os.environ):
        if name.startswith(("MAVIS_", "JUPYTERHUB_", "AWS_", "XDG_CONFIG_", "SSL_CERT_")) or (
            # A pipe that breaks is told of by the buffer alone.
            name.lower().endswith("_proxy") or name == "PYTHONUNBUFFERED"
        ):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TZ", "UTC")
    return tmp_path / "home" / ".config" / "mavis" / "credentials.json"


@pytest.fixture
def mavis(appliance: Appliance) -> Iterator[Mavis]:
    with Mavis(appliance.url, TOKEN, retry=QUICK) as client:
        yield client


@pytest.fixture
def cli(appliance: Appliance, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Call the command line in this process, logged in by the environment, without a terminal."""
    monkeypatch.setenv("MAVIS_URL", appliance.url)
    monkeypatch.setenv("MAVIS_TOKEN", TOKEN)
    monkeypatch.setattr("mavis_kernel.nouns.runs._FIRST_POLL_S", 0.01)

    def call(*words: str, stdin: str | None = None) -> Result:
        return CliRunner().invoke(root, words, input=stdin, prog_name="mavis")

    return call


@pytest.fixture
def cells(
    appliance: Appliance,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> Iterator[Notebook]:
    """A notebook whose environment names the appliance and the token of a member of ``shop``."""
    from appliance_double.notebook import notebook  # others do without IPython

    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("MAVIS_URL", appliance.url)
    monkeypatch.setenv("MAVIS_TOKEN", TOKEN)
    monkeypatch.setenv("MAVIS_PROJECT", "")  # what a cell chooses ends with the test
    monkeypatch.setattr("mavis_kernel.notebook.completion.PATIENCE_S", 30.0)
    monkeypatch.setattr("mavis_kernel.cli.complete._PATIENCE_S", 30.0)
    appliance.on("GET", "/me", Reply(me_json("shop")))
    with notebook(capsys) as made:
        yield made


@pytest.fixture
def spawn() -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start the command line as a process of its own; it is ended with the test."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*words: str, **options: Any) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "mavis_kernel", *words]
        started.append(subprocess.Popen(command, **options))
        return started[-1]

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait(10)
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
