"""The records: what was asked for and done, by whom, how it ended; an address brings them back."""

from __future__ import annotations

import asyncio

from mavis_core.logs.exports import ExportFormat
from mavis_hub.pages.asked import WORDS, asked_of, query_of, reach_of
from mavis_hub.pages.counts import Counts, counts, narrowed
from mavis_hub.pages.handlers import PersonPage
from mavis_hub.pages.history import History, search
from mavis_hub.pages.searches import PURPOSE

__all__ = ["Audit"]

_AT_A_TIME = 100
_SELDOM = ("object", "error_code", "source", "regex", "phase", "origin", "kind")
_SAID = {"q": "text", "error_code": "error", "regex": "expression", "since": "from", "until": "to"}
_NAMES = {
    ExportFormat.CSV: "CSV",
    ExportFormat.JSONL: "JSON lines",
    ExportFormat.PARQUET: "Parquet",
}


class Audit(PersonPage):
    """The page of the records, the newest first."""

    async def get(self) -> None:
        """Show those that the address asks for; with ``part=list`` nothing is counted."""
        asked = asked_of(self.get_query_argument)
        cursor = self.get_query_argument("cursor", "")
        whole = self.get_query_argument("part", "") != "list"
        reach, kept = await self.ask(
            lambda: (reach_of(self.app, self.ctx), self.app.searches.list(self.ctx))
        )
        projects = reach.projects(asked["project"])
        log, counted = History(allowed=False), Counts()
        if projects is None or projects:
            query = query_of(projects, asked, cursor=cursor, limit=_AT_A_TIME)
            services = self.site.services
            if not cursor:
                await self.ask(lambda: self.app.looks.told(self.ctx, projects))
            if whole:
                log, counted = await asyncio.gather(
                    search(services, query), counts(services, query, asked, reach.names)
                )
            else:
                log = await search(services, query)
        self.show(
            "audit.html",
            asked=asked,
            filtered=any(asked.values()),
            chips=[
                (_SAID.get(name, name), text, narrowed(asked, **{name: ""}))
                for name, text in asked.items()
                if text
            ],
            seldom=any(asked[name] for name in _SELDOM),
            words={name: list(kind) for name, kind in WORDS.items()},
            reach=reach,
            log=log,
            counted=counted,
            here=narrowed(asked),
            older=narrowed(asked, cursor=log.earlier or ""),
            newest=narrowed(asked) if cursor else "",
            files=[(_NAMES[form], narrowed(asked, format=form)) for form in ExportFormat],
            lives=not cursor and not asked["until"] and log.allowed,
            searches=[(each.name, narrowed(each.filters)) for each in kept],
            ticket=self.ticket(PURPOSE),
            xsrf=self.xsrf,
        )
