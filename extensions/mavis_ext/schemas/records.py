"""Records: what was done, by whom, and how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Self

from mavis_core.records.model import Kind, Origin, Outcome, Phase
from mavis_core.records.model import Record as RecordModel
from mavis_ext.schemas.base import Schema

__all__ = [
    "Record",
    "RecordBucket",
    "RecordContext",
    "RecordFacet",
    "RecordHold",
    "RecordSummary",
    "RecordValue",
    "RecordsMissed",
    "Reported",
    "ReportedCells",
    "SqlAnswer",
    "SqlColumn",
    "Waiting",
]


class Record(Schema):
    """One thing that was asked for, done or refused."""

    id: str
    time: datetime
    kind: Kind
    """`audit`: about a call of the API; `operation`: about a command or a call to a cloud."""
    phase: Phase
    """An `intent` is written before an effect, its `outcome` after it; an `event` stands alone."""
    action: str
    """What, as `noun.verb`."""
    project: str | None
    """The project's name; its id where the caller sees the records of all projects."""
    person: str
    object: str
    """Which thing: an id, a name, a path of the API."""
    outcome: Outcome | None
    """Null for an intent."""
    error_code: str | None
    summary: str
    """One sentence for a reader."""
    correlation_id: str
    request_id: str | None
    source: str
    """From where: an address or a process."""
    origin: Origin
    """`observed`: Mavis saw it; `reported`: a person's own process, or another system, says so."""
    stream: str | None
    """What numbers such records one after the other; null where nothing does."""
    sequence: int | None
    """The record's number in its stream, from 1 on: a missing one shows."""
    data: dict[str, Any]

    @classmethod
    def named(cls, found: RecordModel, names: Mapping[str, str]) -> Self:
        """Return what is told of a record; its project has a name where `names` has one."""
        return cls.of(replace(found, project=names.get(found.project or "", found.project)))


class RecordsMissed(Schema):
    """Records arrived that are not told."""

    count: int


class Waiting(Schema):
    """Nothing has arrived."""

    time: datetime
    """Now, by the appliance's clock."""


class RecordHold(Schema):
    """A legal hold on records: what it is about is kept until it is released."""

    id: str
    reason: str
    person: str | None
    """Only what this person did; null: what anybody did."""
    correlation_id: str | None
    """Only this story."""
    since: datetime | None
    until: datetime | None
    placed_by: str
    placed_at: datetime
    released_by: str | None
    """Null while it stands."""
    released_at: datetime | None
    release_reason: str | None


class Reported(Schema):
    """What became of a report."""

    accepted: int
    """How many records are kept, on disk for certain."""


class ReportedCells(Reported):
    """What became of a report of cells."""

    wanted: bool
    """Whether this appliance keeps cells; where it does not, none was kept and none is to come."""


class SqlColumn(Schema):
    """A column of an answer."""

    name: str
    """No other column has it."""
    type: str
    """DuckDB's word for it, such as `VARCHAR` or `TIMESTAMP WITH TIME ZONE`."""


class SqlAnswer(Schema):
    """What a question in SQL gave."""

    columns: tuple[SqlColumn, ...]
    rows: tuple[tuple[Any, ...], ...]
    """A value for each column. Moments, days, intervals and bytes are DuckDB's text; what is no
    number or infinite is null."""
    records: int
    """Of how many records it was asked."""


class RecordContext(Schema):
    """A record and those around it, each in the order of time."""

    record: Record
    earlier: tuple[Record, ...]
    later: tuple[Record, ...]


class RecordValue(Schema):
    """How often a value comes."""

    value: str | None
    """Null where the field is empty."""
    count: int


class RecordFacet(Schema):
    """How often each value of a field comes."""

    field: str
    """`kind`, `action`, `person`, `outcome`, `project`, `origin` or `source`."""
    values: tuple[RecordValue, ...]
    """The 20 most frequent."""
    other: int
    """How often all others come together."""


class RecordBucket(Schema):
    """How many records a stretch of time has."""

    begin: datetime
    count: int


class RecordSummary(Schema):
    """How many records fit, of what kind, and when they were made."""

    total: int
    first: datetime | None
    """When the first of them was made; null where there are none."""
    last: datetime | None
    facets: tuple[RecordFacet, ...]
    step: str
    """How long a bucket is: `30s`, `5m`, `6h`, `1d`, `1w`, `1mo`, `1y`."""
    zone: str
    """By whose clock days begin."""
    buckets: tuple[RecordBucket, ...]
    """At most 121, one after the other without a gap; those without records are there, too."""
    until: datetime
    """When the last bucket ends."""
