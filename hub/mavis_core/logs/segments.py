"""Segments: records that are older, as Parquet, one file for a run of the journal.

A file has the records' fields as columns, sorted by project and time, so that the records of a
project and a time lie together and what does not fit is passed over by the file's own statistics.
From the columns the very bytes of each line of the journal come back, with its number, so that
seals hold for a segment as they do for the journal. *Raw*: the bytes of a line whose columns would
give others, such as a damaged one; nearly always empty. *Sound*: whether a line is a record.

What it takes to make and to check one lies in memory, or in a folder that the caller names.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import duckdb

from mavis_core.errors import Damaged, InvalidInput, Unavailable
from mavis_core.logs.codec import decode
from mavis_core.logs.evidence import leaf
from mavis_core.logs.statements import checks

__all__ = ["Contents", "ProjectSpan", "SegmentFile", "write_segment"]

_ROW_GROUP = 20_480  # DuckDB's unit of 2,048 rows, ten times
_BATCH = 20_000
_TEXTS = (
    *("kind", "phase", "action", "person", "object", "summary", "correlation_id", "project"),
    *("outcome", "error_code", "request_id", "source", "origin", "stream"),
)
_ESCAPED = ("person", "object", "summary", "source")
_LINE_ORDER = (*_TEXTS, "sequence")
_TIME = "strftime(time, '%Y-%m-%dT%H:%M:%S.%fZ')"
_FORM = (
    "{"
    + ",".join(f'"{name}":"VARCHAR"' for name in (*_TEXTS, "id", "time"))
    + ',"sequence":"BIGINT","data":"JSON"}'
)


def _quoted(name: str) -> str:
    """Return the SQL of a text as JSON, escaped where letters may have to be: it takes longer."""
    if name in _ESCAPED:
        return f"coalesce(to_json({name})::VARCHAR, 'null')"
    return f"coalesce('\"' || {name} || '\"', 'null')"


# The line of a record, as `Record.to_json` orders it and `codec.encode` writes it. A text that
# is not as it is quoted here gives another line, which is kept as it was.
_LINE = (
    "concat('{', "
    + "".join(f"'\"{name}\":', {_quoted(name)}, ',', " for name in _TEXTS)
    + "'\"sequence\":', coalesce(sequence::VARCHAR, 'null'), ',\"data\":', data,"
    + f" ',\"id\":', {_quoted('id')}, ',\"time\":\"', {_TIME}, '\"}}')"
)
_TABLE = (
    "CREATE TABLE rows (number BIGINT, "
    + ", ".join(f"{name} VARCHAR" for name in _TEXTS)
    + ", sequence BIGINT, data VARCHAR, id VARCHAR, time TIMESTAMP, raw BLOB, sound BOOLEAN)"
)
_COLUMNS = ", ".join(("number", *_LINE_ORDER, "data", "id", "time"))
_TEXTS_OF_ALL = (
    "action",
    "person",
    "object",
    "summary",
    "correlation_id",
    "source",
    "data",
    "time",
)
_SOUND = " AND ".join((checks(), *(f"{name} IS NOT NULL" for name in _TEXTS_OF_ALL)))
_INSERT = f"""
INSERT INTO rows
SELECT *, CASE WHEN raw IS NULL THEN {_SOUND} END FROM (
SELECT {_COLUMNS}, coalesce(odd, CASE WHEN {_LINE} = line THEN NULL ELSE encode(line) END) AS raw
FROM (
  SELECT number, odd, line, data::VARCHAR AS data, id, {", ".join(_LINE_ORDER)},
    TRY_CAST(time AS TIMESTAMP) AS time
  FROM (
    SELECT number, odd, line, unnest(json_transform(TRY_CAST(line AS JSON), '{_FORM}'))
    FROM (
      SELECT unnest(?::BIGINT[]) AS number, unnest(?::VARCHAR[]) AS line, unnest(?::BLOB[]) AS odd
    )
  )
)
)
"""  # noqa: S608 - constants of this module
_BYTES = f"coalesce(raw, encode({_LINE}))"
_COPY = (
    f"COPY (SELECT {_COLUMNS}, raw, sound FROM rows ORDER BY project NULLS FIRST, time, number)"  # noqa: S608 - constants of this module
    f" TO ? (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {_ROW_GROUP})"
)


@dataclass(frozen=True, slots=True)
class ProjectSpan:
    """What a segment has of one project; None stands for the platform's own records."""

    project: str | None
    count: int
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Contents:
    """What a segment has.

    Parameters
    ----------
    first, count
        The number of its first line, and how many there are.
    projects
        Of the records; a line that is none is in none.
    odd
        Lines that are kept as they are, too.
    leaves
        The hash of each line, as seals have them.
    """

    first: int
    count: int
    projects: tuple[ProjectSpan, ...]
    odd: int
    leaves: tuple[bytes, ...]


def write_segment(lines: Iterable[bytes], target: Path, *, first: int, scratch: Path) -> Contents:
    """Write lines of the journal, from the number `first` on, as the new file `target`.

    The file is durable on return, and each line was read back from it and compared.

    Parameters
    ----------
    lines
        Payloads of the journal; a damaged line is empty.
    scratch
        A folder for what does not fit into memory.

    Raises
    ------
    Unavailable
        The disk is full. There is no file then.
    Damaged
        What was read back is not what was written. There is no file then.
    """
    try:
        with _opened(scratch) as database:
            database.execute(_TABLE)
            hashes = _fill(database, lines, first)
            _judge(database)
            database.execute(_COPY, [str(target)])
            contents = _contents(database, first, hashes)
        _compare(SegmentFile(target, scratch), hashes)
        _sync(target)
    except duckdb.Error as exc:
        target.unlink(missing_ok=True)
        raise Unavailable(
            f"The segment {target} cannot be written: {str(exc).splitlines()[0]}",
            mend="Free disk space; nothing is lost: the journal has the records.",
            retry_after_s=60,
        ) from exc
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    return contents


class SegmentFile:
    """A segment that was written.

    Parameters
    ----------
    path
        The file.
    scratch
        A folder for what does not fit into memory.
    """

    def __init__(self, path: Path, scratch: Path) -> None:
        self.path, self._scratch = path, scratch

    def leaves(self) -> list[bytes]:
        """Return the hash of each line, in the order of their numbers, as seals have them.

        Raises
        ------
        Damaged
            The file cannot be read.
        """
        asked = (
            f"SELECT unhex(sha256('\\x00'::BLOB || {_BYTES})) FROM read_parquet(?) ORDER BY number"  # noqa: S608 - constants of this module
        )
        return [row[0] for row in self._rows(asked)]

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """Yield the lines with their numbers, in order, as they were in the journal.

        Raises
        ------
        Damaged
            The file cannot be read.
        """
        asked = f"SELECT number, {_BYTES} FROM read_parquet(?) ORDER BY number"  # noqa: S608 - constants of this module
        for number, line in self._rows(asked):
            yield int(number), bytes(line)

    def _rows(self, statement: str) -> Iterator[tuple[Any, ...]]:
        try:
            with _opened(self._scratch) as database:
                found = database.execute(statement, [str(self.path)])
                while batch := found.fetchmany(_BATCH):
                    yield from batch
        except duckdb.Error as exc:
            raise Damaged(
                f"The segment {self.path.name} cannot be read: {str(exc).splitlines()[0]}"
            ) from exc


def _fill(database: duckdb.DuckDBPyConnection, lines: Iterable[bytes], first: int) -> list[bytes]:
    """Put lines into the table; return their hashes."""
    hashes: list[bytes] = []
    source = iter(lines)
    while batch := list(islice(source, _BATCH)):
        begin = first + len(hashes)
        texts, odd = _texts(batch)
        numbers = list(range(begin, begin + len(batch)))
        database.execute(_INSERT, [numbers, texts, odd])
        hashes += map(leaf, batch)
    return hashes


def _judge(database: duckdb.DuckDBPyConnection) -> None:
    """Say of the lines that are kept as they are which are records all the same."""
    odd = database.execute("SELECT number, raw FROM rows WHERE raw IS NOT NULL").fetchall()
    numbers = [number for number, line in odd if _is_record(bytes(line))]
    database.execute(
        "UPDATE rows SET sound = number IN (SELECT unnest(?::BIGINT[])) WHERE sound IS NULL",
        [numbers],
    )


def _is_record(line: bytes) -> bool:
    try:
        decode(line)
    except InvalidInput:
        return False
    return True


def _compare(segment: SegmentFile, hashes: Sequence[bytes]) -> None:
    if segment.leaves() != hashes:
        raise Damaged(f"The segment {segment.path.name} does not give back what was written")


def _texts(batch: Sequence[bytes]) -> tuple[list[str | None], list[bytes | None]]:
    """Return the lines that are text, and those that are none."""
    texts: list[str | None] = []
    odd: list[bytes | None] = []
    for line in batch:
        try:
            texts.append(line.decode("utf-8") or None)
            odd.append(None if line else b"")
        except UnicodeDecodeError:
            texts.append(None)
            odd.append(line)
    return texts, odd


def _contents(database: duckdb.DuckDBPyConnection, first: int, leaves: Sequence[bytes]) -> Contents:
    count, odd = database.execute("SELECT count(*), count(raw) FROM rows").fetchall()[0]
    spans = database.execute(
        "SELECT project, count(*), min(time), max(time) FROM rows WHERE sound"
        " GROUP BY project ORDER BY project NULLS FIRST"
    ).fetchall()
    projects = tuple(
        ProjectSpan(project, number, since.replace(tzinfo=UTC), until.replace(tzinfo=UTC))
        for project, number, since, until in spans
    )
    return Contents(first, count, projects, odd, tuple(leaves))


@contextmanager
def _opened(scratch: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Give the block a database in memory that can spill into `scratch`."""
    database = duckdb.connect(
        config={
            "threads": "1",
            "memory_limit": "512MB",
            "temp_directory": str(scratch),
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
        }
    )
    try:
        yield database
    finally:
        database.close()


def _sync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
