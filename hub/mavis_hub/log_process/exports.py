"""``/export``: the whole answer to a question as a file."""

from __future__ import annotations

import asyncio
import os

from tornado.iostream import StreamClosedError
from tornado.web import stream_request_body

from mavis_core.logs.exports import Export
from mavis_hub.log_process.handler import Asking

__all__ = ["Exports"]

_CHUNK_BYTES = 256 * 1024
_PATIENCE_S = 60.0
_LONGEST_S = 1800.0  # so long at most a seat and the disk are taken up


@stream_request_body
class Exports(Asking):
    """A file, with the number of its records in ``X-Records``."""

    async def post(self) -> None:
        """Send it."""
        wanted = Export.from_json(self.question())
        async with self.parts.exports.written(wanted) as (count, file):
            self.set_header("Content-Type", "application/octet-stream")
            self.set_header("Content-Length", os.fstat(file.fileno()).st_size)
            self.set_header("X-Records", count)
            try:
                async with asyncio.timeout(_LONGEST_S):
                    while not self.gone.is_set() and (content := file.read(_CHUNK_BYTES)):
                        self.write(content)
                        await asyncio.wait_for(self.flush(), _PATIENCE_S)
            except (StreamClosedError, TimeoutError):
                self.abort()
