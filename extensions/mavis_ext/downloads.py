"""Files that are sent in parts, as the caller takes them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from tornado.http1connection import HTTP1Connection
from tornado.iostream import StreamClosedError

from mavis_core.errors import Unavailable
from mavis_ext.base import ApiHandler

__all__ = ["DownloadHandler", "Source"]

_CHUNK_BYTES = 256 * 1024
_PATIENCE_S = 60.0


class Source(Protocol):
    """What is sent."""

    count: int
    size_bytes: int

    def read(self, size_bytes: int) -> bytes: ...
    def close(self) -> None: ...


class DownloadHandler(ApiHandler):
    """The base of handlers that send files."""

    async def send_file(self, take: Callable[[], Source], media: str, name: str) -> None:
        """Send what `take` returns, which blocks, as a file to be kept.

        Parameters
        ----------
        media
            Its media type, with parameters.
        name
            Under which it is kept.
        """
        pool = self.services.sql
        with self.services.export_seats.take(self.ctx.principal.name):
            source = await pool.run(take)
            try:
                self.set_header("Content-Type", media)
                self.set_header("Content-Disposition", f'attachment; filename="{name}"')
                self.set_header("Content-Length", source.size_bytes)
                self.set_header("X-Records", source.count)
                while content := await pool.run(lambda: source.read(_CHUNK_BYTES)):
                    self.write(content)
                    await asyncio.wait_for(self.flush(), _PATIENCE_S)
            except (StreamClosedError, TimeoutError, Unavailable):
                self._abort()
            finally:
                source.close()

    def _abort(self) -> None:
        """Break the answer off, so that nobody takes what came for the whole."""
        if isinstance(self.request.connection, HTTP1Connection):
            self.request.connection.close()
