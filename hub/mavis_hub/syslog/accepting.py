"""Takes the connections that come to a socket, each in a task of its own."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Coroutine
from typing import Any

__all__ = ["accept"]

logger = logging.getLogger(__name__)

_PAUSE_S = 0.2

Attend = Callable[[socket.socket, Any], Coroutine[Any, Any, None]]


async def accept(
    listening: socket.socket, attend: Attend, *, room: Callable[[Any, int], bool]
) -> None:
    """Take connections until cancelled; then cancel what reads from them, and wait for its end.

    Parameters
    ----------
    attend
        Has a connection, with its address, from then on.
    room
        Whether there is room for one of an address beside so many; without it is closed at once.
    """
    loop = asyncio.get_running_loop()
    tasks: set[asyncio.Task[None]] = set()
    try:
        while True:
            try:
                taken, address = await loop.sock_accept(listening)
            except OSError as exc:  # no file descriptor is free, or the peer is gone already
                logger.warning("syslog.not_accepted reason=%s", exc)
                await asyncio.sleep(_PAUSE_S)
                continue
            if not room(address, len(tasks)):
                taken.close()
                continue
            task = loop.create_task(attend(taken, address))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
