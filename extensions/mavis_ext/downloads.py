"""Files that are sent in parts, as the caller takes them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Protocol

from tornado.http1connection import HTTP1Connection
from tornado.iostream import StreamClosedError
from tornado.web import RequestHandler

from mavis_core.errors import Unavailable
from mavis_ext.base import Services
from mavis_ext.pools import Pool

__all__ = ["Pieces", "Source", "send_file", "send_pieces"]

_CHUNK_BYTES = 256 * 1024
_PATIENCE_S = 60.0


class Source(Protocol):
    """What is sent."""

    count: int
    size_bytes: int

    def read(self, size_bytes: int) -> bytes: ...
    def close(self) -> None: ...


class Pieces(Protocol):
    """What is sent piece by piece."""

    def chunks(self) -> Iterator[bytes]: ...
    def close(self) -> None: ...


async def send_file(
    handler: RequestHandler,
    services: Services,
    person: str,
    take: Callable[[], Source],
    *,
    media: str,
    name: str,
) -> None:
    """Send what `take` returns, which blocks, as a file to be kept.

    Parameters
    ----------
    person
        Who takes it.
    media
        Its media type, with parameters.
    name
        Under which it is kept.
    """
    pool = services.sql
    with services.export_seats.take(person):
        source = await pool.run(take)
        try:
            handler.set_header("Content-Type", media)
            handler.set_header("Content-Disposition", f'attachment; filename="{name}"')
            handler.set_header("Content-Length", source.size_bytes)
            handler.set_header("X-Records", source.count)
            await _pour(handler, pool, lambda: source.read(_CHUNK_BYTES))
        except (StreamClosedError, TimeoutError, Unavailable):
            _abort(handler)
        finally:
            source.close()


async def send_pieces(
    handler: RequestHandler,
    services: Services,
    person: str,
    take: Callable[[], Pieces],
    *,
    media: str,
    name: str,
) -> None:
    """Send what `take` returns, whose length nobody knows before; see `send_file`."""
    pool = services.sql
    with services.export_seats.take(person):
        source = await pool.run(take)
        try:
            handler.set_header("Content-Type", media)
            handler.set_header("Content-Disposition", f'attachment; filename="{name}"')
            pieces = source.chunks()
            await _pour(handler, pool, lambda: next(pieces, b""))
        except (StreamClosedError, TimeoutError, Unavailable):
            if not handler._headers_written:  # noqa: SLF001  # Tornado has no other word for it
                raise
            _abort(handler)
        finally:
            source.close()


async def _pour(handler: RequestHandler, pool: Pool, more: Callable[[], bytes]) -> None:
    """Send what `more` returns, which blocks, until it returns nothing."""
    while content := await pool.run(more):
        handler.write(content)
        await asyncio.wait_for(handler.flush(), _PATIENCE_S)


def _abort(handler: RequestHandler) -> None:
    """Break the answer off, so that nobody takes what came for the whole."""
    if isinstance(handler.request.connection, HTTP1Connection):
        handler.request.connection.close()
