"""Whose a token is, as a small server in the Hub's place says it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

from mavis_core.access import PLATFORM, Principal, Scope
from mavis_core.config import load
from mavis_core.errors import Unavailable
from mavis_hub.hub_identity import HubCaller, HubIdentity, hub_oauth

ACCESS = "access:services!service=mavis"
OLGA: Mapping[str, Any] = {
    "kind": "user",
    "name": "olga",
    "groups": ["ops"],
    "scopes": [ACCESS, "custom:mavis:read", "custom:mavis:operate", "custom:other"],
}


class _User(RequestHandler):
    """What the Hub answers: the model of a known token, 403 to others, or 503."""

    def get(self) -> None:
        said = self.application.settings["said"]
        if said is None or said == "down":
            self.send_error(403 if said is None else 503)
        else:
            self.write(json.dumps(said))

    def log_exception(self, *_about: object) -> None:
        """The log is not what is tested."""


def identified(home: Path, said: Mapping[str, Any] | str | None) -> HubCaller | None:
    """Return whom Mavis takes a token for of which the Hub says `said`."""

    async def ask() -> HubCaller | None:
        sockets = bind_sockets(0, "127.0.0.1")
        server = HTTPServer(Application([("/hub/api/user", _User)], said=said))
        server.add_sockets(sockets)
        flags = {"appliance.isolation": "none", "ports.hub": str(sockets[0].getsockname()[1])}
        config = load(home, environ={}, flags=flags)
        secret = config.secret_file("api", "hub-token")
        secret.parent.mkdir(parents=True)
        secret.write_text("token-of-the-service\n", encoding="utf-8")
        try:
            return await HubIdentity(hub_oauth(config))("token-of-a-person")
        finally:
            server.stop()
            await server.close_all_connections()

    return asyncio.run(ask())


def test_a_person_has_the_groups_and_those_scopes_that_mavis_knows(tmp_path: Path) -> None:
    caller = identified(tmp_path, OLGA)
    assert caller == HubCaller(
        Principal("olga", frozenset({"ops"})), frozenset({Scope.READ, Scope.OPERATE})
    )


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(None, id="a token that the Hub does not know"),
        pytest.param({**OLGA, "kind": "service"}, id="a service"),
        pytest.param({**OLGA, "scopes": ["custom:mavis:read"]}, id="a token for something else"),
        pytest.param({**OLGA, "name": PLATFORM.name}, id="a person named as Mavis itself"),
        pytest.param({**OLGA, "name": "mavis:olga"}, id="a person whose name is reserved"),
    ],
)
def test_somebody_who_is_no_person_of_mavis_is_nobody(
    tmp_path: Path, said: Mapping[str, Any] | None
) -> None:
    assert identified(tmp_path, said) is None


def test_while_the_hub_is_down_nobody_can_be_identified(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="JupyterHub does not answer"):
        identified(tmp_path, "down")
