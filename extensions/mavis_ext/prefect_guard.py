"""Who may see Prefect's pages, and what every answer at their address has in common."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from tornado.httputil import HTTPServerRequest
from tornado.web import Application, HTTPError, RequestHandler

from mavis_core.access import CallContext, Permission
from mavis_core.errors import Forbidden, Internal, MavisError, TooLarge, Unauthenticated
from mavis_core.ids import new_id
from mavis_ext import problems

__all__ = ["Gate", "GuardedHandler", "Identify", "Login", "refused"]

Identify = Callable[[RequestHandler], Awaitable[CallContext]]
"""Finds out who asks, at each call anew: an open WebSocket asks again. Raises Unauthenticated."""

Login = Callable[[RequestHandler], None]
"""Sends the browser to the page where people log in."""

# connect-src: Prefect's pages know hosts of an analytics service, and call them even when it is
# switched off. 'unsafe-eval': the graph of a run compiles its shaders' bindings (pixi.js).
_CSP = (
    "default-src 'self'; connect-src 'self'; img-src 'self' data: blob:; font-src 'self' data:;"
    " style-src 'self' 'unsafe-inline'; script-src 'self' 'unsafe-eval'; worker-src 'self' blob:;"
    " object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'"
)
_log = logging.getLogger("mavis.prefect")


@dataclass(frozen=True, slots=True)
class Gate:
    """What the handlers of Prefect's pages work with.

    Parameters
    ----------
    prefix
        Where the pages are, without a slash at the end.
    upstream
        Prefect's own address on loopback: ``http://127.0.0.1:PORT``.
    secret
        What Prefect demands, in the form ``name:secret``. It never leaves in an answer.
    login
        None: a page without a login answers 401 like everything else.
    recheck_s
        Seconds after which an open WebSocket asks again who is there.
    """

    prefix: str
    upstream: str
    secret: str = field(repr=False)
    identify: Identify
    login: Login | None
    recheck_s: float


def refused(what: str) -> Forbidden:
    """Return the error for a request that is not on the list."""
    return Forbidden(
        f"{what} is not on the list: these pages are for reading, without what may hold keys",
        mend="Prefect's pages are for reading; ask for work through Mavis.",
    )


class GuardedHandler(RequestHandler):
    """Lets in administrators of the platform, and tells everybody else why not."""

    ctx: CallContext

    def __init__(self, application: Application, request: HTTPServerRequest, **kwargs: Any) -> None:
        self.request_id = new_id("req")
        super().__init__(application, request, **kwargs)

    def initialize(self, gate: Gate) -> None:
        """Take what the rules hand over."""
        self.gate = gate

    def set_default_headers(self) -> None:
        self.set_header("X-Request-Id", self.request_id)
        self.set_header("Cache-Control", "no-store")
        self.set_header("Content-Security-Policy", _CSP)
        self.set_header("Cross-Origin-Resource-Policy", "same-origin")
        self.set_header("Referrer-Policy", "same-origin")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.clear_header("Server")

    def check_xsrf_cookie(self) -> None:
        """Do nothing: no row changes anything, and requests of other sites are refused."""

    async def who(self) -> CallContext:
        """Return who asks, an administrator.

        Raises
        ------
        Unauthenticated
            Nobody is logged in.
        Forbidden
            Somebody who is no administrator.
        """
        ctx = await self.gate.identify(self)
        try:
            ctx.require(Permission.PREFECT_READ)
        except Forbidden as exc:
            raise Forbidden(
                exc.message, mend="Ask an administrator of the platform to look for you."
            ) from exc
        return ctx

    def refuse(self, error: MavisError) -> None:
        """Send a browser that opens a page to log in where that is what it lacks, else raise."""
        if isinstance(error, Unauthenticated) and self.gate.login and self._is_navigation():
            self.gate.login(self)
        if not self._finished:
            raise error

    def _is_navigation(self) -> bool:
        accept = self.request.headers.get("Accept", "")
        return self.request.method == "GET" and "text/html" in accept

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        exc: BaseException = (kwargs.get("exc_info") or (None, HTTPError(status_code), None))[1]
        if isinstance(exc, MavisError):
            self.set_status(exc.status)
            if exc.retry_after_s is not None:
                self.set_header("Retry-After", str(max(1, round(exc.retry_after_s))))
            if isinstance(exc, TooLarge):  # the rest of the body is not read
                self.set_header("Connection", "close")
        told = problems.of_exception(exc, self.get_status(), self.request_id)
        self.set_header("Content-Type", problems.CONTENT_TYPE)
        self.finish(json.dumps(told, ensure_ascii=False))

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        person = self.ctx.principal.name if hasattr(self, "ctx") else "nobody"
        what = (person, self.request.method, self.request.path[:200])
        if isinstance(value, MavisError) and not isinstance(value, Internal):
            _log.info("%s: %s %r: %s: %s", *what, value.code, value)
        elif isinstance(value, HTTPError) and value.status_code < 500:
            _log.info("%s: %s %r: %d", *what, value.status_code)
        else:
            _log.error(
                "%s: %s %r: bug, request %s", *what, self.request_id, exc_info=(typ, value, tb)
            )
