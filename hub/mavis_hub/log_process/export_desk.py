"""Where whole answers are written into files, a few at a time; none has a name while it is sent."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO, Protocol, TypeVar

from mavis_core.errors import Unavailable
from mavis_core.ids import new_id
from mavis_core.logs.exports import Export

__all__ = ["ExportDesk"]

_AT_ONCE = 2
_SEAT_S = 5.0
_PREFIX = "exp_"

T = TypeVar("T")
_Run = Callable[[Callable[[], tuple[int, IO[bytes]]]], Awaitable[tuple[int, IO[bytes]]]]


class _Exporter(Protocol):
    def export(self, wanted: Export, folder: Path, name: str) -> tuple[int, Path]: ...


class ExportDesk:
    """Writes exports, a few at a time.

    Parameters
    ----------
    log
        Writes them.
    folder
        Into which it does; exports that lie there are removed.
    run
        Calls what blocks, in a thread.
    """

    def __init__(self, log: _Exporter, folder: Path, run: _Run) -> None:
        self._log, self._folder, self._run = log, folder, run
        folder.mkdir(exist_ok=True, mode=0o700)
        self._sweep(_PREFIX)  # by a process that was killed
        self._seats = asyncio.Semaphore(_AT_ONCE)

    @asynccontextmanager
    async def written(self, export: Export) -> AsyncIterator[tuple[int, IO[bytes]]]:
        """Give the block the count of an export, and its file.

        Raises
        ------
        OverLimit
            There is too much of it.
        InvalidInput, Unavailable, Damaged
            It cannot be written; or too many are.
        """
        try:
            async with asyncio.timeout(_SEAT_S):
                await self._seats.acquire()
        except TimeoutError as exc:
            raise Unavailable(
                f"{_AT_ONCE} exports are under way, which is all at a time",
                mend="Take it again in a moment.",
                retry_after_s=math.ceil(_SEAT_S),
            ) from exc
        try:
            count, file = await self._run(lambda: self._write(export))
            with file:
                yield count, file
        finally:
            self._seats.release()

    def _write(self, export: Export) -> tuple[int, IO[bytes]]:
        name = new_id(_PREFIX.rstrip("_"))
        try:
            count, path = self._log.export(export, self._folder, name)
            return count, path.open("rb")
        finally:
            self._sweep(name)

    def _sweep(self, prefix: str) -> None:
        for left in self._folder.glob(f"{prefix}*"):
            left.unlink()
