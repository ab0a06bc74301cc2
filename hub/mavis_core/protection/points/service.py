"""Looking at recovery points."""

from __future__ import annotations

import sqlalchemy as sa

from mavis_core.access import CallContext, Permission
from mavis_core.db import Database, tables
from mavis_core.db.paging import Order, Page, PageRequest, fetch
from mavis_core.errors import InvalidInput
from mavis_core.projects.service import Projects
from mavis_core.protection.points import rows as points
from mavis_core.protection.points.model import PointState, RecoveryPoint

__all__ = ["RecoveryPoints"]

_POINTS = tables.recovery_points
_ORDER = Order(
    _POINTS.c.id,
    newest_first=True,
    columns={
        "created_at": _POINTS.c.created_at,
        "taken_at": _POINTS.c.taken_at,
        "instance": _POINTS.c.instance_name,
        "state": _POINTS.c.state,
    },
)
_Text = sa.ColumnElement[str]


class RecoveryPoints:
    """The recovery points of all projects.

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
        instance: str | None = None,
        plan: str | None = None,
        state: str | None = None,
        region: str | None = None,
    ) -> Page[RecoveryPoint]:
        """Return the project's recovery points, newest first where not said.

        Those that are gone are left out where nobody asks for them.

        Parameters
        ----------
        instance
            Cloud id of the instance, else its name; None for all.
        plan
            Id of the backup plan that made them, else its name.
        state
            One state; None for all but ``gone``.

        Raises
        ------
        InvalidInput
            There is no such state.
        """
        project = self._projects.authorize(ctx, reference, Permission.POINT_READ).project
        if state is not None and state not in list(PointState):
            known = ", ".join(PointState)
            raise InvalidInput(f"No state {state[:40]!r}; use {known}", field="state")
        table = _POINTS
        query = sa.select(table).where(
            table.c.project_id == project.id,
            table.c.state == state if state is not None else table.c.state != PointState.GONE,
        )
        if region is not None:
            query = query.where(table.c.region == region)
        with self._database.read() as tx:
            for given, by_id, by_name in (
                (instance, table.c.instance_id, table.c.instance_name),
                (plan, table.c.plan_id, table.c.plan),
            ):
                if given is not None:
                    query = query.where(_which(tx, project.id, given, by_id, by_name) == given)
            page = fetch(tx, query, _ORDER, want, lambda row: row)
            return Page(tuple(points.points_of(tx, page.items)), page.next)

    def get(self, ctx: CallContext, reference: str, point_id: str) -> RecoveryPoint:
        """Return one recovery point.

        Raises
        ------
        NotFound
            The project has no such recovery point.
        """
        project = self._projects.authorize(ctx, reference, Permission.POINT_READ).project
        with self._database.read() as tx:
            return points.load(tx, project.id, point_id)


def _which(tx: sa.Connection, project_id: str, given: str, by_id: _Text, by_name: _Text) -> _Text:
    """Return what `given` is: an id where there is a point of it, else a name.

    One of the two, because no index serves both at once.
    """
    query = sa.select(_POINTS.c.id).where(_POINTS.c.project_id == project_id, by_id == given)
    return by_name if tx.scalar(query.limit(1)) is None else by_id
