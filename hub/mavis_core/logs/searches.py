"""Searches of the log that people keep by a name, each for themselves."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from mavis_core import clock
from mavis_core.access import CallContext
from mavis_core.db import Database
from mavis_core.db.tables import record_searches
from mavis_core.errors import InvalidInput, OverLimit

__all__ = ["MOST_SEARCHES", "Search", "Searches"]

MOST_SEARCHES = 50
"""Of one person."""

_LONGEST = 60


@dataclass(frozen=True, slots=True)
class Search:
    """What somebody looks for again.

    Parameters
    ----------
    filters
        As the address of the page has them.
    """

    name: str
    filters: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Searches:
    """The searches that people keep. They tell nothing: what is found is decided when one looks."""

    database: Database

    def list(self, ctx: CallContext) -> tuple[Search, ...]:
        """Return the caller's, by their names."""
        table = record_searches
        mine = (
            sa.select(table.c.name, table.c.filters)
            .where(table.c.person == ctx.principal.name)
            .order_by(table.c.name)
        )
        with self.database.read() as tx:
            return tuple(Search(row.name, row.filters) for row in tx.execute(mine))

    def keep(self, ctx: CallContext, search: Search) -> None:
        """Keep a search of the caller in place of another with its name.

        Raises
        ------
        InvalidInput
            It has no good name, or looks for nothing.
        OverLimit
            There are too many.
        """
        _check(search)
        table, person = record_searches, ctx.principal.name
        mine = table.c.person == person
        with self.database.write() as tx:
            tx.execute(sa.delete(table).where(mine, table.c.name == search.name))
            count = tx.execute(sa.select(sa.func.count()).select_from(table).where(mine)).scalar()
            if count is not None and count >= MOST_SEARCHES:
                raise OverLimit(
                    f"{person} keeps {MOST_SEARCHES} searches already", mend="Remove one first."
                )
            row = {"person": person, "name": search.name, "filters": dict(search.filters)}
            tx.execute(sa.insert(table).values(**row, created_at=clock.now()))

    def forget(self, ctx: CallContext, name: str) -> None:
        """Keep a search of the caller no more; it may be gone already."""
        table = record_searches
        with self.database.write() as tx:
            tx.execute(
                sa.delete(table).where(table.c.person == ctx.principal.name, table.c.name == name)
            )


def _check(search: Search) -> None:
    odd = any(unicodedata.category(letter) in ("Cc", "Cs") for letter in search.name)
    if not 1 <= len(search.name) <= _LONGEST or odd or search.name != search.name.strip():
        raise InvalidInput(
            f"The name of a search has 1 to {_LONGEST} characters",
            mend="Choose a name.",
            field="name",
        )
    if not any(search.filters.values()):
        raise InvalidInput(
            "This search looks for everything", mend="Look for something first, then save it."
        )
