"""Following one Run by server-sent events: for programs with a token, for pages with a cookie."""

from __future__ import annotations

from contextlib import suppress
from time import monotonic

from mavis_core.errors import MavisError
from mavis_ext.events import HEARTBEAT, Event, Listener
from mavis_ext.streaming import Gone, StreamHandler

__all__ = ["Following"]

_CHECK_EVERY_S = 5.0  # with the 25 s for which the Hub's answers are kept, 30 at most
_LOOK_EVERY_S = 15.0


class Following(StreamHandler):
    """The base of handlers that tell the changes of a Run until it is final."""

    _listener: Listener | None = None

    async def follow(self, project: str, run: str) -> None:
        """Tell them, from what the caller knows already; 204 where nothing will change."""
        with suppress(Gone):
            try:
                await self._follow(project, run)
            except MavisError as exc:
                await self.end(exc)

    async def _follow(self, project: str, run: str) -> None:
        found = await self._look(project, run)
        seen = self.last_event_id()
        if found.final and seen >= found.version:
            self.set_status(204)
            return
        with self.services.events.listen(run, self.ctx.principal.name, seen) as listener:
            self._listener = listener
            await self.begin()
            listener.tell(found)
            looked = monotonic()
            while not listener.gone:
                event = await listener.next(_CHECK_EVERY_S)
                await self.identify()  # a token that is revoked ends the stream
                if event is not None:
                    await self.send(event.content)
                if event is not None and event.final:
                    return
                if monotonic() - looked > _LOOK_EVERY_S:
                    await self._look(project, run)  # so does a role that is taken away
                    await self.send(HEARTBEAT)
                    looked = monotonic()

    async def _look(self, project: str, run: str) -> Event:
        """Return the Run as it is, where the caller may see it."""
        return await self.services.database.run(
            lambda: Event.of(self.app.runs.get(self.ctx, project, run))
        )

    def on_connection_close(self) -> None:
        if self._listener is not None:
            self._listener.leave()
