"""What the handlers of the log process have in common; see `mavis_hub.inner_http`."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from mavis_core.errors import (
    InvalidInput,
    Unavailable,
)
from mavis_core.logs import Health, Page, Summary
from mavis_core.logs.context import Context
from mavis_hub.inner_http import InnerHandler, Trust, http1
from mavis_hub.log_process.export_desk import ExportDesk
from mavis_hub.log_process.followers import Followers
from mavis_hub.log_process.service import LogService
from mavis_hub.opslog import SqlDesk

__all__ = ["Asking", "Handler", "Parts", "Pool", "params_of"]

logger = logging.getLogger(__name__)

T = TypeVar("T")
_MAX_WAITING = 32
_MAX_QUESTION_BYTES = 512 * 1024  # the names of a thousand projects, and a question


class Pool:
    """Threads for one kind of work, with a bound on those who wait."""

    def __init__(self, work: str, threads: int) -> None:
        self._work = work
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix=f"log-{work}")
        self._waiting = 0

    async def run(self, work: Callable[[], T]) -> T:
        if self._waiting >= _MAX_WAITING:
            raise Unavailable(f"The log process has too many {self._work} at hand", retry_after_s=1)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._waiting -= 1

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


@dataclass(frozen=True, slots=True)
class Parts:
    """What handlers work with.

    Parameters
    ----------
    pool, taking
        Threads for questions, and for records that come.
    desk
        Answers questions in SQL.
    exports
        Writes whole answers into files.
    followers
        Tells those who follow the log.
    trust
        Whom they answer.
    """

    service: LogService
    pool: Pool
    taking: Pool
    desk: SqlDesk
    exports: ExportDesk
    followers: Followers
    trust: Trust


class Handler(InnerHandler):
    """The base of all handlers of the log process."""

    def initialize(self, parts: Parts) -> None:
        super().initialize()
        self.parts, self.trust = parts, parts.trust

    async def answer(self, work: Callable[[], Page | Health | Summary | Context]) -> None:
        """Send what `work` returns; it runs, and becomes text, outside the loop."""
        text = await self.parts.pool.run(
            lambda: json.dumps(work().to_json(), ensure_ascii=False, separators=(",", ":"))
        )
        self.set_header("Content-Type", "application/json")
        self.finish(text)


class Asking(Handler):
    """The base of handlers whose question is a body of JSON. `gone`: nobody waits any more."""

    def prepare(self) -> None:
        self._body, self.gone = bytearray(), asyncio.Event()
        super().prepare()
        http1(self.request.connection).set_max_body_size(_MAX_QUESTION_BYTES)

    def data_received(self, chunk: bytes) -> None:
        self._body += chunk

    def question(self) -> Any:
        """Return what was asked, as JSON values."""
        try:
            return json.loads(self._body)
        except (ValueError, RecursionError) as exc:
            raise InvalidInput("The question is not JSON") from exc

    def abort(self) -> None:
        """Break the answer off, so that nobody takes it for whole."""
        http1(self.request.connection).close()

    def on_connection_close(self) -> None:
        self.gone.set()


def params_of(given: Mapping[str, Sequence[bytes]]) -> dict[str, str]:
    """Return the address's parameters as sent; Tornado's own getter drops control characters."""
    params = {}
    for name, values in given.items():
        if len(values) > 1:
            raise InvalidInput(f"{name[:60]} was given more than once", field=name)
        try:
            params[name] = values[0].decode("utf-8")
        except UnicodeDecodeError as exc:
            raise InvalidInput(f"{name[:60]} is not UTF-8", field=name) from exc
    return params
