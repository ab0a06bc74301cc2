"""A person at a machine of their own, who calls ``mavis``, and the API that answers them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from gateway_scene import Scene
from mavis_core.bootstrap import api_app
from mavis_ext.app import make_application, make_services
from rest_service import COOKIE_SECRET, Logins, Tokens, served

__all__ = ["Person", "api_of"]

_BIN = Path(sys.executable).parent


@dataclass
class Person:
    """A person at a machine of their own."""

    home: Path
    url: str
    token: str = "olga"
    path: str = f"{_BIN}:/usr/bin:/bin"
    more: dict[str, str] = field(default_factory=dict)

    @property
    def files(self) -> Path:
        return self.home / ".config" / "mavis" / "ssh" / "default"

    @property
    def environment(self) -> dict[str, str]:
        return {
            "HOME": str(self.home),
            "PATH": self.path,
            "LANG": "C.UTF-8",
            "MAVIS_URL": self.url,
            "MAVIS_TOKEN": self.token,
            "MAVIS_PROJECT": "shop",
            **self.more,
        }

    def mavis(self, *words: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        return self.run(sys.executable, "-m", "mavis_kernel", *words, given=given)

    def run(self, *command: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            command,
            input=given,
            capture_output=True,
            check=False,
            timeout=120,
            env=self.environment,
            cwd=self.home,
        )

    def config(self) -> Path:
        """Write what `mavis ssh config` prints, and return where."""
        printed = self.mavis("ssh", "config")
        assert printed.returncode == 0, printed.stderr
        path = self.home / "ssh_config"
        path.write_bytes(printed.stdout)
        return path


@contextmanager
def api_of(scene: Scene) -> Iterator[int]:
    """Serve the REST API over the scene's database; the gateway is the scene's own."""
    app = api_app(scene.config, kits={})
    services = make_services(app, Tokens(), Logins(), secret=b"of the test")
    try:
        with served(make_application(services, cookie_secret=COOKIE_SECRET)) as port:
            yield port
    finally:
        services.close()
        app.close()
