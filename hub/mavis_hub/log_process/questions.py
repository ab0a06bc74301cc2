"""Questions that are answered at once: how it is, how many there are, what is around, and SQL."""

from __future__ import annotations

from tornado.web import stream_request_body

from mavis_core.logs import Query
from mavis_core.logs.buckets import zone_of
from mavis_core.logs.context import Beside
from mavis_core.logs.questions import SqlQuestion
from mavis_hub.log_process.handler import Asking, Handler, params_of

__all__ = ["ContextOf", "HealthOf", "Sql", "SummaryOf"]


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
class Sql(Asking):
    """An answer to a question in SQL, which ends when its caller goes away."""

    async def post(self) -> None:
        question = SqlQuestion.from_json(self.question())
        content = await self.parts.desk.answer(question, self.gone)
        if not self.gone.is_set():
            self.set_header("Content-Type", "application/json")
            self.finish(content)
