"""What processes serve each other over Unix sockets: who may ask, and how errors are told.

A caller is trusted whose Unix user is one of those named, *and* who sends the secret as a bearer
token, on every route.
"""

from __future__ import annotations

import hmac
import http
import json
import logging
import os
import pwd
import socket
import struct
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tornado.http1connection import HTTP1Connection
from tornado.netutil import bind_unix_socket
from tornado.web import HTTPError, RequestHandler

from mavis_core.errors import (
    Forbidden,
    Internal,
    InvalidInput,
    MavisError,
    NotFound,
    Unauthenticated,
    Unavailable,
)
from mavis_core.ids import new_id

__all__ = ["InnerHandler", "Trust", "bind", "http1", "peer_of", "trusted_users"]

logger = logging.getLogger(__name__)

_UCRED = struct.Struct("3i")  # struct ucred of unix(7): process, user, group


@dataclass(frozen=True, slots=True)
class Trust:
    """Whom a process answers.

    Parameters
    ----------
    process
        What it is called in errors.
    token
        The secret that callers send.
    users
        The Unix users that may ask.
    """

    process: str
    token: str
    users: frozenset[int]


def trusted_users(name: str) -> frozenset[int]:
    """Return root, this process's own Unix user and the one called `name`, where there is one."""
    users = {os.geteuid(), 0}
    with suppress(KeyError):  # not isolated, or not yet
        users.add(pwd.getpwnam(name).pw_uid)
    return frozenset(users)


def bind(path: Path) -> socket.socket:
    """Return a socket that listens at `path`, for the group of its folder.

    Whoever calls it is the only process of its kind: a file at `path` is what a killed one left.

    Raises
    ------
    Unavailable
        It cannot be made there.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
    try:
        bound = bind_unix_socket(str(path), mode=0o600)
        os.chown(path, -1, path.parent.stat().st_gid)
        path.chmod(0o660)
    except (OSError, ValueError) as exc:
        raise Unavailable(
            f"The socket {path} cannot be made: {exc}",
            mend="Set MAVIS_HOME to a folder with a path of at most 80 characters, for this user.",
        ) from exc
    return bound


class InnerHandler(RequestHandler):
    """Lets nobody through whom the process does not trust; tells errors as problem+json."""

    trust: Trust

    def initialize(self, *_args: Any, **_parts: Any) -> None:
        """Note the request's id; whoever comes after sets `trust`."""
        self._request_id = self.request.headers.get("X-Request-Id") or new_id("req")

    def prepare(self) -> None:
        user, process = peer_of(self.request.connection), self.trust.process
        if user not in self.trust.users:
            raise Forbidden(f"Unix user {user} may not ask the {process}", mend="Ask the api.")
        sent = self.request.headers.get("Authorization", "").encode("utf-8", "replace")
        if not hmac.compare_digest(sent, f"Bearer {self.trust.token}".encode()):
            raise Unauthenticated(
                f"The {process} wants its secret", mend="Send `Authorization: Bearer …`."
            )

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        raised = kwargs.get("exc_info", (None, None, None))[1]
        error = self._ours(raised)
        status = error.status if isinstance(raised, MavisError) else status_code
        self.set_status(status)
        self.set_header("Content-Type", "application/problem+json")
        self.set_header("X-Request-Id", self._request_id)
        if error.retry_after_s is not None:
            self.set_header("Retry-After", str(max(1, round(error.retry_after_s))))
        self.finish(
            json.dumps(
                {
                    "type": f"urn:mavis:error:{error.code}",
                    "title": type(error).__name__,
                    "status": status,
                    "detail": error.message,
                    "code": error.code,
                    "mend": error.mend,
                    "field": error.field,
                    "request_id": self._request_id,
                    "retry_after_s": error.retry_after_s,
                }
            )
        )

    def _ours(self, raised: object) -> MavisError:
        """Return our error for what a handler, or Tornado itself, raised."""
        if isinstance(raised, MavisError):
            return raised
        if not isinstance(raised, HTTPError):
            return Internal(f"The {self.trust.process} failed")
        if raised.status_code == http.HTTPStatus.BAD_REQUEST:
            return InvalidInput("The request cannot be read")
        return NotFound(f"There is no {self.request.method} {self.request.path}")

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        if not isinstance(value, MavisError | HTTPError):
            logger.error("request.failed id=%s", self._request_id, exc_info=(typ, value, tb))


def http1(connection: object) -> HTTP1Connection:
    """Return the connection of a request, which has a socket."""
    if not isinstance(connection, HTTP1Connection):
        raise Unauthenticated("This process speaks HTTP/1.1 only")
    return connection


def peer_of(connection: object) -> int:
    """Return the Unix user at the other end, as the kernel knows it."""
    own_end = http1(connection).stream.socket
    packed = own_end.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    user: int = _UCRED.unpack(packed)[1]
    return user
