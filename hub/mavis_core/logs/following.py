"""Follows the log process over its Unix socket, without a thread. For the api process.

The request is one of HTTP/1.0, so that the answer is lines until its end (RFC 1945, 7.2.2).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlencode

from mavis_core.errors import Unavailable
from mavis_core.logs.arrivals import Arrival
from mavis_core.logs.query import Query
from mavis_core.logs.refusals import error_of, unanswered

__all__ = ["follow"]

_SILENT_S = 30.0  # the log process says more often that it is there
_MOST_BYTES = 1 << 20  # more than the largest record, and than any refusal


async def follow(
    path: Path, headers: Mapping[str, str], query: Query, after: int | None
) -> AsyncGenerator[Arrival, None]:
    """Yield what arrives at the log: at once the place where that begins, and then all there is.

    Parameters
    ----------
    path, headers
        Where the log process listens, and what it wants to be sent.
    query
        Which records.
    after
        The number that the caller knows already; None: from now on.

    Raises
    ------
    InvalidInput
        Its regular expression is none.
    Unavailable
        The log process does not answer, is catching up, or has ended.
    """
    params = query.to_params() | ({} if after is None else {"after": str(after)})
    sent = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    request = f"GET /arrivals?{urlencode(params)} HTTP/1.0\r\n{sent}\r\n"
    try:
        async with asyncio.timeout(_SILENT_S):
            reader, writer = await asyncio.open_unix_connection(str(path), limit=_MOST_BYTES)
    except OSError as exc:
        raise unanswered(path, exc) from exc
    try:
        writer.write(request.encode("ascii"))
        await _answered(reader)
        while line := await _line(reader):
            yield Arrival.from_line(line)
        raise Unavailable("The log process has ended", retry_after_s=2)
    except (OSError, ValueError, EOFError) as exc:
        raise unanswered(path, exc) from exc
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


async def _answered(reader: asyncio.StreamReader) -> None:
    """Return where the answer is what was asked for."""
    _, _, rest = (await _line(reader)).partition(b" ")
    status = int(rest[:3])
    while (await _line(reader)).strip():
        pass
    if status != HTTPStatus.OK:
        async with asyncio.timeout(_SILENT_S):
            problem = await reader.read(_MOST_BYTES)
        raise error_of(status, json.loads(problem))


async def _line(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(_SILENT_S):
        line = await reader.readline()
    if line and not line.endswith(b"\n"):
        raise EOFError("it broke off")
    return line
