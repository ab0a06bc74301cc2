"""``/projects/{p}/records``, ``/records``: what was done, by whom, and how it ended.

``/projects/{p}/cells`` takes what kernels say of the cells that they have run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from mavis_core import logs
from mavis_core.access import Permission
from mavis_core.logs.context import MOST_BESIDE, Beside, Within
from mavis_core.logs.query import MAX_TEXT
from mavis_core.records import Kind, Origin, Outcome, Phase, Record
from mavis_ext import schemas
from mavis_ext.base import ApiHandler
from mavis_ext.bodies import Body
from mavis_ext.operation import operation
from mavis_ext.queries import Listing, Moment, Query

__all__ = [
    "AllRecords",
    "AllRecordsContext",
    "AllRecordsSummary",
    "Cells",
    "RecordFilters",
    "Records",
    "RecordsContext",
    "RecordsSummary",
]

_MOST = 500
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)


def _checked(moment: datetime) -> datetime:
    if moment < _EARLIEST:
        raise ValueError("before 1970")
    return moment


When = Annotated[Moment, AfterValidator(_checked)]
Text = Annotated[str, Field(max_length=1000)]
Name = Annotated[str, Field(min_length=1, max_length=200)]
Story = Annotated[str, Field(pattern=r"^cor_[0-7][0-9a-hjkmnp-tv-z]{25}$")]
Number = Annotated[int, Field(ge=1, lt=2**53)]


class NewRecord(Body):
    """Something that somebody else saw."""

    action: Annotated[
        str, Field(max_length=100, pattern=r"^[A-Za-z][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*$")
    ]
    """What, as `noun.verb`; it is kept as `reported.noun.verb`."""
    time: When
    """When, by the reporter's clock; kept as `reported_time` in `data`."""
    object: Text = ""
    """Which thing."""
    summary: Text = ""
    """One sentence for a reader."""
    outcome: Outcome | None = None
    data: dict[str, Any] = Field(default_factory=dict)
    """What else there is to say; never a secret."""
    correlation_id: Story | None = None
    """The story that it belongs to; else the call's."""
    stream: Name | None = None
    """What numbers the records: a file, a machine, a program's start."""
    sequence: Number | None = None
    """The number in the stream, from 1 on. The same number with the same content is kept once."""

    @model_validator(mode="after")
    def _numbered(self) -> Self:
        if (self.stream is None) != (self.sequence is None):
            raise ValueError("stream and sequence go together")
        return self


class NewRecords(Body):
    """Records of what others saw: all are kept, or none."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "records": [
                        {
                            "action": "deploy.finish",
                            "time": "2026-11-27T22:15:00Z",
                            "object": "shop 4.2",
                            "summary": "Release 4.2 is live",
                            "outcome": "ok",
                            "stream": "deployer-1",
                            "sequence": 1,
                        }
                    ]
                }
            ]
        }
    )

    records: Annotated[tuple[NewRecord, ...], Field(min_length=1, max_length=_MOST)]


class NewCell(Body):
    """A cell that a kernel has run."""

    code: Annotated[str, Field(max_length=16 * 1024)]
    """Its beginning, in which secrets are masked."""
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    """Of the whole code, in which secrets are masked."""
    started_at: When
    ended_at: When
    status: Literal[Outcome.OK, Outcome.FAILED]
    error: Annotated[str, Field(max_length=200)] | None = None
    """The name of the exception that ended it."""
    output: Annotated[str, Field(max_length=8 * 1024)] = ""
    """The beginning of what it has written, as text."""
    count: Annotated[int, Field(ge=0, lt=2**53)] | None = None
    """Its number at the kernel."""
    notebook: Text | None = None
    """The notebook's path, where the kernel knows it."""
    correlation_id: Story | None = None
    """That of the calls which the cell has made."""
    stream: Name
    """The kernel's session."""
    sequence: Number
    """The cell's number in it, from 1 on: a missing one shows."""
    lost: Annotated[int, Field(ge=0, lt=2**53)] = 0
    """How many before this one could not be reported."""


class NewCells(Body):
    """Cells that a kernel has run."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "cells": [
                        {
                            "code": "1 + 1",
                            "sha256": hashlib.sha256(b"1 + 1").hexdigest(),
                            "started_at": "2026-11-27T22:15:00Z",
                            "ended_at": "2026-11-27T22:15:01Z",
                            "status": "ok",
                            "output": "2",
                            "count": 1,
                            "stream": "kernel-1",
                            "sequence": 1,
                        }
                    ]
                }
            ]
        }
    )

    cells: Annotated[tuple[NewCell, ...], Field(min_length=1, max_length=_MOST)]


class RecordFilters(Query):
    """Which records."""

    since: Annotated[Moment | None, Field(description="From this moment on.")] = None
    until: Annotated[Moment | None, Field(description="Before this moment.")] = None
    person: Annotated[
        str | None,
        Field(
            description="Who did it; several with commas between them, and a backslash before a"
            " comma that is part of a name."
        ),
    ] = None
    action: Annotated[
        str | None,
        Field(description="The beginning of the action; several with commas between them."),
    ] = None
    object: Annotated[str | None, Field(description="Which thing, exactly.")] = None
    kind: Annotated[Kind | None, Field(description="What it is about.")] = None
    phase: Annotated[Phase | None, Field(description="Where in the life of an effect.")] = None
    outcome: Annotated[Outcome | None, Field(description="How it ended.")] = None
    origin: Annotated[Origin | None, Field(description="Who says so.")] = None
    error_code: Annotated[str | None, Field(description="The error that ended it.")] = None
    source: Annotated[str | None, Field(description="From where, exactly.")] = None
    correlation_id: Annotated[str | None, Field(description="All of one story.")] = None
    q: Annotated[
        str | None, Field(description="A text that summary, object, person, action or data holds.")
    ] = None
    words: Annotated[
        str | None,
        Field(
            max_length=MAX_TEXT,
            description='Words and "phrases" that it holds, all of them and in any form of letters;'
            " a * at the end of a word stands for any ending.",
        ),
    ] = None
    regex: Annotated[
        str | None,
        Field(
            max_length=MAX_TEXT,
            description="A regular expression (RE2) that is found in such a text, in any case of"
            " letters; ^ and $ are the ends of a field.",
        ),
    ] = None


class RecordQuery(Listing, RecordFilters):
    """Which records, a page after the other."""


class SummaryQuery(RecordFilters):
    """Which records, and by whose clock."""

    zone: Annotated[
        str, Field(max_length=64, description="The time zone whose days are meant, by IANA's name.")
    ] = "UTC"


class _Searching(ApiHandler):
    """Looks for records."""

    def search(
        self, projects: frozenset[str] | None, names: Mapping[str, str], query: RecordQuery
    ) -> schemas.Page[schemas.Record]:
        """Return a page of records, in which projects have names."""
        found = self.app.logs.search(logs.Query(projects=projects, **query.model_dump()))
        return schemas.Page[schemas.Record](items=_told(found.items, names), next=found.next)


class Records(_Searching):
    """The records of a project."""

    @operation("list_records", Permission.RECORD_READ, pool="logs")
    def get(self, project: str, *, query: RecordQuery) -> schemas.Page[schemas.Record]:
        """List the records of a project, newest first.

        Reading them is recorded, once an hour for a person and a project: `record.read`.
        """
        found = self.app.projects.authorize(self.ctx, project, Permission.RECORD_READ).project
        if query.cursor is None:
            self.app.looks.told(self.ctx, [found.id])
        return self.search(frozenset({found.id}), {found.id: found.name}, query)

    @operation("report_records", Permission.RECORD_REPORT, pool="logs", kept_by_id=True)
    def post(self, project: str, *, body: NewRecords) -> schemas.Reported:
        """Report what somebody else saw: a deployment, a monitor, another system's log.

        The answer comes when all are on disk for certain. Each is kept under the caller's name,
        with the origin `reported` and with `reported.` before its action, so that none looks like
        what this platform did itself; its `time` is that of its arrival. What comes again, by its
        stream and number or by the call's `Idempotency-Key`, is kept once.
        """
        reports = [logs.Report(**each.model_dump()) for each in body.records]
        key = self.request.headers.get("Idempotency-Key")
        kept = self.app.reporting.report(self.ctx, project, reports, key)
        return schemas.Reported(accepted=kept)


class Cells(ApiHandler):
    """What kernels say of their cells."""

    @operation("report_cells", Permission.RECORD_REPORT, pool="logs", kept_by_id=True)
    def post(self, project: str, *, body: NewCells) -> schemas.ReportedCells:
        """Report cells that a kernel has run.

        They are kept as records with the action `cell.run` and the origin `reported`: a person's
        own process says so. A cell that comes again is known by its stream, number and time.
        """
        cells = [logs.Cell(**each.model_dump()) for each in body.cells]
        kept = self.app.reporting.report_cells(self.ctx, project, cells)
        return schemas.ReportedCells(accepted=kept, wanted=self.app.reporting.wants_cells)


class AllRecords(_Searching):
    """The records of the platform and of all projects."""

    @operation("list_all_records", Permission.RECORD_READ_ALL, pool="logs")
    def get(self, *, query: RecordQuery) -> schemas.Page[schemas.Record]:
        """List the records of the platform and of all projects, newest first.

        Reading them is recorded, once an hour for a person: `record.read`.
        """
        self.ctx.require(Permission.RECORD_READ_ALL)
        if query.cursor is None:
            self.app.looks.told(self.ctx, None)
        return self.search(None, {}, query)


class ContextQuery(Query):
    """Which records around one."""

    within: Annotated[
        Within, Field(description="What they have in common with it, besides the address.")
    ] = Within.PROJECT
    earlier: Annotated[int, Field(ge=0, le=MOST_BESIDE, description="So many before it.")] = 10
    later: Annotated[int, Field(ge=0, le=MOST_BESIDE, description="So many after it.")] = 10


class RecordsContext(ApiHandler):
    """A record of a project, and those around it."""

    @operation("get_record_context", Permission.RECORD_READ, pool="logs", of_now=True)
    def get(self, project: str, record: str, *, query: ContextQuery) -> schemas.RecordContext:
        """Show a record of a project and what was recorded just before and after it.

        The others are of the same project; or of the same story, or person, in it.
        """
        found = self.app.projects.authorize(self.ctx, project, Permission.RECORD_READ).project
        self.app.looks.told(self.ctx, [found.id])
        return self.look(record, frozenset({found.id}), {found.id: found.name}, query)

    def look(
        self,
        record: str,
        projects: frozenset[str] | None,
        names: Mapping[str, str],
        query: ContextQuery,
    ) -> schemas.RecordContext:
        """Return what is around a record, in which projects have names."""
        asked = Beside(record=record, projects=projects, **query.model_dump())
        found = self.app.logs.context(asked)
        return schemas.RecordContext(
            record=_told((found.record,), names)[0],
            earlier=_told(found.earlier, names),
            later=_told(found.later, names),
        )


class AllRecordsContext(RecordsContext):
    """A record, and those around it, everywhere."""

    @operation("get_any_record_context", Permission.RECORD_READ_ALL, pool="logs", of_now=True)
    def get(self, record: str, *, query: ContextQuery) -> schemas.RecordContext:
        """Show any record and what was recorded just before and after it.

        The others are of the same project, story or person.
        """
        self.ctx.require(Permission.RECORD_READ_ALL)
        self.app.looks.told(self.ctx, None)
        return self.look(record, None, {}, query)


class RecordsSummary(ApiHandler):
    """How many records of a project fit."""

    @operation("summarize_records", Permission.RECORD_READ, pool="logs", of_now=True)
    def get(self, project: str, *, query: SummaryQuery) -> schemas.RecordSummary:
        """Count the records of a project, by their fields and over time.

        Without `since` the buckets begin at the first record that the other filters leave, texts
        apart; without `until` they end now.
        """
        found = self.app.projects.authorize(self.ctx, project, Permission.RECORD_READ).project
        self.app.looks.told(self.ctx, [found.id])
        return self.summarize(frozenset({found.id}), {found.id: found.name}, query)

    def summarize(
        self, projects: frozenset[str] | None, names: Mapping[str, str], query: SummaryQuery
    ) -> schemas.RecordSummary:
        """Return what is counted; projects have names."""
        filters = query.model_dump(exclude={"zone"})
        found = self.app.logs.summarize(logs.Query(projects=projects, **filters), query.zone)
        facets = tuple(
            schemas.RecordFacet(
                field=name,
                values=tuple(
                    schemas.RecordValue(value=_named(name, value, names), count=many)
                    for value, many in facet.values
                ),
                other=facet.other,
            )
            for name, facet in found.facets.items()
        )
        return schemas.RecordSummary(
            total=found.total,
            first=found.first,
            last=found.last,
            facets=facets,
            step=found.step,
            zone=query.zone,
            buckets=tuple(
                schemas.RecordBucket(begin=begin, count=many) for begin, many in found.buckets
            ),
            until=found.until,
        )


def _told(found: Iterable[Record], names: Mapping[str, str]) -> tuple[schemas.Record, ...]:
    """Return records in which projects have names."""
    return tuple(schemas.Record.named(each, names) for each in found)


def _named(field: str, value: str | None, names: Mapping[str, str]) -> str | None:
    return names.get(value or "", value) if field == "project" else value


class AllRecordsSummary(RecordsSummary):
    """How many records fit, everywhere."""

    @operation("summarize_all_records", Permission.RECORD_READ_ALL, pool="logs", of_now=True)
    def get(self, *, query: SummaryQuery) -> schemas.RecordSummary:
        """Count the records of the platform and of all projects."""
        self.ctx.require(Permission.RECORD_READ_ALL)
        self.app.looks.told(self.ctx, None)
        return self.summarize(None, {}, query)
