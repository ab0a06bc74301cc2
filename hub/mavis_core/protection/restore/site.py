"""Where a restore works: one region of one environment, with a line in the ledger before each call.

All calls here may be repeated without harm: what makes something carries a client token, and
what ends something does not mind that it has ended. So a lost answer is settled by looking once,
and by calling again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import sqlalchemy as sa

from mavis_core.access import CallContext
from mavis_core.changes.ledger import TAG, Effects, Ledger, Note
from mavis_core.changes.model import Call, Intent, Outcome
from mavis_core.contract import Connection
from mavis_core.db import Database
from mavis_core.inventory.connections import Clouds
from mavis_core.protection.prices import Prices
from mavis_core.protection.restore import rows as restores
from mavis_core.protection.restore.model import Restore
from mavis_core.protection.taking.taking import RUN_TAG
from mavis_core.scheduling.jobs import Progress
from mavis_core.scheduling.model import Run
from mavis_core.scheduling.patience import Patience

__all__ = ["RESTORE_TAG", "Means", "Site"]

T = TypeVar("T")
RESTORE_TAG = "mavis:restore"


@dataclass(frozen=True, slots=True)
class Means:
    """What restores work with.

    Parameters
    ----------
    stop
        Set when the process ends; waiting stops and the next attempt goes on.
    threads
        Calls at a time.
    timeout_s
        Seconds after which something that does not come about has failed.
    shows_within_s
        Seconds for which a cloud may not show what it has made.
    """

    database: Database
    clouds: Clouds
    ledger: Ledger
    prices: Prices
    stop: threading.Event
    threads: int = 8
    timeout_s: float = 1800.0
    shows_within_s: float = 120.0

    @contextmanager
    def site(self, run: Run, restore: Restore, progress: Progress) -> Iterator[Site]:
        """Open the place of a restore, as its arguments have it."""
        ctx = run.context("worker")
        environment_id, region = restore.arguments["environment_id"], restore.arguments["region"]
        with self.clouds.connect(ctx, environment_id, progress) as (_, connection):
            yield Site(self, run, ctx, restore, connection, environment_id, region, progress)

    def restore(self, run: Run) -> Restore:
        """Return the restore of a Run as it is now."""
        with self.database.read() as tx:
            return restores.of_run(tx, run.id)


@dataclass(frozen=True, slots=True)
class Site:
    """The place of a restore, for one step of a Run.

    Parameters
    ----------
    restore
        As it was when the step began.
    """

    means: Means
    run: Run
    ctx: CallContext
    restore: Restore
    connection: Connection
    environment_id: str
    region: str
    progress: Progress

    def do(
        self,
        action: str,
        targets: Sequence[str],
        make: Callable[[str, str], Sequence[str]],
        *,
        find: Callable[[Intent], Sequence[str]] = lambda _intent: (),
        note: Note = lambda _tx, _outcomes: None,
    ) -> list[Outcome]:
        """Have one call for each of `targets`, and return what became of them.

        Parameters
        ----------
        make
            Given target and intent: make the call, return the ids of what it made or ended.
        find, note
            See `mavis_core.changes.ledger.Effects`; `find` for one intent.

        Raises
        ------
        CloudError
            One of them was refused; what became of the others is written down.
        """
        calls = [Call(action, target, self.environment_id, self.region) for target in targets]
        if not calls:
            return []
        how = Effects(
            find=lambda intents: {intent.id: find(intent) for intent in intents},
            make=lambda call, intent: make(call.target, intent),
            note=note,
            settle=False,
            threads=self.means.threads,
        )
        outcomes = self.means.ledger.effects(self.ctx, self.run.work, calls, how, self.progress.say)
        for outcome in outcomes:
            if outcome.error is not None:
                raise outcome.error
        return outcomes

    def until(
        self, look: Callable[[], T | None], what: str, *, timeout_s: float | None = None
    ) -> T:
        """Return what `look` returns as soon as it is not None: `Patience.until`.

        Parameters
        ----------
        timeout_s
            None: `Means.timeout_s`.
        """
        return self._patience(timeout_s).until(look, what)

    def patiently(self, act: Callable[[], T], what: str) -> T:
        """Return what `act` returns, again and again while the cloud gives no answer."""
        return self._patience().patiently(act, what)

    def _patience(self, timeout_s: float | None = None) -> Patience:
        limit_s = self.means.timeout_s if timeout_s is None else timeout_s
        return Patience(self.means.stop, self.progress, limit_s)

    def tags(self, intent: str, name: str) -> dict[str, str]:
        """Return the tags that everything carries that a restore makes."""
        return {
            "Name": name,
            TAG: intent,
            RESTORE_TAG: self.restore.id,
            "mavis:recovery-point": self.restore.point_id,
            "mavis:project": self.run.plan.project_name,
            RUN_TAG: self.run.id,
            "mavis:person": self.run.person,
        }

    def now(self) -> Restore:
        """Return the restore as it is now."""
        return self.means.restore(self.run)

    def write(self, change: Callable[[sa.Connection, Restore], None]) -> Restore:
        """Change the restore's row in a transaction of its own; return it as it is then."""
        with self.means.database.write() as tx:
            change(tx, restores.of_run(tx, self.run.id))
            return restores.of_run(tx, self.run.id)
