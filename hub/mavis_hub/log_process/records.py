"""``/records``: pages of records, and records that are given."""

from __future__ import annotations

import asyncio
import json

from tornado.httputil import HTTPHeaders
from tornado.web import stream_request_body

from mavis_core.errors import InvalidInput, TooLarge, Unavailable
from mavis_core.logs import Query
from mavis_core.logs.inbox import MAX_PARCEL_BYTES, Receipt
from mavis_core.records.model import Record
from mavis_hub.inner_http import http1, peer_of
from mavis_hub.log_process.handler import Handler, params_of

__all__ = ["Records"]

_TAKING_S = 10.0  # a sender waits no longer, and sends again


@stream_request_body
class Records(Handler):
    """Room is taken before the body is read: what comes beyond it is thrown away as it comes."""

    def prepare(self) -> None:
        self._body = bytearray()
        self._room: int | None = None
        self._held = False  # a parcel has the room, whether or not its sender still waits
        super().prepare()
        if self.request.method != "POST":
            return
        size = _length(self.request.headers)
        if size > MAX_PARCEL_BYTES:
            raise TooLarge(f"Records of {size} bytes; at most {MAX_PARCEL_BYTES} at a time")
        http1(self.request.connection).set_max_body_size(size)
        if self.parts.service.inbox.reserve(size):
            self._room = size

    def data_received(self, chunk: bytes) -> None:
        if self._room is not None:
            self._body += chunk

    async def get(self) -> None:
        query = Query.from_params(params_of(self.request.query_arguments))
        await self.answer(lambda: self.parts.service.log.library.search(query))

    async def post(self) -> None:
        if self._room is None:
            raise Unavailable(
                "The log process has no room for more records now",
                mend="Send them again after the seconds of Retry-After.",
                retry_after_s=1,
            )
        self._held = True
        try:
            receipt = await self._take(bytes(self._body))
        finally:
            self._held = False
            self._give_back()
        self.set_header("Content-Type", "application/json")
        self.finish(json.dumps(receipt.to_json()))

    def check(self, record: Record) -> None:
        """Raise where this caller may not give such a record; the api may give all."""

    async def _take(self, body: bytes) -> Receipt:
        sender = f"unix user {peer_of(self.request.connection)}"
        take = self.parts.service.take
        durable, receipt = await self.parts.taking.run(lambda: take(body, sender, self.check))
        try:
            await asyncio.wait_for(asyncio.wrap_future(durable), _TAKING_S)
        except TimeoutError as exc:
            raise Unavailable(
                "The log process did not get to these records in time",
                mend="Send them again; none is kept twice.",
                retry_after_s=5,
            ) from exc
        return receipt

    def on_finish(self) -> None:
        self._give_back()

    def on_connection_close(self) -> None:
        self._give_back()

    def _give_back(self) -> None:
        if self._room is not None and not self._held:
            self.parts.service.inbox.release(self._room)
            self._room = None


def _length(headers: HTTPHeaders) -> int:
    length = headers.get("Content-Length", "")
    if not (length.isascii() and length.isdigit()):
        raise InvalidInput("Records are sent with their Content-Length")
    return int(length)
