"""The WebSocket of a terminal: from a ticket to what a person sees and types.

It has no cookie and no login: the first message brings a ticket, which is good once. Messages of
text are JSON objects, those of bytes are what is typed or shown.

From the viewer:

* ``{"ticket", "columns", "rows"}`` first; or, from a page whose connection broke, ``{"session",
  "return", "columns", "rows", "from"}``, where ``from`` is the number of bytes that it has had;
* bytes: what is typed; ``{"size": [columns, rows]}``; ``{"end_input": true}``;
* ``{"drawn": bytes}``: how much was drawn since the session began;
* ``{"end": true}``: hang up.

To the viewer:

* ``{"notice"}``, ``{"progress"}``, then ``{"open": {...}, "from": bytes, "return": secret}``; the
  secret lets the same page back in, once, within two minutes and from the same address;
* bytes: the first is 1 for what is shown and 2 for the standard error of a command;
* ``{"ended": {...}}`` or ``{"problem": {...}}`` last.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, TypeVar

from tornado.websocket import WebSocketClosedError, WebSocketHandler

from mavis_core.errors import InvalidInput, MavisError, Unauthenticated
from mavis_core.remote.desk import Admitted, Desk
from mavis_core.remote.model import EndReason
from mavis_core.remote.tickets import Purpose
from mavis_hub.gateway.floor import Floor, Size
from mavis_hub.gateway.live import Live, Outcome
from mavis_hub.gateway.outflow import WINDOW

__all__ = ["Doors", "TerminalSocket"]

logger = logging.getLogger(__name__)
T = TypeVar("T")

NOTICE = (
    "This session is recorded: what is shown, and who is here. Do not go on if you do not agree."
)
_FIRST_S = 10.0
_MOST = 1000


@dataclass(frozen=True, slots=True)
class Doors:
    """What the WebSockets work with."""

    desk: Desk
    floor: Floor
    pool: Executor


class TerminalSocket(WebSocketHandler):
    """One connection of a viewer."""

    def initialize(self, doors: Doors) -> None:
        """Take what it works with."""
        self._doors = doors
        self._loop = asyncio.get_running_loop()
        self._live: Live | None = None
        self._watching = False
        self._asked = False
        self._sent = 0  # bytes of the session's output
        self._drawn = 0
        self._news, self._moved = asyncio.Event(), asyncio.Event()
        self._outcome: Outcome | None = None
        self._sending: asyncio.Task[None] | None = None
        self._late: asyncio.TimerHandle | None = None

    def check_origin(self, origin: str) -> bool:  # noqa: ARG002  # Tornado's form
        """Let any page come: a ticket decides, and no browser brings one by itself."""
        return True

    def open(self, *_args: str, **_kwargs: str) -> None:
        """Wait for the ticket."""
        self.set_nodelay(True)
        self._late = self._loop.call_later(_FIRST_S, self.close, 1008, "no ticket")

    async def on_message(self, message: str | bytes) -> None:
        """Take one message; the next one is read when this one was taken."""
        try:
            if isinstance(message, bytes):
                await self._typed(message)
            elif self._asked:
                await self._told(_object(message))
            else:
                self._asked = True
                await self._enter(_object(message))
        except MavisError as exc:
            await self._say({"problem": _problem(exc)})
            self.close(1008, exc.code)

    def on_close(self) -> None:
        """Note that the connection is gone; the session waits a while for its person."""
        if self._late is not None:
            self._late.cancel()
        if self._live is not None:
            self._live.leave(self)
        self._look()
        if self._sending is not None:
            self._sending.cancel()

    # of `Viewer`, called in any thread

    def wake(self) -> None:
        """Send what is new."""
        self._loop.call_soon_threadsafe(self._look)

    def over(self, outcome: Outcome) -> None:
        """Send what is left, and say that the session has ended."""
        self._outcome = outcome
        self.wake()

    def _look(self) -> None:
        self._news.set()
        self._moved.set()

    async def _enter(self, first: dict[str, Any]) -> None:
        if self._late is not None:
            self._late.cancel()
        source = self.request.remote_ip or ""
        size = _size([first.get("columns", 80), first.get("rows", 24)])
        if "return" in first:
            live = self._come_back(first, source)
            again = True
        else:
            ticket = first.get("ticket")
            if not isinstance(ticket, str):
                raise Unauthenticated("The first message brings a ticket")
            desk = self._doors.desk
            admitted = await self._in_pool(lambda: desk.admit(ticket, source))
            await self._say({"notice": NOTICE})
            live = await self._find(admitted, size)
            self._watching = admitted.purpose is Purpose.WATCH
            again = admitted.purpose is Purpose.RETURN
        place = first.get("from")
        start = live.outflow.first
        known = isinstance(place, int) and start <= place <= live.outflow.shown
        self._sent = self._drawn = int(place) if known and place is not None else start
        self._live = live
        if self._watching:
            live.watch(self)
        elif (before := live.enter(self)) is not None:
            before.over(Outcome(EndReason.CLOSED, "It goes on in another window"))
        if again:
            live.resize(*size)
        await self._say(
            {
                "open": {
                    "session": live.session.id,
                    "device": live.session.device,
                    "login": live.session.login,
                    "person": live.session.person,
                    "watching": self._watching,
                    "terminal": live.terminal,
                },
                "from": self._sent,
                **({} if self._watching else {"return": live.return_by(source)}),
            }
        )
        self._outcome = self._outcome or live.outcome
        self._news.set()
        self._sending = self._loop.create_task(self._send(live), name=f"send-{live.session.id}")

    def _come_back(self, first: dict[str, Any], source: str) -> Live:
        session_id, secret = first.get("session"), first.get("return")
        if not isinstance(session_id, str) or not isinstance(secret, str):
            raise InvalidInput("Who comes back names the session and brings what it was given")
        live = self._doors.floor.find(session_id)
        if not live.takes_back(secret, source):
            raise Unauthenticated(
                "This lets nobody back in: it was used, or was given to another address",
                mend="Go back into the session from its page.",
            )
        return live

    async def _find(self, admitted: Admitted, size: Size) -> Live:
        floor = self._doors.floor
        if admitted.purpose is not Purpose.OPEN:
            return floor.find(admitted.session.id)

        def say(text: str) -> None:
            self._loop.call_soon_threadsafe(self._progress, text)

        return await self._in_pool(lambda: floor.open(admitted.session, size, say))

    def _progress(self, text: str) -> None:
        self._loop.create_task(self._say({"progress": text}))

    async def _typed(self, data: bytes) -> None:
        live = self._live
        if live is None or self._watching:
            raise InvalidInput("Nothing can be typed here")
        while live.outcome is None:
            self._moved.clear()
            if live.room:
                live.type(data)
                return
            await self._moved.wait()  # holds the viewer back

    async def _told(self, told: dict[str, Any]) -> None:
        live = self._live
        if live is None:
            return
        if "drawn" in told and isinstance(told["drawn"], int):
            self._drawn = max(self._drawn, min(told["drawn"], self._sent))
            if not self._watching:
                live.outflow.confirm(self._drawn)
            self._news.set()
        if self._watching:
            return
        if "size" in told:
            size = _size(told["size"])
            await self._in_pool(lambda: live.resize(*size))
        if told.get("end_input"):
            live.end_input()
        if told.get("end"):
            await self._in_pool(lambda: live.end(EndReason.CLOSED, "Its person hung up"))

    async def _send(self, live: Live) -> None:
        try:
            while True:
                await self._news.wait()
                self._news.clear()
                await self._send_new(live)
                if self._outcome is not None:
                    await self._send_new(live, whole=True)
                    await self._say({"ended": _ended(self._outcome)})
                    self.close(1000)
                    return
        except WebSocketClosedError:
            return

    async def _send_new(self, live: Live, *, whole: bool = False) -> None:
        while whole or self._sent - self._drawn < WINDOW:
            if self._watching and self._sent < live.outflow.first:
                self._sent = self._drawn = live.outflow.first  # too slow: it misses something
            frames = live.outflow.after(self._sent)
            if not frames:
                return
            for frame in frames:
                await self.write_message(bytes((frame.stream,)) + frame.data, binary=True)
                self._sent = frame.end

    async def _say(self, told: dict[str, Any]) -> None:
        try:
            await self.write_message(json.dumps(told))
        except WebSocketClosedError:
            return  # `on_close` has it

    async def _in_pool(self, work: Callable[[], T]) -> T:
        return await self._loop.run_in_executor(self._doors.pool, work)


def _object(message: str) -> dict[str, Any]:
    try:
        value = json.loads(message)
    except (ValueError, RecursionError) as exc:
        raise InvalidInput("A message of text is a JSON object") from exc
    if not isinstance(value, dict):
        raise InvalidInput("A message of text is a JSON object")
    return value


def _size(value: object) -> Size:
    if isinstance(value, list) and len(value) == 2:
        columns, rows = value
        if isinstance(columns, int) and isinstance(rows, int):
            return min(max(columns, 1), _MOST), min(max(rows, 1), _MOST)
    raise InvalidInput("A size is [columns, rows], whole numbers")


def _ended(outcome: Outcome) -> dict[str, Any]:
    return {
        "reason": outcome.reason,
        "detail": outcome.detail,
        "exit_status": outcome.exit_status,
        "signal": outcome.signal,
    }


def _problem(error: MavisError) -> dict[str, Any]:
    return {"code": error.code, "title": error.message, "mend": error.mend}
