"""The outbox: records wait here, in the main database, until the log process has them.

No effect without a record: `write` adds to the transaction that changes the domain, so both are
there or neither is. The log process reads `Outbox.pending`, makes the records durable in its
journal and only then calls `Outbox.mark_drained`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import sqlalchemy as sa

from mavis_core import clock
from mavis_core.db import Database, tables
from mavis_core.ids import id_before
from mavis_core.records.model import Kind, Outcome, Phase, Record

__all__ = ["Outbox", "write"]

_KEEP = timedelta(days=1)
_WRITE = sa.insert(tables.records)  # made once: it goes with every change


def write(tx: sa.Connection, *records: Record) -> None:
    """Add `records` to the transaction `tx`; there may be none."""
    if not records:
        return
    tx.execute(
        _WRITE,
        [
            {
                "id": record.id,
                "time": record.time,
                "kind": record.kind,
                "phase": record.phase,
                "action": record.action,
                "project": record.project,
                "person": record.person,
                "object": record.object,
                "outcome": record.outcome,
                "error_code": record.error_code,
                "summary": record.summary,
                "correlation_id": record.correlation_id,
                "request_id": record.request_id,
                "source": record.source,
                "data": dict(record.data),
                "drained": False,
            }
            for record in records
        ],
    )


class Outbox:
    """The log process's view of the waiting records.

    Parameters
    ----------
    database
        The main database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def pending(self, limit: int) -> list[tuple[int, Record]]:
        """Return up to `limit` records that wait, with their sequence numbers, oldest first."""
        table = tables.records
        query = sa.select(table).where(~table.c.drained).order_by(table.c.seq).limit(limit)
        with self._database.read() as tx:
            rows = tx.execute(query).mappings().all()
        return [(row["seq"], _record(row)) for row in rows]

    def mark_drained(self, seqs: Sequence[int]) -> None:
        """Say that the records with `seqs` are durable in the journal.

        They stay here for a day as well, then they go.
        """
        table = tables.records
        old = id_before(clock.now() - _KEEP, "rec")
        with self._database.write() as tx:
            tx.execute(sa.update(table).where(table.c.seq.in_(list(seqs))).values(drained=True))
            tx.execute(sa.delete(table).where(table.c.id < old, table.c.drained))

    def backlog(self) -> int:
        """Return how many records wait."""
        table = tables.records
        with self._database.read() as tx:
            return tx.scalar(sa.select(sa.func.count()).where(~table.c.drained)) or 0


def _record(row: sa.RowMapping) -> Record:
    """Return the record of a row; one that fits no schema comes as it is, for the quarantine."""
    values = {key: row[key] for key in row if key not in ("seq", "drained")}
    try:
        known = {
            "kind": Kind(row["kind"]),
            "phase": Phase(row["phase"]),
            "outcome": Outcome(row["outcome"]) if row["outcome"] else None,
        }
    except ValueError:
        known = {}
    return Record(**{**values, **known})
