"""Those who follow the log: one look at the index for all who wait, and only when it has grown.

Who asks for the same shares one question. A follower that is slow loses the oldest of what waits
for it and is told how many that were; nothing is kept for it without end.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Protocol

from mavis_core.errors import MavisError, Unavailable
from mavis_core.logs import Query
from mavis_core.logs.arrivals import Arrival, Arrived

__all__ = ["Follower", "Followers"]

logger = logging.getLogger(__name__)

_MOST = 200
_PAUSE_S = 0.2  # between two looks: what arrives meanwhile is told at once
_AGAIN_S = 2.0  # after a look that failed
_MOST_KEPT, _MOST_BYTES = 500, 512 * 1024

_Line = tuple[int, bytes, int]  # a number, what is sent, and how many were missed in its place
_Lines = Mapping[Query, Sequence[_Line]]


class _Log(Protocol):
    def arrived(self, query: Query, after: int, upto: int) -> Arrived: ...


class Follower:
    """What waits for one who follows; for one event loop.

    Parameters
    ----------
    query
        What it wants to hear of.
    begun
        Of all up to this line it hears by `Followers.catch_up` alone.
    """

    def __init__(self, query: Query, begun: int) -> None:
        self.query, self.begun, self.gone = query, begun, False
        self.place = begun  # all up to this line was told, or waits
        self._waiting: deque[_Line] = deque()
        self._bytes = self._missed = 0
        self._woken = asyncio.Event()

    def tell(self, lines: Sequence[_Line], place: int) -> None:
        """Keep what arrived up to `place`, as far as there is room."""
        lines = [line for line in lines if line[0] > self.place]
        self._keep(lines)
        self.place = place
        if lines:
            self._woken.set()

    def tell_first(self, lines: Sequence[_Line]) -> None:
        """Keep what arrived before all that waits."""
        later = list(self._waiting)
        self._waiting.clear()
        self._bytes = 0
        self._keep([*lines, *later])
        self._woken.set()

    def leave(self) -> None:
        """Let `next` return at once: nobody waits for it any more."""
        self.gone = True
        self._woken.set()

    async def next(self, within_s: float) -> bytes:
        """Return lines of `Arrival` as soon as there are some; where none came, that none did."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._woken.wait(), within_s)
        self._woken.clear()
        told = [line for _, line, _ in self._waiting]
        if self._missed:
            before = self._waiting[0][0] - 1 if self._waiting else self.place
            told.insert(0, Arrival(before, missed=self._missed).to_line())
        self._waiting.clear()
        self._bytes = self._missed = 0
        return b"".join(told) or Arrival(self.place).to_line()

    def _keep(self, lines: Sequence[_Line]) -> None:
        self._waiting.extend(lines)
        self._bytes += sum(len(line) for _, line, _ in lines)
        while len(self._waiting) > _MOST_KEPT or self._bytes > _MOST_BYTES:
            _, line, missed = self._waiting.popleft()
            self._bytes -= len(line)
            self._missed += missed or 1


class Followers:
    """Tells followers what arrives. For one event loop; `wake` for any thread.

    Parameters
    ----------
    log
        Is asked.
    end
        Returns the number of the last line that the index has.
    run
        Calls what blocks, in a thread.
    """

    def __init__(
        self,
        log: _Log,
        end: Callable[[], int],
        run: Callable[[Callable[[], _Lines]], Awaitable[_Lines]],
    ) -> None:
        self._log, self._end, self._run = log, end, run
        self._loop = asyncio.get_running_loop()
        self._followers: set[Follower] = set()
        self._seen = 0
        self._grown = asyncio.Event()
        self._looking: asyncio.Task[None] | None = None

    def wake(self) -> None:
        """Say that the index has more; it costs nothing where nobody follows."""
        if self._followers:
            with suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._grown.set)

    @contextmanager
    def follow(self, query: Query) -> Iterator[Follower]:
        """Hear of what arrives from now on, inside the block.

        Raises
        ------
        Unavailable
            Too many follow.
        """
        if len(self._followers) >= _MOST:
            raise Unavailable(f"{_MOST} follow the log already", retry_after_s=30)
        if not self._followers:
            self._seen = self._end()
        follower = Follower(query, self._seen)
        self._followers.add(follower)
        if self._looking is None:
            self._looking = asyncio.ensure_future(self._look_on())
        try:
            yield follower
        finally:
            self._followers.discard(follower)
            if not self._followers and self._looking is not None:
                self._looking.cancel()
                self._looking = None

    async def catch_up(self, follower: Follower, after: int) -> None:
        """Tell one who has just begun to follow what has arrived since line `after`.

        Raises
        ------
        InvalidInput
            Its regular expression is none.
        Unavailable, Damaged
            The log cannot be asked now.
        """
        query, upto = follower.query, follower.begun
        lines = await self._run(lambda: {query: _lines(self._log.arrived(query, after, upto))})
        follower.tell_first(lines[query])

    def close(self) -> None:
        """Let all leave."""
        for follower in self._followers:
            follower.leave()

    async def _look_on(self) -> None:
        """Look whenever the index has grown, as long as anybody follows."""
        while True:
            await self._grown.wait()
            self._grown.clear()
            pause_s = _PAUSE_S
            try:
                await self._look(self._end())
            except MavisError as exc:  # the next look sees more; nothing is missed
                logger.info("followers.not_told error=%s", exc.message)
                self._grown.set()
                pause_s = _AGAIN_S
            await asyncio.sleep(pause_s)

    async def _look(self, upto: int) -> None:
        """Tell all what arrived up to line `upto`; whoever comes meanwhile catches up by itself."""
        after, followers = self._seen, list(self._followers)
        if upto <= after:
            return
        self._seen = upto
        queries = {each.query for each in followers}
        try:
            found = await self._run(
                lambda: {each: _lines(self._log.arrived(each, after, upto)) for each in queries}
            )
        except BaseException:
            self._seen = after
            raise
        for follower in followers:
            follower.tell(found[follower.query], upto)


def _lines(arrived: Arrived) -> list[_Line]:
    """Return what is told of records, each a line."""
    lines: list[_Line] = []
    if arrived.missed:
        before = arrived.records[0][0] - 1
        lines.append((before, Arrival(before, missed=arrived.missed).to_line(), arrived.missed))
    lines += [(number, Arrival(number, each).to_line(), 0) for number, each in arrived.records]
    return lines
