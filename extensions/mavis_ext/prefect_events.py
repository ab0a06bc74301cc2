"""Prefect's one WebSocket on the list: events as they happen.

Prefect's protocol (``prefect.server.utilities.subscriptions``, 3.8.8): after the handshake with
the subprotocol ``prefect`` comes a message of type ``auth`` with the secret, is answered by
``auth_success``, and then a message of type ``filter`` starts the feed. The browser holds the
same talk with this process, with no secret in it; Prefect hears only the filter.

Both directions have no queue of their own: a message is read when the one before is written, so
that a slow browser holds Prefect back through the kernel's buffers, until it is cut off.
"""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any
from urllib.parse import urlsplit

from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.websocket import (
    WebSocketClientConnection,
    WebSocketClosedError,
    WebSocketError,
    WebSocketHandler,
    websocket_connect,
)

from mavis_core.errors import Forbidden, InvalidInput, MavisError, Unauthenticated, Unavailable
from mavis_ext.prefect_guard import Gate, GuardedHandler, refused
from mavis_ext.prefect_routes import EVENTS

__all__ = ["EventsHandler", "Sockets"]

_SUBPROTOCOL = "prefect"
_MAX_SOCKETS = 32
_MAX_FROM_BROWSER = 64 * 1024
_MAX_FROM_PREFECT = 4 * 1024 * 1024
_TIMEOUT_S = 10.0
_SLOW_S = 30.0
_PING_S = 20.0
_POLICY, _BROKEN, _LATER = 1008, 1011, 1013  # RFC 6455 section 7.4.1 and its registry
_log = logging.getLogger("mavis.prefect")


class Sockets:
    """How many WebSockets are open."""

    def __init__(self) -> None:
        self.open = 0


class EventsHandler(GuardedHandler, WebSocketHandler):
    """One browser's feed."""

    def initialize(self, gate: Gate, sockets: Sockets) -> None:  # type: ignore[override]  # Tornado passes what the rule names
        super().initialize(gate)
        self._sockets = sockets
        self._counted = False
        self._ended = False
        self._filtered = False
        self._prefect: WebSocketClientConnection | None = None
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def ping_interval(self) -> float | None:
        return _PING_S

    @property
    def max_message_size(self) -> int:
        return _MAX_FROM_BROWSER

    def select_subprotocol(self, subprotocols: list[str]) -> str | None:
        return _SUBPROTOCOL if _SUBPROTOCOL in subprotocols else None

    def check_origin(self, origin: str) -> bool:
        return bool(origin) and urlsplit(origin).netloc.lower() == self.request.host.lower()

    async def prepare(self) -> None:
        self.ctx = await self.who()
        if self.request.method != "GET" or self.request.uri != f"{self.gate.prefix}{EVENTS}":
            raise refused(f"{self.request.method} {self.request.path}")
        headers = self.request.headers
        if headers.get("Upgrade", "").lower() != "websocket":
            raise InvalidInput("This address is a WebSocket", mend="Open it as a WebSocket.")
        site = headers.get("Sec-Fetch-Site", "same-origin")
        if site != "same-origin" or not self.check_origin(headers.get("Origin", "")):
            raise Forbidden(
                "A page of another site may not open this WebSocket",
                mend="Open Prefect's pages from Mavis.",
            )
        if self._sockets.open >= _MAX_SOCKETS:
            raise Unavailable("Too many feeds of events are open", retry_after_s=30)

    async def open(self, *_args: str, **_kwargs: str) -> None:
        self._sockets.open += 1
        self._counted = True
        try:
            connection = await _connect(self.gate)
        except (HTTPClientError, WebSocketError, OSError, Unavailable) as exc:
            _log.warning("no feed of events from Prefect: %s: %s", type(exc).__name__, exc)
            self._end(_BROKEN, "Prefect does not answer")
            return
        self._prefect = connection
        if self._ended:  # the browser left in the meantime
            connection.close()
            return
        self._tasks = [
            asyncio.create_task(self._pass_on(connection), name="prefect-events-feed"),
            asyncio.create_task(self._watch(), name="prefect-events-authority"),
        ]

    async def on_message(self, message: str | bytes) -> None:
        said = _parse(message)
        if said.get("type") == "auth" and not self._filtered:
            await self.write_message('{"type":"auth_success"}')  # the token, if any, ends here
        elif said.get("type") == "filter" and not self._filtered and self._prefect is not None:
            self._filtered = True
            try:
                await self._prefect.write_message(json.dumps(said))
            except WebSocketClosedError:
                self._end(_BROKEN, "Prefect ended the feed")
        else:
            self._end(_POLICY, "Send one filter, then listen")

    def on_close(self) -> None:
        self._ended = True
        if self._counted:
            self._counted = False
            self._sockets.open -= 1
        self._release()

    def _end(self, code: int, reason: str) -> None:
        """Close both ends."""
        self._ended = True
        self._release()
        self.close(code, reason)

    def _release(self) -> None:
        if self._prefect is not None:
            self._prefect.close()
        for task in self._tasks:
            if task is not asyncio.current_task():
                task.cancel()

    async def _pass_on(self, connection: WebSocketClientConnection) -> None:
        try:
            while (message := await connection.read_message()) is not None:
                await asyncio.wait_for(self.write_message(message), _SLOW_S)
        except WebSocketClosedError:
            return
        except TimeoutError:
            self._end(_LATER, "Too slow")
            return
        self._end(_BROKEN, "Prefect ended the feed")

    async def _watch(self) -> None:
        """End the feed when who opened it has logged out or is no administrator any more.

        While nobody can say, the feed goes on: what is open stays open when the Hub is down.
        """
        name = self.ctx.principal.name
        while True:
            await asyncio.sleep(self.gate.recheck_s)
            try:
                ctx = await asyncio.wait_for(self.who(), _TIMEOUT_S)
            except (Unauthenticated, Forbidden) as exc:
                _log.info("feed of events of %s ended: %s", name, exc)
                break
            except (MavisError, TimeoutError) as exc:
                _log.warning("cannot check who reads events: %s: %s", type(exc).__name__, exc)
                continue
            if ctx.principal.name != name:
                break
        self._end(_POLICY, "Log in again")


async def _connect(gate: Gate) -> WebSocketClientConnection:
    """Return a WebSocket to Prefect that waits for the filter."""
    address = gate.upstream.replace("http", "ws", 1) + EVENTS
    connection = await websocket_connect(
        HTTPRequest(address, connect_timeout=_TIMEOUT_S, request_timeout=_TIMEOUT_S),
        subprotocols=[_SUBPROTOCOL],
        ping_interval=_PING_S,
        max_message_size=_MAX_FROM_PREFECT,
    )
    try:
        await connection.write_message(json.dumps({"type": "auth", "token": gate.secret}))
        answer = await asyncio.wait_for(connection.read_message(), _TIMEOUT_S)
    except (WebSocketClosedError, TimeoutError) as exc:
        connection.close()
        raise Unavailable("Prefect broke off the talk") from exc
    if _parse(answer or "").get("type") != "auth_success":
        connection.close()
        raise Unavailable("Prefect does not take the secret of this process")
    return connection


def _parse(message: str | bytes) -> dict[str, Any]:
    try:
        value = json.loads(message)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
