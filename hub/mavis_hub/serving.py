"""How a process ends that serves HTTP."""

from __future__ import annotations

import asyncio

from tornado.httpserver import HTTPServer

__all__ = ["end_connections"]

_PATIENCE_S = 3.0


async def end_connections(server: HTTPServer) -> None:
    """Close what is open, and wait a moment for those who answered there to end.

    Handlers of streams hear that their listener has gone and tidy up. Whoever is not done when the
    event loop ends is cancelled, and Tornado tries to answer 500 on a stream that has begun.

    Parameters
    ----------
    server
        Takes no new connections any more; what else runs beside it in this loop has ended.
    """
    await server.close_all_connections()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    if others:
        await asyncio.wait(others, timeout=_PATIENCE_S)
