"""One Prefect flow for each job. Thin: the job's steps become named tasks, nothing more.

A flow has one parameter, ``run_id``. It claims the Run in the main database, which refuses a flow
run that the Run is not bound to, and carries out the steps that no earlier attempt has done.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable

from prefect import Flow, Task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from prefect.states import Cancelled as PrefectCancelled

from mavis_core.errors import Cancelled, Internal, Interrupted, MavisError, Unavailable
from mavis_core.scheduling.execution import Attempt, Execution
from mavis_core.scheduling.jobs import Load
from mavis_flows.places import Places

__all__ = ["ActiveRuns", "make_flow"]

_log = logging.getLogger(__name__)


class ActiveRuns:
    """The Runs that this process carries out now, for renewing their claims."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ids: Counter[str] = Counter()  # an attempt that lost its claim may still be ending

    def add(self, run_id: str) -> None:
        """Note that work on a Run begins."""
        with self._lock:
            self._ids[run_id] += 1

    def remove(self, run_id: str) -> None:
        """Note that work on a Run has ended, however."""
        with self._lock:
            self._ids[run_id] -= 1
            self._ids += Counter()  # drops what has come to zero

    def ids(self) -> list[str]:
        """Return the Runs at work."""
        with self._lock:
            return sorted(self._ids)


def make_flow(
    action: str, execution: Execution, active: ActiveRuns, places: Places
) -> Flow[[str], State[None] | None]:
    """Return the flow that carries out Runs of the job `action`."""

    def carry_out(run_id: str) -> State[None] | None:
        attempt = execution.claim(run_id, str(flow_run.get_id()))
        active.add(run_id)
        try:
            return _attempt(attempt, places)
        finally:
            active.remove(run_id)

    carry_out.__doc__ = f"Carry out one Run of {action}."
    return Flow(carry_out, name=action, log_prints=False)


def _attempt(attempt: Attempt, places: Places) -> State[None] | None:
    try:
        for position in attempt.pending():
            task = Task(
                _step(attempt, position, places),
                name=attempt.steps[position].name,
                persist_result=False,
                cache_policy=NO_CACHE,
                retries=0,
            )
            task()
    except Interrupted:
        attempt.release()
        raise
    except Cancelled as exc:
        attempt.release()  # the next attempt cleans up
        return PrefectCancelled(message=exc.message)
    except Unavailable:
        raise  # a part of the appliance is down: the claim runs out and the next attempt goes on
    except MavisError as exc:
        attempt.fail(exc)
        raise
    except Exception as exc:  # the outermost edge of a Run: a bug ends it and is told as one
        _log.exception("%s of %s met a bug", attempt.run.kind, attempt.run.subject)
        message = f"{attempt.run.kind} of {attempt.run.subject} met a bug: {type(exc).__name__}"
        attempt.fail(Internal(message, mend="Report this with the Run's id."))
        raise
    attempt.succeed()
    return None


def _step(attempt: Attempt, position: int, places: Places) -> Callable[[], None]:
    def step() -> None:
        if attempt.steps[position].load is Load.CALLS:
            with places.turn(attempt.run):
                attempt.perform(position)
        else:
            attempt.perform(position)

    return step
