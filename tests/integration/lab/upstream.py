"""The api's double: it notes what reached it, says what it is told to say, and can trickle."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPServerRequest
from tornado.iostream import StreamClosedError
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler
from tornado.websocket import WebSocketClosedError, WebSocketHandler

SERVICE = "/services/mavis"
API = f"{SERVICE}/api/v1"
GATEWAY = "/services/mavis-gateway"
TOKEN = "the-server-s-own-token-0123456789"
PACKED = gzip.compress(b"packed " * 100)
PIECE = b"x" * 65536
REFUSAL = '{"code": "not_found", "detail": "No such feed", "mend": "List them."}'


@dataclass(frozen=True)
class Seen:
    """One request that reached the api."""

    method: str
    uri: str
    headers: list[tuple[str, str]]
    body: bytes

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]

    @property
    def names(self) -> set[str]:
        return {key.lower() for key, _ in self.headers}


@dataclass(frozen=True)
class Reply:
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b"{}"


@dataclass
class Upstream:
    """The running double.

    Parameters
    ----------
    replies
        What to say at an address, by its path below the API's prefix.
    open
        How many answers and WebSockets are being sent now, by their name.
    written
        How many bytes of a flood were written.
    closed
        Codes and reasons with which WebSockets were closed.
    """

    port: int = 0
    loop: asyncio.AbstractEventLoop | None = None
    seen: list[Seen] = field(default_factory=list)
    replies: dict[str, Reply] = field(default_factory=dict)
    open: dict[str, int] = field(default_factory=dict)
    written: int = 0
    taken: int = 0
    closed: list[tuple[int | None, str | None]] = field(default_factory=list)
    held: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{SERVICE}"

    def note(self, request: HTTPServerRequest) -> None:
        self.seen.append(
            Seen(
                request.method or "",
                request.uri or "",
                list(request.headers.get_all()),
                request.body,
            )
        )

    @contextmanager
    def opened(self, name: str) -> Iterator[None]:
        self.open[name] = self.open.get(name, 0) + 1
        try:
            yield
        finally:
            self.open[name] -= 1

    def let_go(self) -> None:
        assert self.loop is not None
        self.loop.call_soon_threadsafe(self.held.set)

    def hold(self) -> None:
        assert self.loop is not None
        self.loop.call_soon_threadsafe(self.held.clear)


class _Handler(RequestHandler):
    def initialize(self, upstream: Upstream) -> None:
        self.upstream = upstream
        self.gone = asyncio.Event()

    def check_etag_header(self) -> bool:
        return False

    def on_connection_close(self) -> None:
        self.gone.set()


class _Answer(_Handler):
    """Says what the table of replies says, else ``{}``."""

    SUPPORTED_METHODS = (*RequestHandler.SUPPORTED_METHODS, "TRACE")  # type: ignore[assignment]

    def _answer(self) -> None:
        self.upstream.note(self.request)
        reply = self.upstream.replies.get(self.request.path.removeprefix(API), Reply())
        self.set_status(reply.status)
        self.set_header("Content-Type", "application/json")
        self.set_header("X-Request-Id", "req_of_the_api")
        names = {name for name, _ in reply.headers}
        for name in names:
            self.clear_header(name)
        for name, value in reply.headers:
            self.add_header(name, value)
        if reply.status in (204, 304):
            self.finish()
        else:
            self.finish(reply.body)

    get = head = post = put = patch = delete = options = trace = _answer


class _Packed(_Handler):
    def get(self) -> None:
        self.upstream.note(self.request)
        self.set_header("Content-Encoding", "gzip")
        self.set_header("Content-Type", "text/csv")
        self.set_header("Vary", "Accept-Encoding")
        self.finish(PACKED)


class _Feed(_Handler):
    """Trickles events and never ends; ``?quiet`` says nothing after the first."""

    async def get(self) -> None:
        self.upstream.note(self.request)
        self.set_header("Content-Type", "text/event-stream")
        number = int(self.request.headers.get("Last-Event-ID", "0"))
        with self.upstream.opened("feed"):
            while not self.gone.is_set():
                number += 1
                self.write(f"id: {number}\ndata: event {number}\n\n")
                await self.flush()
                pause = 60 if "quiet" in self.request.uri else 0.1  # type: ignore[operator]
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self.gone.wait(), pause)


class _Flood(_Handler):
    """Sends as much as is taken."""

    async def get(self) -> None:
        self.upstream.written = 0
        with self.upstream.opened("flood"):
            while not self.gone.is_set():
                self.write(PIECE)
                await self.flush()
                self.upstream.written += len(PIECE)


class _Silent(_Handler):
    async def get(self) -> None:
        with self.upstream.opened("silent"):
            await self.gone.wait()


class _Held(_Handler):
    """Answers when the test lets it go."""

    async def get(self) -> None:
        with self.upstream.opened("held"):
            await self.upstream.held.wait()
        self.finish({})


class _Half(_Handler):
    """Breaks off: ``?chunked`` without a length."""

    async def get(self) -> None:
        if "chunked" not in self.request.uri:  # type: ignore[operator]
            self.set_header("Content-Length", "1000")
        self.write(b"a beginning")
        await self.flush()
        self.detach().close()


class _Nothing(_Handler):
    """Breaks off before it has begun."""

    def get(self) -> None:
        self.detach().close()


class _Socket(WebSocketHandler):
    def initialize(self, upstream: Upstream) -> None:
        self.upstream = upstream
        self.flooding: asyncio.Task[None] | None = None

    @property
    def max_message_size(self) -> int:
        return 64 * 1024 * 1024

    def select_subprotocol(self, subprotocols: list[str]) -> str | None:
        return "mavis.v1" if "mavis.v1" in subprotocols else None

    def open(self) -> None:
        self.upstream.note(self.request)
        self.upstream.open["socket"] = self.upstream.open.get("socket", 0) + 1

    async def on_message(self, message: str | bytes) -> None:
        match message if isinstance(message, str) else "":
            case "close":
                self.close(4001, "that is all")
            case "end":
                self.close()
            case "drop":
                assert self.ws_connection is not None
                self.ws_connection.stream.close()  # type: ignore[attr-defined]
            case "flood":
                self.flooding = asyncio.create_task(self._flood())
            case "big":
                await self.write_message("x" * 5 * 1024 * 1024)
            case "stop reading":
                await self.upstream.held.wait()
            case _:
                self.upstream.taken += len(message)
                await self.write_message(message, binary=isinstance(message, bytes))

    async def _flood(self) -> None:
        self.upstream.written = 0
        with contextlib.suppress(WebSocketClosedError, StreamClosedError):
            while True:
                await self.write_message(PIECE, binary=True)
                self.upstream.written += len(PIECE)

    def on_close(self) -> None:
        if self.flooding is not None:
            self.flooding.cancel()
        self.upstream.open["socket"] -= 1
        self.upstream.closed.append((self.close_code, self.close_reason))


class _Refused(_Handler):
    def get(self) -> None:
        self.upstream.note(self.request)
        self.set_status(404)
        self.set_header("Content-Type", "application/problem+json")
        self.set_header("X-Request-Id", "req_of_the_api")
        self.set_header("Set-Cookie", "a=b")
        self.finish(REFUSAL)


class _BadGateway(_Handler):
    """What the edge proxy says when the api is down."""

    def get(self) -> None:
        self.set_status(502)
        self.set_header("Content-Type", "text/plain")
        self.finish("Bad Gateway")


@contextmanager
def serving(tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> Iterator[Upstream]:
    """Serve on a free port of loopback."""
    made = Upstream()
    ready, over = threading.Event(), asyncio.Event()
    threads = threading.Thread(target=lambda: asyncio.run(_serve(made, ready, over, tls, host)))
    threads.start()
    assert ready.wait(10)
    yield made
    assert made.loop is not None
    made.loop.call_soon_threadsafe(over.set)
    threads.join(10)


async def _serve(
    made: Upstream,
    ready: threading.Event,
    over: asyncio.Event,
    tls: ssl.SSLContext | None,
    host: str,
) -> None:
    made.loop = asyncio.get_running_loop()
    handlers: Mapping[str, type[Any]] = {
        "/packed": _Packed,
        "/feed": _Feed,
        "/flood": _Flood,
        "/silent": _Silent,
        "/held": _Held,
        "/half": _Half,
        "/nothing": _Nothing,
        "/socket": _Socket,
        "/refused": _Refused,
        "/bad-gateway": _BadGateway,
    }
    given = {"upstream": made}
    rules: list[Any] = [(API + path, handler, given) for path, handler in handlers.items()]
    rules.append((f"{GATEWAY}/terminal", _Socket, given))
    rules.append((r".*", _Answer, given))
    server = HTTPServer(Application(rules), ssl_options=tls)
    sockets = bind_sockets(0, host)
    server.add_sockets(sockets)
    made.port = sockets[0].getsockname()[1]
    ready.set()
    await over.wait()
    made.held.set()
    server.stop()
    await server.close_all_connections()
