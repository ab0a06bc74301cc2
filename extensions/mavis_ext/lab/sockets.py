"""WebSockets: one of the browser's and one of the api's, each message passed on to the other.

Those of the gateway are passed on in the same way, and "the api" is then the gateway.

Neither direction has a queue of its own: a message is read when the one before was taken, so that
a slow end holds the other one back through the buffers of both connections, until it is cut off.
The api is asked first: what it refuses, the browser is told as the answer to its handshake.
"""

from __future__ import annotations

import asyncio
from typing import Any

from jupyter_server.auth.decorator import ws_authenticated
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.websocket import (
    WebSocketClientConnection,
    WebSocketClosedError,
    WebSocketError,
    WebSocketHandler,
    websocket_connect,
)

from mavis_ext.lab.answers import foreign
from mavis_ext.lab.exchange import AGENT, Call, no_answer
from mavis_ext.lab.guard import Forwarder, GuardedHandler
from mavis_ext.lab.headers import incoming
from mavis_ext.lab.problems import Forbidden, InvalidInput, Unavailable

__all__ = ["SocketHandler"]

# RFC 6455 section 7.4.1 and its registry.
_GOING_AWAY, _BROKEN, _LATER = 1001, 1011, 1013


class SocketHandler(GuardedHandler, WebSocketHandler):
    """One WebSocket."""

    def initialize(self, forwarder: Forwarder) -> None:
        super().initialize(forwarder)
        self._theirs: WebSocketClientConnection | None = None
        self._passing: asyncio.Task[None] | None = None
        self._left = False

    @property
    def ping_interval(self) -> float | None:
        return self.forwarder.limits.ping_s

    @property
    def ping_timeout(self) -> float | None:
        return self.forwarder.limits.ping_s  # Jupyter's setting, 0, waits for no pong

    @property
    def max_message_size(self) -> int:
        return self.forwarder.limits.message_in_bytes

    def select_subprotocol(self, subprotocols: list[str]) -> str | None:
        chosen = self._theirs.selected_subprotocol if self._theirs else None
        return chosen if chosen in subprotocols else None

    async def prepare(self) -> None:  # type: ignore[override]  # Jupyter's takes a wish about logins
        await self.admit("execute")
        if not self.check_origin():
            raise Forbidden("A page of another site may not open a WebSocket here")
        headers = self.request.headers
        upgrades = "upgrade" in headers.get("Connection", "").lower()
        if not upgrades or headers.get("Sec-WebSocket-Version") != "13":
            raise InvalidInput(
                "This is no handshake of a WebSocket", mend="Open it as RFC 6455 says, version 13."
            )

    @ws_authenticated
    async def get(self, *args: Any, **kwargs: Any) -> None:
        """Bridge until one end goes."""
        seat = self.forwarder.feeds.take()
        try:
            self._theirs = await self._connected(self.forwarder.call(self.request))
            if self._theirs is not None and not self._left:
                await super().get(*args, **kwargs)
        finally:
            self._part()
            seat.leave()

    def open(self, *_args: str, **_kwargs: str) -> None:
        assert self._theirs is not None  # noqa: S101 - it came first
        passing = self._pass_on(self._theirs)
        self._passing = asyncio.create_task(passing, name="mavis-socket")

    async def on_message(self, message: str | bytes) -> None:
        assert self._theirs is not None  # noqa: S101 - it came first
        try:
            sending = self._theirs.write_message(message, binary=isinstance(message, bytes))
            taken = await _is_taken(sending, self.forwarder.limits.slow_s)
        except WebSocketClosedError:
            return  # its end is passed on by the other direction
        if not taken:
            self.close(_LATER, "The appliance is too slow")

    def on_close(self) -> None:
        self._left = True

    async def _pass_on(self, theirs: WebSocketClientConnection) -> None:
        """Pass on what the api says, and at last its end."""
        try:
            while (message := await theirs.read_message()) is not None:
                sending = self.write_message(message, binary=isinstance(message, bytes))
                if not await _is_taken(sending, self.forwarder.limits.slow_s):
                    self.close(_LATER, "Too slow")
                    return
        except WebSocketClosedError:
            return
        if _can_be_sent(theirs.close_code):
            self.close(theirs.close_code, theirs.close_reason)
        else:
            self.close(_BROKEN, "The appliance ended the connection")

    def _part(self) -> None:
        """Close the api's end as the browser closed its own."""
        if self._passing is not None:
            self._passing.cancel()
        if self._theirs is None:
            return
        if _can_be_sent(self.close_code):
            self._theirs.close(self.close_code, self.close_reason)
        else:
            self._theirs.close(_GOING_AWAY, "The browser went away")

    async def _connected(self, call: Call) -> WebSocketClientConnection | None:
        """Return the api's WebSocket; None where the api's refusal went to the browser."""
        appliance, limits = self.forwarder.appliance, self.forwarder.limits
        request = HTTPRequest(
            f"{appliance.origin}{call.target}".replace("http", "ws", 1),
            headers={**call.headers, "User-Agent": AGENT, **self.forwarder.credentials},
            connect_timeout=limits.connect_s,
            request_timeout=limits.handshake_s,
            ssl_options=appliance.tls,
        )
        offered = self.request.headers.get("Sec-WebSocket-Protocol", "")
        try:
            return await websocket_connect(
                request,
                ping_interval=limits.ping_s,
                max_message_size=limits.message_out_bytes,
                subprotocols=[word.strip() for word in offered.split(",")] if offered else None,
            )
        except HTTPClientError as exc:
            self._tell(exc)
            return None
        except WebSocketError as exc:
            raise Unavailable(
                "There is no WebSocket at this address of the appliance",
                mend="Ask for the address without a WebSocket.",
            ) from exc
        except OSError as exc:
            raise no_answer(appliance, exc) from exc

    def _tell(self, exc: HTTPClientError) -> None:
        """Answer with the api's refusal, or with what is to say of somebody else's."""
        answer = exc.response
        if answer is None or exc.code == 599:
            raise no_answer(self.forwarder.appliance, exc) from exc
        addresses = self.forwarder.addresses
        if (problem := foreign(answer.code, answer.headers, addresses)) is not None:
            raise problem from exc
        self.set_status(answer.code)
        for name, value in incoming(answer.headers, addresses):
            if name != "Content-Length":
                self.set_header(name, value)
        self.finish(answer.body)


async def _is_taken(sending: asyncio.Future[None], within_s: float) -> bool:
    """Return whether a message has left this process within the time.

    One that has not is not called back: Tornado would log that as a bug. It ends with the
    connection.

    Raises
    ------
    WebSocketClosedError
        The connection has ended.
    """
    sending.add_done_callback(lambda sent: sent.cancelled() or sent.exception())
    done, _ = await asyncio.wait([sending], timeout=within_s)
    for sent in done:
        sent.result()
    return bool(done)


def _can_be_sent(code: int | None) -> bool:
    """Return whether a closing code may be in a frame (RFC 6455 section 7.4)."""
    return code is not None and (
        1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code < 5000
    )
