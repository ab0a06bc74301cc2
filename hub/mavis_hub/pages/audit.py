"""The records: what was asked for and done, by whom, how it ended; an address brings them back."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import TypeVar

from mavis_core.access import CallContext, Permission
from mavis_core.bootstrap import ApiApp
from mavis_core.errors import InvalidInput, NotFound
from mavis_core.logs.query import Query
from mavis_core.records.model import Kind, Origin, Outcome, Phase
from mavis_hub.pages.counts import Counts, counts, narrowed
from mavis_hub.pages.handlers import PersonPage
from mavis_hub.pages.history import History, search

__all__ = ["Audit"]

_AT_A_TIME = 100
_TEXTS = ("person", "action", "object", "error_code", "source", "q", "words", "regex")
_WORDS = {"kind": Kind, "phase": Phase, "outcome": Outcome, "origin": Origin}
_FIELDS = ("project", *_TEXTS, *_WORDS, "since", "until")
_SELDOM = ("object", "error_code", "source", "regex", "phase", "origin", "kind")
_SAID = {"q": "text", "error_code": "error", "regex": "expression", "since": "from", "until": "to"}
W = TypeVar("W", bound=StrEnum)


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
        cursor = self.get_query_argument("cursor", "")
        reach = await self.ask(lambda: _reach(self.app, self.ctx))
        projects = reach.projects(asked["project"])
        log, counted = History(allowed=False), Counts()
        if projects is None or projects:
            query = _query(projects, asked, cursor)
            services = self.site.services
            if not cursor:
                await self.ask(lambda: self.app.looks.told(self.ctx, projects))
            log, counted = await asyncio.gather(
                search(services, query), counts(services, query, asked, reach.names)
            )
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
            words={name: list(kind) for name, kind in _WORDS.items()},
            reach=reach,
            log=log,
            counted=counted,
            older=narrowed(asked, cursor=log.earlier or ""),
            newest=narrowed(asked) if cursor else "",
        )


def _query(projects: frozenset[str] | None, asked: Mapping[str, str], cursor: str) -> Query:
    return Query(
        projects=projects,
        since=_day(asked, "since"),
        until=_day(asked, "until", past=timedelta(days=1)),
        kind=_word(Kind, asked, "kind"),
        phase=_word(Phase, asked, "phase"),
        outcome=_word(Outcome, asked, "outcome"),
        origin=_word(Origin, asked, "origin"),
        limit=_AT_A_TIME,
        cursor=cursor or None,
        **{name: asked[name] or None for name in _TEXTS},
    )


def _word(kind: type[W], asked: Mapping[str, str], field: str) -> W | None:
    try:
        return kind(asked[field]) if asked[field] else None
    except ValueError as exc:
        known = ", ".join(kind)
        raise InvalidInput(
            f"{field} is one of {known}: {asked[field][:60]!r}", field=field
        ) from exc


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
