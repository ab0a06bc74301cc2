"""A server on loopback that answers by the REST contract as it was told to."""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tornado.httpserver
import tornado.netutil
import tornado.web

API = "/services/mavis/api/v1"
OPEN = {f"{API}{path}" for path in ("/health", "/device-logins", "/device-logins/token")}
TOKEN = "tok-Zx81-never-shown"


@dataclass
class Asked:
    """A request as the server got it."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


@dataclass
class Reply:
    """What the server answers; `drop` closes the connection without a word.

    A `stream` is sent piece by piece as a stream of events; with `drop` it breaks off after that.
    """

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    drop: bool = False
    stream: tuple[str, ...] | None = None


Answer = Reply | Callable[[Asked], Reply]


def problem(status: int, code: str, detail: str = "It went wrong.", **more: Any) -> Reply:
    body = {
        "type": "about:blank",
        "title": code,
        "status": status,
        "code": code,
        "detail": detail,
        "mend": "Do the other thing.",
        "request_id": "req_0000",
        **more,
    }
    return Reply(body, status, {"Content-Type": "application/problem+json"})


def events(*runs: dict[str, Any], drop: bool = False) -> Reply:
    """Return what tells of `runs` as the contract has it, one event each."""
    told = (f"event: run\nid: {run['version']}\ndata: {json.dumps(run)}\n\n" for run in runs)
    return Reply(stream=(": still there\n\n", *told), drop=drop)


def arrivals(*records: dict[str, Any], first: int = 1, drop: bool = False) -> Reply:
    """Return what tells of `records` as they arrive, numbered from `first` on."""
    told = [
        f"event: record\nid: {number}\ndata: {json.dumps(each)}\n\n"
        for number, each in enumerate(records, first)
    ]
    return Reply(stream=(f"event: waiting\nid: {first - 1}\ndata: {{}}\n\n", *told), drop=drop)


def pages(items: list[Any]) -> Callable[[Asked], Reply]:
    """Return what answers with pages of `items`, as the contract has it."""

    def answer(asked: Asked) -> Reply:
        begin, limit = int(asked.query.get("cursor", 0)), int(asked.query.get("limit", 50))
        end = begin + limit
        return Reply({"items": items[begin:end], "next": str(end) if end < len(items) else None})

    return answer


class Appliance:
    """A server on loopback that answers what it was told to, and remembers what it was asked.

    The answers to one method and path are given in turn; the last one is given for ever.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.asked: list[Asked] = []
        self._answers: dict[tuple[str, str], list[Answer]] = {}
        self.otherwise: Callable[[Asked], Reply] | None = None
        """What answers where nothing was set."""
        self._tls = tls
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, name="appliance")
        self._thread.start()
        assert self._started.wait(10)

    def on(self, method: str, path: str, *answers: Answer) -> None:
        self._answers[method, path if path.startswith("/hub") else API + path] = list(answers)

    def to(self, method: str, path: str) -> list[Asked]:
        """Return the requests to one path of the API, or of the Hub."""
        full = path if path.startswith("/hub") else API + path
        return [each for each in self.asked if (each.method, each.path) == (method, full)]

    @property
    def host(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.host}/services/mavis"

    def answer(self, asked: Asked) -> Reply:
        self.asked.append(asked)
        inside = asked.path.startswith(API) and asked.path not in OPEN
        if inside and asked.headers.get("Authorization") != f"token {TOKEN}":
            return problem(401, "unauthenticated", "No such token.")
        queue = self._answers.get((asked.method, asked.path))
        if not queue and self.otherwise is not None:
            return self.otherwise(asked)
        if not queue:
            return problem(404, "not_found", f"No {asked.path}.")
        chosen = queue.pop(0) if len(queue) > 1 else queue[0]
        return chosen if isinstance(chosen, Reply) else chosen(asked)

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        application = tornado.web.Application([(r".*", _Handler, {"appliance": self})])
        server = tornado.httpserver.HTTPServer(application, ssl_options=self._tls)
        sockets = tornado.netutil.bind_sockets(0, "127.0.0.1")
        self.port = sockets[0].getsockname()[1]
        server.add_sockets(sockets)
        self._started.set()
        await self._over.wait()
        server.stop()
        await server.close_all_connections()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(10)
        assert not self._thread.is_alive()


@dataclass(frozen=True)
class Certified:
    """A server with TLS and the certificate (PEM) that it shows, also as a file."""

    appliance: Appliance
    certificate: str
    path: Path


class _Handler(tornado.web.RequestHandler):
    def initialize(self, appliance: Appliance) -> None:
        self._appliance = appliance

    async def _answer(self) -> None:
        raw = self.request.body
        asked = Asked(
            self.request.method or "",
            self.request.path,
            {name: self.get_query_argument(name) for name in self.request.query_arguments},
            dict(self.request.headers.get_all()),
            json.loads(raw) if raw else None,
        )
        reply = self._appliance.answer(asked)
        if reply.stream is not None:
            self.set_header("Content-Type", "text/event-stream")
            for piece in reply.stream:
                self.write(piece)
                await self.flush()
        if reply.drop:
            self.detach().close()
            return
        if reply.stream is not None:
            return
        self.set_status(reply.status)
        self.set_header("X-Request-Id", "req_head")
        for name, value in reply.headers.items():
            self.set_header(name, value)
        if isinstance(reply.body, str):
            self.write(reply.body)
        elif reply.body is not None:
            if "Content-Type" not in reply.headers:
                self.set_header("Content-Type", "application/json")
            self.write(json.dumps(reply.body))

    get = post = put = delete = _answer
