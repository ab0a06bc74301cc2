"""What the Jupyter server under test loads: who logs in there, and the extension with short limits.

It runs in the server's process. A cookie ``person`` stands for a login at the Hub, a token
``<name>-key`` for one of the person's own tokens.
"""

from __future__ import annotations

import os
from typing import Any

from jupyter_server.auth import IdentityProvider, User
from jupyter_server.serverapp import ServerApp
from tornado.web import HTTPError, RequestHandler

from mavis_ext import lab
from mavis_ext.lab.limits import Limits

LIMITS = Limits(
    calls=4,
    feeds=3,
    body_s=3.0,
    begin_s=4.0,
    handshake_s=2.0,
    quiet_s=3.0,
    quiet_feed_s=3.0,
    slow_s=2.0,
    ping_s=3.0,
)


class HubUser(User):
    """What JupyterHub's provider returns: a user with the Hub's own words about them."""

    def __init__(self, name: str, kind: str) -> None:
        self.hub_user = {"name": name, "kind": kind}
        super().__init__(username=name)


class People(IdentityProvider):
    """In the place of JupyterHub's provider."""

    async def _get_user(self, handler: RequestHandler) -> User | None:
        header = handler.request.headers.get("Authorization", "")
        name = header.removeprefix("token ").removesuffix("-key") if header else ""
        name = name or handler.get_argument("token", "").removesuffix("-key")
        if name:
            handler._token_authenticated = True  # type: ignore[attr-defined]
        name = name or handler.get_cookie("person") or ""
        match name:
            case "":
                return None
            case "hub-is-down":
                raise HTTPError(500, "Failed to connect to Hub API")
            case "stranger":
                handler.redirect = _refuse  # type: ignore[method-assign]  # as JupyterHub does it
                return None
            case "service-ada":
                return HubUser("ada", "service")
            case "plain-ada":
                return User(username="ada")
        return HubUser(name, "user")


def _refuse(*_args: Any, **_kwargs: Any) -> None:
    raise HTTPError(403, "user stranger is not allowed.")


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "integration.lab.people"}]


def _load_jupyter_server_extension(serverapp: ServerApp) -> None:
    lab.install(serverapp.web_app, os.environ, LIMITS)
