"""``/projects/{p}/records``, ``/records``: what was done, by whom, and how it ended.

``/projects/{p}/cells`` takes what kernels say of the cells that they have run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from mavis_core import logs
from mavis_core.access import Permission
from mavis_core.records import Outcome
from mavis_ext import schemas
from mavis_ext.base import ApiHandler
from mavis_ext.bodies import Body
from mavis_ext.operation import operation
from mavis_ext.queries import Listing, Moment

__all__ = ["AllRecords", "Cells", "Records"]

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


class RecordQuery(Listing):
    """Which records."""

    since: Annotated[Moment | None, Field(description="From this moment on.")] = None
    until: Annotated[Moment | None, Field(description="Before this moment.")] = None
    person: Annotated[str | None, Field(description="Who did it.")] = None
    action: Annotated[str | None, Field(description="The beginning of the action.")] = None
    correlation_id: Annotated[str | None, Field(description="All of one story.")] = None
    q: Annotated[
        str | None, Field(description="A text that summary, object, person, action or data holds.")
    ] = None


class _Searching(ApiHandler):
    """Looks for records."""

    def search(
        self, projects: frozenset[str] | None, names: Mapping[str, str], query: RecordQuery
    ) -> schemas.Page[schemas.Record]:
        """Return a page of records, in which projects have names."""
        found = self.app.logs.search(logs.Query(projects=projects, **query.model_dump()))
        items = tuple(
            schemas.Record.of(replace(each, project=names.get(each.project or "", each.project)))
            for each in found.items
        )
        return schemas.Page[schemas.Record](items=items, next=found.next)


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
