"""What handlers of server-sent events have in common."""

from __future__ import annotations

import asyncio
import json

from tornado.iostream import StreamClosedError

from mavis_core.errors import InvalidInput, MavisError
from mavis_ext import problems
from mavis_ext.answers import STREAM
from mavis_ext.base import ApiHandler

__all__ = ["Gone", "StreamHandler"]

_PATIENCE_S = 30.0
_RETRY_MS = 2000


class Gone(Exception):
    """Whoever listened has gone, or takes nothing any more."""


class StreamHandler(ApiHandler):
    """The base of handlers that answer with events. A failure after the first is an event, too."""

    _begun = False

    def last_event_id(self) -> int:
        """Return which version the listener knows already; 0 for one who comes for the first time.

        Raises
        ------
        InvalidInput
            ``Last-Event-ID`` is none of ours.
        """
        text = self.request.headers.get("Last-Event-ID", "0")
        if not (text.isascii() and text.isdigit() and len(text) <= 18):
            raise InvalidInput(
                f"No event has the id {text[:40]!r}",
                mend="Send the id of the last event that came, or leave it out.",
                field="Last-Event-ID",
            )
        return int(text)

    async def begin(self) -> None:
        """Begin the stream; from here on nothing else can be answered."""
        self._begun = True
        self.set_header("Content-Type", STREAM)
        self.set_header("X-Accel-Buffering", "no")
        await self.send(f"retry: {_RETRY_MS}\n\n".encode())

    async def send(self, content: bytes) -> None:
        """Send a part of the stream, and wait until the connection takes it.

        Raises
        ------
        Gone
            It does not.
        """
        self.write(content)
        try:
            await asyncio.wait_for(self.flush(), _PATIENCE_S)
        except (StreamClosedError, TimeoutError) as exc:
            raise Gone from exc

    async def end(self, error: MavisError) -> None:
        """Say why the stream ends, where it has begun; raise `error` where it has not."""
        if not self._begun:
            raise error
        told = json.dumps(problems.problem(error, self.request_id), ensure_ascii=False)
        await self.send(f"event: problem\ndata: {told}\n\n".encode())
