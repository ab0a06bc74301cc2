"""What the records tell of one story, as far as somebody may see it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from mavis_core.errors import Unavailable
from mavis_core.logs.query import MAX_LIMIT, Query
from mavis_core.records import Record
from mavis_ext.base import Services

__all__ = ["History", "history", "search"]


@dataclass(frozen=True, slots=True)
class History:
    """Records: of one story the oldest first, of a search the newest.

    Parameters
    ----------
    earlier
        The cursor of those before them; None where there are none.
    trouble
        Why there are none now though there may be some; empty where all is well.
    allowed
        Whether there is anything that the asker may see.
    """

    records: tuple[Record, ...] = ()
    earlier: str | None = None
    trouble: str = ""
    allowed: bool = True

    def of_run(self, run_id: str) -> History:
        """Return the records of one Run alone."""
        mine = (each for each in self.records if each.data.get("run") == run_id)
        return replace(self, records=tuple(mine))


async def history(
    services: Services,
    projects: frozenset[str] | None,
    correlation_id: str,
    cursor: str | None = None,
) -> History:
    """Return the newest records of a story, or those before a cursor.

    Parameters
    ----------
    projects
        Ids of those whose records the asker may see; None: all, and the platform's.
    """
    if projects is not None and not projects:
        return History(allowed=False)
    query = Query(projects=projects, correlation_id=correlation_id, limit=MAX_LIMIT, cursor=cursor)
    found = await search(services, query)
    return replace(found, records=found.records[::-1])


async def search(services: Services, query: Query) -> History:
    """Return what `query` finds, the newest first."""
    try:
        page = await services.logs.run(lambda: services.app.logs.search(query))
    except Unavailable as exc:
        return History(trouble=f"{exc.message}. {exc.mend}")
    return History(page.items, page.next)
