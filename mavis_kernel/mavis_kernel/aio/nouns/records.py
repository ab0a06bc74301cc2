"""Records: what was done, by whom, and what came of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import datetime

from mavis_kernel.aio.transport import AsyncTransport, segment
from mavis_kernel.batches import batches
from mavis_kernel.models import Record, Reported, ReportedCells, SqlAnswer

__all__ = ["Records"]


class Records:
    """The audit and operation records."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    def list(
        self,
        project: str | None,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        person: str | None = None,
        action: str | None = None,
        correlation_id: str | None = None,
        query: str | None = None,
        limit: int | None = None,
        fields: Sequence[str] | None = None,
    ) -> AsyncIterator[Record]:
        """Yield the records that match every filter given.

        Parameters
        ----------
        project
            Name or id; None for every project and the platform itself, which is for
            platform administrators.
        since, until
            Aware datetimes.
        person, action, correlation_id
            Exactly this.
        query
            Words in the record.
        limit
            Yield at most so many; None for all.
        """
        path = "/records" if project is None else f"/projects/{segment(project)}/records"
        params = {
            "since": since,
            "until": until,
            "person": person,
            "action": action,
            "correlation_id": correlation_id,
            "q": query,
        }
        return self._transport.list(Record, path, params, limit=limit, fields=fields)

    async def report(self, project: str, records: Iterable[Mapping[str, object]]) -> int:
        """Have kept what somebody else saw; return how many are on disk for certain.

        Parameters
        ----------
        records
            Each with ``action`` and ``time``, an aware datetime or text, and as it has them with
            ``object``, ``summary``, ``outcome`` (``ok``, ``failed``, ``refused``), ``data``,
            ``correlation_id``, ``stream`` and ``sequence``. They go in calls of some hundred; where
            one is refused, those of the calls before it are kept. What has a stream may be sent
            again: it is kept once.
        """
        path, kept = f"/projects/{segment(project)}/records", 0
        for batch in batches(records):
            answer = await self._transport.post(Reported, path, {"records": batch})
            kept += answer.accepted
        return kept

    async def report_cells(
        self, project: str, cells: Sequence[Mapping[str, object]]
    ) -> ReportedCells:
        """Have kept what a kernel says of its cells. The kernel of Mavis does so by itself."""
        path = f"/projects/{segment(project)}/cells"
        return await self._transport.post(ReportedCells, path, {"cells": list(cells)})

    async def sql(
        self,
        sql: str,
        *,
        project: str | Sequence[str] | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> SqlAnswer:
        """Return the answer to a question in SQL.

        Parameters
        ----------
        sql
            One SELECT of DuckDB over the views ``records``, ``audit`` and ``operations``.
        project
            Name or id, or several; None for every project whose records you may read, which for
            platform administrators is all records, those of the platform included.
        since, until
            Aware datetimes.

        Raises
        ------
        InvalidInput
            DuckDB refuses it, in its own words; or it takes more than a limit allows, which its
            code ``over_limit`` says.
        """
        body = {
            "sql": sql,
            "projects": [project] if isinstance(project, str) else project and list(project),
            "since": since and since.isoformat(),
            "until": until and until.isoformat(),
        }
        return await self._transport.ask(SqlAnswer, "/records/sql", body)
