"""Exports for those who may take them: each leaves a record of who took what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from mavis_core import records
from mavis_core.access import CallContext
from mavis_core.db import Database
from mavis_core.logs.client import LogClient, Taken
from mavis_core.logs.exports import Export, ExportFormat
from mavis_core.logs.query import Query

__all__ = ["Exports", "export_record"]


@dataclass(frozen=True, slots=True)
class Exports:
    """Has exports written, and records them."""

    database: Database
    logs: LogClient

    def take(
        self, ctx: CallContext, query: Query, format: ExportFormat, names: Mapping[str, str]
    ) -> Taken:
        """Return the whole answer to `query` as a file; its record is written before it is told.

        Whether the caller may see it was checked before. Whoever calls closes it.

        Parameters
        ----------
        names
            Of projects, by id.

        Raises
        ------
        OverLimit
            There is too much of it; nothing is recorded then, since nothing was taken.
        InvalidInput, Unavailable
            It cannot be written.
        """
        taken = self.logs.export(Export(query=query, format=format, names=names))
        told = {"format": str(format), "count": taken.count, "bytes": taken.size_bytes}
        told |= {"filters": _filters(query)}
        summary = f"{ctx.principal.name} takes {taken.count} records as {format.upper()}"
        whose = [None] if query.projects is None else sorted(query.projects)
        made = [
            replace(
                export_record(ctx.principal.name, summary, told),
                project=project,
                correlation_id=ctx.correlation_id,
                request_id=ctx.request_id,
                source=ctx.source,
            )
            for project in whose
        ]
        try:
            with self.database.write() as tx:
                records.write(tx, *made)
        except BaseException:
            taken.close()
            raise
        return taken


def export_record(person: str, summary: str, told: Mapping[str, Any]) -> records.Record:
    """Return the record of an export.

    Parameters
    ----------
    told
        What was taken: ``format``, ``count``, ``filters``.
    """
    return records.Record(
        kind=records.Kind.AUDIT,
        phase=records.Phase.EVENT,
        outcome=records.Outcome.OK,
        action="record.export",
        person=person,
        object="records",
        summary=summary,
        correlation_id="",
        data=dict(told),
    )


def _filters(query: Query) -> dict[str, str]:
    """Return what was asked for, as an address has it."""
    asked = query.to_params()
    return {name: text for name, text in asked.items() if name not in ("limit", "cursor")}
