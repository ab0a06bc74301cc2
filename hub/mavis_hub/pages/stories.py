"""One story: everything that one request set off, across the projects that the asker may see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mavis_core.access import CallContext, Permission
from mavis_core.bootstrap import ApiApp
from mavis_core.errors import NotFound
from mavis_core.scheduling.model import Run
from mavis_hub.pages.handlers import PersonPage
from mavis_hub.pages.history import history

__all__ = ["Story"]

_RUNS = 100


@dataclass(frozen=True, slots=True)
class _Seen:
    """What somebody may see.

    Parameters
    ----------
    names
        Of projects, by id.
    projects
        Ids of those whose records they may see; None: all.
    """

    runs: tuple[Run, ...]
    names: Mapping[str, str]
    projects: frozenset[str] | None


class Story(PersonPage):
    """The page of one story."""

    async def get(self, correlation_id: str) -> None:
        """Show it.

        Raises
        ------
        NotFound
            There is none, or nothing in it that the asker may see: the two look the same.
        """
        seen = await self.ask(lambda: _look(self.app, self.ctx, correlation_id))
        cursor = self.get_query_argument("cursor", None)
        told = await history(self.site.services, seen.projects, correlation_id, cursor)
        if not seen.runs and not told.records and not told.trouble:
            raise NotFound(
                f"No story {correlation_id[:60]!r} of which you may see anything",
                mend="Follow the link of a Run or of a record to its story.",
            )
        shown = {each.project for each in told.records if each.project is not None}
        await self.ask(lambda: self.app.looks.told(self.ctx, shown))
        people = {each.person for each in told.records} | {each.person for each in seen.runs}
        self.show(
            "story.html",
            story=correlation_id,
            runs=seen.runs,
            names=seen.names,
            log=told,
            people=sorted(people),
        )


def _look(app: ApiApp, ctx: CallContext, correlation_id: str) -> _Seen:
    runs = app.runs.across(ctx, correlation_id=correlation_id, limit=_RUNS)[::-1]
    mine = app.projects.where(ctx, Permission.PROJECT_READ)
    names = {each.project.id: each.project.name for each in mine}
    if ctx.may(Permission.RECORD_READ_ALL):
        return _Seen(runs, names, None)
    may = (each for each in mine if ctx.may(Permission.RECORD_READ, each.roles))
    return _Seen(runs, names, frozenset(each.project.id for each in may))
