"""Questions to all of the log: to the index for what is new, to segments for what is older.

An answer is the same wherever a record lies. The newest come first by their time, which is not the
order in which they came in; so a segment is left out only when all it may have of a question is
older than a page that is full.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from duckdb import DuckDBPyConnection

from mavis_core import clock
from mavis_core.errors import NotFound, Unavailable
from mavis_core.ids import new_id
from mavis_core.logs.archive import Archive
from mavis_core.logs.arrivals import MOST_ARRIVALS, Arrived
from mavis_core.logs.buckets import buckets_of
from mavis_core.logs.context import Beside, Context, alike
from mavis_core.logs.duckdb_file import stopped_after
from mavis_core.logs.exports import Export, Room, write_export, write_part
from mavis_core.logs.expressions import check_expression
from mavis_core.logs.extract import Extract, Relation
from mavis_core.logs.hot_words import HotWords
from mavis_core.logs.index import Index
from mavis_core.logs.manifests import Segment
from mavis_core.logs.query import Page, Place, Query
from mavis_core.logs.segment_reader import COLD_WORDS, SegmentReader
from mavis_core.logs.statements import (
    Condition,
    conditions,
    latest,
    newer_than,
    newest,
    older_than,
    oldest,
    record_of,
)
from mavis_core.logs.summaries import Counts, Summary, count, span_of
from mavis_core.records.model import Record

__all__ = ["Library"]

_ONE_WORD = re.compile(r"\w+", re.ASCII)
_TRIES = 5
_MANY = 20_000  # lines that hold the words: beyond it they are asked for as rows come
_WINDOW = 2_000
_EXPORT_S = 60.0
_ALL = (1 << 31) - 1
_LAST = (1 << 63) - 1

_Row = tuple[Any, ...]  # the number of its line, then the fields of `record_of`
_Numbers = Callable[[str, int, int, int], list[int]]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Place:
    """One of the places where records lie, and what is wanted there; words come besides.

    Parameters
    ----------
    relation
        The SQL that stands for its records.
    between
        The numbers of the first and of the last line that it has.
    numbers
        Finds which of its lines hold words.
    """

    cursor: DuckDBPyConnection
    relation: str
    wanted: list[Condition]
    between: tuple[int, int]
    numbers: _Numbers


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
        InvalidInput
            Its regular expression is none.
        Unavailable
            The index is catching up, the store does not answer, or it took longer than it may.
        Damaged
            A segment is not as it was stored.
        """
        began = time.monotonic()

        def rows_of(place: _Place) -> list[_Row]:
            return _rows(place, query)

        segments, rows = self._from_index(query, rows_of)
        needed = query.limit + 1
        for until, segment in _candidates(segments, query):
            if len(rows) >= needed and _time(rows[needed - 1]) > until:
                break
            rows = _merged(rows, self._from_segment(segment, query, began, rows_of))[:needed]
        return Page.of((record_of(row[1:]) for row in rows), query.limit)

    def summarize(self, query: Query, zone: ZoneInfo) -> Summary:
        """Return how many records fit `query`, whatever its page is; days are those of `zone`.

        Without ``since`` the buckets begin at the first record that the other filters leave; those
        that look into texts apart, so that texts are looked into once.

        Raises
        ------
        InvalidInput, Unavailable, Damaged
            As for `search`.
        """
        began, now = time.monotonic(), clock.now()
        query = replace(query, cursor=None)
        since = query.since
        if since is None:
            wide = replace(query, q=None, regex=None, words=None)
            firsts = self._over(wide, began, lambda it: span_of(it.cursor, it.relation, it.wanted))
            since = min(filter(None, firsts), default=now)
        buckets = buckets_of(since, query.until or now + timedelta(microseconds=1), zone)

        def counted(place: _Place) -> Counts:
            return count(place.cursor, place.relation, _with_words(place, query), buckets)

        return sum(self._over(query, began, counted), Counts()).told(buckets)

    def context(self, asked: Beside) -> Context:
        """Return a record and those around it.

        Raises
        ------
        NotFound
            There is none with this id in these projects.
        Unavailable, Damaged
            As for `search`.
        """
        began, wide = time.monotonic(), Query(projects=asked.projects)
        this = Condition("id = ?", (asked.record,))

        def row_of(place: _Place) -> list[_Row]:
            return place.cursor.execute(
                *newest(place.relation, [*place.wanted, this], 1)
            ).fetchall()

        found = next(filter(None, self._over(wide, began, row_of)), None)
        if found is None:
            raise NotFound(
                f"There is no record {asked.record} that you may see",
                mend="Take the id from a list of records.",
            )
        record = record_of(found[0][1:])
        other, place = alike(record, asked.within), Place(record.time, record.id)
        earlier = self._before(replace(wide, cursor=place.to_cursor()), other, asked.earlier, began)
        later = self._after(replace(wide, since=record.time), other, place, asked.later, began)
        return Context(record, _records(reversed(earlier)), _records(later))

    def arrived(self, query: Query, after: int, upto: int) -> Arrived:
        """Return the records of `query` in the lines after one, up to another: the last of them.

        Raises
        ------
        InvalidInput, Unavailable, Damaged
            As for `search`.
        """
        began = time.monotonic()
        between = Condition("number BETWEEN ? AND ?", (after + 1, upto))

        def rows_of(place: _Place) -> list[_Row]:
            first, last = place.between
            lines = (max(first, after + 1), min(last, upto))
            wanted = [*_with_words(replace(place, between=lines), query), between]
            return place.cursor.execute(*latest(place.relation, wanted, MOST_ARRIVALS)).fetchall()

        segments, rows = self._from_index(query, rows_of)
        total = _count(rows)
        for segment in reversed(segments):
            if segment.last <= after:
                break
            if segment.first <= upto and segment.spans(query.projects):
                more = self._from_segment(segment, query, began, rows_of)
                total += _count(more)
                rows = [*rows, *more[: MOST_ARRIVALS - len(rows)]]
        told = tuple((row[0], record_of(row[1:-1])) for row in reversed(rows))
        return Arrived(told, missed=total - len(told))

    def _before(self, query: Query, other: Condition, limit: int, began: float) -> list[_Row]:
        """Return the `limit` newest rows that fit `query` and `other`."""

        def rows_of(place: _Place) -> list[_Row]:
            wanted = [*place.wanted, other]
            return place.cursor.execute(*newest(place.relation, wanted, limit)).fetchall()

        segments, rows = self._from_index(query, rows_of)
        for until, segment in _candidates(segments, query):
            if len(rows) >= limit and (not rows or _time(rows[-1]) > until):
                break
            rows = _merged(rows, self._from_segment(segment, query, began, rows_of))[:limit]
        return rows

    def _after(
        self, query: Query, other: Condition, at: Place, limit: int, began: float
    ) -> list[_Row]:
        """Return the `limit` oldest rows after a place that fit `query` and `other`."""

        def rows_of(place: _Place) -> list[_Row]:
            wanted = [*place.wanted, other, newer_than(at)]
            return place.cursor.execute(*oldest(place.relation, wanted, limit)).fetchall()

        segments, rows = self._from_index(query, rows_of)
        begins = [
            (min(span.since for span in segment.spans(query.projects)), segment.first, segment)
            for _, segment in _candidates(segments, query)
        ]
        for since, _, segment in sorted(begins, key=lambda it: it[:2]):
            if len(rows) >= limit and (not rows or _time(rows[-1]) < since):
                break
            more = self._from_segment(segment, query, began, rows_of)
            rows = _merged(rows, more)[::-1][:limit]
        return rows

    def _over(self, query: Query, began: float, ask: Callable[[_Place], T]) -> Iterator[T]:
        """Yield what is answered by each place where something of `query` may be."""
        segments, found = self._from_index(query, ask)
        yield found
        for _, segment in _candidates(segments, query):
            yield self._from_segment(segment, query, began, ask)

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

    def export(self, wanted: Export, folder: Path, name: str) -> tuple[int, Path]:
        """Write the whole answer to a question into a new file of `folder`; return its count, too.

        What arrives meanwhile is not in it.

        Parameters
        ----------
        name
            What the names of files begin with, also of those that an error leaves behind.

        Raises
        ------
        OverLimit
            There is too much of it.
        InvalidInput, Unavailable, Damaged
            As for `search`, with more time; or the disk is full.
        """
        # `_from_segment` stops after the time of a search: so much later it begins.
        began = time.monotonic() + _EXPORT_S - self._timeout_s
        query, parts, room = replace(wanted.query, cursor=None), list[Path](), Room()
        upto = self._index.state.number

        def part_of(place: _Place) -> Room:
            number = Condition("number <= ?", (upto,))
            target = folder / f"{name}-{len(parts)}-{new_id('tmp')}.parquet"
            told = [*_with_words(place, query), number]
            after = write_part(place.cursor, place.relation, told, target, room)
            parts.append(target)
            return after

        segments, room = self._from_index(query, part_of)
        del parts[:-1]  # of tries while it was being archived
        for _, segment in _candidates(segments, query):
            room = self._from_segment(segment, query, began, part_of)
        target = folder / f"{name}.{wanted.format}"
        left_s = _EXPORT_S + began - time.monotonic()
        with self._reader.cursor() as cursor, stopped_after(cursor, left_s):
            write_export(cursor, wanted, parts, target)
        return room.records, target

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

    def _from_index(self, query: Query, ask: Callable[[_Place], T]) -> tuple[Sequence[Segment], T]:
        """Return the segments there are, and what is answered of what is in none of them."""
        for _ in range(_TRIES):
            segments = self._archive.segments
            last = segments[-1].last if segments else 0
            wanted = [Condition("number > ?", (last,)), *_wanted(query)]
            with self._index.cursor() as cursor:
                if query.regex is not None:
                    check_expression(cursor, query.regex)
                between = (last + 1, _LAST)
                found = ask(_Place(cursor, "records", wanted, between, self._words.numbers))
            if self._index.floor <= last:  # else it forgot meanwhile what a new segment has
                return segments, found
        raise Unavailable("The log is being archived", retry_after_s=1)

    def _from_segment(
        self, segment: Segment, query: Query, began: float, ask: Callable[[_Place], T]
    ) -> T:
        def numbers(asked: str, first: int, last: int, limit: int) -> list[int]:
            return self._reader.numbers(segment, asked, first, last, limit)

        wanted = _wanted(query, COLD_WORDS)
        left_s = self._timeout_s - (time.monotonic() - began)
        with (
            self._reader.relation(segment) as (cursor, relation),
            stopped_after(cursor, left_s),
        ):
            between = (segment.first, segment.last)
            return ask(_Place(cursor, relation, wanted, between, numbers))


def _count(rows: Sequence[_Row]) -> int:
    """Return how many rows there are, by the last column of those of `latest`."""
    return int(rows[0][-1]) if rows else 0


def _records(rows: Iterable[_Row]) -> tuple[Record, ...]:
    return tuple(record_of(row[1:]) for row in rows)


def _wanted(query: Query, words: str = "words") -> list[Condition]:
    wanted = conditions(query, words)
    if (place := query.after) is not None:
        wanted.append(older_than(place))
    return wanted


def _with_words(place: _Place, query: Query) -> list[Condition]:
    """Return what is wanted, words included."""
    if query.words is None:
        return place.wanted
    held = place.numbers(query.words, *place.between, _ALL)
    return [*place.wanted, Condition("number IN (SELECT unnest(?::BIGINT[]))", (held,))]


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


def _rows(place: _Place, query: Query) -> list[_Row]:
    """Return the newest rows of a place, one more than a page has."""
    cursor, relation, wanted = place.cursor, place.relation, place.wanted
    needed = query.limit + 1
    words = _words(query)
    if words is None:
        return cursor.execute(*newest(relation, wanted, needed)).fetchall()
    held = place.numbers(words, *place.between, _MANY + 1)
    if not held:
        return []
    if len(held) <= _MANY:
        wanted = [*wanted, Condition("number IN (SELECT unnest(?::BIGINT[]))", (held,))]
        return cursor.execute(*newest(relation, wanted, needed)).fetchall()
    return _by_windows(cursor, relation, wanted, words, needed, place.numbers)


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
