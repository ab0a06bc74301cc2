# Made from aio/nouns/records.py by `make client`: edit that.
"""Records: what was done, by whom, and what came of it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import datetime
from typing import IO, Literal, Unpack

from mavis_kernel.batches import batches
from mavis_kernel.errors import ApiError, Unavailable, Unreachable
from mavis_kernel.events import arrival_of
from mavis_kernel.models import (
    Record,
    RecordContext,
    RecordHold,
    RecordSummary,
    Reported,
    ReportedCells,
    SqlAnswer,
)
from mavis_kernel.record_export import ExportProgress, format_of, opened
from mavis_kernel.record_filters import RecordFilters, params_of, path_of
from mavis_kernel.transport import Transport, segment

__all__ = ["Records"]

_PATIENCE_S = 120.0
_AGAIN_S = 1.0


class Records:
    """The audit and operation records."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(
        self,
        project: str | None,
        *,
        limit: int | None = None,
        fields: Sequence[str] | None = None,
        **filters: Unpack[RecordFilters],
    ) -> Iterator[Record]:
        """Yield the records that match every filter given, the newest first.

        Parameters
        ----------
        project
            Name or id; None for every project and the platform itself, which is for
            platform administrators.
        limit
            Yield at most so many; None for all.
        filters
            See `mavis_kernel.record_filters.RecordFilters`: ``since``, ``until``, ``person``,
            ``action``, ``object``, ``kind``, ``phase``, ``outcome``, ``origin``, ``error_code``,
            ``source``, ``correlation_id``, ``query``, ``words``, ``regex``.
        """
        return self._transport.list(
            Record, path_of(project), params_of(filters), limit=limit, fields=fields
        )

    def watch(
        self,
        project: str | None,
        *,
        last: int = 0,
        patience_s: float = _PATIENCE_S,
        wait: Callable[[float], None] = time.sleep,
        on_missed: Callable[[int], object] | None = None,
        on_trouble: Callable[[ApiError], object] | None = None,
        **filters: Unpack[RecordFilters],
    ) -> Iterator[Record]:
        """Yield records as they arrive, without an end, in the order in which they were written.

        None is missed and none comes twice, also over restarts of the appliance.

        Parameters
        ----------
        project
            Name or id; None for every project and the platform itself.
        last
            Begin with so many that are there already, of those the oldest first.
        patience_s
            Seconds without any answer after which watching gives up.
        wait
            Waits so many seconds.
        on_missed
            Is told how many records did not come, where too many arrived to be told.
        on_trouble
            Is told each time when there was no answer.
        filters
            As for `list`.

        Raises
        ------
        ApiError
            The appliance said no, or did not answer for `patience_s`.
        """
        path, params = path_of(project, "events"), params_of(filters)
        last_id, answered_at, shown = "", time.monotonic(), set[str]()
        while True:
            try:
                with closing(self._transport.events(path, last_id, params)) as events:
                    for event in events:
                        told, answered_at = arrival_of(event), time.monotonic()
                        if last:  # only now, so that nothing lies between the two
                            newest = self.list(project, limit=last, **filters)
                            found = [(each.id, each) for each in newest]
                            shown, last = {id_ for id_, _ in found}, 0
                            for _, each in reversed(found):
                                yield each
                        if isinstance(told, Record) and told.id not in shown:
                            yield told
                        elif isinstance(told, int) and on_missed is not None:
                            on_missed(told)
                        last_id = event.id
            except (Unavailable, Unreachable) as exc:
                if time.monotonic() - answered_at > patience_s:
                    raise
                if on_trouble is not None:
                    on_trouble(exc)
            wait(_AGAIN_S)

    def export(
        self,
        project: str | None,
        file: str | os.PathLike[str] | IO[bytes],
        *,
        format: Literal["csv", "jsonl", "parquet"] | None = None,
        overwrite: bool = False,
        on_progress: Callable[[ExportProgress], object] | None = None,
        **filters: Unpack[RecordFilters],
    ) -> int:
        """Write all records that match every filter given into a file; return how many they are.

        What arrives meanwhile is not in it. The appliance records who took what.

        Parameters
        ----------
        project
            Name or id; None for every project and the platform itself.
        file
            A path, where the file is there whole or not at all; or something to write bytes into.
        format
            ``csv``, ``jsonl`` (a JSON object on each line) or ``parquet``; None: by the ending of
            the path, else ``csv``.
        overwrite
            Whether a file that is there already may be replaced.
        on_progress
            Is told how far it is, after each part.
        filters
            As for `list`.

        Raises
        ------
        BadSettings
            There is a file already, or none can be written there.
        InvalidInput
            There is too much for one file, which its code ``over_limit`` says.
        """
        params = {**params_of(filters), "format": format or format_of(file)}
        progress = ExportProgress()
        parts = self._transport.download(path_of(project, "export"), params, progress.begin)
        with opened(file, overwrite=overwrite) as target:
            with closing(parts) as contents:
                for content in contents:
                    target.write(content)
                    progress.done_bytes += len(content)
                    if on_progress is not None:
                        on_progress(progress)
            progress.check()
        return progress.records

    def context(
        self,
        project: str | None,
        record_id: str,
        *,
        within: Literal["project", "story", "person"] = "project",
        earlier: int = 10,
        later: int = 10,
        fields: Sequence[str] | None = None,
    ) -> RecordContext:
        """Return a record and what was recorded just before and after it.

        Parameters
        ----------
        project
            Name or id; None for every project and the platform itself.
        within
            What the others have in common with it.
        earlier, later
            How many, 0 to 100.
        """
        params = {"within": within, "earlier": earlier, "later": later}
        path = path_of(project, segment(record_id), "context")
        return self._transport.get(RecordContext, path, params, fields=fields)

    def summary(
        self,
        project: str | None,
        *,
        zone: str = "UTC",
        fields: Sequence[str] | None = None,
        **filters: Unpack[RecordFilters],
    ) -> RecordSummary:
        """Return how many records match every filter given: by their fields, and over time.

        Parameters
        ----------
        project
            Name or id; None for every project and the platform itself.
        zone
            By whose clock days begin: a name of the IANA's, ``Europe/Vienna``.
        filters
            As for `list`. Without ``since`` time begins at the first record.
        """
        params = {**params_of(filters), "zone": zone}
        path = path_of(project, "summary")
        return self._transport.get(RecordSummary, path, params, fields=fields)

    def report(self, project: str, records: Iterable[Mapping[str, object]]) -> int:
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
        path, kept = path_of(project), 0
        for batch in batches(records):
            answer = self._transport.post(Reported, path, {"records": batch})
            kept += answer.accepted
        return kept

    def report_cells(self, project: str, cells: Sequence[Mapping[str, object]]) -> ReportedCells:
        """Have kept what a kernel says of its cells. The kernel of Mavis does so by itself."""
        path = f"/projects/{segment(project)}/cells"
        return self._transport.post(ReportedCells, path, {"cells": list(cells)})

    def sql(
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
        return self._transport.ask(SqlAnswer, "/records/sql", body)

    def holds(self, project: str, *, fields: Sequence[str] | None = None) -> Iterator[RecordHold]:
        """Yield the legal holds on records of a project, those that stand first."""
        return self._transport.whole_list(RecordHold, _holds(project), fields=fields)

    def get_hold(
        self, project: str, hold_id: str, *, fields: Sequence[str] | None = None
    ) -> RecordHold:
        """Return a legal hold on records."""
        path = f"{_holds(project)}/{segment(hold_id)}"
        return self._transport.get(RecordHold, path, fields=fields)

    def hold(
        self,
        project: str,
        reason: str,
        *,
        person: str | None = None,
        correlation_id: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> RecordHold:
        """Have records kept until `release`, whatever the periods of the log are.

        Parameters
        ----------
        reason
            Why; it stands in the records.
        person, correlation_id
            Only what this person did; only this story.
        since, until
            Aware datetimes: only from then on; only before then.
        """
        body = {
            "reason": reason,
            "person": person,
            "correlation_id": correlation_id,
            "since": since and since.isoformat(),
            "until": until and until.isoformat(),
        }
        return self._transport.post(RecordHold, _holds(project), body)

    def release(self, project: str, hold_id: str, reason: str) -> RecordHold:
        """End a legal hold on records; one that was released stays as it is."""
        path = f"{_holds(project)}/{segment(hold_id)}/release"
        return self._transport.post(RecordHold, path, {"reason": reason})


def _holds(project: str) -> str:
    return f"/projects/{segment(project)}/record-holds"
