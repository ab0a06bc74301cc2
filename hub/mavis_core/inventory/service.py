"""Looking at resources."""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa

from mavis_core.access import CallContext, Permission
from mavis_core.contract import ResourceKind
from mavis_core.db import Database, tables
from mavis_core.db.paging import Order, Page, PageRequest, fetch
from mavis_core.errors import InvalidInput
from mavis_core.inventory import store
from mavis_core.inventory.model import Resource
from mavis_core.projects.service import Projects

__all__ = ["Resources"]

_RESOURCES = tables.resources
_ORDER = Order(
    _RESOURCES.c.id,
    columns={name: _RESOURCES.c[name] for name in ("name", "kind", "region", "state", "seen_at")},
)


class Resources:
    """The resources of all projects.

    Parameters
    ----------
    database
        The main database.
    projects
        Guards every call.
    """

    SORTS = _ORDER.sorts

    def __init__(self, database: Database, projects: Projects) -> None:
        self._database = database
        self._projects = projects

    def list(
        self,
        ctx: CallContext,
        reference: str,
        want: PageRequest,
        *,
        kind: str | None = None,
        environment: str | None = None,
        region: str | None = None,
        text: str | None = None,
        gone: bool = False,
    ) -> Page[Resource]:
        """Return the project's resources in the order of their discovery where not said.

        Parameters
        ----------
        text
            Part of a name or cloud id.
        gone
            Whether to list what is not there any more, too.
        """
        project = self._projects.authorize(ctx, reference, Permission.RESOURCE_READ).project
        table = tables.resources
        query = store.query(project.id)
        if kind is not None:
            if kind not in list(ResourceKind):
                known = ", ".join(ResourceKind)
                raise InvalidInput(f"No kind {kind[:40]!r}; there are {known}", field="kind")
            query = query.where(table.c.kind == kind)
        if environment is not None:
            query = query.where(tables.environments.c.name == environment)
        if region is not None:
            query = query.where(table.c.region == region)
        if text:
            query = query.where(
                table.c.name.icontains(text, autoescape=True)
                | table.c.cloud_id.icontains(text, autoescape=True)
            )
        if not gone:
            query = query.where(~table.c.gone)
        with self._database.read() as tx:
            return fetch(tx, query, _ORDER, want, store.resource_of)

    def counts(self, ctx: CallContext, reference: str) -> Mapping[ResourceKind, int]:
        """Return how many resources of each kind the project has; of what is gone, none."""
        project = self._projects.authorize(ctx, reference, Permission.RESOURCE_READ).project
        table = tables.resources
        query = (
            sa.select(table.c.kind, sa.func.count())
            .where(table.c.project_id == project.id, ~table.c.gone)
            .group_by(table.c.kind)
        )
        with self._database.read() as tx:
            found = {str(kind): number for kind, number in tx.execute(query)}
        return {kind: found[kind] for kind in ResourceKind if kind in found}

    def get(self, ctx: CallContext, reference: str, resource: str) -> Resource:
        """Return one resource by id, cloud id or name."""
        project = self._projects.authorize(ctx, reference, Permission.RESOURCE_READ).project
        with self._database.read() as tx:
            return store.find_one(tx, project.id, resource)
