"""Records: what was done, by whom, and what came of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime

from mavis_kernel.aio.transport import AsyncTransport, segment
from mavis_kernel.models import Record

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
