"""The pages as the api process serves them, with a small server in the Hub's place.

A browser is logged in with the cookie that the Hub's client sets; what it sends along is what
Chromium sends.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tornado.web import Application, RequestHandler, create_signed_value

from hub_double import Hub, hub_application
from mavis_core.config import Config
from mavis_ext.app import PREFIX
from mavis_ext.base import Services
from mavis_hub import api
from mavis_hub.hub_identity import HubIdentity, hub_oauth
from mavis_hub.hub_logins import HubLogins
from rest_service import Answer, RestService, served, serving

COOKIE = "service-mavis"
OPENED = {"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
_HIDDEN = re.compile(r'<input type="hidden" name="(\w+)" value="([^"]+)">')
_XSRF = re.compile(r"_xsrf=([^;]+)")


@dataclass
class PagesService:
    """The running pages.

    Parameters
    ----------
    rest
        The API beside them, and the core behind both.
    """

    rest: RestService
    hub: Hub
    xsrf: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """The origin, as a browser names it."""
        return f"http://127.0.0.1:{self.rest.port}"

    def cookie(self, person: str) -> str:
        """Return the cookie of somebody's login."""
        secret = self.rest.config.read_secret("api", "api-cookie-secret")
        return create_signed_value(secret, COOKIE, person).decode("ascii")

    def get(
        self, person: str | None, path: str, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Open a page in somebody's browser."""
        return self._ask("GET", person, path, {**OPENED, **(headers or {})})

    def script(self, person: str, path: str, **headers: str) -> Answer:
        """Ask for a page as a script of the same site does that may read the cookie's token."""
        said = {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"}
        said |= {"Sec-Fetch-Dest": "empty", "X-XSRFToken": self.xsrf.get(person, "")}
        return self._ask("GET", person, path, {**said, **headers})

    def post(
        self,
        person: str | None,
        path: str,
        fields: Mapping[str, str],
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send a form as its page does."""
        said = {**OPENED, "Sec-Fetch-Site": "same-origin", "Origin": self.url, **(headers or {})}
        said["Content-Type"] = "application/x-www-form-urlencoded"
        return self._ask("POST", person, path, said, urlencode(fields).encode())

    def _ask(
        self, method: str, person: str | None, path: str, said: dict[str, str], raw: bytes = b""
    ) -> Answer:
        if person is not None and "Authorization" not in said:
            cookies = {COOKIE: self.cookie(person)}
            if person in self.xsrf:
                cookies["_xsrf"] = self.xsrf[person]
            said["Cookie"] = "; ".join(f"{name}={value}" for name, value in cookies.items())
        sent: dict[str, Any] = {name: value for name, value in said.items() if value}
        answer = self.rest.ask(method, path, None, raw=raw, prefix=PREFIX, **sent)
        found = _XSRF.search(answer.headers.get("Set-Cookie", ""))
        if person is not None and found:
            self.xsrf[person] = found[1]
        return answer

    @staticmethod
    def text(page: Answer) -> str:
        """Return what is read on a page."""
        main = page.content.decode().partition('<main id="main"')[2].partition(">")[2]
        return " ".join(unescape(re.sub(r"<[^>]*>", " ", main)).split())

    @staticmethod
    def fields(page: Answer) -> dict[str, str]:
        """Return what the form of a page sends along."""
        return dict(_HIDDEN.findall(page.content.decode()))


class _Notebook(RequestHandler):
    """A page of somebody's server, at the same origin: what it may do, nobody says."""

    def get(self) -> None:
        self.finish("<!doctype html><title>A notebook</title><p>Output</p>")


@contextmanager
def pages_serving(home: Path) -> Iterator[PagesService]:
    """Serve what the api process serves, over a new state folder with the project ``shop``."""
    hub, port = Hub(), _free_port()
    with ExitStack() as stack:
        at_hub = stack.enter_context(served(hub_application(hub)))

        def application(config: Config, services: Services) -> Application:
            there = replace(
                config,
                edge=replace(config.edge, tls="off", port=port),
                ports=replace(config.ports, hub=at_hub),
            )
            identity = HubIdentity(hub_oauth(there))
            app = replace(services.app, config=there)
            services = replace(services, identify=identity, app=app)
            made = api._application(there, services, identity, HubLogins(there))
            made.add_handlers(r".*", [("/user/mallory/notebook", _Notebook)])
            return made

        found = stack.enter_context(serving(home, logs=True, application=application, port=port))
        yield PagesService(found, hub)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
