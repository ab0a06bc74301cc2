"""Dashboards as they are served: the api process's pages, the dashboards process, real kernels.

A small server stands in the Hub's place and says whose a token is; browsers are logged in by the
cookie that the Hub's client would have set.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tornado.netutil import bind_sockets
from tornado.web import Application, create_signed_value

from core_double import PLATFORM, call, wait_until
from hub_double import Hub, hub_application
from mavis_core.config import Config
from mavis_ext.app import PREFIX, make_application
from mavis_ext.base import Services
from mavis_hub.dashboard_broker import broker_rules
from mavis_hub.hub_identity import HubIdentity, hub_oauth
from mavis_hub.pages.dashboards import dashboard_rules
from mavis_hub.pages.handlers import Site
from mavis_hub.pages.rules import page_rules
from mavis_hub.view_identity import ViewIdentity
from rest_service import COOKIE_SECRET, Address, Answer, RestService, served, serving

__all__ = ["COOKIE", "Scene", "notebook", "scene"]

COOKIE = "service-mavis"
_PROCESS = Path(__file__).with_name("dashboards_process.py")
_NEW: dict[str, Any] = {"outputs": [], "execution_count": None}


def notebook(*cells: str) -> dict[str, Any]:
    """Return a notebook; a cell that begins with # is text."""
    return {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {"kernelspec": {"name": "mavis", "language": "python"}},
        "cells": [
            {"cell_type": "markdown", "metadata": {}, "source": cell}
            if cell.startswith("# ")
            else {"cell_type": "code", "metadata": {}, "source": cell, **_NEW}
            for cell in cells
        ],
    }


@dataclass
class Scene:
    """What runs.

    Parameters
    ----------
    rest
        The api process's part.
    frames
        Where the dashboards process answers.
    settings
        Of the dashboards process, as environment variables.
    """

    rest: RestService
    hub: Hub
    frames: Address
    settings: Mapping[str, str]
    process: subprocess.Popen[bytes] | None = None
    log: Path = field(default_factory=Path)

    @property
    def site(self) -> str:
        return f"http://127.0.0.1:{self.rest.port}"

    def cookie(self, token: str) -> str:
        """Return the value of the cookie of a browser that is logged in with a token of the Hub."""
        return create_signed_value(COOKIE_SECRET, COOKIE, token).decode("ascii")

    def page(self, path: str, token: str | None, **headers: str) -> Answer:
        """Return a page, as a browser gets it that is logged in as somebody."""
        if token is not None:
            headers["Cookie"] = f"{COOKIE}={self.cookie(token)}"
        return self.rest.ask("GET", path, None, prefix=PREFIX, **headers)

    def publish(self, name: str, *cells: str, project: str = "shop") -> None:
        """Publish a notebook as the project's administrator."""
        self.rest.app.dashboards.publish(
            call("ada", PLATFORM), project, name=name, notebook=notebook(*cells)
        )

    def health(self) -> dict[str, Any]:
        """Return what the dashboards process says of itself."""
        answer = self.frames.ask("GET", "/health", None, prefix="")
        return dict(answer.json)


@contextmanager
def scene(**settings: str) -> Iterator[Scene]:
    """Run the API over a fake cloud, and the dashboards process.

    Parameters
    ----------
    settings
        Of the dashboards, by their names: ``max_kernels="2"``.
    """
    environ = {f"MAVIS_DASHBOARDS_{name.upper()}": text for name, text in settings.items()}
    home = Path(tempfile.mkdtemp(prefix="mv-"))  # short: names of Unix sockets begin so
    (listening,) = bind_sockets(0, "127.0.0.1")
    frames = Address(listening.getsockname()[1])
    hub = Hub()
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, home, ignore_errors=True)
        hub_port = stack.enter_context(served(hub_application(hub)))

        def application(config: Config, services: Services) -> Application:
            there = replace(config, ports=replace(config.ports, hub=hub_port))
            identity = HubIdentity(hub_oauth(there))
            services = replace(
                services, identify=ViewIdentity(services.app.views, services.database, identity)
            )
            site = Site(config.appliance.name, services, identity)
            return make_application(
                services,
                *dashboard_rules(site, frames=f"http://127.0.0.1:{frames.port}"),
                *broker_rules(services, config.read_secret("api", "dashboards-token")),
                *page_rules(site),
                cookie_secret=COOKIE_SECRET,
            )

        with _environment(environ):
            rest = stack.enter_context(serving(home / "h", logs=True, application=application))
        made = Scene(rest, hub, frames, environ, log=home / "dashboards.log")
        _prepare(rest.config)
        stack.callback(stop, made)
        start(made, listening)
        listening.close()
        yield made


@contextmanager
def _environment(given: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(given)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _prepare(config: Config) -> None:
    """Make what `mavisctl up` would make for the dashboards process."""
    secret = config.secret_file("dashboards", "dashboards-token")
    secret.parent.mkdir(parents=True)
    shutil.copy(config.secret_file("api", "dashboards-token"), secret)
    config.dashboards_run.mkdir(parents=True)


def start(made: Scene, listening: Any) -> None:
    """Start the dashboards process, and wait until it answers."""
    environ = {
        **os.environ,
        **made.settings,
        "MAVIS_HOME": str(made.rest.config.home),
        "MAVIS_APPLIANCE_ISOLATION": "none",
        "MAVIS_EDGE_TLS": "off",
        "A_SECRET_OF_THE_PROCESS": "s3cret",
    }
    with made.log.open("ab") as log:
        made.process = subprocess.Popen(
            [sys.executable, str(_PROCESS), str(listening.fileno()), made.site],
            env=environ,
            pass_fds=[listening.fileno()],
            stdout=log,
            stderr=log,
        )
    process = made.process

    def up() -> bool:
        assert process.poll() is None, made.log.read_text()
        with suppress(OSError):
            return made.health()["status"] == "ok"
        return False

    wait_until(up, timeout_s=60)


def stop(made: Scene) -> None:
    """End the dashboards process, and its kernels with it."""
    if made.process is not None and made.process.poll() is None:
        made.process.send_signal(signal.SIGTERM)
        made.process.wait(20)
