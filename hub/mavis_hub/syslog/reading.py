"""One stream of bytes, from its first to its last: read, keep, and only then read on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from mavis_hub.syslog.delivery import Delivery
from mavis_hub.syslog.framing import MAX_KEPT_BYTES, Frame, Framing
from mavis_hub.syslog.pace import Pace
from mavis_hub.syslog.stories import Story

__all__ = ["CHUNK_BYTES", "Reading", "finish"]

CHUNK_BYTES = 32 * 1024
_FRAME_S = 30.0
_LOOK_S = 1.0  # for how long a certificate that was revoked may go unnoticed


class _Over(Enum):
    """Why nothing more comes."""

    CLIENT_LEFT = "the client left"
    BROKE = "the connection broke"
    RECEIVER_ENDS = "the receiver ends"


@dataclass(frozen=True, slots=True)
class Reading:
    """Reads streams.

    Parameters
    ----------
    delivery
        Keeps what comes.
    pace
        How fast each client may be.
    idle_s
        A stream that brings nothing for so long is ended.
    frame_s
        A message that has begun must end within that.
    """

    delivery: Delivery
    pace: Pace
    idle_s: float
    frame_s: float = _FRAME_S

    async def read(
        self,
        reader: asyncio.StreamReader,
        story: Story,
        framing: Framing,
        *,
        counts: Callable[[], bool] = lambda: True,
    ) -> str:
        """Read to the end of a stream; return why it has ended.

        Parameters
        ----------
        counts
            Whether the client may still send; asked before each look.
        """
        ending = await self._all(reader, story, framing, counts)
        await finish(self.delivery.keep(story.closed(ending)))
        return ending

    async def _all(
        self,
        reader: asyncio.StreamReader,
        story: Story,
        framing: Framing,
        counts: Callable[[], bool],
    ) -> str:
        loop = asyncio.get_running_loop()
        begun = last = loop.time()
        while counts():
            data = await _some(reader)
            if isinstance(data, _Over):
                half = framing.begun and data is not _Over.RECEIVER_ENDS
                return f"{data.value}, with a message half sent" if half else data.value
            frames = framing.feed(data)
            if data and await finish(self._keep(story, framing, frames, data)):
                return _Over.RECEIVER_ENDS.value
            if framing.broken is not None:
                return "its messages have no length"
            now = loop.time()  # how long the log process took is not the client's fault
            last = now if data else last
            begun = now if frames or not framing.begun else begun
            if now - begun > self.frame_s:
                return "a message did not end in time"
            if now - last > self.idle_s:
                return "nothing came"
        return "its certificate does not count any more"

    async def _keep(
        self, story: Story, framing: Framing, frames: Sequence[Frame], data: bytes
    ) -> None:
        """Return when `frames` are kept and the client may go on."""
        records, refused = story.told(frames)
        if framing.broken is not None:
            told, lost = story.broken(framing.broken, data[:MAX_KEPT_BYTES])
            records, refused = records + told, refused + lost
        await self.delivery.put_aside(refused, story.source.label)
        await self.delivery.keep(records)
        await asyncio.sleep(self.pace.pause_s(story.source.name, len(frames)))


async def _some(reader: asyncio.StreamReader) -> bytes | _Over:
    """Return what comes next, nothing where nothing came for a while, or why nothing will."""
    try:
        async with asyncio.timeout(_LOOK_S):
            return await reader.read(CHUNK_BYTES) or _Over.CLIENT_LEFT
    except TimeoutError:
        return b""
    except OSError:
        return _Over.BROKE
    except asyncio.CancelledError:
        return _Over.RECEIVER_ENDS


async def finish(work: Coroutine[Any, Any, None]) -> bool:
    """Return when `work` is done, and whether this task was cancelled meanwhile.

    What was read is kept before the process ends; a second cancellation ends it.
    """
    task = asyncio.ensure_future(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await task
        return True
    return False
