"""The SQL of the index: fixed texts with placeholders, and rows to records and back.

Nothing that came from outside is ever part of a statement's text.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from mavis_core.logs.expressions import pattern_of
from mavis_core.logs.query import Place, Query
from mavis_core.records.model import Kind, Origin, Outcome, Phase, Record

__all__ = [
    "FIELDS",
    "FORGET",
    "INSERT",
    "INSERT_LINES",
    "KNOWN",
    "READ_ALL",
    "READ_STATE",
    "SCHEMA",
    "SET_STATE",
    "Condition",
    "checks",
    "conditions",
    "latest",
    "newer_than",
    "newest",
    "older_than",
    "oldest",
    "record_of",
    "row_of",
]

_VERSION = 2  # another number makes older files unreadable, so that they are rebuilt

# In the order of `row_of`. `number` is the line's in the journal, as seals count. `words` is what
# `q` looks in.
_COLUMNS = {
    "number": "BIGINT NOT NULL",
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
    "origin": "VARCHAR NOT NULL",
    "stream": "VARCHAR",
    "sequence": "BIGINT",
    "data": "VARCHAR NOT NULL",
    "words": "VARCHAR NOT NULL",
}
_GIVEN = [name for name in _COLUMNS if name not in ("number", "words")]
FIELDS = ", ".join(_GIVEN)
_READ_GIVEN = ", ".join(
    {
        "time": "given.time::TIMESTAMP AS time",
        "data": "given.data::VARCHAR AS data",
        "origin": f"coalesce(given.origin, '{Origin.OBSERVED}') AS origin",
    }.get(name, f"given.{name}")
    for name in _GIVEN
)
_STATE = "version INT, file VARCHAR, position BIGINT, number BIGINT, damaged BIGINT"

SCHEMA = (
    "CREATE TABLE IF NOT EXISTS records ("
    + ", ".join(f"{name} {kind}" for name, kind in _COLUMNS.items())
    + ")",
    f"CREATE TABLE IF NOT EXISTS state ({_STATE})",
    f"INSERT INTO state SELECT {_VERSION}, '', 0, 0, 0 WHERE NOT EXISTS (FROM state)",
)
READ_STATE = f"SELECT file, position, number, damaged FROM state WHERE version = {_VERSION}"  # noqa: S608 - a constant of this module
SET_STATE = "UPDATE state SET file = ?, position = ?, number = ?, damaged = ?"
# The hash makes DuckDB read every block, which compares its checksum.
READ_ALL = "SELECT count(*), max(time), bit_xor(hash(records)) FROM records"
FORGET = "DELETE FROM records WHERE number <= ?"
KNOWN = "SELECT id FROM records WHERE id IN (SELECT unnest(?::VARCHAR[]))"

_SEARCHED = "summary, object, person, action, data"
_WORDS = f"lower(concat_ws(chr(10), {_SEARCHED}))"
# A list a column: one statement with so many values takes any number of rows.
INSERT = f"INSERT OR IGNORE INTO records SELECT *, {_WORDS} FROM (SELECT " + ", ".join(  # noqa: S608 - constants of this module
    f"unnest(?::{kind.split()[0]}[]) AS {name}"
    for name, kind in _COLUMNS.items()
    if name != "words"
)
INSERT += ")"

_ONE_OF = {"kind": Kind, "phase": Phase, "outcome": Outcome, "origin": Origin}
_FREE = ("outcome", "origin")  # may be missing
_FORM = json.dumps(
    {name: _COLUMNS[name].split()[0] for name in _GIVEN} | {"data": "JSON", "time": "VARCHAR"},
    separators=(",", ":"),
)


def checks(before: str = "") -> str:
    """Return SQL that holds for a row that is a record, each column with `before` before it."""
    one_of = [
        f"coalesce({before}{name} IN ({', '.join(repr(str(word)) for word in words)}),"
        f" {str(name in _FREE).lower()})"
        for name, words in _ONE_OF.items()
    ]
    others = (
        f"regexp_matches({before}id, '^rec_[0-7][0-9a-hjkmnp-tv-z]{{25}}$')",
        f"coalesce({before}sequence > 0, true)",
    )
    return " AND ".join((*one_of, *others))


# The lines as they are: DuckDB takes them apart five times as fast as Python. What is no record is
# an error.
INSERT_LINES = (
    f"INSERT OR IGNORE INTO records SELECT *, {_WORDS} FROM"  # noqa: S608 - constants of this module
    f" (SELECT number, {_READ_GIVEN} FROM"
    " (SELECT unnest(?::BIGINT[]) AS number,"
    f" json_transform_strict(unnest(?::VARCHAR[])::JSON, '{_FORM}') AS given)"
    f" WHERE CASE WHEN {checks('given.')} THEN true ELSE error('not a record') END)"
)


def row_of(number: int, record: Record) -> tuple[Any, ...]:
    """Return `record`, which is in line `number` of the journal, as the values of its row."""
    return (
        number,
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
        str(record.origin),
        record.stream,
        record.sequence,
        json.dumps(dict(record.data), ensure_ascii=False, separators=(",", ":")),
    )


def record_of(row: Sequence[Any]) -> Record:
    """Return the record of a row with the columns `FIELDS`."""
    values = dict(zip(_GIVEN, row, strict=True))
    time: datetime = values["time"]
    return Record(
        **{
            **values,
            "time": time.replace(tzinfo=UTC),
            "kind": Kind(values["kind"]),
            "phase": Phase(values["phase"]),
            "outcome": Outcome(values["outcome"]) if values["outcome"] else None,
            "origin": Origin(values["origin"]),
            "data": json.loads(values["data"]),
        }
    )


_EXACT = (
    "correlation_id",
    "object",
    "error_code",
    "source",
    "kind",
    "phase",
    "outcome",
    "origin",
)


@dataclass(frozen=True, slots=True)
class Condition:
    """What holds for a row: SQL with placeholders, and the values for them."""

    text: str
    values: tuple[object, ...] = ()


def conditions(query: Query, words: str = "words") -> list[Condition]:
    """Return what holds for the records of `query`, the cursor's place left out.

    Parameters
    ----------
    words
        The expression for the text that `q` and `regex` look in.
    """
    found = []
    if query.projects is not None:
        found.append(_of_projects(sorted(query.projects)))
    if query.since is not None:
        found.append(Condition("time >= ?::TIMESTAMP", (_utc(query.since),)))
    if query.until is not None:
        found.append(Condition("time < ?::TIMESTAMP", (_utc(query.until),)))
    if people := query.people:
        found.append(_any_of("person = ?", people))
    if actions := query.actions:
        found.append(_any_of("starts_with(action, ?)", actions))
    found += [
        Condition(f"{name} = ?", (str(value),))
        for name in _EXACT
        if (value := getattr(query, name)) is not None
    ]
    if query.q is not None:
        text = json.dumps(query.q, ensure_ascii=False)[1:-1]  # as `data` has it
        either = f"(contains({words}, lower(?)) OR contains({words}, lower(?)))"
        found.append(
            Condition(f"contains({words}, lower(?))", (text,))
            if text == query.q
            else Condition(either, (query.q, text))
        )
    if query.regex is not None:
        found.append(Condition(f"regexp_matches({words}, ?)", (pattern_of(query.regex),)))
    return found


def _any_of(test: str, values: Sequence[str]) -> Condition:
    return Condition(f"({' OR '.join([test] * len(values))})", tuple(values))


def older_than(place: Place) -> Condition:
    """Return what holds for the records after `place` in the order of a page."""
    return Condition("(time, id) < (?::TIMESTAMP, ?)", (_utc(place.time), place.id))


def newer_than(place: Place) -> Condition:
    """Return what holds for the records before `place` in the order of a page."""
    return Condition("(time, id) > (?::TIMESTAMP, ?)", (_utc(place.time), place.id))


def _of_projects(projects: Sequence[str]) -> Condition:
    """Return what holds for rows of some projects.

    Constants, one by one: a join with a list would have every wide row of them read before the
    newest are taken, which costs ten times as much.
    """
    if not projects:
        return Condition("false")
    return Condition(f"project IN ({', '.join('?' * len(projects))})", tuple(projects))


def newest(relation: str, wanted: Sequence[Condition], limit: int) -> tuple[str, list[object]]:
    """Return the statement for the newest rows of `relation` that `wanted` holds for.

    A row is the number of its line, then the fields that `record_of` takes.
    """
    return _first(relation, wanted, "time DESC, id DESC", limit)


def oldest(relation: str, wanted: Sequence[Condition], limit: int) -> tuple[str, list[object]]:
    """Return the statement for the oldest rows of `relation`; they are those of `newest`."""
    return _first(relation, wanted, "time, id", limit)


def latest(relation: str, wanted: Sequence[Condition], limit: int) -> tuple[str, list[object]]:
    """Return the statement for the rows that arrived last, with how many there are at their end."""
    where = " AND ".join(each.text for each in wanted) or "true"
    statement = (
        f"SELECT number, {FIELDS}, count(*) OVER () FROM {relation} WHERE {where}"  # noqa: S608 - conditions are of this module
        " ORDER BY number DESC LIMIT ?"
    )
    return statement, [*(value for each in wanted for value in each.values), limit]


def _first(
    relation: str, wanted: Sequence[Condition], order: str, limit: int
) -> tuple[str, list[object]]:
    where = " AND ".join(each.text for each in wanted) or "true"
    statement = (
        f"SELECT number, {FIELDS} FROM {relation} WHERE {where}"  # noqa: S608 - conditions are of this module
        f" ORDER BY {order} LIMIT ?"
    )
    return statement, [*(value for each in wanted for value in each.values), limit]


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None)
