"""Cursor pages over rows, in the list's own order or in one that was asked for.

*Sort*: the name of a column that a list can be sorted by, with a minus before it where the largest
comes first. *Cursor*: the place after which a page begins: the sort, and value and id of the last
row before it. Rows that have no value come last either way round, and among equal ones the ids
decide, so that every row has one place. Rows that change their value while somebody turns pages
may be missed or seen twice; others are not.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeAlias, TypeVar

import sqlalchemy as sa

from mavis_core import clock
from mavis_core.db.columns import Moment
from mavis_core.errors import InvalidInput

__all__ = ["MAX_CURSOR", "MAX_LIMIT", "Order", "Page", "PageRequest", "fetch"]

T = TypeVar("T")
Row: TypeAlias = Mapping[str, Any]
MAX_LIMIT = 200
MAX_CURSOR = 400
_VERSION = "1"
_LONG_BYTES = 200  # a longer value is looked up again, so that cursors stay short
_ID = re.compile(r"[a-z]{2,5}_[0-9a-z]{26}\Z")
_BASE64 = re.compile(r"[A-Za-z0-9_-]+\Z")


@dataclass(frozen=True, slots=True)
class PageRequest:
    """Which page is wanted.

    Parameters
    ----------
    limit
        Items at most, 1 to 200.
    cursor
        `Page.next` of the page before; None for the first.
    sort
        One of the list's sorts, with a minus before it for the other way round; None for the
        list's own order.
    """

    limit: int = 50
    cursor: str | None = None
    sort: str | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.limit <= MAX_LIMIT:
            raise InvalidInput(f"limit is {self.limit}; use 1 to {MAX_LIMIT}", field="limit")
        if self.cursor is not None and len(self.cursor) > MAX_CURSOR:
            raise _bad_cursor()


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Items, and the cursor of those after them, or None at the end."""

    items: tuple[T, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class Order:
    """The orders in which a list can be had.

    Parameters
    ----------
    id
        The column of ids, which sort by time: the list's own order.
    newest_first
        Whether that is the other way round.
    columns
        What it can be sorted by, by name: texts and moments.
    """

    id: sa.Column[str]
    newest_first: bool = False
    columns: Mapping[str, sa.Column[Any]] = field(default_factory=dict)

    @property
    def sorts(self) -> tuple[str, ...]:
        """The names of `columns`."""
        return tuple(self.columns)


@dataclass(frozen=True, slots=True)
class _Sort:
    """One order of a list; `column` is that of the ids for the list's own."""

    name: str
    column: sa.Column[Any]
    id: sa.Column[str]
    descending: bool


@dataclass(frozen=True, slots=True)
class _Stretch:
    """A part of a list in the order of `keys`, from after the row whose keys are `last`."""

    query: sa.Select[Any]
    keys: tuple[sa.ColumnElement[Any], ...]
    last: tuple[str | datetime | None, ...] | None


@dataclass(frozen=True, slots=True)
class _Place:
    """Value and id of a row. A text that is too long for a cursor is left out of it."""

    id: str
    value: str | datetime | None
    left_out: bool = False


def fetch(
    tx: sa.Connection,
    query: sa.Select[Any],
    order: Order,
    want: PageRequest,
    make: Callable[[Any], T],
) -> Page[T]:
    """Return the page of `query` that `want` asks for.

    Parameters
    ----------
    make
        Makes an item of a row, whose values stand under the names of its columns.

    Raises
    ------
    InvalidInput
        The list has no such sort, or the cursor is none of this list in this sort.
    """
    sort = _sort(order, want.sort)
    place = None if want.cursor is None else _read(want.cursor, sort)
    if place is not None and place.left_out:
        place = _looked_up(tx, query, sort, place.id)
    rows = _rows(tx, query, sort, place, want.limit + 1)
    kept = rows[: want.limit]
    more = len(rows) > want.limit
    return Page(tuple(make(row) for row in kept), _cursor(sort, kept[-1]) if more else None)


def _sort(order: Order, wanted: str | None) -> _Sort:
    if wanted is None:
        return _Sort("", order.id, order.id, order.newest_first)
    column = order.columns.get(wanted.removeprefix("-"))
    if column is None or wanted.startswith("--"):
        known = ", ".join(f"{name}, -{name}" for name in order.columns)
        raise InvalidInput(f"No sort {wanted[:40]!r}; there are {known}", field="sort")
    return _Sort(wanted, column, order.id, wanted.startswith("-"))


def _rows(
    tx: sa.Connection, query: sa.Select[Any], sort: _Sort, place: _Place | None, count: int
) -> list[Row]:
    """Return the first `count` rows after `place`."""
    found: list[Row] = []
    for stretch in _stretches(tx, query, sort, place):
        if len(found) < count:
            found += _ask(tx, stretch, sort, count - len(found))
    return found


def _stretches(
    tx: sa.Connection, query: sa.Select[Any], sort: _Sort, place: _Place | None
) -> Iterator[_Stretch]:
    """Cut a list into what has a value and what has none: no index serves both at once."""
    if sort.column is sort.id:
        yield _Stretch(query, (sort.id,), None if place is None else (place.id,))
        return
    among_none = place is not None and place.value is None
    if not among_none:
        some = query.where(sort.column.is_not(None)) if sort.column.nullable else query
        last = None if place is None else (place.value, place.id)
        yield _Stretch(some, (_alike(tx, sort.column), sort.id), last)
    if sort.column.nullable:
        none = query.where(sort.column.is_(None))
        yield _Stretch(none, (sort.id,), (place.id,) if place and among_none else None)


def _ask(tx: sa.Connection, stretch: _Stretch, sort: _Sort, count: int) -> Sequence[Row]:
    query, keys = stretch.query, stretch.keys
    if stretch.last is not None:
        pairs = zip(keys, stretch.last, strict=True)
        here = sa.tuple_(*keys)
        last = sa.tuple_(*(sa.literal(value, key.type) for key, value in pairs))
        query = query.where(here < last if sort.descending else here > last)
    ordered = query.order_by(*(key.desc() if sort.descending else key for key in keys))
    result = tx.execute(ordered.limit(count))
    names = tuple(result.keys())
    return [dict(zip(names, row, strict=True)) for row in result.all()]


def _alike(tx: sa.Connection, column: sa.Column[Any]) -> sa.ColumnElement[Any]:
    """Return what sorts texts by their code points, as SQLite does, on PostgreSQL too."""
    if tx.dialect.name == "postgresql" and isinstance(column.type, sa.Text):
        return sa.collate(column, "C")
    return column


def _looked_up(tx: sa.Connection, query: sa.Select[Any], sort: _Sort, row_id: str) -> _Place:
    """Return the place of a row whose value its cursor has left out."""
    row = tx.execute(query.with_only_columns(sort.column).where(sort.id == row_id)).first()
    if row is None:
        raise _bad_cursor()
    return _Place(row_id, row[0])


def _cursor(sort: _Sort, row: Row) -> str:
    value = None if sort.column is sort.id else row[sort.column.key]
    if value is None:
        told = "none"
    else:
        text = clock.iso(value) if isinstance(value, datetime) else str(value)
        told = f"={text}" if len(text.encode()) <= _LONG_BYTES else "long"
    plain = "\n".join((_VERSION, sort.name, row[sort.id.key], told))
    return base64.urlsafe_b64encode(plain.encode()).decode().rstrip("=")


def _read(cursor: str, sort: _Sort) -> _Place:
    """Return the place that a cursor names, which may come from anybody."""
    if not _BASE64.match(cursor):
        raise _bad_cursor()
    try:
        plain = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        version, name, row_id, told = plain.split("\n", 3)
        value = _value(told, sort)
    except ValueError as exc:  # and with it binascii.Error and UnicodeDecodeError
        raise _bad_cursor() from exc
    if (version, name) != (_VERSION, sort.name) or not _ID.match(row_id):
        raise _bad_cursor()
    return _Place(row_id, value, left_out=told == "long")


def _value(told: str, sort: _Sort) -> str | datetime | None:
    if not told.startswith("="):
        if told not in ("none", "long"):
            raise ValueError("no value")
        return None
    text = told[1:]
    if isinstance(sort.column.type, Moment):
        return clock.parse(text)
    if "\0" in text:
        raise ValueError("PostgreSQL holds no such text")
    return text


def _bad_cursor() -> InvalidInput:
    return InvalidInput(
        "cursor is not one that this address gave for this sort",
        mend="Send back `next` of the page before, as it is, with the same sort.",
        field="cursor",
    )
