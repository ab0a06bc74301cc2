"""Cursor pages over rows whose ids sort by time."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import sqlalchemy as sa

from mavis_core.errors import InvalidInput

__all__ = ["MAX_LIMIT", "Page", "PageRequest", "fetch"]

T = TypeVar("T")
MAX_LIMIT = 200
_ID = re.compile(r"[a-z]{2,5}_[0-9a-z]{26}\Z")


@dataclass(frozen=True, slots=True)
class PageRequest:
    """Which page is wanted.

    Parameters
    ----------
    limit
        Items at most, 1 to 200.
    cursor
        `Page.next` of the page before; None for the first.
    """

    limit: int = 50
    cursor: str | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.limit <= MAX_LIMIT:
            raise InvalidInput(f"limit is {self.limit}; use 1 to {MAX_LIMIT}", field="limit")
        if self.cursor is not None and len(self.cursor) > 200:
            raise _bad_cursor()


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Items, and the cursor of those after them, or None at the end."""

    items: tuple[T, ...]
    next: str | None


def fetch(
    tx: sa.Connection,
    query: sa.Select[Any],
    column: sa.ColumnElement[str],
    want: PageRequest,
    make: Callable[[sa.RowMapping], T],
    *,
    newest_first: bool = False,
) -> Page[T]:
    """Return the page of `query` that `want` asks for, in the order of the id `column`."""
    if want.cursor is not None:
        if not _ID.match(want.cursor):
            raise _bad_cursor()
        query = query.where(column < want.cursor if newest_first else column > want.cursor)
    query = query.order_by(column.desc() if newest_first else column).limit(want.limit + 1)
    rows = tx.execute(query).mappings().all()
    kept = rows[: want.limit]
    more = len(rows) > want.limit
    return Page(tuple(make(row) for row in kept), kept[-1][column.key] if more else None)  # type: ignore[index]  # a column of a table has a key


def _bad_cursor() -> InvalidInput:
    return InvalidInput(
        "cursor is not one that this address gave",
        mend="Send back `next` of the page before, as it is.",
        field="cursor",
    )
