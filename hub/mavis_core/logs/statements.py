"""The SQL of the index: fixed texts with placeholders, and rows to records and back.

Nothing that came from outside is ever part of a statement's text.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from mavis_core.logs.query import Query
from mavis_core.records.model import Kind, Outcome, Phase, Record

__all__ = [
    "INSERT",
    "INSERT_LINES",
    "KNOWN",
    "READ_ALL",
    "READ_STATE",
    "SCHEMA",
    "SET_STATE",
    "record_of",
    "row_of",
    "select",
]

_VERSION = 1  # another number makes older files unreadable, so that they are rebuilt

# In the order of `row_of`. `words` is what `q` looks in: case-folded by Python, so that what
# counts as the same letter does not depend on the database.
_COLUMNS = {
    "id": "VARCHAR PRIMARY KEY",
    "time": "TIMESTAMP NOT NULL",
    "kind": "VARCHAR NOT NULL",
    "phase": "VARCHAR NOT NULL",
    "action": "VARCHAR NOT NULL",
    "project": "VARCHAR",
    "person": "VARCHAR NOT NULL",
    "object": "VARCHAR NOT NULL",
    "outcome": "VARCHAR",
    "error_code": "VARCHAR",
    "summary": "VARCHAR NOT NULL",
    "correlation_id": "VARCHAR NOT NULL",
    "request_id": "VARCHAR",
    "source": "VARCHAR NOT NULL",
    "data": "VARCHAR NOT NULL",
    "words": "VARCHAR NOT NULL",
}
_READ = ", ".join(name for name in _COLUMNS if name != "words")
_READ_GIVEN = ", ".join(
    {"time": "given.time::TIMESTAMP", "data": "given.data::VARCHAR"}.get(name, f"given.{name}")
    for name in _COLUMNS
    if name != "words"
)

SCHEMA = (
    "CREATE TABLE IF NOT EXISTS records ("
    + ", ".join(f"{name} {kind}" for name, kind in _COLUMNS.items())
    + ")",
    'CREATE TABLE IF NOT EXISTS state (version INT, file VARCHAR, "offset" BIGINT, damaged BIGINT)',
    f"INSERT INTO state SELECT {_VERSION}, '', 0, 0 WHERE NOT EXISTS (FROM state)",
)
READ_STATE = f'SELECT file, "offset", damaged FROM state WHERE version = {_VERSION}'  # noqa: S608 - a constant of this module
SET_STATE = 'UPDATE state SET file = ?, "offset" = ?, damaged = ?'
# The hash makes DuckDB read every block, which compares its checksum.
READ_ALL = "SELECT count(*), max(time), bit_xor(hash(records)) FROM records"
KNOWN = "SELECT id FROM records WHERE id IN (SELECT unnest(?::VARCHAR[]))"
# A list a column: one statement with 16 values takes any number of rows.
INSERT = "INSERT OR IGNORE INTO records SELECT " + ", ".join(
    f"unnest(?::{kind.split()[0]}[])" for kind in _COLUMNS.values()
)

_ONE_OF = {"kind": Kind, "phase": Phase, "outcome": Outcome}
_GIVEN = {name: kind.split()[0] for name, kind in _COLUMNS.items() if name != "words"}
_GIVEN |= {"data": "JSON", "time": "VARCHAR"}
_FORM = json.dumps(_GIVEN, separators=(",", ":"))
_CHECKS = " AND ".join(
    [
        f"coalesce(given.{name} IN ({', '.join(repr(str(word)) for word in words)}),"
        f" {str(name == 'outcome').lower()})"
        for name, words in _ONE_OF.items()
    ]
    + ["regexp_matches(given.id, '^rec_[0-7][0-9a-hjkmnp-tv-z]{25}$')"]
)
_WORDS = "lower(concat_ws(chr(10), given.summary, given.object, given.person, given.action))"
# The lines as they are: DuckDB takes them apart five times as fast as Python. For lines in ASCII
# only, in which `lower` is what Python's case-folding is; what is no record is an error.
INSERT_LINES = (
    f"INSERT OR IGNORE INTO records SELECT {_READ_GIVEN}, {_WORDS} FROM"  # noqa: S608 - constants of this module
    f" (SELECT json_transform_strict(unnest(?::VARCHAR[])::JSON, '{_FORM}') AS given)"
    f" WHERE CASE WHEN {_CHECKS} THEN true ELSE error('not a record') END"
)


def row_of(record: Record) -> tuple[Any, ...]:
    """Return `record` as the values of its row."""
    words = (record.summary, record.object, record.person, record.action)
    return (
        record.id,
        record.time.replace(tzinfo=None),
        str(record.kind),
        str(record.phase),
        record.action,
        record.project,
        record.person,
        record.object,
        None if record.outcome is None else str(record.outcome),
        record.error_code,
        record.summary,
        record.correlation_id,
        record.request_id,
        record.source,
        json.dumps(dict(record.data), separators=(",", ":")),
        "\n".join(words).casefold(),  # a query holds no control character, so none spans two
    )


def record_of(row: Sequence[Any]) -> Record:
    """Return the record of a row that `select` asked for."""
    values = dict(zip(_COLUMNS, row, strict=False))
    time: datetime = values["time"]
    return Record(
        **{
            **values,
            "time": time.replace(tzinfo=UTC),
            "kind": Kind(values["kind"]),
            "phase": Phase(values["phase"]),
            "outcome": Outcome(values["outcome"]) if values["outcome"] else None,
            "data": json.loads(values["data"]),
        }
    )


def select(query: Query) -> tuple[str, list[object]]:
    """Return the statement for `query` and its values; it asks for one row more than a page."""
    conditions: list[tuple[str, list[object]]] = []
    if query.projects is not None:
        conditions.append(("project IN (SELECT unnest(?::VARCHAR[]))", [[*sorted(query.projects)]]))
    if query.since is not None:
        conditions.append(("time >= ?::TIMESTAMP", [_utc(query.since)]))
    if query.until is not None:
        conditions.append(("time < ?::TIMESTAMP", [_utc(query.until)]))
    if query.person is not None:
        conditions.append(("person = ?", [query.person]))
    if query.action is not None:
        conditions.append(("starts_with(action, ?)", [query.action]))
    if query.correlation_id is not None:
        conditions.append(("correlation_id = ?", [query.correlation_id]))
    if query.q is not None:
        conditions.append(("contains(words, ?)", [query.q.casefold()]))
    if (place := query.after) is not None:
        conditions.append(("(time, id) < (?::TIMESTAMP, ?)", [_utc(place.time), place.id]))
    where = " AND ".join(text for text, _ in conditions) or "true"
    statement = f"SELECT {_READ} FROM records WHERE {where} ORDER BY time DESC, id DESC LIMIT ?"  # noqa: S608 - constants of this module
    return statement, [*(value for _, values in conditions for value in values), query.limit + 1]


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None)
