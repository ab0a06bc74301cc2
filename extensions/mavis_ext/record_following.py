"""Following the records by server-sent events: for programs with a token, for pages with a cookie.

The log process looks for all who follow at once and holds what a slow one does not take, within
bounds (`mavis_hub.log_process.followers`); here each is one connection to it, and no thread. Where
it is away for a while the stream goes on afterwards, from where it was.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass
from time import monotonic
from typing import Any

from mavis_core import clock, logs
from mavis_core.errors import MavisError, Unavailable
from mavis_core.logs.arrivals import Arrival, number_of
from mavis_ext import schemas
from mavis_ext.streaming import Gone, StreamHandler

__all__ = ["Reach", "RecordFollowing"]

# The log process says every 5 s that it is there: it is the clock of all this.
_CHECK_EVERY_S = 4.0  # with the 25 s for which the Hub's answers are kept, 30 at most
_LOOK_EVERY_S = 14.0
_AGAIN_S = 1.0
_PATIENCE_S = 120.0  # an appliance that is upgraded is back by then


@dataclass(frozen=True, slots=True)
class Reach:
    """Whose records somebody may follow.

    Parameters
    ----------
    projects
        Their ids; None: all, and the platform's.
    names
        Of projects, by id.
    """

    projects: frozenset[str] | None
    names: Mapping[str, str]


class RecordFollowing(StreamHandler):
    """The base of handlers that tell records as they arrive."""

    _known: int | None = None
    _left = False

    async def follow_records(self, reach: Callable[[], Reach], filters: Mapping[str, Any]) -> None:
        """Tell them, from what the caller knows already, without an end.

        Parameters
        ----------
        reach
            Says what the caller may see, and records that they look. It is asked again and again.
        filters
            Those of `mavis_core.logs.Query`.
        """
        if "Last-Event-ID" in self.request.headers:
            self._known = number_of(self.request.headers["Last-Event-ID"], "Last-Event-ID")
        with suppress(Gone):
            try:
                with self.services.record_seats.take(self.ctx.principal.name):
                    await self._follow(reach, filters)
            except MavisError as exc:
                await self.end(exc)

    async def _follow(self, reach: Callable[[], Reach], filters: Mapping[str, Any]) -> None:
        allowed = await self.services.database.run(reach)
        heard = monotonic()
        while not self._left:
            query = logs.Query(projects=allowed.projects, **filters)
            try:
                async with aclosing(self.app.logs.follow(query, self._known)) as arrivals:
                    allowed = await self._pass_on(arrivals, allowed, reach)
                heard = monotonic()
            except Unavailable:
                if not self._begun or monotonic() - heard > _PATIENCE_S:
                    raise
                await asyncio.sleep(_AGAIN_S)
                await self.identify()
                await self._event("waiting", {"time": clock.iso(clock.now())})

    async def _pass_on(
        self,
        arrivals: AsyncGenerator[Arrival, None],
        allowed: Reach,
        reach: Callable[[], Reach],
    ) -> Reach:
        """Tell what arrives until the caller goes, or may see something else: that is returned."""
        checked = looked = monotonic()
        async for arrival in arrivals:
            if self._left:
                break
            now = monotonic()
            if now - checked >= _CHECK_EVERY_S:
                await self.identify()  # a token that is revoked ends the stream
                checked = now
            if now - looked >= _LOOK_EVERY_S:
                looked = now
                fresh = await self.services.database.run(reach)  # so does a role that is taken away
                if fresh.projects != allowed.projects:
                    return fresh
            await self._tell(arrival, allowed, beat=looked == now)
        return allowed

    async def _tell(self, arrival: Arrival, allowed: Reach, *, beat: bool) -> None:
        begins, self._known = not self._begun, arrival.number
        if begins:
            await self.begin()
        if arrival.record is not None:
            record = schemas.Record.named(arrival.record, allowed.names)
            await self._event("record", record.model_dump(mode="json"))
        elif arrival.missed:
            await self._event("missed", {"count": arrival.missed})
        elif begins or beat:
            await self._event("waiting", {"time": clock.iso(clock.now())})

    async def _event(self, event: str, data: Mapping[str, Any]) -> None:
        told = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
        await self.send(f"event: {event}\nid: {self._known}\ndata: {told}\n\n".encode())

    def on_connection_close(self) -> None:
        self._left = True
