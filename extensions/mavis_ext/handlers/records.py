"""``/projects/{p}/records`` and ``/records``: what was done, by whom, and how it ended."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from mavis_core import clock
from mavis_core.access import Permission
from mavis_core.errors import InvalidInput
from mavis_core.logs.query import Page, Query
from mavis_ext.base import ApiHandler

__all__ = ["AllRecords", "Records"]

_FILTERS = ("since", "until", "person", "action", "correlation_id", "q")


class Records(ApiHandler):
    """The records of a project."""

    async def get(self, project: str) -> None:
        """List them by filters, newest first."""
        membership = await self.call(
            self.app.projects.authorize, self.ctx, project, Permission.RECORD_READ
        )
        found = membership.project
        await self.search(frozenset({found.id}), {found.id: found.name})

    async def search(self, projects: frozenset[str] | None, names: Mapping[str, str]) -> None:
        """Answer with a page of records."""
        wanted = self.filters(*_FILTERS)
        want = self.page()
        query = Query(
            projects=projects,
            since=_moment(wanted["since"], "since"),
            until=_moment(wanted["until"], "until"),
            person=wanted["person"],
            action=wanted["action"],
            correlation_id=wanted["correlation_id"],
            q=wanted["q"],
            limit=want.limit,
            cursor=want.cursor,
        )
        found = await self.services.logs.run(functools.partial(self.app.logs.search, query))
        self.answer(_named(found, names))


class AllRecords(Records):
    """The records of the platform and of all projects."""

    async def get(self) -> None:  # type: ignore[override]  # this address names no project
        """List them by filters, newest first."""
        self.ctx.require(Permission.RECORD_READ_ALL)
        await self.search(None, {})


def _named(found: Page, names: Mapping[str, str]) -> dict[str, Any]:
    told = found.to_json()
    for record in told["items"]:
        record["project"] = names.get(record["project"], record["project"])
    return told


def _moment(text: str | None, name: str) -> datetime | None:
    if text is None:
        return None
    try:
        return clock.parse(text)
    except ValueError as exc:
        raise InvalidInput(
            f"{name} is no moment: {text[:60]!r}",
            mend="Write RFC 3339 with a zone: 2026-01-31T12:00:00Z.",
            field=name,
        ) from exc
