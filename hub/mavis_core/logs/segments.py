"""Segments: records that are older, as Parquet, one file for a run of the journal.

A file has the records' fields as columns, sorted by project and time, so that the records of a
project and a time lie together and what does not fit is passed over by the file's own statistics.
From the columns the very bytes of each line of the journal come back, with its number, so that
seals hold for a segment as they do for the journal. *Raw*: the bytes of a line whose columns would
give others, such as a damaged one; nearly always empty. *Sound*: whether a line is a record.
*Erased*: a line of which the number and the hash are left, since the period of its record was over:
so the seals still hold for all others.

What it takes to make and to check one lies in memory, or in a folder that the caller names.
"""

from __future__ import annotations

import os
import tempfile
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
from mavis_core.logs.retention import CLASS, RecordClass
from mavis_core.logs.statements import Condition, checks

__all__ = ["Contents", "Erased", "Line", "SegmentFile", "Span", "erase_lines", "write_segment"]

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
_GIVEN = (*_LINE_ORDER, "data", "id", "time")
_COLUMNS = ", ".join(("number", *_GIVEN))
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


def _filling(lines: str) -> str:
    """Return the statement that adds lines to the table; `lines` is the SQL that they come from."""
    return f"""
INSERT INTO rows
SELECT *, CASE WHEN raw IS NULL THEN {_SOUND} END FROM (
SELECT {_COLUMNS}, coalesce(odd, CASE WHEN {_LINE} = line THEN NULL ELSE encode(line) END) AS raw
FROM (
  SELECT number, odd, line, data::VARCHAR AS data, id, {", ".join(_LINE_ORDER)},
    TRY_CAST(time AS TIMESTAMP) AS time
  FROM (
    SELECT number, odd, line, unnest(json_transform(TRY_CAST(line AS JSON), '{_FORM}'))
    FROM {lines}
  )
)
)
"""  # noqa: S608 - constants of this module


# Text goes into DuckDB by a file in half the time. Nothing is quoted there and nothing divided, so
# that a line is what it was.
_FILL = _filling("""(SELECT ?::BIGINT + row_number() OVER () AS number, line, NULL::BLOB AS odd
  FROM read_csv(?, columns = {'line': 'VARCHAR'}, delim = '\x01', quote = '', escape = '',
    header = false, auto_detect = false, max_line_size = 16777216))""")
_FILL_ODD = _filling("""(SELECT unnest(?::BIGINT[]) AS number, unnest(?::VARCHAR[]) AS line,
  unnest(?::BLOB[]) AS odd)""")
_BYTES = f"coalesce(raw, encode({_LINE}))"
_NUMBERED = f"SELECT number, leaf, {_BYTES} FROM read_parquet(?)"  # noqa: S608 - constants of this module
_HASH = f"coalesce(leaf, unhex(sha256('\\x00'::BLOB || {_BYTES})))"
_ORDERED = (
    f" ORDER BY project NULLS FIRST, time, number)"
    f" TO ? (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {_ROW_GROUP})"
)
_COPY = f"COPY (SELECT {_COLUMNS}, raw, sound, NULL::BLOB AS leaf FROM rows{_ORDERED}"  # noqa: S608 - constants of this module
_LEFT = ", ".join(f"CASE WHEN NOT gone THEN {name} END AS {name}" for name in (*_GIVEN, "raw"))
_COPY_LEFT = (
    f"COPY (SELECT number, {_LEFT}, sound AND NOT gone AS sound,"  # noqa: S608 - constants of this module
    f" CASE WHEN gone THEN {_HASH} ELSE leaf END AS leaf"
    f" FROM (SELECT *, number IN (SELECT number FROM old) AS gone FROM read_parquet(?)){_ORDERED}"
)
_SPANS = (
    f"SELECT project, {CLASS} AS class, count(*), min(time), max(time) FROM read_parquet(?)"  # noqa: S608 - constants of this module
    " WHERE sound AND {which} GROUP BY ALL ORDER BY project NULLS FIRST, class"
)
_FIND_OLD = "CREATE TABLE old AS SELECT number FROM read_parquet(?) WHERE leaf IS NULL AND ({over})"
_IS_OLD = "number IN (SELECT number FROM old)"


@dataclass(frozen=True, slots=True)
class Span:
    """What a segment has of one class of one project; None stands for the platform."""

    project: str | None
    kind: RecordClass
    count: int
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Erased:
    """What is left of a line that was erased: its hash, as seals have it."""

    leaf: bytes


Line = bytes | Erased


@dataclass(frozen=True, slots=True)
class Contents:
    """What a segment has.

    Parameters
    ----------
    first, count
        The number of its first line, and how many there are.
    spans
        Of the records; a line that is none is in none.
    odd
        Lines that are kept as they are, too.
    erased
        Lines of which only the hash is left.
    leaves
        The hash of each line, as seals have them.
    """

    first: int
    count: int
    spans: tuple[Span, ...]
    odd: int
    erased: int
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
    with _whole(target, "the journal has the records"):
        with _opened(scratch) as database:
            database.execute(_TABLE)
            hashes = _fill(database, lines, first, scratch)
            _judge(database)
            database.execute(_COPY, [str(target)])
        contents = _contents(SegmentFile(target, scratch), first, hashes)
        _sync(target)
    return contents


def erase_lines(
    source: SegmentFile, target: Path, over: Condition, *, first: int
) -> tuple[Contents, tuple[Span, ...]]:
    """Write a segment anew as the new file `target`, without the lines that `over` holds for.

    Returns what it has, and what was erased. The file is durable, and gives the same hashes.

    Parameters
    ----------
    over
        Holds for a line that is to go; one that is erased already stays so.
    first
        The number of the segment's first line.

    Raises
    ------
    Unavailable
        The disk is full. There is no file then.
    Damaged
        `source` cannot be read, or what was read back has other hashes. There is no file then.
    """
    with _whole(target, "the segment is as it was"):
        with _opened(source.scratch) as database:
            name = str(source.path)
            database.execute(_FIND_OLD.format(over=over.text), [name, *over.values])
            gone = database.execute(_SPANS.format(which=_IS_OLD), [name]).fetchall()
            hashes = source.leaves()
            database.execute(_COPY_LEFT, [name, str(target)])
        contents = _contents(SegmentFile(target, source.scratch), first, hashes)
        _sync(target)
    return contents, _spans(gone)


@contextmanager
def _whole(target: Path, kept: str) -> Iterator[None]:
    """Let the block write `target`: all of it, or no file; `kept` says where its lines are."""
    try:
        yield
    except duckdb.Error as exc:
        target.unlink(missing_ok=True)
        raise Unavailable(
            f"The segment {target} cannot be written: {str(exc).splitlines()[0]}",
            mend=f"Free disk space; nothing is lost: {kept}.",
            retry_after_s=60,
        ) from exc
    except BaseException:
        target.unlink(missing_ok=True)
        raise


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
        self.path, self.scratch = path, scratch

    def leaves(self) -> list[bytes]:
        """Return the hash of each line, in the order of their numbers, as seals have them.

        Raises
        ------
        Damaged
            The file cannot be read.
        """
        # Python hashes in half of DuckDB's time, and sorts what is short, not what is long.
        found = [
            (number, leaf(line) if erased is None else erased)
            for number, erased, line in self._rows(_NUMBERED)
        ]
        return [hashed for _, hashed in sorted(found)]

    def lines(self) -> Iterator[tuple[int, Line]]:
        """Yield the lines with their numbers, in order, as they were in the journal.

        Raises
        ------
        Damaged
            The file cannot be read.
        """
        for number, erased, line in self._rows(f"{_NUMBERED} ORDER BY number"):
            yield int(number), bytes(line) if erased is None else Erased(bytes(erased))

    def counts(self) -> tuple[int, int, int, tuple[Span, ...]]:
        """Return how many lines there are, how many are odd and erased, and what spans.

        Raises
        ------
        Damaged
            The file cannot be read.
        """
        asked = "SELECT count(*), count(raw), count(leaf) FROM read_parquet(?)"
        count, odd, erased = next(self._rows(asked))
        return count, odd, erased, _spans(self._rows(_SPANS.format(which="sound")))

    def _rows(self, statement: str) -> Iterator[tuple[Any, ...]]:
        try:
            with _opened(self.scratch) as database:
                found = database.execute(statement, [str(self.path)])
                while batch := found.fetchmany(_BATCH):
                    yield from batch
        except duckdb.Error as exc:
            raise Damaged(
                f"The segment {self.path.name} cannot be read: {str(exc).splitlines()[0]}"
            ) from exc


def _fill(
    database: duckdb.DuckDBPyConnection, lines: Iterable[bytes], first: int, scratch: Path
) -> list[bytes]:
    """Put lines into the table; return their hashes."""
    hashes: list[bytes] = []
    source = iter(lines)
    with tempfile.NamedTemporaryFile(dir=scratch, prefix="lines-", buffering=0) as file:
        while batch := list(islice(source, _BATCH)):
            begin = first + len(hashes)
            joined = b"\n".join(batch) + b"\n"
            if _is_plain(joined, len(batch)):
                file.seek(0)
                file.truncate()
                file.write(joined)
                database.execute(_FILL, [begin - 1, file.name])
            else:
                numbers = list(range(begin, begin + len(batch)))
                database.execute(_FILL_ODD, [numbers, *_texts(batch)])
            hashes += map(leaf, batch)
    return hashes


def _is_plain(joined: bytes, count: int) -> bool:
    """Return whether so many lines come out of a file as they are: text, and none of them empty."""
    return (
        joined.count(b"\n") == count
        and not joined.startswith(b"\n")
        and not any(each in joined for each in (b"\n\n", b"\r", b"\1", b"\0"))
        and (joined.isascii() or _is_text(joined))
    )


def _is_text(content: bytes) -> bool:
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


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


def _texts(batch: Sequence[bytes]) -> tuple[list[str | None], list[bytes | None]]:
    """Return the lines that are text, and those that are none."""
    texts = [line.decode("utf-8") if line and _is_text(line) else None for line in batch]
    odd = [line if text is None else None for text, line in zip(texts, batch, strict=True)]
    return texts, odd


def _contents(segment: SegmentFile, first: int, leaves: Sequence[bytes]) -> Contents:
    """Return what `segment` has, which must give `leaves` back."""
    if segment.leaves() != leaves:
        raise Damaged(f"The segment {segment.path.name} does not give back what was written")
    count, odd, erased, spans = segment.counts()
    return Contents(first, count, spans, odd, erased, tuple(leaves))


def _spans(rows: Iterable[tuple[Any, ...]]) -> tuple[Span, ...]:
    found = ((*row[:3], row[3].replace(tzinfo=UTC), row[4].replace(tzinfo=UTC)) for row in rows)
    return tuple(Span(project, RecordClass(kind), *rest) for project, kind, *rest in found)


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
