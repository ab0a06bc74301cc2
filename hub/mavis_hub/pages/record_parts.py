"""What the page of the records leads to: files, records as they arrive, what is around one."""

from __future__ import annotations

from dataclasses import fields

from mavis_core.errors import InvalidInput, NotFound, Unavailable
from mavis_core.logs.context import Beside, Within
from mavis_core.logs.exports import ExportFormat
from mavis_ext.downloads import Source, send_file
from mavis_ext.handlers.record_exports import file_name, media_type
from mavis_ext.record_following import Reach, RecordFollowing
from mavis_hub.pages.asked import asked_of, query_of, reach_of
from mavis_hub.pages.handlers import PersonPage
from mavis_hub.pages.history import History
from mavis_hub.pages.streams import ForPages

__all__ = ["Around", "RecordEvents", "RecordsFile"]

_BESIDE = 20
_OF_A_QUERY = ("projects", "limit", "cursor")


class RecordsFile(PersonPage):
    """All records that an address asks for, as a file."""

    async def get(self) -> None:
        """Send it."""
        asked = asked_of(self.get_query_argument)
        form = _format(self.get_query_argument("format", ExportFormat.CSV))
        reach = await self.ask(lambda: reach_of(self.app, self.ctx))
        projects = reach.projects(asked["project"])
        if projects is not None and not projects:
            raise NotFound("There are no records that you may see")
        query = query_of(projects, asked)

        def take() -> Source:
            return self.app.exports.take(self.ctx, query, form, reach.names)

        await send_file(
            self,
            self.site.services,
            self.ctx.principal.name,
            take,
            media=media_type(form),
            name=file_name((asked["project"] and "project") or "all", form),
        )


class RecordEvents(ForPages, RecordFollowing):
    """Records as they arrive, for the page that shows them."""

    async def get(self) -> None:
        """Tell those that the address asks for."""
        asked = asked_of(self.get_query_argument)
        query = query_of(frozenset(), asked)
        names = (each.name for each in fields(query) if each.name not in _OF_A_QUERY)
        filters = {name: getattr(query, name) for name in names}

        def reach() -> Reach:
            found = reach_of(self.app, self.ctx)
            projects = found.projects(asked["project"])
            if projects is not None and not projects:
                raise NotFound("There are no records that you may see")
            self.app.looks.told(self.ctx, projects)
            return Reach(projects, found.names)

        await self.follow_records(reach, filters)


class Around(PersonPage):
    """A record, and what was recorded just before and after it."""

    async def get(self, record: str) -> None:
        """Show it, among those of its project, its story or its person."""
        within = _within(self.get_query_argument("within", ""))
        reach = await self.ask(lambda: reach_of(self.app, self.ctx))
        projects = reach.projects("")
        if projects is not None and not projects:
            raise NotFound("There are no records that you may see")
        beside = Beside(
            record=record, projects=projects, within=within, earlier=_BESIDE, later=_BESIDE
        )
        await self.ask(lambda: self.app.looks.told(self.ctx, projects))
        log, here = History(), None
        try:
            found = await self.site.services.logs.run(lambda: self.app.logs.context(beside))
            here = found.record
            log = History((*found.later[::-1], here, *found.earlier[::-1]))
        except Unavailable as exc:
            log = History(trouble=f"{exc.message}. {exc.mend}")
        self.show(
            "around.html", record=here, within=within, ways=list(Within), log=log, reach=reach
        )


def _format(text: str) -> ExportFormat:
    try:
        return ExportFormat(text)
    except ValueError as exc:
        raise InvalidInput(f"No form of a file: {text[:40]!r}", field="format") from exc


def _within(text: str) -> Within:
    try:
        return Within(text) if text else Within.PROJECT
    except ValueError as exc:
        raise InvalidInput(f"within is one of {', '.join(Within)}", field="within") from exc
