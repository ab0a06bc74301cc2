"""The views that this process shows: by ticket, each with its kernel, as long as they go on.

Whether a view goes on is the api process's word. It is asked for all of them every few seconds,
and what it has not confirmed lately is shown to nobody.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from dataclasses import dataclass, field
from typing import Protocol

from mavis_core.errors import MavisError, NotFound, Unavailable
from mavis_hub.dashboards.broker import Broker, Start
from mavis_hub.dashboards.kernels import Kernels

__all__ = ["Socket", "View", "Views"]

_log = logging.getLogger("mavis.dashboards")
_LOOK_EVERY_S = 3.0
_BELIEVED_S = 20.0
_OVER = 4001
"""The code with which a WebSocket of a view that is over is closed."""


class Socket(Protocol):
    """A WebSocket of a page."""

    def close(self, code: int | None = None, reason: str | None = None) -> None:
        """End it."""


@dataclass(slots=True)
class View:
    """A view, and the kernel that runs for it.

    Parameters
    ----------
    confirmed
        When the api process has said last that it goes on, by the monotonic clock.
    """

    start: Start
    confirmed: float
    kernel_id: str | None = None
    died: bool = False
    sockets: set[Socket] = field(default_factory=set)
    making: asyncio.Lock = field(default_factory=asyncio.Lock)


class Views:
    """Every view of this process. For one event loop.

    Parameters
    ----------
    broker
        Says what they are, and whether they go on.
    kernels
        Where their kernels come from and go to.
    """

    def __init__(self, broker: Broker, kernels: Kernels) -> None:
        self._broker = broker
        self._kernels = kernels
        self._views: dict[str, View] = {}
        self._opening: dict[str, asyncio.Lock] = {}
        self._looking: asyncio.Task[None] | None = None

    async def open(self, ticket: str) -> View:
        """Return the view of a page that comes with its ticket.

        Raises
        ------
        NotFound
            There is none, or not any more.
        Unavailable
            The api process does not answer.
        """
        lock = self._opening.setdefault(ticket, asyncio.Lock())
        try:
            async with lock:
                if ticket not in self._views:
                    started = await self._broker.start(ticket)
                    self._views[ticket] = View(started, time.monotonic())
        finally:
            if not lock.locked():
                self._opening.pop(ticket, None)
        self._look()
        return self.get(ticket)

    def get(self, ticket: str) -> View:
        """Return a view that goes on.

        Raises
        ------
        NotFound
            There is none.
        Unavailable
            The api process has not said lately that it goes on.
        """
        view = self._views.get(ticket)
        if view is None:
            raise NotFound("This page is over", mend="Open the dashboard again.")
        if time.monotonic() - view.confirmed > _BELIEVED_S:
            raise Unavailable("The api process does not answer", retry_after_s=5)
        return view

    async def new_kernel(self, view: View) -> str:
        """Return a kernel for a page that is shown, or shown once more; an earlier one ends.

        Raises
        ------
        Full
            There are as many as there may be.
        """
        async with view.making:
            await self._end_kernel(view)
            given = {"MAVIS_TOKEN": view.start.token, "MAVIS_PROJECT": view.start.project}
            view.kernel_id = await self._kernels.take(given)
            view.died = False
            if view.start.view not in {each.start.view for each in self._views.values()}:
                await self._end_kernel(view)  # it has ended meanwhile
                raise NotFound("This page is over", mend="Open the dashboard again.")
            return view.kernel_id

    def _look(self) -> None:
        if self._looking is None or self._looking.done():
            self._looking = asyncio.ensure_future(self._look_often())

    async def _look_often(self) -> None:
        while self._views:
            await asyncio.sleep(_LOOK_EVERY_S)
            try:
                await self.look()
            except MavisError as exc:
                _log.warning("views cannot be confirmed: %s", exc)
            except Exception:  # noqa: BLE001  # the outermost edge of this loop: the next look may do
                _log.exception("a look at the views failed")

    async def look(self) -> None:
        """Ask which views go on, end the others, and tell whose kernel has died.

        Raises
        ------
        Unavailable
            The api process does not answer; what it has not confirmed for long has ended.
        """
        asked = time.monotonic()
        every = dict(self._views)
        died = {view.start.view for view in every.values() if await self._has_died(view)}
        try:
            ids = {view.start.view for view in every.values()}
            alive = await self._broker.alive(ids, died)
        except Unavailable:
            alive = frozenset()
            every = {
                ticket: view
                for ticket, view in every.items()
                if asked - view.confirmed > _BELIEVED_S
            }
            await self._end_all(every)
            raise
        for view in every.values():
            if view.start.view in alive:
                view.confirmed = asked
        await self._end_all(
            {ticket: view for ticket, view in every.items() if view.start.view not in alive}
        )

    async def _has_died(self, view: View) -> bool:
        kernel_id = view.kernel_id
        if kernel_id is None or view.making.locked():
            return False
        if await self._kernels.lives(kernel_id):
            return False
        if view.kernel_id == kernel_id:
            view.died = True
            await self._end_kernel(view)
        return True

    async def _end_all(self, views: dict[str, View]) -> None:
        for ticket, view in views.items():
            self._views.pop(ticket, None)
            for socket in list(view.sockets):
                socket.close(_OVER, "over")
            async with view.making:
                await self._end_kernel(view)

    async def _end_kernel(self, view: View) -> None:
        kernel_id, view.kernel_id = view.kernel_id, None
        if kernel_id is not None:
            await self._kernels.end(kernel_id)

    async def close(self) -> None:
        """End every view."""
        if self._looking is not None:
            self._looking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._looking
        await self._end_all(dict(self._views))
