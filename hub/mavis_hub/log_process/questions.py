"""Questions that are answered at once: how it is, how many there are, what is around, and SQL."""

from __future__ import annotations

import asyncio
import json

from tornado.web import stream_request_body

from mavis_core.errors import InvalidInput
from mavis_core.logs import Query
from mavis_core.logs.buckets import zone_of
from mavis_core.logs.context import Beside
from mavis_core.logs.questions import SqlQuestion
from mavis_hub.log_process.handler import Handler, http1, params_of

__all__ = ["ContextOf", "HealthOf", "Sql", "SummaryOf"]

_MAX_QUESTION_BYTES = 512 * 1024  # the names of a thousand projects, and a question


class HealthOf(Handler):
    """How the process is."""

    async def get(self) -> None:
        await self.answer(self.parts.service.health)


class SummaryOf(Handler):
    """How many records fit."""

    async def get(self) -> None:
        params = params_of(self.request.query_arguments)
        zone = zone_of(params.pop("zone", "UTC"))
        query = Query.from_params(params)
        await self.answer(lambda: self.parts.service.log.library.summarize(query, zone))


class ContextOf(Handler):
    """What is around a record."""

    async def get(self) -> None:
        asked = Beside.from_params(params_of(self.request.query_arguments))
        await self.answer(lambda: self.parts.service.log.library.context(asked))


@stream_request_body
class Sql(Handler):
    """An answer to a question in SQL, which ends when its caller goes away."""

    def prepare(self) -> None:
        self._body, self._gone = bytearray(), asyncio.Event()
        super().prepare()
        http1(self.request.connection).set_max_body_size(_MAX_QUESTION_BYTES)

    def data_received(self, chunk: bytes) -> None:
        self._body += chunk

    async def post(self) -> None:
        try:
            question = SqlQuestion.from_json(json.loads(self._body))
        except (ValueError, RecursionError) as exc:
            raise InvalidInput("The question is not JSON") from exc
        content = await self.parts.desk.answer(question, self._gone)
        if not self._gone.is_set():
            self.set_header("Content-Type", "application/json")
            self.finish(content)

    def on_connection_close(self) -> None:
        self._gone.set()
