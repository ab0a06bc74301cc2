"""What others say that they saw: records that a project's people and their systems report.

Everything that a reporter could lie about is marked or set here: whose report it is, when it came,
where it came from, that it is `reported`; and its action, so that no report looks like something
that the platform did. The reporter's own time stands in the data, since whoever could date a record
back could hide it.

*Stream*: what numbers records, from 1 on. A number that is missing shows; one that comes again,
with the same content, is the same record.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

from mavis_core import clock
from mavis_core.access import CallContext, Permission
from mavis_core.errors import InvalidInput
from mavis_core.ids import id_of, new_id
from mavis_core.logs.codec import encode
from mavis_core.logs.inbox import Receipt
from mavis_core.projects.service import Projects
from mavis_core.records.model import Kind, Origin, Outcome, Phase, Record

__all__ = ["REPORTED", "Cell", "Journal", "Report", "Reporting"]

REPORTED = "reported."
_MICROSECOND = timedelta(microseconds=1)
_SUMMARY = 120


class Journal(Protocol):
    """What keeps records. `mavis_core.logs.LogClient` is the one of the appliance."""

    def append(self, records: Sequence[Record]) -> Receipt:
        """Have `records` kept, durable on return."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Something that somebody else saw.

    Parameters
    ----------
    action
        What, in the reporter's words: ``deploy.finish``. It gets the prefix ``reported.``.
    time
        When, by the reporter's clock.
    stream, sequence
        What numbers the reports, and this one's number; both or none.
    """

    action: str
    time: datetime
    object: str = ""
    summary: str = ""
    outcome: Outcome | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    correlation_id: str | None = None
    stream: str | None = None
    sequence: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A cell that a kernel has run, as the kernel says.

    Parameters
    ----------
    code
        Its beginning; secrets are masked.
    sha256
        Of the whole code, in which secrets are masked, in hexadecimal digits.
    status
        Whether it went well.
    error
        The name of the exception that ended it.
    output
        The beginning of what it has written, as text.
    count
        Its number at the kernel, which a person sees beside it.
    notebook
        The notebook's path, where the kernel knows it.
    lost
        How many cells before this one could not be reported.
    """

    code: str
    sha256: str
    started_at: datetime
    ended_at: datetime
    status: Outcome
    stream: str
    sequence: int
    error: str | None = None
    output: str = ""
    count: int | None = None
    notebook: str | None = None
    correlation_id: str | None = None
    lost: int = 0


class Reporting:
    """Takes reports about a project from whoever works in it.

    Parameters
    ----------
    projects
        Knows who works where.
    journal
        Keeps the records.
    cells
        Whether cells are wanted, as the administrator has set.
    """

    def __init__(self, projects: Projects, journal: Journal, *, cells: bool = True) -> None:
        self._projects = projects
        self._journal = journal
        self.wants_cells = cells

    def report(
        self, ctx: CallContext, project: str, reports: Sequence[Report], key: str | None
    ) -> int:
        """Keep `reports`, durable on return, and return how many they are.

        Parameters
        ----------
        key
            The same where a call is repeated, so that what has no stream is kept once, too.

        Raises
        ------
        InvalidInput
            One of them cannot be kept; none of them counts.
        Unavailable
            The log process is down or has no room.
        """
        found = self._projects.authorize(ctx, project, Permission.RECORD_REPORT).project
        made = _record_makers(ctx, found.id, key)
        return self._keep([made(each, number) for number, each in enumerate(reports)])

    def report_cells(self, ctx: CallContext, project: str, cells: Sequence[Cell]) -> int:
        """Keep what a kernel says of its cells, where that is wanted; return how many were kept.

        Raises
        ------
        Unavailable
            The log process is down or has no room.
        """
        found = self._projects.authorize(ctx, project, Permission.RECORD_REPORT).project
        if not self.wants_cells:
            return 0
        return self._keep(list(_cell_records(ctx, found.id, cells)))

    def _keep(self, records: Sequence[Record]) -> int:
        for number, record in enumerate(records):
            try:
                encode(record)
            except InvalidInput as exc:  # before any of them is kept
                raise InvalidInput(
                    f"records.{number} cannot be kept: {exc.message}", field=f"records.{number}"
                ) from exc
        return self._journal.append(records).accepted


def _record_makers(
    ctx: CallContext, project_id: str, key: str | None
) -> Callable[[Report, int], Record]:
    now = clock.now()

    def make(report: Report, number: int) -> Record:
        content = [
            report.action,
            clock.iso(report.time),
            report.object,
            report.summary,
            report.outcome,
            dict(report.data),
            report.correlation_id,
        ]
        place = _place(report.stream, report.sequence, key, number)
        return Record(
            id=_id(ctx, project_id, report.time, place, content),
            time=now + number * _MICROSECOND,
            kind=Kind.OPERATION,
            phase=Phase.EVENT,
            origin=Origin.REPORTED,
            action=f"{REPORTED}{report.action}",
            project=project_id,
            person=ctx.principal.name,
            object=report.object,
            outcome=report.outcome,
            summary=report.summary or f"{report.action} {report.object}".strip(),
            correlation_id=report.correlation_id or ctx.correlation_id,
            request_id=ctx.request_id,
            source=ctx.source,
            stream=report.stream,
            sequence=report.sequence,
            data={**report.data, "reported_time": clock.iso(report.time)},
        )

    return make


def _cell_records(ctx: CallContext, project_id: str, cells: Iterable[Cell]) -> Iterable[Record]:
    now = clock.now()
    for number, cell in enumerate(cells):
        begun, ended = clock.iso(cell.started_at), clock.iso(cell.ended_at)
        yield Record(
            id=_id(ctx, project_id, cell.ended_at, _place(cell.stream, cell.sequence), [begun]),
            time=now + number * _MICROSECOND,
            kind=Kind.OPERATION,
            phase=Phase.EVENT,
            origin=Origin.REPORTED,
            action="cell.run",
            project=project_id,
            person=ctx.principal.name,
            object=cell.notebook or "a kernel",
            outcome=cell.status,
            summary=_cell_summary(cell),
            correlation_id=cell.correlation_id or ctx.correlation_id,
            request_id=ctx.request_id,
            source=ctx.source,
            stream=cell.stream,
            sequence=cell.sequence,
            data={
                "code": cell.code,
                "sha256": cell.sha256,
                "started_at": begun,
                "ended_at": ended,
                "count": cell.count,
                "error": cell.error,
                "output": cell.output,
                "lost": cell.lost,
            },
        )


def _cell_summary(cell: Cell) -> str:
    first = next((line.strip() for line in cell.code.splitlines() if line.strip()), "nothing")
    shown = first if len(first) <= _SUMMARY else f"{first[:_SUMMARY]}…"
    name = "A cell" if cell.count is None else f"Cell {cell.count}"
    ending = "" if cell.error is None else f", which ended with {cell.error}"
    return f"{name} ran{ending}: {shown}"


def _place(
    stream: str | None, sequence: int | None, key: str | None = None, number: int = 0
) -> list[str | int | None] | None:
    """Return what tells a record from others of the same content; None: nothing does."""
    if stream is not None:
        return ["stream", stream, sequence]
    return None if key is None else ["key", key, number]


def _id(
    ctx: CallContext,
    project_id: str,
    moment: datetime,
    place: list[str | int | None] | None,
    content: list[Any],
) -> str:
    """Return the id of a report: the same where the same is sent again."""
    if place is None:
        return new_id("rec")
    told = json.dumps([project_id, ctx.principal.name, place, content], sort_keys=True)
    return id_of("rec", moment, hashlib.sha256(told.encode()).digest())
