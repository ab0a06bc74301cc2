"""Server-sent events of Runs: one look at the database for all who listen.

A listener is told the state of its Run as it is, then at each change, until the Run is final. The
id of an event is the Run's version, so that whoever comes back with ``Last-Event-ID`` hears only
of what is new. A listener that is slow misses states in between, never the last one: nothing waits
in a queue for it.

The form is that of the HTML standard, 9.2 (https://html.spec.whatwg.org/multipage/
server-sent-events.html).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import islice

from mavis_core.errors import Unavailable
from mavis_core.scheduling.model import Run as RunModel
from mavis_core.scheduling.service import Runs
from mavis_ext import schemas
from mavis_ext.pools import Pool
from mavis_ext.seats import Seats

__all__ = ["HEARTBEAT", "Event", "Listener", "RunEvents"]

HEARTBEAT = b": still there\n\n"
_LOOK_EVERY_S = 0.5
_AT_A_TIME = 500
_MOST, _MOST_OF_ONE = 5_000, 2_000
_log = logging.getLogger("mavis.api")


@dataclass(frozen=True, slots=True)
class Event:
    """A Run as it is now, ready to go out."""

    version: int
    final: bool
    content: bytes

    @classmethod
    def of(cls, run: RunModel) -> Event:
        """Return the event that tells of `run`."""
        data = schemas.Run.of(run).model_dump_json()
        content = f"event: run\nid: {run.version}\ndata: {data}\n\n".encode()
        return cls(run.version, run.state.final, content)


@dataclass(eq=False, slots=True)
class Listener:
    """One who follows a Run.

    Parameters
    ----------
    seen
        The version that it was told of last.
    """

    run_id: str
    seen: int
    latest: Event | None = None
    gone: bool = False
    _woken: asyncio.Event = field(default_factory=asyncio.Event)

    def tell(self, event: Event) -> None:
        """Let the listener know; an earlier event that it has not taken yet is forgotten."""
        if event.version > self.seen:
            self.latest = event
            self._woken.set()

    def leave(self) -> None:
        """Let `next` return at once: nobody waits for it any more."""
        self.gone = True
        self._woken.set()

    async def next(self, within_s: float) -> Event | None:
        """Return the next event; None where none came in time."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._woken.wait(), within_s)
        self._woken.clear()
        event, self.latest = self.latest, None
        if event is not None:
            self.seen = event.version
        return event


class RunEvents:
    """Tells listeners of changes in Runs, whichever process makes them. For one event loop.

    Parameters
    ----------
    runs, pool
        Where versions and Runs are read, and in whose threads.
    """

    def __init__(self, runs: Runs, pool: Pool) -> None:
        self._runs = runs
        self._pool = pool
        self._listeners: dict[str, set[Listener]] = {}
        self.seats = Seats("follows Runs", most=_MOST, most_of_one=_MOST_OF_ONE)
        self._looking: asyncio.Task[None] | None = None

    @property
    def listening(self) -> int:
        """How many listen now."""
        return self.seats.taken

    @contextmanager
    def listen(self, run_id: str, person: str, seen: int) -> Iterator[Listener]:
        """Follow a Run inside the block; whether `person` may was checked before.

        Parameters
        ----------
        seen
            The version that the listener knows already.

        Raises
        ------
        TooManyRequests
            The person listens to too many.
        Unavailable
            Too many listen.
        """
        listener = Listener(run_id, seen)
        with self.seats.take(person):
            self._listeners.setdefault(run_id, set()).add(listener)
            if self._looking is None:
                self._looking = asyncio.ensure_future(self._look_on())
            try:
                yield listener
            finally:
                self._listeners[run_id].discard(listener)
                if not self._listeners[run_id]:
                    del self._listeners[run_id]

    def close(self) -> None:
        """Stop looking."""
        if self._looking is not None:
            self._looking.cancel()

    async def _look_on(self) -> None:
        """Look again and again, as long as anybody listens."""
        try:
            while self._listeners:
                await asyncio.sleep(_LOOK_EVERY_S)
                ids = iter(list(self._listeners))
                while some := list(islice(ids, _AT_A_TIME)):
                    await self._look(some)
        finally:
            self._looking = None

    async def _look(self, ids: Collection[str]) -> None:
        try:
            versions = await self._pool.run(lambda: self._runs.versions(ids))
            changed = [
                run_id
                for run_id, version in versions.items()
                if any(each.seen < version for each in self._listeners.get(run_id, ()))
            ]
            if not changed:
                return
            runs = await self._pool.run(lambda: self._events_of(changed))
        except Unavailable as exc:  # the next look may see more; nothing is missed
            _log.info("Runs cannot be followed now: %s", exc)
            return
        for run_id, event in runs:
            for listener in self._listeners.get(run_id, ()):
                listener.tell(event)

    def _events_of(self, ids: Collection[str]) -> list[tuple[str, Event]]:
        return [(run.id, Event.of(run)) for run in self._runs.load_unchecked(ids)]
