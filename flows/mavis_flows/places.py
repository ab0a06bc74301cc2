"""Concurrency limits in Prefect: so many Runs at a time make calls to one account and region.

The limits are Prefect's own, by the name ``mavis ACCOUNT REGION``, and an administrator can change
them in its pages. Slots are leased, so those of a worker that died come back by themselves. Prefect
shows the work and does not hold it up: where it does not answer, the step goes on, paced by the
API budget all the same.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

import httpx
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate
from prefect.concurrency.sync import concurrency
from prefect.exceptions import PrefectException

from mavis_core.scheduling.model import Run

__all__ = ["LIMIT", "Places", "names_of"]

LIMIT = 4
_LEASE_S = 60.0
_MOST_PLACES = 20
_log = logging.getLogger(__name__)


def names_of(run: Run) -> list[str]:
    """Return the names of the limits that a Run's calls fall under."""
    places = {(effect.account, effect.region) for effect in run.plan.effects if effect.region}
    return [f"mavis {account} {region}" for account, region in sorted(places)][:_MOST_PLACES]


class Places:
    """Slots in the limits of accounts and regions. One for a worker process."""

    def __init__(self) -> None:
        self._known: set[str] = set()

    @contextmanager
    def turn(self, run: Run) -> Iterator[None]:
        """Hold a slot in every account and region of a Run inside the block."""
        names = names_of(run)
        with ExitStack() as stack:
            try:
                self._make(names)
                if names:
                    stack.enter_context(_held(names))
            except (PrefectException, httpx.HTTPError, OSError) as exc:
                _log.warning("no limit for %s of %s: %s", run.kind, run.subject, exc)
            yield

    def _make(self, names: Iterable[str]) -> None:
        """Make the limits that Prefect does not have; those that it has stay as they are."""
        new = [name for name in names if name not in self._known]
        if not new:
            return
        with get_client(sync_client=True) as client:
            there = {limit.name for limit in client.read_global_concurrency_limits(limit=200)}
            for name in new:
                if name not in there:
                    client.create_global_concurrency_limit(
                        GlobalConcurrencyLimitCreate(name=name, limit=LIMIT)
                    )
                self._known.add(name)


def _held(names: list[str]) -> AbstractContextManager[None]:
    return concurrency(
        names, lease_duration=_LEASE_S, strict=False, raise_on_lease_renewal_failure=False
    )
