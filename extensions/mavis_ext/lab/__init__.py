"""The Jupyter Server extension of a person's own server: the way from the browser to the api.

``{base_url}mavis/api/...`` is ``{MAVIS_URL}/api/...``, asked with the token of the server, for
the server's owner and nobody else. What runs in JupyterLab so calls the REST API, listens to its
streams and opens its WebSockets with the login that it has, and no token of Mavis is in a page.
``{base_url}mavis/gateway/...`` leads to the WebSockets of the gateway in the same way, but without
the token: there a ticket of the api's lets somebody in.

The package imports Tornado, jupyter_server and the standard library only: it is loaded into
every single-user server, which has no business with the platform's own libraries.

Its layers, each knows those below: ``calls`` and ``sockets`` (the handlers); ``guard`` (who may);
``exchange`` (one call to the api); ``answers`` and ``headers`` (what goes through); ``addresses``,
``seats`` and ``settings`` (where, how many, as whom); ``problems`` and ``limits``. Beside them
``tutorials``, which a new person finds in a folder.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from jupyter_server.serverapp import ServerApp
from tornado.httputil import HTTPServerRequest
from tornado.routing import Matcher, PathMatches, Rule
from tornado.web import Application

from mavis_ext.lab.calls import CallHandler
from mavis_ext.lab.guard import Forwarder, Part
from mavis_ext.lab.limits import Limits
from mavis_ext.lab.sockets import SocketHandler
from mavis_ext.lab.tutorials import lay_out, shipped

__all__ = ["install"]


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "mavis_ext.lab"}]


def _load_jupyter_server_extension(serverapp: ServerApp) -> None:
    install(serverapp.web_app, os.environ)
    if os.environ.get("JUPYTERHUB_USER"):  # an appliance's; a laptop's folders are left alone
        _lay_out_tutorials(serverapp)


def _lay_out_tutorials(serverapp: ServerApp) -> None:
    try:
        made = lay_out(Path(serverapp.root_dir), shipped())
    except OSError as exc:
        serverapp.log.warning("The tutorials could not be laid out: %s", exc)
    else:
        if made is not None:
            serverapp.log.info("The tutorials are in %s", made)


def install(
    application: Application, environ: Mapping[str, str], limits: Limits | None = None
) -> None:
    """Let a Jupyter server forward to the api.

    Parameters
    ----------
    application
        The server's application; its setting ``base_url`` says where it is.
    environ
        What the Hub and the spawner told the server. Where something is missing there, each call
        is answered with what is.
    limits
        None: those that hold for people.
    """
    api = Forwarder.of(application.settings["base_url"], environ, limits or Limits())
    gateway = api.to(Part.GATEWAY)
    rules = [
        Rule(_Upgrade(_below(api)), SocketHandler, {"forwarder": api}),
        Rule(_below(api), CallHandler, {"forwarder": api}),
        Rule(_below(gateway), SocketHandler, {"forwarder": gateway}),  # it has nothing else
    ]
    application.add_handlers(".*$", rules)


def _below(forwarder: Forwarder) -> PathMatches:
    return PathMatches(f"{re.escape(forwarder.own)}(?:/.*)?")


class _Upgrade(Matcher):
    """Matches what asks for a WebSocket at a path."""

    def __init__(self, path: PathMatches) -> None:
        self._path = path

    def match(self, request: HTTPServerRequest) -> dict[str, object] | None:
        asked = request.headers.get("Upgrade", "").strip().lower()
        if request.method != "GET" or asked != "websocket":
            return None
        return self._path.match(request)
