"""What the handlers of the log process have in common: whom they answer, and how errors are told.

They are behind a Unix socket. A caller is trusted whose Unix user is one of those named, *and* who
sends the secret as a bearer token, on every route.
"""

from __future__ import annotations

import asyncio
import hmac
import http
import json
import logging
import socket
import struct
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from tornado.http1connection import HTTP1Connection
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
from mavis_core.logs import Health, Page, Summary
from mavis_core.logs.context import Context
from mavis_hub.log_process.export_desk import ExportDesk
from mavis_hub.log_process.followers import Followers
from mavis_hub.log_process.service import LogService
from mavis_hub.opslog import SqlDesk

__all__ = ["Asking", "Handler", "Parts", "Pool", "http1", "params_of", "peer_of"]

logger = logging.getLogger(__name__)

T = TypeVar("T")
_MAX_WAITING = 32
_MAX_QUESTION_BYTES = 512 * 1024  # the names of a thousand projects, and a question
_UCRED = struct.Struct("3i")  # struct ucred of unix(7): process, user, group


class Pool:
    """Threads for one kind of work, with a bound on those who wait."""

    def __init__(self, work: str, threads: int) -> None:
        self._work = work
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix=f"log-{work}")
        self._waiting = 0

    async def run(self, work: Callable[[], T]) -> T:
        if self._waiting >= _MAX_WAITING:
            raise Unavailable(f"The log process has too many {self._work} at hand", retry_after_s=1)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._waiting -= 1

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


@dataclass(frozen=True, slots=True)
class Parts:
    """What handlers work with.

    Parameters
    ----------
    pool, taking
        Threads for questions, and for records that come.
    desk
        Answers questions in SQL.
    exports
        Writes whole answers into files.
    followers
        Tells those who follow the log.
    token
        The secret that callers send.
    users
        The Unix users that may ask.
    """

    service: LogService
    pool: Pool
    taking: Pool
    desk: SqlDesk
    exports: ExportDesk
    followers: Followers
    token: str
    users: frozenset[int]


class Handler(RequestHandler):
    """Lets nobody through whom the process does not trust; tells errors as problem+json."""

    def initialize(self, parts: Parts) -> None:
        self.parts = parts
        self._request_id = self.request.headers.get("X-Request-Id") or new_id("req")

    def prepare(self) -> None:
        user = peer_of(self.request.connection)
        if user not in self.parts.users:
            raise Forbidden(f"Unix user {user} may not ask the log process", mend="Ask the api.")
        sent = self.request.headers.get("Authorization", "").encode("utf-8", "replace")
        if not hmac.compare_digest(sent, f"Bearer {self.parts.token}".encode()):
            raise Unauthenticated(
                "The log process wants its secret", mend="Send `Authorization: Bearer …`."
            )

    async def answer(self, work: Callable[[], Page | Health | Summary | Context]) -> None:
        """Send what `work` returns; it runs, and becomes text, outside the loop."""
        text = await self.parts.pool.run(
            lambda: json.dumps(work().to_json(), ensure_ascii=False, separators=(",", ":"))
        )
        self.set_header("Content-Type", "application/json")
        self.finish(text)

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
            return Internal("The log process failed")
        if raised.status_code == http.HTTPStatus.BAD_REQUEST:
            return InvalidInput("The request cannot be read")
        return NotFound(f"There is no {self.request.method} {self.request.path}")

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        if not isinstance(value, MavisError | HTTPError):
            logger.error("request.failed id=%s", self._request_id, exc_info=(typ, value, tb))


class Asking(Handler):
    """The base of handlers whose question is a body of JSON. `gone`: nobody waits any more."""

    def prepare(self) -> None:
        self._body, self.gone = bytearray(), asyncio.Event()
        super().prepare()
        http1(self.request.connection).set_max_body_size(_MAX_QUESTION_BYTES)

    def data_received(self, chunk: bytes) -> None:
        self._body += chunk

    def question(self) -> Any:
        """Return what was asked, as JSON values."""
        try:
            return json.loads(self._body)
        except (ValueError, RecursionError) as exc:
            raise InvalidInput("The question is not JSON") from exc

    def abort(self) -> None:
        """Break the answer off, so that nobody takes it for whole."""
        http1(self.request.connection).close()

    def on_connection_close(self) -> None:
        self.gone.set()


def params_of(given: Mapping[str, Sequence[bytes]]) -> dict[str, str]:
    """Return the address's parameters as sent; Tornado's own getter drops control characters."""
    params = {}
    for name, values in given.items():
        if len(values) > 1:
            raise InvalidInput(f"{name[:60]} was given more than once", field=name)
        try:
            params[name] = values[0].decode("utf-8")
        except UnicodeDecodeError as exc:
            raise InvalidInput(f"{name[:60]} is not UTF-8", field=name) from exc
    return params


def http1(connection: object) -> HTTP1Connection:
    """Return the connection of a request, which has a socket."""
    if not isinstance(connection, HTTP1Connection):
        raise Unauthenticated("The log process speaks HTTP/1.1 only")
    return connection


def peer_of(connection: object) -> int:
    """Return the Unix user at the other end, as the kernel knows it."""
    own_end = http1(connection).stream.socket
    packed = own_end.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    user: int = _UCRED.unpack(packed)[1]
    return user
