"""Who may use the forwarder, and what all its answers have in common."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, NoReturn

from jupyter_server.auth import User
from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.utils import ensure_async, url_path_join
from tornado.httputil import HTTPServerRequest
from tornado.tcpclient import TCPClient
from tornado.web import Application, HTTPError

from mavis_ext.lab.addresses import Addresses
from mavis_ext.lab.exchange import Call
from mavis_ext.lab.headers import outgoing
from mavis_ext.lab.limits import Limits
from mavis_ext.lab.problems import (
    CONTENT_TYPE,
    Forbidden,
    HeadersTooLarge,
    Problem,
    TooLarge,
    TooSlow,
    Unauthenticated,
    Unavailable,
    new_request_id,
    told,
)
from mavis_ext.lab.seats import Room
from mavis_ext.lab.settings import Appliance, find

__all__ = ["Forwarder", "GuardedHandler", "Part"]

_RESOURCE = "mavis"
_CSP = "default-src 'none'; frame-ancestors 'none'"
_AUTH_RETRY_S = 5.0


class Part(StrEnum):
    """What is forwarded to; the value is its place below ``{base_url}mavis/``."""

    API = "api"
    GATEWAY = "gateway"
    """Its WebSockets. It asks for a ticket and takes no token, so none is sent there."""


@dataclass(frozen=True)
class Forwarder:
    """What the handlers of one Jupyter server work with.

    Parameters
    ----------
    own
        Where the part appears to be: ``/user/ada/mavis/api``.
    owner
        Whose server this is; empty where no Hub has started it, and then it is nobody's.
    found
        The appliance, or why there is none.
    """

    own: str
    part: Part
    owner: str
    found: Appliance | Unavailable
    limits: Limits
    client: TCPClient
    calls: Room
    feeds: Room

    @classmethod
    def of(cls, base: str, environ: Mapping[str, str], limits: Limits) -> Forwarder:
        """Return what the environment says, for the api.

        Parameters
        ----------
        base
            Where this server's own addresses begin.
        """
        found: Appliance | Unavailable
        try:
            found = find(environ)
        except Unavailable as exc:
            found = exc
        return cls(
            own=url_path_join(base, "mavis", Part.API),
            part=Part.API,
            owner=environ.get("JUPYTERHUB_USER", ""),
            found=found,
            limits=limits,
            client=TCPClient(),
            calls=Room("calls of this server", limits.calls),
            feeds=Room("streams and WebSockets of this server", limits.feeds),
        )

    def to(self, part: Part) -> Forwarder:
        """Return the forwarder to another part; both share limits and seats."""
        return replace(self, part=part, own=f"{self.own.removesuffix(self.part)}{part}")

    @property
    def appliance(self) -> Appliance:
        """Where the appliance is.

        Raises
        ------
        Unavailable
            Nobody has said so.
        """
        if isinstance(self.found, Unavailable):
            raise Unavailable(self.found.detail, mend=self.found.mend)
        return self.found

    @property
    def addresses(self) -> Addresses:
        """The prefixes here and there."""
        appliance = self.appliance
        theirs = appliance.path if self.part is Part.API else appliance.gateway
        return Addresses(self.own, appliance.origin, theirs)

    @property
    def credentials(self) -> dict[str, str]:
        """The headers by which the part knows who asks."""
        if self.part is Part.GATEWAY:
            return {}
        return {"Authorization": f"token {self.appliance.token}"}

    def call(self, request: HTTPServerRequest) -> Call:
        """Return what a request, as yet without its body, is at the appliance.

        Raises
        ------
        Problem
            Its address or its headers cannot go there, or nobody knows where that is.
        """
        limits = self.limits
        uri = request.uri or ""
        if len(uri) > limits.address_bytes:
            raise HeadersTooLarge(f"The address has over {limits.address_bytes} characters")
        return Call(
            method=request.method or "",
            target=self.addresses.target(uri),
            headers=outgoing(request.headers, limits.header_bytes),
        )


class GuardedHandler(JupyterHandler):
    """Lets in the owner of this server, and tells everybody else why not."""

    def __init__(self, application: Application, request: HTTPServerRequest, **kwargs: Any) -> None:
        self.request_id = new_request_id()
        super().__init__(application, request, **kwargs)

    def initialize(self, forwarder: Forwarder) -> None:
        """Take what the rules hand over."""
        self.forwarder = forwarder

    def set_default_headers(self) -> None:
        super().set_default_headers()
        self.set_header("X-Request-Id", self.request_id)
        self.set_header("Cache-Control", "no-store")
        self.set_header("Content-Security-Policy", _CSP)
        self.set_header("X-Content-Type-Options", "nosniff")
        self.clear_header("Server")

    def compute_etag(self) -> None:
        """Make none: the api makes its own."""

    def redirect(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        """Say that nobody is logged in: a program has no use for the page where people log in."""
        raise Unauthenticated("Nobody is logged in at this server")

    async def admit(self, action: str) -> None:
        """Find out who asks, as Jupyter does, and let in the owner only.

        Parameters
        ----------
        action
            Jupyter's word for what is asked: ``read``, ``write`` or ``execute``.

        Raises
        ------
        Problem, HTTPError
            Nobody asks, or somebody else, or a page without its XSRF token.
        """
        user = await self._user()
        if not _is_owner(user, self.forwarder.owner):
            raise Forbidden("Only the owner of this server calls the appliance through it")
        allowed = self.authorizer.is_authorized(self, user, action, _RESOURCE)
        if not await ensure_async(allowed):
            raise Forbidden(f"This server's rules do not let you {action} {_RESOURCE}")

    async def _user(self) -> User:
        self.current_user = None
        try:
            await super().prepare(_redirect_to_login=False)
        except HTTPError as exc:
            if exc.status_code >= 500:
                raise Unavailable(
                    "The Hub does not say who is logged in", retry_after_s=_AUTH_RETRY_S
                ) from exc
            if exc.status_code == 404:  # Jupyter's word for it
                raise Forbidden("A page of another site may not call the appliance") from exc
            if self.current_user is not None:
                raise
        user: User | None = self.current_user
        if user is None:
            # JupyterHub's provider puts a `redirect` in place of ours that answers 403 to those
            # whom it knows and does not let in.
            self.redirect("")
        return user

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        exc: BaseException | None = (kwargs.get("exc_info") or (None, None))[1]
        if isinstance(exc, Problem):
            self.set_status(exc.status)
            if exc.retry_after_s is not None:
                self.set_header("Retry-After", str(max(1, round(exc.retry_after_s))))
        if isinstance(exc, TooLarge | TooSlow) or status_code == 405:  # the body may not be read
            self.set_header("Connection", "close")
        if isinstance(exc, Unauthenticated):
            self.set_header("WWW-Authenticate", 'Bearer realm="jupyter"')
        if status_code == 405:
            self.set_header("Allow", "GET, HEAD, POST, PUT, PATCH, DELETE")
        self.set_header("Content-Type", CONTENT_TYPE)
        form = told(exc, self.get_status(), self.request_id)
        self.finish(json.dumps(form, ensure_ascii=False))

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        what = (self.request_id, self.request.method, self.request.path[:200])
        if isinstance(value, Problem):
            self.log.info("mavis: %s %s %r: %s: %s", *what, value.code, value)
        elif isinstance(value, HTTPError) and value.status_code < 500:
            self.log.info("mavis: %s %s %r: %d", *what, value.status_code)
        elif not isinstance(value, asyncio.CancelledError):
            self.log.error("mavis: %s %s %r: bug", *what, exc_info=(typ, value, tb))


def _is_owner(user: User, owner: str) -> bool:
    """Return whether `user` is the person `owner`; a service of the Hub may bear their name."""
    kind = getattr(user, "hub_user", {}).get("kind", "user")
    return bool(owner) and kind == "user" and user.username == owner
