"""What the api process answers to another process of the appliance, by a secret that both hold."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from hmac import compare_digest
from typing import Any

from tornado.web import RequestHandler

from mavis_core.errors import InvalidInput, MavisError, NotFound
from mavis_ext.auth import identity_of
from mavis_ext.base import Services

__all__ = ["Answers", "answer_rules"]

Answers = Mapping[str, Callable[[dict[str, Any]], dict[str, Any]]]
"""What can be asked, by name: from the question's object to the answer's."""

_log = logging.getLogger("mavis.api")


class Ask(RequestHandler):
    """A question of another process; to all others there is nothing here."""

    def initialize(self, services: Services, secret: str, answers: Answers) -> None:
        """Take what the application hands over."""
        self._services = services
        self._secret = secret
        self._answers = answers

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
        body, answer = _object(self.request.body), self._answers[what]
        self.finish(await self._services.database.run(lambda: answer(body)))

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        error = (kwargs.get("exc_info") or (None, None, None))[1]
        message, mend = "This could not be answered", ""
        if isinstance(error, MavisError):
            status_code, message, mend = error.status, error.message, error.mend
        self.set_status(status_code)
        self.finish({"message": message, "mend": mend})

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        if isinstance(value, MavisError):
            _log.info("%s %s: %s", self.request.method, self.request.path, value.code)
        else:
            super().log_exception(typ, value, tb)


def _object(content: bytes) -> dict[str, Any]:
    try:
        value = json.loads(content)
    except ValueError as exc:
        raise InvalidInput("The body is not JSON") from exc
    if not isinstance(value, dict):
        raise InvalidInput("The body is no object")
    return value


def answer_rules(
    address: str, answers: Answers, services: Services, secret: str
) -> list[tuple[Any, ...]]:
    """Return the rules.

    Parameters
    ----------
    address
        Below it lie the names of the questions.
    secret
        What the one process has that may ask them.
    """
    given = {"services": services, "secret": secret, "answers": answers}
    return [(rf"{address}/({'|'.join(answers)})", Ask, given)]
