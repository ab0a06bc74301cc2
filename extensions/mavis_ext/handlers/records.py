"""``/projects/{p}/records`` and ``/records``: what was done, by whom, and how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated

from pydantic import Field

from mavis_core.access import Permission
from mavis_core.logs import query as logs
from mavis_ext import schemas
from mavis_ext.base import ApiHandler
from mavis_ext.operation import operation
from mavis_ext.queries import Listing, Moment

__all__ = ["AllRecords", "Records"]


class RecordQuery(Listing):
    """Which records."""

    since: Annotated[Moment | None, Field(description="From this moment on.")] = None
    until: Annotated[Moment | None, Field(description="Before this moment.")] = None
    person: Annotated[str | None, Field(description="Who did it.")] = None
    action: Annotated[str | None, Field(description="The beginning of the action.")] = None
    correlation_id: Annotated[str | None, Field(description="All of one story.")] = None
    q: Annotated[
        str | None, Field(description="A text that summary, object, person, action or data holds.")
    ] = None


class Records(ApiHandler):
    """The records of a project."""

    @operation("list_records", Permission.RECORD_READ, pool="logs")
    def get(self, project: str, *, query: RecordQuery) -> schemas.Page[schemas.Record]:
        """List the records of a project, newest first."""
        found = self.app.projects.authorize(self.ctx, project, Permission.RECORD_READ).project
        return self.search(frozenset({found.id}), {found.id: found.name}, query)

    def search(
        self, projects: frozenset[str] | None, names: Mapping[str, str], query: RecordQuery
    ) -> schemas.Page[schemas.Record]:
        """Return a page of records, in which projects have names."""
        found = self.app.logs.search(logs.Query(projects=projects, **query.model_dump()))
        items = tuple(
            schemas.Record.of(replace(each, project=names.get(each.project or "", each.project)))
            for each in found.items
        )
        return schemas.Page[schemas.Record](items=items, next=found.next)


class AllRecords(Records):
    """The records of the platform and of all projects."""

    @operation("list_all_records", Permission.RECORD_READ_ALL, pool="logs")
    def get(self, *, query: RecordQuery) -> schemas.Page[schemas.Record]:
        """List the records of the platform and of all projects, newest first."""
        self.ctx.require(Permission.RECORD_READ_ALL)
        return self.search(None, {}, query)
