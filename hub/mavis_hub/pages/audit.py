"""The records: what was asked for and done, by whom, how it ended; an address brings them back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from urllib.parse import urlencode

from mavis_core.access import CallContext, Permission
from mavis_core.bootstrap import ApiApp
from mavis_core.errors import InvalidInput, NotFound
from mavis_core.logs.query import Query
from mavis_hub.pages.handlers import PersonPage
from mavis_hub.pages.history import History, search

__all__ = ["Audit"]

_AT_A_TIME = 100
_FIELDS = ("project", "person", "action", "q", "since", "until")


@dataclass(frozen=True, slots=True)
class _Reach:
    """Whose records somebody may see.

    Parameters
    ----------
    names
        Of those projects, by id.
    everything
        Whether they see the records of the platform and of all projects, too.
    """

    names: Mapping[str, str]
    everything: bool

    def projects(self, wanted: str) -> frozenset[str] | None:
        """Return the ids of what is looked at; None: all.

        Raises
        ------
        NotFound
            A project is wanted whose records they may not see.
        """
        if not wanted:
            return None if self.everything else frozenset(self.names)
        found = frozenset(id_ for id_, name in self.names.items() if wanted in (id_, name))
        if not found:
            raise NotFound(
                f"No project {wanted[:60]!r} whose records you may see",
                mend="Its operators, auditors and administrators do.",
            )
        return found


class Audit(PersonPage):
    """The page of the records, the newest first."""

    async def get(self) -> None:
        """Show those that the address asks for."""
        asked = {name: self.get_query_argument(name, "").strip() for name in _FIELDS}
        reach = await self.ask(lambda: _reach(self.app, self.ctx))
        found = await self._search(reach, asked)
        self.show(
            "audit.html",
            asked=asked,
            filtered=any(asked.values()),
            reach=reach,
            log=found,
            older=_address(asked, found.earlier),
            newest=_address(asked) if self.get_query_argument("cursor", "") else "",
        )

    async def _search(self, reach: _Reach, asked: Mapping[str, str]) -> History:
        projects = reach.projects(asked["project"])
        if projects is not None and not projects:
            return History(allowed=False)
        query = Query(
            projects=projects,
            person=asked["person"] or None,
            action=asked["action"] or None,
            q=asked["q"] or None,
            since=_day(asked, "since"),
            until=_day(asked, "until", past=timedelta(days=1)),
            limit=_AT_A_TIME,
            cursor=self.get_query_argument("cursor", "") or None,
        )
        if query.cursor is None:
            await self.ask(lambda: self.app.looks.told(self.ctx, projects))
        return await search(self.site.services, query)


def _reach(app: ApiApp, ctx: CallContext) -> _Reach:
    mine = app.projects.where(ctx, Permission.RECORD_READ)
    names = {each.project.id: each.project.name for each in mine}
    return _Reach(names, ctx.may(Permission.RECORD_READ_ALL))


def _day(asked: Mapping[str, str], field: str, *, past: timedelta = timedelta()) -> datetime | None:
    """Return the beginning of a day in UTC, or what lies `past` it."""
    if not asked[field]:
        return None
    try:
        return datetime.combine(date.fromisoformat(asked[field]), time(), UTC) + past
    except (ValueError, OverflowError) as exc:
        raise InvalidInput(
            f"{field} is no day: {asked[field][:60]!r}", mend="Write 2030-01-31.", field=field
        ) from exc


def _address(asked: Mapping[str, str], cursor: str | None = None) -> str:
    given = {name: text for name, text in asked.items() if text}
    return f"?{urlencode(given | ({'cursor': cursor} if cursor else {}))}"
