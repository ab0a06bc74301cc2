"""Runs: executions of jobs, and watching them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from mavis_kernel.errors import ApiError, RunFailed, Unavailable, Unreachable
from mavis_kernel.models import Run
from mavis_kernel.transport import Transport, segment

__all__ = ["Runs"]

_FIRST_POLL_S = 0.5
_SLOWEST_POLL_S = 5.0
_SLOWER = 1.3
_PATIENCE_S = 120.0


class Runs:
    """The Runs of a project."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(
        self, project: str, *, state: str | None = None, limit: int | None = None
    ) -> Iterator[Run]:
        """Yield the Runs of `project`, the newest first, at most `limit`.

        Parameters
        ----------
        project
            Name or id.
        state
            One of `mavis_kernel.models.RunState`; None for any.
        limit
            None for all.
        """
        for item in self._transport.pages(_path(project), {"state": state}, limit=limit):
            yield Run.from_json(item)

    def get(self, project: str, run_id: str) -> Run:
        """Return the Run with the id `run_id`."""
        return Run.from_json(self._transport.get(f"{_path(project)}/{segment(run_id)}"))

    def cancel(self, project: str, run_id: str) -> Run:
        """End the Run before it is done, and return it; what it had begun is cleaned up.

        Cancelling again changes nothing. Until the clean-up is done the Run goes on, and
        `watch` follows it.

        Raises
        ------
        Conflict
            It has ended already.
        """
        return Run.from_json(
            self._transport.post(f"{_path(project)}/{segment(run_id)}/cancel", {}).body
        )

    def watch(
        self,
        project: str,
        run_id: str,
        *,
        patience_s: float = _PATIENCE_S,
        wait: Callable[[float], None] = time.sleep,
        on_trouble: Callable[[ApiError], None] | None = None,
    ) -> Iterator[Run]:
        """Yield the Run as it is, then at each change, and end when it is final.

        The Run does not depend on being watched. While nothing changes the appliance is asked
        less and less often, every half second at first and every five at last.

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
        seen: Run | None = None
        poll_s, answered_at = _FIRST_POLL_S, time.monotonic()
        while True:
            try:
                run = self.get(project, run_id)
            except (Unavailable, Unreachable) as exc:
                if time.monotonic() - answered_at > patience_s:
                    raise
                if on_trouble is not None:
                    on_trouble(exc)
            else:
                answered_at = time.monotonic()
                poll_s = min(poll_s * _SLOWER, _SLOWEST_POLL_S) if run == seen else _FIRST_POLL_S
                if run != seen:
                    yield run
                if run.is_final:
                    return
                seen = run
            wait(poll_s)

    def wait(self, project: str, run_id: str) -> Run:
        """Return the Run when it has succeeded.

        Raises
        ------
        RunFailed
            It ended otherwise.
        """
        *_, run = self.watch(project, run_id)
        return demand_success(run)


def demand_success(run: Run) -> Run:
    """Return `run`, which is final, where it succeeded.

    Raises
    ------
    RunFailed
        It did not.
    """
    if run.succeeded:
        return run
    why = run.error
    words = f": {why.message}" if why and why.message else ""
    raise RunFailed(
        f"Run {run.id} {run.state}{words}",
        run_id=run.id,
        code=why.code if why else "",
        mend=(why.mend if why else None) or "",
    )


def _path(project: str) -> str:
    return f"/projects/{segment(project)}/runs"
