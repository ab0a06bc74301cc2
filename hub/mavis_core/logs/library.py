"""Questions to all of the log: to the index for what is new, to segments for what is older.

An answer is the same wherever a record lies. The newest come first by their time, which is not the
order in which they came in; so a segment is left out only when all it may have of a question is
older than a page that is full.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from duckdb import DuckDBPyConnection

from mavis_core.errors import Unavailable
from mavis_core.logs.archive import Archive
from mavis_core.logs.duckdb_file import stopped_after
from mavis_core.logs.extract import Extract, Relation
from mavis_core.logs.hot_words import HotWords
from mavis_core.logs.index import Index
from mavis_core.logs.manifests import Segment
from mavis_core.logs.query import Page, Place, Query
from mavis_core.logs.segment_reader import COLD_WORDS, SegmentReader
from mavis_core.logs.statements import Condition, conditions, newest, older_than, record_of

__all__ = ["Library"]

_ONE_WORD = re.compile(r"\w+", re.ASCII)
_TRIES = 5
_MANY = 20_000  # lines that hold the words: beyond it they are asked for as rows come
_WINDOW = 2_000
_ALL = (1 << 31) - 1
_LAST = (1 << 63) - 1

_Row = tuple[Any, ...]  # the number of its line, then the fields of `record_of`
_Numbers = Callable[[str, int, int, int], list[int]]


class Library:
    """Answers questions. Any thread may call it.

    Parameters
    ----------
    index, words
        What is not archived.
    archive, reader
        What is.
    timeout_s
        A question that takes longer is stopped.
    """

    def __init__(
        self,
        index: Index,
        words: HotWords,
        archive: Archive,
        reader: SegmentReader,
        *,
        timeout_s: float = 10.0,
    ) -> None:
        self._index, self._words, self._archive, self._reader = index, words, archive, reader
        self._timeout_s = timeout_s

    def search(self, query: Query) -> Page:
        """Return a page of the records that fit `query`, newest first.

        Raises
        ------
        Unavailable
            The index is catching up, the store does not answer, or it took longer than it may.
        Damaged
            A segment is not as it was stored.
        """
        began = time.monotonic()
        segments, rows = self._from_index(query)
        needed = query.limit + 1
        for until, segment in _candidates(segments, query):
            if len(rows) >= needed and _time(rows[needed - 1]) > until:
                break
            left_s = self._timeout_s - (time.monotonic() - began)
            rows = _merged(rows, self._from_segment(segment, query, left_s))[:needed]
        return Page.of((record_of(row[1:]) for row in rows), query.limit)

    def extract(self, wanted: Extract, folder: Path, name: str) -> tuple[int, list[Path]]:
        """Write the records of `wanted` into new files of `folder`; return their count, and them.

        Parameters
        ----------
        name
            What the files' names begin with, also of those that an error leaves behind.

        Raises
        ------
        OverLimit
            They are too many.
        Unavailable
            As for `search`, or the disk is full.
        Damaged
            A segment is not as it was stored.
        """
        began = time.monotonic()
        segments, count, paths = self._hot_extract(wanted, folder, name)
        query = Query(projects=wanted.ids, since=wanted.since, until=wanted.until)
        for _, segment in _candidates(segments, query):
            target = folder / f"{name}-{segment.first}.parquet"
            with (
                self._reader.relation(segment) as (cursor, relation),
                stopped_after(cursor, self._timeout_s - (time.monotonic() - began)),
            ):
                count += wanted.write(cursor, Relation(relation), target, before=count)
            paths.append(target)
        return count, paths

    def _hot_extract(
        self, wanted: Extract, folder: Path, name: str
    ) -> tuple[Sequence[Segment], int, list[Path]]:
        """Return the segments there are, and what was written of what is in none of them."""
        for at in range(_TRIES):
            segments = self._archive.segments
            last = segments[-1].last if segments else 0
            target = folder / f"{name}-hot{at}.parquet"
            with self._index.cursor() as cursor:
                rows = Relation("(SELECT * FROM records WHERE number > ?)", (last,))
                count = wanted.write(cursor, rows, target)
            if self._index.floor <= last:  # as in `_from_index`
                return segments, count, [target]
        raise Unavailable("The log is being archived", retry_after_s=1)

    def _from_index(self, query: Query) -> tuple[Sequence[Segment], list[_Row]]:
        """Return the segments there are, and rows of what is in none of them."""
        for _ in range(_TRIES):
            segments = self._archive.segments
            last = segments[-1].last if segments else 0
            wanted = [Condition("number > ?", (last,)), *_wanted(query)]
            with self._index.cursor() as cursor:
                rows = _rows(
                    cursor, "records", wanted, query, (last + 1, _LAST), self._words.numbers
                )
            if self._index.floor <= last:  # else it forgot meanwhile what a new segment has
                return segments, rows
        raise Unavailable("The log is being archived", retry_after_s=1)

    def _from_segment(self, segment: Segment, query: Query, left_s: float) -> list[_Row]:
        def numbers(asked: str, first: int, last: int, limit: int) -> list[int]:
            return self._reader.numbers(segment, asked, first, last, limit)

        wanted = _wanted(query, COLD_WORDS)
        with (
            self._reader.relation(segment) as (cursor, relation),
            stopped_after(cursor, left_s),
        ):
            between = (segment.first, segment.last)
            return _rows(cursor, relation, wanted, query, between, numbers)


def _wanted(query: Query, words: str = "words") -> list[Condition]:
    wanted = conditions(query, words)
    if (place := query.after) is not None:
        wanted.append(older_than(place))
    return wanted


def _candidates(segments: Iterable[Segment], query: Query) -> list[tuple[datetime, Segment]]:
    """Return the segments that may have something, each with the newest time it may have."""
    found = []
    for segment in segments:
        spans = segment.spans(query.projects)
        if not spans:
            continue
        since, until = min(it.since for it in spans), max(it.until for it in spans)
        late = query.until is not None and since >= query.until
        early = query.since is not None and until < query.since
        passed = (place := query.after) is not None and since > place.time
        if not (late or early or passed):
            found.append((until, segment))
    return sorted(found, key=lambda it: (it[0], it[1].first), reverse=True)


def _rows(
    cursor: DuckDBPyConnection,
    relation: str,
    wanted: list[Condition],
    query: Query,
    between: tuple[int, int],
    numbers: _Numbers,
) -> list[_Row]:
    """Return the newest rows, one more than a page has, of `relation`."""
    needed = query.limit + 1
    words = _words(query)
    if words is None:
        return cursor.execute(*newest(relation, wanted, needed)).fetchall()
    held = numbers(words, *between, _MANY + 1)
    if not held:
        return []
    if len(held) <= _MANY:
        wanted = [*wanted, Condition("number IN (SELECT unnest(?::BIGINT[]))", (held,))]
        return cursor.execute(*newest(relation, wanted, needed)).fetchall()
    return _by_windows(cursor, relation, wanted, words, needed, numbers)


def _words(query: Query) -> str | None:
    """Return the words that all lines hold which `query` fits: a story's id is one, too."""
    story = query.correlation_id
    is_word = story is not None and _ONE_WORD.fullmatch(story)
    return story if query.words is None and is_word else query.words


def _by_windows(
    cursor: DuckDBPyConnection,
    relation: str,
    wanted: list[Condition],
    words: str,
    needed: int,
    numbers: _Numbers,
) -> list[_Row]:
    """Return the newest rows that hold `words`, which many do, from some rows at a time."""
    found: list[_Row] = []
    further = wanted
    while len(found) < needed:
        rows = cursor.execute(*newest(relation, further, _WINDOW)).fetchall()
        if not rows:
            break
        lines = [row[0] for row in rows]
        held = set(numbers(words, min(lines), max(lines), _ALL))
        found += (row for row in rows if row[0] in held)
        further = [*wanted, older_than(Place(_time(rows[-1]), rows[-1][1]))]
    return found[:needed]


def _merged(rows: list[_Row], more: list[_Row]) -> list[_Row]:
    """Return both, newest first, each record once."""
    each = {row[1]: row for row in (*more, *rows)}
    return sorted(each.values(), key=lambda row: (row[2], row[1]), reverse=True)


def _time(row: _Row) -> datetime:
    moment: datetime = row[2]
    return moment.replace(tzinfo=UTC)
