"""Runs: executions of jobs, and following them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Literal

from mavis_kernel.aio.transport import AsyncTransport, segment
from mavis_kernel.errors import (
    ApiError,
    MavisError,
    NotFound,
    Unavailable,
    UnexpectedAnswer,
    Unreachable,
)
from mavis_kernel.events import run_of
from mavis_kernel.interruption import tell_cancelled, tell_left, tell_not_cancelled
from mavis_kernel.models import Run
from mavis_kernel.outcomes import demand_success

__all__ = ["Runs"]

_FIRST_POLL_S = 0.5
_SLOWEST_POLL_S = 5.0
_SLOWER = 1.3
_PATIENCE_S = 120.0


class Runs:
    """The Runs of a project."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    def list(
        self,
        project: str,
        *,
        state: str | None = None,
        sort: str | None = None,
        limit: int | None = None,
        fields: Sequence[str] | None = None,
    ) -> AsyncIterator[Run]:
        """Yield the Runs of `project`, the newest first, at most `limit`.

        Parameters
        ----------
        project
            Name or id.
        state
            A word of `mavis_kernel.models.RunState`; None for any.
        sort
            A field, with a minus the largest first; None for the usual order. What there is:
            ``created_at``, ``finished_at``, ``state``.
        limit
            None for all.
        """
        params = {"state": state, "sort": sort}
        return self._transport.list(Run, _path(project), params, limit=limit, fields=fields)

    async def get(self, project: str, run_id: str, *, fields: Sequence[str] | None = None) -> Run:
        """Return the Run with the id `run_id`."""
        return await self._transport.get(Run, _path(project, run_id), fields=fields)

    async def cancel(self, project: str, run_id: str, *, idempotency_key: str | None = None) -> Run:
        """End the Run before it is done, and return it; what it had begun is cleaned up.

        Cancelling again changes nothing. Until the clean-up is done the Run goes on, and
        `watch` follows it.

        Raises
        ------
        Conflict
            It has ended already.
        """
        path = f"{_path(project, run_id)}/cancel"
        return await self._transport.post(Run, path, {}, idempotency_key=idempotency_key)

    async def watch(
        self,
        project: str,
        run_id: str,
        *,
        patience_s: float = _PATIENCE_S,
        wait: Callable[[float], Awaitable[None]] = asyncio.sleep,
        on_trouble: Callable[[ApiError], object] | None = None,
    ) -> AsyncIterator[Run]:
        """Yield the Run as it is, then at each change, and end when it is final.

        The Run does not depend on being watched. The appliance tells of changes as they come;
        where it, or what stands between, does not do that, it is asked: every half second at
        first, and less and less often while nothing changes.

        Parameters
        ----------
        project, run_id
            The Run.
        patience_s
            Seconds without any answer after which watching gives up: an appliance that
            restarts in between is waited for.
        wait
            Waits so many seconds.
        on_trouble
            Is told each time when there was no answer.

        Raises
        ------
        ApiError
            The appliance said no, or did not answer for `patience_s`.
        """
        at = _Watch()
        try:
            while True:
                if at.told:
                    async with aclosing(self._told(project, run_id, at)) as told:
                        async for run in told:
                            yield run
                if not at.is_over:
                    changed = await self._asked(project, run_id, at, patience_s, on_trouble)
                    if changed is not None:
                        yield changed
                if at.is_over:
                    return
                await wait(at.poll_s)
        except asyncio.CancelledError as exc:
            tell_left(exc, project, run_id)
            raise

    async def wait(
        self,
        project: str,
        run_id: str,
        *,
        on_change: Callable[[Run], object] | None = None,
        on_trouble: Callable[[ApiError], object] | None = None,
        on_interrupt: Literal["leave", "cancel"] = "leave",
    ) -> Run:
        """Return the Run when it has succeeded.

        Parameters
        ----------
        on_change
            Is given the Run as it is, and at each change.
        on_trouble
            Is told each time when there was no answer.
        on_interrupt
            What becomes of the Run where the waiting is interrupted: ``leave`` lets it go on,
            ``cancel`` cancels it. The interrupt says which.

        Raises
        ------
        RunFailed
            It ended otherwise.
        """
        last: Run | None = None
        try:
            async for run in self.watch(project, run_id, on_trouble=on_trouble):
                last = run
                if on_change is not None:
                    on_change(run)
        except asyncio.CancelledError as exc:
            if on_interrupt == "cancel":
                await self._cancel_for(exc, project, run_id)
            else:
                tell_left(exc, project, run_id)
            raise
        if last is None:
            raise UnexpectedAnswer(f"The appliance told nothing of Run {run_id}.")
        return demand_success(last)

    async def _cancel_for(self, interrupt: BaseException, project: str, run_id: str) -> None:
        try:
            await self.cancel(project, run_id)
        except MavisError as exc:
            tell_not_cancelled(interrupt, run_id, exc)
        else:
            tell_cancelled(interrupt, run_id)

    async def _told(self, project: str, run_id: str, at: _Watch) -> AsyncGenerator[Run, None]:
        """Yield the Run at each change, as the appliance tells it."""
        path = f"{_path(project, run_id)}/events"
        last_id = "" if at.seen is None else str(at.seen.version)
        try:
            async with aclosing(self._transport.events(path, last_id)) as events:
                async for event in events:
                    run = run_of(event)
                    if run is not None and at.see(run):
                        yield run
        except (NotFound, UnexpectedAnswer):
            at.told = False  # an appliance that does not tell, or no such Run: `get` knows
        except (Unavailable, Unreachable):
            at.told = at.seen is not None  # who has told before will do so again

    async def _asked(
        self,
        project: str,
        run_id: str,
        at: _Watch,
        patience_s: float,
        on_trouble: Callable[[ApiError], object] | None,
    ) -> Run | None:
        """Return the Run as it is where it has changed; None where not, or nobody answers."""
        try:
            run = await self.get(project, run_id)
        except (Unavailable, Unreachable) as exc:
            if time.monotonic() - at.answered_at > patience_s:
                raise
            if on_trouble is not None:
                on_trouble(exc)
            return None
        return run if at.see(run) else None


@dataclass
class _Watch:
    """How far the watching of a Run is.

    Parameters
    ----------
    told
        Whether the appliance is expected to tell of changes by itself.
    poll_s
        After so many seconds it is asked again.
    """

    seen: Run | None = None
    told: bool = True
    poll_s: float = field(default_factory=lambda: _FIRST_POLL_S)
    answered_at: float = field(default_factory=time.monotonic)

    @property
    def is_over(self) -> bool:
        return self.seen is not None and self.seen.is_final

    def see(self, run: Run) -> bool:
        """Take note of an answer, and return whether it is new."""
        changed = run != self.seen
        self.answered_at = time.monotonic()
        self.poll_s = _FIRST_POLL_S if changed else min(self.poll_s * _SLOWER, _SLOWEST_POLL_S)
        self.seen = run
        return changed


def _path(project: str, run_id: str | None = None) -> str:
    path = f"/projects/{segment(project)}/runs"
    return path if run_id is None else f"{path}/{segment(run_id)}"
