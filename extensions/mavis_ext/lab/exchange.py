"""One call to the api: a connection, a request with its body, an answer handed on as it comes.

Tornado's `SimpleAsyncHTTPClient` can neither be told to stop nor made to wait for a slow reader,
so this works on the connection below it (`tornado.http1connection`): a cancelled exchange closes
its connection at once, and the next piece of an answer is read when the one before was taken.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import sys
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from tornado.http1connection import HTTP1Connection, HTTP1ConnectionParameters
from tornado.httputil import HTTPHeaders, HTTPMessageDelegate, RequestStartLine, ResponseStartLine
from tornado.iostream import IOStream, StreamClosedError
from tornado.tcpclient import TCPClient

from mavis_ext.lab.limits import Limits
from mavis_ext.lab.problems import Problem, Unavailable
from mavis_ext.lab.settings import Appliance

__all__ = ["AGENT", "Call", "Receiver", "exchange", "no_answer"]

AGENT = "mavis-lab"
_PIECE_BYTES = 64 * 1024
_BUFFER_BYTES = 2 * 1024 * 1024
_RETRY_S = 5.0


@dataclass(frozen=True, slots=True)
class Call:
    """What to ask.

    Parameters
    ----------
    target
        Path and query at the appliance.
    headers
        Without the token.
    """

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = field(default=b"", repr=False)


class Receiver(Protocol):
    """Takes an answer as it comes."""

    async def begin(self, status: int, headers: HTTPHeaders) -> float:
        """Take the answer's beginning; return how many seconds of silence it may have.

        Raises
        ------
        Problem
            This answer is not wanted; nothing more of it is read.
        """

    async def take(self, piece: bytes) -> None:
        """Take a piece of the body; return when there is room for the next.

        Raises
        ------
        StreamClosedError
            Nobody takes it any more.
        """


async def exchange(
    appliance: Appliance, client: TCPClient, call: Call, receiver: Receiver, limits: Limits
) -> None:
    """Ask, and hand the whole answer to `receiver`.

    Raises
    ------
    Unavailable
        No answer came, or not all of it.
    Problem
        What `receiver` raised at the beginning.
    CancelledError
        Nobody takes the answer any more.
    """
    stream = await _connected(appliance, client, limits)
    try:
        connection = _asked(stream, appliance, call)
        async with asyncio.timeout(limits.begin_s) as patience:
            answer = _Answer(receiver, stream, patience)
            await answer.read(connection)
    except TimeoutError as exc:
        raise Unavailable("The appliance takes too long", retry_after_s=_RETRY_S) from exc
    finally:
        stream.close()
    if answer.refusal is not None:
        raise answer.refusal
    if not answer.whole:
        raise Unavailable("The appliance broke off its answer", retry_after_s=_RETRY_S)


async def _connected(appliance: Appliance, client: TCPClient, limits: Limits) -> IOStream:
    try:
        return await client.connect(
            appliance.host,
            appliance.port,
            ssl_options=appliance.tls,
            max_buffer_size=_BUFFER_BYTES,
            timeout=limits.connect_s,
        )
    except OSError as exc:  # TimeoutError, StreamClosedError and ssl.SSLError, too
        raise no_answer(appliance, exc) from exc


def _asked(stream: IOStream, appliance: Appliance, call: Call) -> HTTP1Connection:
    """Return a connection that has the whole request to send."""
    stream.set_nodelay(True)
    parameters = HTTP1ConnectionParameters(
        no_keep_alive=True,
        chunk_size=_PIECE_BYTES,
        max_body_size=sys.maxsize,  # it is handed on, not kept
    )
    connection = HTTP1Connection(stream, True, parameters)
    start = RequestStartLine(call.method, call.target, "HTTP/1.1")
    connection.write_headers(start, _headers(appliance, call))
    if call.body:
        connection.write(call.body)
    connection.finish()
    return connection


def _headers(appliance: Appliance, call: Call) -> HTTPHeaders:
    headers = HTTPHeaders(
        {
            **call.headers,
            "Host": appliance.netloc,
            "User-Agent": AGENT,
            "Authorization": f"token {appliance.token}",
            "Connection": "close",
        }
    )
    if call.body or call.method in ("POST", "PUT", "PATCH"):
        headers["Content-Length"] = str(len(call.body))
    return headers


class _Answer(HTTPMessageDelegate):
    """What the connection tells of the answer.

    Parameters
    ----------
    patience
        The time that is left until something has to happen; each piece begins it anew.

    Attributes
    ----------
    whole
        All of it came.
    refusal
        What the receiver raised at the beginning.
    """

    def __init__(self, receiver: Receiver, stream: IOStream, patience: asyncio.Timeout) -> None:
        self._receiver = receiver
        self._stream = stream
        self._patience = patience
        self._quiet_s = 0.0
        self._gone = False
        self.whole = False
        self.refusal: Problem | None = None

    async def read(self, connection: HTTP1Connection) -> None:
        """Read until the end of the answer, whatever it is."""
        with contextlib.suppress(StreamClosedError):
            await connection.read_response(self)
        if self._gone:
            raise asyncio.CancelledError

    async def headers_received(  # type: ignore[override]  # a client's start line is a response's
        self, start_line: ResponseStartLine, headers: HTTPHeaders
    ) -> None:
        if start_line.code >= 200:  # else the final answer follows
            await self._hand(self._begin(start_line.code, headers))

    async def data_received(self, chunk: bytes) -> None:
        if self.refusal is None and not self._gone:  # else it had come before the end
            await self._hand(self._receiver.take(chunk))

    def finish(self) -> None:
        self.whole = self.refusal is None and not self._gone

    async def _begin(self, status: int, headers: HTTPHeaders) -> None:
        try:
            self._quiet_s = await self._receiver.begin(status, headers)
        except Problem as exc:
            self.refusal = exc
            self._stream.close()

    async def _hand(self, work: Coroutine[None, None, None]) -> None:
        """Do `work`. Tornado would log what is raised in here as a bug, and swallow it."""
        try:
            await work
        except (asyncio.CancelledError, StreamClosedError):
            self._gone = True
            self._stream.close()
        else:
            self._patience.reschedule(asyncio.get_running_loop().time() + self._quiet_s)


def no_answer(appliance: Appliance, exc: BaseException) -> Unavailable:
    """Return what to say when no connection came about."""
    cause = exc.real_error if isinstance(exc, StreamClosedError) else exc
    if isinstance(cause, ssl.SSLCertVerificationError):
        return Unavailable(
            f"The certificate of {appliance.origin} is not trusted: {cause.verify_message}",
            mend="Ask an administrator to name its authority in MAVIS_CA_FILE of this server.",
        )
    kind = type(cause or exc).__name__
    return Unavailable(f"{appliance.origin} does not answer: {kind}", retry_after_s=_RETRY_S)
