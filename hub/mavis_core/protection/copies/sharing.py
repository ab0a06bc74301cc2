"""Sharing: letting another account read volume snapshots, for as long as it copies them.

A share is owed until it is taken back: its intent stays open in the ledger (see
`mavis_core.changes.undertakings`), so that no crash leaves somebody else able to read.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import sqlalchemy as sa

from mavis_core.changes.model import Call, Intent
from mavis_core.changes.undertakings import Undertakings
from mavis_core.contract import Connection
from mavis_core.db import Database, tables
from mavis_core.errors import CloudError, NotFound
from mavis_core.inventory.connections import Clouds
from mavis_core.protection.points import rows as points
from mavis_core.protection.points.model import Copy
from mavis_core.scheduling.jobs import Progress
from mavis_core.scheduling.model import Run

__all__ = ["ACTION", "Shares"]

ACTION = "cloud.ShareSnapshots"


class Shares:
    """Shares the members of copies, and takes that back.

    Parameters
    ----------
    database, clouds
        Rows and connections.
    """

    def __init__(self, database: Database, clouds: Clouds) -> None:
        self._database = database
        self._clouds = clouds
        self._undertakings = Undertakings(database)

    def share(self, run: Run, source: Copy, account: str, progress: Progress) -> None:
        """Let `account` read the members of `source`. Repeating is harmless.

        Raises
        ------
        CloudError
            The cloud refuses, or cannot be reached; what it has done is owed all the same.
        """
        ctx = run.context("worker")
        call = Call(ACTION, f"{source.id}/{account}", source.environment_id, source.region)
        self._undertakings.begin(ctx, run.work, call)
        with self._clouds.connect(ctx, source.environment_id, progress) as (_, connection):
            connection.copies.share(source.region, _ids(source), account)

    def take_back(
        self, run: Run, progress: Progress, *, still_needed: Collection[tuple[str, str]] = ()
    ) -> None:
        """Take back what `run` has shared.

        Parameters
        ----------
        still_needed
            Ids of copies, each with the account that still reads it.

        Raises
        ------
        CloudError
            Something could not be taken back; it stays owed.
        """
        owed = [
            intent
            for intent in self._undertakings.owed(run.id, ACTION)
            if _of(intent) not in still_needed
        ]
        errors: list[CloudError] = []
        for environment_id in dict.fromkeys(intent.call.environment_id for intent in owed):
            of_it = [each for each in owed if each.call.environment_id == environment_id]
            try:
                with self._clouds.connect(run.context("worker"), environment_id, progress) as (
                    _,
                    connection,
                ):
                    self.end(run, connection, of_it)
            except CloudError as exc:
                errors.append(exc)
            except NotFound as exc:
                errors.append(CloudError(exc.message, mend=_BY_HAND))
        if errors:
            progress.say(f"a share is not taken back yet: {errors[0].message}")
            raise errors[0]

    def end(self, run: Run, connection: Connection, owed: Iterable[Intent]) -> int:
        """Take back shares of one environment, also those of Runs that are over; return how many.

        What another Run still needs stays shared: that Run takes it back.
        """
        ctx, count = run.context("worker"), 0
        for intent in owed:
            copy_id, account = _of(intent)
            ids = self._members(copy_id)
            if not self._undertakings.leave_to_others(ctx, run.work, intent, ids):
                connection.copies.unshare(intent.call.region, ids, account)
                self._undertakings.end(ctx, run.work, intent, ids)
            count += 1
        return count

    def _members(self, copy_id: str) -> Sequence[str]:
        table = tables.copies
        with self._database.read() as tx:
            rows = tx.execute(sa.select(table).where(table.c.id == copy_id)).mappings().all()
            return [cloud_id for copy in points.copies_of(tx, rows) for cloud_id in _ids(copy)]


_BY_HAND = "Look in the cloud's console who may read the snapshots of that environment."


def _of(intent: Intent) -> tuple[str, str]:
    """Return the copy that was shared, and with whom."""
    copy_id, _, account = intent.call.target.partition("/")
    return copy_id, account


def _ids(copy: Copy) -> list[str]:
    return [member.cloud_id for member in copy.members if member.cloud_id]
