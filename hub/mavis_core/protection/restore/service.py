"""Looking at restores."""

from __future__ import annotations

import sqlalchemy as sa

from mavis_core.access import CallContext, Permission
from mavis_core.db import Database, tables
from mavis_core.db.paging import Order, Page, PageRequest, fetch
from mavis_core.errors import InvalidInput
from mavis_core.projects.service import Projects
from mavis_core.protection.restore import rows as restores
from mavis_core.protection.restore.model import Restore, RestoreKind, RestoreState

__all__ = ["Restores"]

_RESTORES = tables.restores
_ORDER = Order(
    _RESTORES.c.id,
    newest_first=True,
    columns={"created_at": _RESTORES.c.created_at, "state": _RESTORES.c.state},
)


class Restores:
    """The restores of all projects.

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
        point: str | None = None,
        kind: str | None = None,
        state: str | None = None,
    ) -> Page[Restore]:
        """Return the project's restores, newest first where not said.

        Parameters
        ----------
        point
            The id of a recovery point; None for all.
        kind, state
            One of them; None for all.

        Raises
        ------
        InvalidInput
            There is no such kind or state.
        """
        project = self._projects.authorize(ctx, reference, Permission.RESTORE_READ).project
        table = tables.restores
        query = sa.select(table).where(table.c.project_id == project.id)
        if point is not None:
            query = query.where(table.c.point_id == point)
        for field, value, known in (("kind", kind, RestoreKind), ("state", state, RestoreState)):
            if value is None:
                continue
            if value not in list(known):
                words = ", ".join(known)
                raise InvalidInput(f"No {field} {value[:40]!r}; use {words}", field=field)
            query = query.where(table.c[field] == value)
        with self._database.read() as tx:
            return fetch(tx, query, _ORDER, want, restores.restore_of)

    def get(self, ctx: CallContext, reference: str, restore_id: str) -> Restore:
        """Return one restore.

        Raises
        ------
        NotFound
            The project has no such restore.
        """
        project = self._projects.authorize(ctx, reference, Permission.RESTORE_READ).project
        with self._database.read() as tx:
            return restores.load(tx, project.id, restore_id)
