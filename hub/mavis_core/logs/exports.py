"""Exports: the whole answer to a question as one file, in a form that others read.

*Part*: a file with those of its records that one place has, the index or a segment. The file that
is handed over is made from the parts, the newest record first. All of it is DuckDB's work: no
record becomes an object of Python.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

import duckdb

from mavis_core.errors import InvalidInput, OverLimit, Unavailable
from mavis_core.logs.query import Query
from mavis_core.logs.statements import FIELDS, Condition

__all__ = [
    "MOST_EXPORTED",
    "MOST_EXPORTED_BYTES",
    "Export",
    "ExportFormat",
    "Room",
    "write_export",
    "write_part",
]

MOST_EXPORTED = 1_000_000
"""Records of one export."""
MOST_EXPORTED_BYTES = 1 << 30
"""Of their texts."""

_ONE_BYTES = 300  # of a record, besides the texts that are counted
_COUNTED = ("summary", "object", "person", "action", "source", "data")
_NAMED = "(SELECT unnest(?::VARCHAR[]) AS of_id, unnest(?::VARCHAR[]) AS name)"
_TIME = "strftime(found.time, '%Y-%m-%dT%H:%M:%S.%fZ') AS time"
_PROJECT = "coalesce(named.name, found.project) AS project"
_TEXTS = (
    *("kind", "phase", "action", "person", "object", "outcome", "error_code", "summary"),
    *("correlation_id", "request_id", "source", "origin", "stream", "data"),
)
# What a spreadsheet would carry out when it opens the file
# (https://owasp.org/www-community/attacks/CSV_Injection).
_FORMULA = r"^[=+\-@\t\r\n]"


class ExportFormat(StrEnum):
    """The form of a file."""

    CSV = "csv"
    JSONL = "jsonl"
    PARQUET = "parquet"


_FORMS = {
    ExportFormat.CSV: "(FORMAT csv, HEADER true)",
    ExportFormat.JSONL: "(FORMAT json)",
    ExportFormat.PARQUET: "(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 20480)",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """What is to be written.

    Parameters
    ----------
    query
        Which records; its page does not matter.
    format
        In which form.
    names
        Of projects by their ids; a project without one is written by its id.
    """

    query: Query
    format: ExportFormat
    names: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        asked = replace(self.query, cursor=None).to_params()
        return {"query": asked, "format": str(self.format), "names": dict(self.names)}

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Return what `to_json` wrote.

        Raises
        ------
        InvalidInput
            A member is missing or of another type.
        """
        try:
            return cls(
                query=Query.from_params(value["query"]),
                format=ExportFormat(value["format"]),
                names={str(id_): str(name) for id_, name in value["names"].items()},
            )
        except (KeyError, TypeError, AttributeError, ValueError) as exc:
            raise InvalidInput("No description of an export") from exc


@dataclass(frozen=True, slots=True)
class Room:
    """How much was written, of how much at most."""

    records: int = 0
    bytes: int = 0

    def less(self, records: int, size: int) -> Room:
        """Return what is written with so much more.

        Raises
        ------
        OverLimit
            It is too much.
        """
        total = Room(self.records + records, self.bytes + size)
        if total.records > MOST_EXPORTED or total.bytes > MOST_EXPORTED_BYTES:
            raise OverLimit(
                f"An export has at most {MOST_EXPORTED:,} records and"
                f" {MOST_EXPORTED_BYTES >> 30} GiB of text, and there is more",
                mend="Narrow it: with `since` and `until`, take a month at a time.",
                field="since",
            )
        return total


def write_part(
    cursor: duckdb.DuckDBPyConnection,
    relation: str,
    wanted: Sequence[Condition],
    target: Path,
    room: Room,
) -> Room:
    """Write those records of `relation` that `wanted` holds for into the new file `target`.

    Raises
    ------
    OverLimit
        They are too many. There is no file then.
    """
    where = " AND ".join(each.text for each in wanted) or "true"
    values = [value for each in wanted for value in each.values]
    size = " + ".join(f"strlen({name})" for name in _COUNTED)
    counted = f"SELECT count(*), coalesce(sum({size} + {_ONE_BYTES}), 0) FROM {relation}"  # noqa: S608 - texts of ours
    count, bytes_ = cursor.execute(f"{counted} WHERE {where}", values).fetchall()[0]
    room = room.less(int(count), int(bytes_))
    selected = f"SELECT {FIELDS} FROM {relation} WHERE {where}"  # noqa: S608 - texts of ours
    form = "(FORMAT parquet, COMPRESSION snappy, ROW_GROUP_SIZE 20480)"
    cursor.execute(f"COPY ({selected}) TO '{_quoted(target)}' {form}", values)
    return room


def write_export(
    cursor: duckdb.DuckDBPyConnection, export: Export, parts: Sequence[Path], target: Path
) -> None:
    """Write the file `target` from its parts, the newest record first.

    Raises
    ------
    Unavailable
        The disk is full, say.
    """
    files = ", ".join(f"'{_quoted(part)}'" for part in parts)
    columns = ", ".join(_columns(export.format))
    selected = (
        f"SELECT {columns} FROM read_parquet([{files}]) AS found"  # noqa: S608 - texts of ours
        f" LEFT JOIN {_NAMED} AS named ON named.of_id = found.project"
        " ORDER BY found.time DESC, found.id DESC"
    )
    named = [list(export.names), list(export.names.values())]
    try:
        cursor.execute(f"COPY ({selected}) TO '{_quoted(target)}' {_FORMS[export.format]}", named)
    except duckdb.IOException as exc:
        raise Unavailable(
            f"The export cannot be written: {str(exc).splitlines()[0]}",
            mend="Check disk space; see `mavisctl doctor`.",
        ) from exc


def _columns(form: ExportFormat) -> Sequence[str]:
    """Return what is written of a record, in the order in which the API tells it."""
    if form is ExportFormat.PARQUET:
        time, project = "found.time AS time", _PROJECT
        texts = {name: f"found.{name} AS {name}" for name in _TEXTS}
    elif form is ExportFormat.JSONL:
        time, project = _TIME, _PROJECT
        texts = {name: f"found.{name} AS {name}" for name in _TEXTS}
        texts["data"] = "found.data::JSON AS data"
    else:
        time, project = _TIME, _harmless("coalesce(named.name, found.project)", "project")
        texts = {name: _harmless(f"found.{name}", name) for name in _TEXTS}
    *first, data = texts.values()
    at = _TEXTS.index("action") + 1
    return (
        "found.id AS id",
        time,
        *first[:at],
        project,
        *first[at:],
        "found.sequence AS sequence",
        data,
    )


def _harmless(column: str, name: str) -> str:
    """Return `column` with an apostrophe before what a spreadsheet would carry out."""
    risky = f"regexp_matches({column}, '{_FORMULA}')"
    return f"CASE WHEN {risky} THEN concat('''', {column}) ELSE {column} END AS {name}"


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
