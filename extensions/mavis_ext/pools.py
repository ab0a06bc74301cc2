"""Threads for calls that block, so that handlers never do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from mavis_core.errors import Unavailable

__all__ = ["Pool"]

T = TypeVar("T")


class Pool:
    """A bounded pool of threads for one kind of blocking work.

    Parameters
    ----------
    name
        What the threads talk to.
    threads
        Calls at a time.
    waiting
        Calls that may wait for a thread; one more is refused at once.
    """

    def __init__(self, name: str, *, threads: int, waiting: int) -> None:
        self._name = name
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._room = threads + waiting
        self._inside = 0

    @property
    def inside(self) -> int:
        """How many calls run or wait now."""
        return self._inside

    async def run(self, call: Callable[[], T]) -> T:
        """Return what `call` returns in a thread.

        Raises
        ------
        Unavailable
            Too many calls wait already.
        """
        if self._inside >= self._room:
            raise Unavailable(f"Too many calls wait for {self._name}", retry_after_s=1)
        self._inside += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, call)
        finally:
            self._inside -= 1

    def close(self) -> None:
        """Let calls that run end; take no more."""
        self._executor.shutdown(wait=False, cancel_futures=True)
