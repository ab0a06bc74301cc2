"""The command line's login against a real JupyterHub."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from mavis_kernel import errors, hub
from mavis_kernel.masking import Secret
from mavis_kernel.settings import Trust

PASSWORD = Secret("correct horse")
CONFIG = """
from jupyterhub.proxy import Proxy

class NoProxy(Proxy):
    should_start = False

    async def add_route(self, *_): ...
    async def delete_route(self, *_): ...
    async def get_all_routes(self): return {}
    async def check_routes(self, *_, **__): ...

c.JupyterHub.proxy_class = NoProxy
c.JupyterHub.authenticator_class = "dummy"
c.DummyAuthenticator.password = "correct horse"
c.Authenticator.allowed_users = {"olga"}
c.JupyterHub.spawner_class = "simple"
c.JupyterHub.hub_port = PORT
c.JupyterHub.db_url = "sqlite://"
"""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start a Hub on loopback; return the address that Mavis would have beside it."""
    folder = tmp_path_factory.mktemp("hub")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "config.py").write_text(CONFIG.replace("PORT", str(port)))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "jupyterhub", "-f", "config.py"],
            cwd=folder,
            stdout=log,
            stderr=log,
            env={**os.environ, "CONFIGPROXY_AUTH_TOKEN": "unused"},
        )
        try:
            _wait_for(f"http://127.0.0.1:{port}/hub/health", process, folder / "log")
            yield f"http://127.0.0.1:{port}/services/mavis"
        finally:
            process.terminate()
            process.wait(20)


def _wait_for(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            httpx.get(address).raise_for_status()
            return
        except httpx.HTTPError:
            time.sleep(0.1)
    pytest.fail(f"the Hub did not start: {log.read_text()}")


def test_a_login_is_made_known_and_revoked(url: str) -> None:
    login = hub.log_in(url, Trust(), "olga", PASSWORD)
    known = hub.identify(url, Trust(), login.token)
    assert (known.username, known.token_id) == ("olga", login.token_id)
    assert login.expires_at is not None
    assert 11.9 * 3600 < login.expires_at.timestamp() - time.time() < 12.1 * 3600
    hub.revoke(url, Trust(), login.token)
    with pytest.raises(errors.NotLoggedIn):
        hub.identify(url, Trust(), login.token)
    with pytest.raises(errors.NotLoggedIn):
        hub.revoke(url, Trust(), login.token)


@pytest.mark.parametrize(
    ("username", "password"),
    [("olga", "wrong"), ("nobody", "correct horse"), ("a/b", "correct horse")],
    ids=["password", "person", "slash"],
)
def test_whom_the_hub_does_not_know_gets_no_login(url: str, username: str, password: str) -> None:
    with pytest.raises(errors.NotLoggedIn, match="does not let"):
        hub.log_in(url, Trust(), username, Secret(password))
