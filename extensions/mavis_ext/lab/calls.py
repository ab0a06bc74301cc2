"""Calls and streams: an HTTP request is asked of the api, its answer passed on as it comes."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from jupyter_server.auth.decorator import allow_unauthenticated
from tornado.httputil import HTTPHeaders
from tornado.web import HTTPError, authenticated, stream_request_body

from mavis_ext.lab.answers import foreign
from mavis_ext.lab.exchange import Call, exchange
from mavis_ext.lab.guard import Forwarder, GuardedHandler
from mavis_ext.lab.headers import incoming
from mavis_ext.lab.problems import Problem, TooLarge, TooSlow
from mavis_ext.lab.seats import Room, Seat

__all__ = ["CallHandler"]

_FEED = "text/event-stream"
_ACTIONS = {"GET": "read", "HEAD": "read"}


@stream_request_body
class CallHandler(GuardedHandler):
    """One request. It is the receiver of the api's answer, too."""

    def initialize(self, forwarder: Forwarder) -> None:
        super().initialize(forwarder)
        self._body = bytearray()
        self._body_bytes = 0
        self._refusal: Problem | HTTPError | None = None
        self._call: Call | None = None
        self._seat: Seat | None = None
        self._clock: asyncio.TimerHandle | None = None
        self._asking: asyncio.Task[None] | None = None
        self._begun = False
        self._left = False

    async def prepare(self) -> None:  # type: ignore[override]  # Jupyter's takes a wish about logins
        limits = self.forwarder.limits
        said = self.request.headers.get("Content-Length", "")
        self._check_size(int(said) if said.isdecimal() else 0, limits.drained_bytes)
        try:
            await self.admit(_ACTIONS.get(self.request.method or "", "write"))
            self._call = self.forwarder.call(self.request)
            self._seat = self._room().take()
        except (Problem, HTTPError) as exc:  # raised when the body is read: see `_answer`
            self._refusal = exc
        loop = asyncio.get_running_loop()
        self._clock = loop.call_later(limits.body_s, self._give_up, TooSlow("The body is too slow"))

    def data_received(self, chunk: bytes) -> None:
        limits = self.forwarder.limits
        self._body_bytes += len(chunk)
        if self._body_bytes > limits.drained_bytes:
            self._give_up(TooLarge(f"The body has over {limits.drained_bytes} bytes"))
        elif self._body_bytes > limits.body_bytes:
            self._body.clear()
        elif self._call is not None:
            self._body += chunk

    @allow_unauthenticated
    async def _answer(self) -> None:
        """Refuse or ask. An answer that goes out before the body was read may get lost."""
        self._stop_clock()
        if self._refusal is not None:
            raise self._refusal
        asking = self._ask()
        if asking is not None:  # Tornado's word for what a method may return
            await asking

    get = head = post = put = patch = delete = _answer

    @authenticated
    async def _ask(self) -> None:
        self._check_size(self._body_bytes, self.forwarder.limits.body_bytes)
        if self._left:
            self._break_off()
            return
        assert self._call is not None  # noqa: S101 - there is one where nothing was refused
        call = replace(self._call, body=bytes(self._body))
        self._body.clear()
        forwarder = self.forwarder
        asking = exchange(forwarder.appliance, forwarder.client, call, self, forwarder.limits)
        self._asking = asyncio.create_task(asking, name="mavis-call")
        try:
            await asyncio.wait([self._asking])
        finally:
            self._asking.cancel()  # this server ends
        self._conclude(self._asking)

    def _conclude(self, asking: asyncio.Task[None]) -> None:
        """Raise what hindered the answer from beginning; break off one that did not end."""
        if asking.cancelled():
            self._break_off()
        elif (problem := asking.exception()) is not None:
            if not self._begun:
                raise problem
            self.log.warning("mavis: %s: the answer ended early: %s", self.request_id, problem)
            self._break_off()

    async def begin(self, status: int, headers: HTTPHeaders) -> float:
        """Send the beginning of the api's answer; return how long it may be silent."""
        addresses = self.forwarder.addresses
        if (problem := foreign(status, headers, addresses)) is not None:
            raise problem
        self.set_status(status)
        seen: set[str] = set()
        for name, value in incoming(headers, addresses):
            if name in seen:
                self.add_header(name, value)
            else:
                self.set_header(name, value)
            seen.add(name)
        self._begun = True
        await self.flush()
        kind = headers.get("Content-Type", "").partition(";")[0].strip().lower()
        limits = self.forwarder.limits
        return limits.quiet_feed_s if kind == _FEED else limits.quiet_s

    async def take(self, piece: bytes) -> None:
        """Send a piece of the answer's body; return when the browser's side has room again."""
        self.write(piece)
        await self.flush()

    def on_connection_close(self) -> None:
        super().on_connection_close()
        self._left = True
        if self._asking is not None:
            self._asking.cancel()
        self._release()

    def on_finish(self) -> None:
        self._release()

    def _room(self) -> Room:
        wants_feed = _FEED in self.request.headers.get("Accept", "").lower()
        return self.forwarder.feeds if wants_feed else self.forwarder.calls

    def _check_size(self, size: int, most: int) -> None:
        if size > most:
            raise TooLarge(f"The body has over {most} bytes")

    def _give_up(self, problem: Problem) -> None:
        """Answer while the body still comes, and read no more of it."""
        if not self._finished:
            self.log_exception(type(problem), problem, None)
            self.send_error(problem.status, exc_info=(type(problem), problem, None))

    def _break_off(self) -> None:
        """End the connection without an end of the answer, so that nobody takes it for whole."""
        self.detach().close()
        self._release()

    def _release(self) -> None:
        self._stop_clock()
        if self._seat is not None:
            self._seat.leave()

    def _stop_clock(self) -> None:
        if self._clock is not None:
            self._clock.cancel()
