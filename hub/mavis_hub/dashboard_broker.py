"""What the dashboards process may ask the api process: by a secret, and for views only.

It can neither open a view nor name a person: a viewer's page opens one, and what comes with its
ticket is all that this process is told.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from hmac import compare_digest
from typing import Any

from tornado.web import RequestHandler

from mavis_core.dashboards.views import Views
from mavis_core.errors import InvalidInput, MavisError, NotFound
from mavis_ext.auth import identity_of
from mavis_ext.base import Services
from mavis_hub.dashboards.addresses import VIEWS

__all__ = ["broker_rules"]

_log = logging.getLogger("mavis.api")
_AT_MOST = 1000


class Ask(RequestHandler):
    """A question of the dashboards process; to all others there is nothing here."""

    def initialize(self, services: Services, secret: str) -> None:
        """Take what the application hands over."""
        self._services = services
        self._secret = secret

    def set_default_headers(self) -> None:
        self.set_header("Cache-Control", "no-store")
        self.clear_header("Server")

    def check_xsrf_cookie(self) -> None:
        """Do nothing: this takes a secret, never a cookie."""

    def prepare(self) -> None:
        """Look who asks."""
        given = identity_of(self.request.headers.get("Authorization")) or ""
        if not compare_digest(given.encode(), self._secret.encode()):
            raise NotFound("There is nothing here")

    async def post(self, what: str) -> None:
        """Answer it."""
        body = _object(self.request.body)
        views = self._services.app.views
        ask: Callable[[Views, dict[str, Any]], dict[str, Any]] = _QUESTIONS[what]
        self.finish(await self._services.database.run(lambda: ask(views, body)))

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        error = (kwargs.get("exc_info") or (None, None, None))[1]
        message = "This could not be answered"
        if isinstance(error, MavisError):
            status_code, message = error.status, error.message
        self.set_status(status_code)
        self.finish({"message": message})

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        if isinstance(value, MavisError):
            _log.info("%s %s: %s", self.request.method, self.request.path, value.code)
        else:
            super().log_exception(typ, value, tb)


def _start(views: Views, body: dict[str, Any]) -> dict[str, Any]:
    ticket = body.get("ticket")
    if not isinstance(ticket, str):
        raise InvalidInput("ticket is missing", field="ticket")
    found = views.start(ticket)
    return {
        "view": found.view.id,
        "viewer": found.view.viewer,
        "project": found.dashboard.project,
        "name": found.dashboard.name,
        "title": found.dashboard.title,
        "notebook": found.notebook,
        "token": found.token,
    }


def _alive(views: Views, body: dict[str, Any]) -> dict[str, Any]:
    for view in _ids(body, "died"):
        views.died(view)
    return {"alive": sorted(views.alive(_ids(body, "views")))}


def _began(views: Views, _body: dict[str, Any]) -> dict[str, Any]:
    views.all_died()
    return {}


_QUESTIONS = {"start": _start, "alive": _alive, "began": _began}


def _ids(body: dict[str, Any], field: str) -> list[str]:
    ids = body.get(field)
    if (
        not isinstance(ids, list)
        or len(ids) > _AT_MOST
        or not all(isinstance(each, str) for each in ids)
    ):
        raise InvalidInput(f"{field} is no list of ids", field=field)
    return ids


def _object(content: bytes) -> dict[str, Any]:
    try:
        value = json.loads(content)
    except ValueError as exc:
        raise InvalidInput("The body is not JSON") from exc
    if not isinstance(value, dict):
        raise InvalidInput("The body is no object")
    return value


def broker_rules(services: Services, secret: str) -> list[tuple[Any, ...]]:
    """Return the rules.

    Parameters
    ----------
    secret
        What the dashboards process has, and nobody else.
    """
    given = {"services": services, "secret": secret}
    return [(rf"{VIEWS}/({'|'.join(_QUESTIONS)})", Ask, given)]
