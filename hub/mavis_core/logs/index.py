"""The index: a DuckDB file that answers queries about the journal, and can be thrown away.

The place in the journal up to which the index has read is a row of the same file, changed in the
transaction that adds the records; `Index.catch_up` goes on from there. Live indexing, the start
after a crash and the rebuild of a lost file are this one path, so they give the same answers. A
file that DuckDB cannot read moves to the quarantine and a new one is made. What the archive has the
index forgets; a new one begins where the archive ends.

*Reopen*: close the file and open it again, which reads all of it and so finds damage. *Cursor*
here is DuckDB's: a connection of one query, beside those of others and of the writer.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime
from itertools import islice
from pathlib import Path

import duckdb

from mavis_core import clock
from mavis_core.errors import InvalidInput, Unavailable
from mavis_core.logs.codec import decode
from mavis_core.logs.duckdb_file import (
    State,
    is_surroundings,
    open_file,
    stopped_after,
    unavailable,
)
from mavis_core.logs.expressions import check_expression
from mavis_core.logs.journal import START, Journal, Line, Position
from mavis_core.logs.quarantine import Quarantine
from mavis_core.logs.query import Page, Query
from mavis_core.logs.statements import (
    FORGET,
    INSERT,
    INSERT_LINES,
    KNOWN,
    SET_STATE,
    conditions,
    newest,
    older_than,
    record_of,
    row_of,
)
from mavis_core.records.model import Record

__all__ = ["Index", "State"]

logger = logging.getLogger(__name__)

_BATCH = 5000
_TRIES = 3
_TIME = re.compile(rb'"time":"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z)"\}\Z')  # as all are written


class Index:
    """The index of one journal. Any thread may call it.

    Parameters
    ----------
    path
        The DuckDB file; made on demand. Its folder belongs to this process alone.
    quarantine
        Takes files that cannot be read.
    base
        Says where the archive ends: the number of its last line, and the place after it.
    timeout_s
        A query that runs longer is stopped.
    """

    def __init__(
        self,
        path: Path,
        quarantine: Quarantine,
        *,
        base: Callable[[], tuple[int, Position]] = lambda: (0, START),
        timeout_s: float = 10.0,
    ) -> None:
        self.path = path
        self._quarantine = quarantine
        self._base = base
        self._timeout_s = timeout_s
        self._root: duckdb.DuckDBPyConnection | None = None
        self._state = State()
        self._floor = 0
        self._writes = threading.RLock()
        self._failures = 0
        self._suspect = False
        self._ready = False
        self._readers = threading.Condition()
        self._active: dict[int, duckdb.DuckDBPyConnection] = {}

    @property
    def state(self) -> State:
        """What the index holds."""
        return self._state

    @property
    def floor(self) -> int:
        """The number of the last line that the index has forgotten."""
        return self._floor

    @property
    def ready(self) -> bool:
        """Whether queries are answered: the index has caught up with the journal once."""
        return self._ready

    def catch_up(self, journal: Journal, *, stopping: Callable[[], bool] = lambda: False) -> None:
        """Read what `journal` has more, until its end or until `stopping` says so.

        Raises
        ------
        Unavailable
            The disk is full, or the file is held by another process. Call again later.
        """
        with self._writes:
            if self._root is None or self._suspect:
                self._reopen()
            if not journal.covers(self._state.position):
                logger.error("index.ahead_of_journal position=%s", self._state.position)
                self._recreate()
            if self._state.position != journal.end:
                lines = journal.read(self._state.position)
                while batch := list(islice(lines, _BATCH)):
                    self._state = self._add(batch)
                    if stopping():
                        return
            self._ready = True

    def forget(self) -> None:
        """Remove what the archive has by now.

        Raises
        ------
        Unavailable
            The disk is full. What is in both places is found once all the same.
        """
        with self._writes:
            if self._root is not None:
                self._forget(*self._base())

    def _forget(self, number: int, place: Position) -> None:
        with self._writing() as writer:
            gone = writer.execute(FORGET, [number]).fetchall()[0][0]
            if ahead := self._state.number < number:
                writer.execute(SET_STATE, [place.file, place.offset, number, self._state.damaged])
        self._floor = number
        self._state = replace(self._state, records=self._state.records - gone)
        if ahead:
            self._state = replace(self._state, position=place, number=number)

    def _add(self, batch: Sequence[Line]) -> State:
        """Add the records of a batch in one transaction and return the state after it."""
        try:
            with self._writing() as writer:
                return _add(writer, batch, self._state, _as_they_lie)
        except _OtherLines:
            with self._writing() as writer:
                return _add(writer, batch, self._state, _one_by_one)

    def known(self, ids: Sequence[str]) -> frozenset[str]:
        """Return those of `ids` that the index holds."""
        with self._writes, self._writing() as writer:
            return frozenset(row[0] for row in writer.execute(KNOWN, [list(ids)]).fetchall())

    def search(self, query: Query) -> Page:
        """Return a page of the records that fit `query`, newest first.

        Raises
        ------
        InvalidInput
            Its regular expression is none.
        Unavailable
            The index is catching up, or the query took longer than it may.
        """
        wanted = conditions(query)
        if (place := query.after) is not None:
            wanted.append(older_than(place))
        with self.cursor() as cursor:
            if query.regex is not None:
                check_expression(cursor, query.regex)
            rows = cursor.execute(*newest("records", wanted, query.limit + 1)).fetchall()
        return Page.of((record_of(row[1:]) for row in rows), query.limit)

    def close(self) -> None:
        """Stop running queries and close the file."""
        with self._readers:
            self._ready = False
            while self._active:
                for cursor in self._active.values():
                    cursor.interrupt()
                self._readers.wait(0.02)
            if self._root is not None:
                self._root.close()
                self._root = None

    def _reopen(self) -> None:
        self.close()
        if self._failures >= _TRIES:  # sound to read, and still not to write
            self._set_aside()
        try:
            self._root, self._state = open_file(self.path)
        except duckdb.Error as exc:
            if is_surroundings(exc):
                raise unavailable(self.path, exc) from exc
            logger.warning("index.unreadable path=%s error=%s", self.path, exc)
            self._recreate()
        else:
            self._begin()
        self._suspect = False

    def _recreate(self) -> None:
        self.close()
        self._set_aside()
        try:
            self._root, self._state = open_file(self.path)
        except duckdb.Error as exc:
            raise unavailable(self.path, exc) from exc
        self._begin()

    def _begin(self) -> None:
        """Let the file begin where the archive ends."""
        number, place = self._base()
        self._floor = 0
        if number:
            self._forget(number, place)

    def _set_aside(self) -> None:
        for path in (self.path, self.path.with_name(self.path.name + ".wal")):
            with suppress(FileNotFoundError):
                kept = self._quarantine.keep_file(path)
                logger.warning("index.set_aside path=%s kept=%s", path, kept)
        self._failures = 0

    @contextmanager
    def _writing(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Run the block as one transaction of the writer."""
        if self._root is None:
            raise Unavailable("The log's index is not open", retry_after_s=1)
        try:
            with self._root.cursor() as writer:
                writer.begin()
                yield writer
                writer.commit()
        except duckdb.Error as exc:
            self._suspect = True
            self._failures += not is_surroundings(exc)
            raise unavailable(self.path, exc) from exc
        self._failures = 0

    @contextmanager
    def cursor(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Give the block a cursor of its own that is stopped when its time is over.

        Raises
        ------
        Unavailable
            The index is catching up, or the block took longer than it may.
        """
        with self._readers:
            if not self._ready or self._root is None:
                raise Unavailable("The log's index is catching up", retry_after_s=2)
            cursor = self._root.cursor()
            self._active[id(cursor)] = cursor
        try:
            with stopped_after(cursor, self._timeout_s):
                yield cursor
        except duckdb.Error as exc:
            self._suspect = True
            raise unavailable(self.path, exc) from exc
        finally:
            with self._readers:
                del self._active[id(cursor)]
                cursor.close()
                self._readers.notify_all()


class _OtherLines(Exception):
    """A batch has a line that only Python can take apart, or that is no record."""


_Adding = Callable[
    [duckdb.DuckDBPyConnection, Sequence[Line], int], tuple[int, int, datetime | None]
]


def _add(
    writer: duckdb.DuckDBPyConnection, lines: Sequence[Line], state: State, adding: _Adding
) -> State:
    """Add the records of `lines` in the writer's transaction and return the state after it."""
    added, damaged, last = adding(writer, lines, state.number + 1)
    state = State(
        position=lines[-1].end,
        number=state.number + len(lines),
        records=state.records + added,
        last_time=max(filter(None, (last, state.last_time)), default=None),
        damaged=state.damaged + damaged,
    )
    place = state.position
    writer.execute(SET_STATE, [place.file, place.offset, state.number, state.damaged])
    return state


def _as_they_lie(
    writer: duckdb.DuckDBPyConnection, lines: Sequence[Line], first: int
) -> tuple[int, int, datetime | None]:
    """Add lines by DuckDB alone; return how many were new, how many damaged, the newest time."""
    texts, times = [], []
    for line in lines:
        found = line.payload is not None and _TIME.search(line.payload)
        if not found or line.payload is None:
            raise _OtherLines
        try:
            texts.append(line.payload.decode("utf-8"))
        except UnicodeDecodeError as exc:
            raise _OtherLines from exc
        times.append(found[1])
    numbers = list(range(first, first + len(lines)))
    try:
        added = writer.execute(INSERT_LINES, [numbers, texts]).fetchall()[0][0]
    except (duckdb.ConstraintException, duckdb.DataError, duckdb.ProgrammingError) as exc:
        raise _OtherLines from exc
    return added, 0, clock.parse(max(times).decode("ascii"))


def _one_by_one(
    writer: duckdb.DuckDBPyConnection, lines: Sequence[Line], first: int
) -> tuple[int, int, datetime | None]:
    records, damaged = _decode(lines, first)
    added = 0
    if records:
        columns = zip(*(row_of(number, each) for number, each in records), strict=True)
        added = writer.execute(INSERT, [list(column) for column in columns]).fetchall()[0][0]
    return added, damaged, max((each.time for _, each in records), default=None)


def _decode(lines: Iterable[Line], first: int) -> tuple[list[tuple[int, Record]], int]:
    """Return the records of `lines` with their numbers, each id once; and how many are none."""
    records: dict[str, tuple[int, Record]] = {}
    damaged = 0
    for number, line in enumerate(lines, first):
        try:
            record = decode(line.payload or b"")
        except InvalidInput as exc:
            damaged += 1
            logger.warning("journal.damaged_line place=%s error=%s", line.start, exc)
        else:
            records.setdefault(record.id, (number, record))
    return list(records.values()), damaged
