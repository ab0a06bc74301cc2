"""Rows of dashboards, versions and views."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from mavis_core.dashboards.model import Dashboard, State, Version, View
from mavis_core.db import tables

__all__ = [
    "VIEWS",
    "add_version",
    "add_view",
    "alive",
    "dashboard_of",
    "dashboards_in",
    "forget_views",
    "insert",
    "notebook_of",
    "open_views",
    "set_dashboard",
    "set_view",
    "shipped_of",
    "showing",
    "versions_of",
    "view_of",
]

_DASHBOARDS, _VERSIONS = tables.dashboards, tables.dashboard_versions
VIEWS = tables.dashboard_views
_VIEW_COLUMNS = [VIEWS.c[each.name] for each in fields(View)]


def insert(tx: sa.Connection, dashboard: Dashboard) -> None:
    """Write a new dashboard."""
    tx.execute(
        sa.insert(_DASHBOARDS).values(
            **{
                each.name: getattr(dashboard, each.name)
                for each in fields(dashboard)
                if each.name != "project"
            }
        )
    )


def set_dashboard(tx: sa.Connection, dashboard_id: str, **values: Any) -> None:
    """Change a dashboard."""
    tx.execute(sa.update(_DASHBOARDS).where(_DASHBOARDS.c.id == dashboard_id).values(**values))


def dashboard_of(
    tx: sa.Connection, *, project_id: str | None = None, reference: str
) -> Dashboard | None:
    """Return a dashboard by its id, or by name or id in a project."""
    which = _DASHBOARDS.c.id == reference
    if project_id is not None:
        which = (_DASHBOARDS.c.project_id == project_id) & (
            which | (_DASHBOARDS.c.name == reference)
        )
    row = tx.execute(_dashboards().where(which)).mappings().first()
    return None if row is None else Dashboard(**row)


def dashboards_in(tx: sa.Connection, project_ids: Collection[str]) -> tuple[Dashboard, ...]:
    """Return the dashboards of projects, by project and name."""
    query = _dashboards().where(_DASHBOARDS.c.project_id.in_(project_ids))
    rows = tx.execute(query.order_by(tables.projects.c.name, _DASHBOARDS.c.name)).mappings()
    return tuple(Dashboard(**row) for row in rows)


def _dashboards() -> sa.Select[Any]:
    projects = tables.projects
    return sa.select(_DASHBOARDS, projects.c.name.label("project")).join(
        projects, _DASHBOARDS.c.project_id == projects.c.id
    )


def add_version(tx: sa.Connection, dashboard_id: str, version: Version, notebook: str) -> None:
    """Write a new version."""
    values = {each.name: getattr(version, each.name) for each in fields(version)}
    del values["current"]
    tx.execute(sa.insert(_VERSIONS).values(dashboard_id=dashboard_id, notebook=notebook, **values))


def versions_of(tx: sa.Connection, dashboard: Dashboard) -> tuple[Version, ...]:
    """Return the versions of a dashboard, the newest first."""
    columns = [_VERSIONS.c[each.name] for each in fields(Version) if each.name != "current"]
    query = (
        sa.select(*columns)
        .where(_VERSIONS.c.dashboard_id == dashboard.id)
        .order_by(_VERSIONS.c.number.desc())
    )
    return tuple(
        Version(**row, current=row["number"] == dashboard.version)
        for row in tx.execute(query).mappings()
    )


def notebook_of(tx: sa.Connection, dashboard_id: str, number: int) -> str | None:
    """Return the notebook of a version."""
    query = sa.select(_VERSIONS.c.notebook).where(
        _VERSIONS.c.dashboard_id == dashboard_id, _VERSIONS.c.number == number
    )
    return tx.execute(query).scalar()


def shipped_of(tx: sa.Connection, dashboard_id: str, number: int) -> str | None:
    """Return the name under which Mavis brought a version; None: it did not."""
    query = sa.select(_VERSIONS.c.shipped).where(
        _VERSIONS.c.dashboard_id == dashboard_id, _VERSIONS.c.number == number
    )
    return tx.execute(query).scalar()


def showing(tx: sa.Connection, project_ids: Collection[str], names: Collection[str]) -> set[str]:
    """Return the ids of the dashboards whose published version Mavis brought by one of `names`."""
    query = (
        sa.select(_DASHBOARDS.c.id)
        .join(_VERSIONS, _VERSIONS.c.dashboard_id == _DASHBOARDS.c.id)
        .where(
            _DASHBOARDS.c.project_id.in_(project_ids),
            _VERSIONS.c.number == _DASHBOARDS.c.version,
            _VERSIONS.c.shipped.in_(names),
        )
    )
    return set(tx.execute(query).scalars())


def add_view(tx: sa.Connection, view: View, ticket_hash: str) -> None:
    """Write a new view."""
    values = {each.name: getattr(view, each.name) for each in fields(view)}
    tx.execute(sa.insert(VIEWS).values(**values, ticket_hash=ticket_hash))


def set_view(tx: sa.Connection, view_id: str, **values: Any) -> None:
    """Change a view."""
    tx.execute(sa.update(VIEWS).where(VIEWS.c.id == view_id).values(**values))


def view_of(tx: sa.Connection, which: sa.ColumnElement[bool], *, hold: bool = False) -> View | None:
    """Return a view.

    Parameters
    ----------
    hold
        Whether others who would change it wait until `tx` ends.
    """
    query = sa.select(*_VIEW_COLUMNS).where(which)
    row = tx.execute(query.with_for_update() if hold else query).mappings().first()
    return None if row is None else View(**{**row, "state": State(row["state"])})


def open_views(tx: sa.Connection, viewer: str, seen_after: datetime) -> int:
    """Return how many views of a person are open."""
    query = sa.select(sa.func.count()).where(
        VIEWS.c.viewer == viewer, VIEWS.c.state == State.OPEN, VIEWS.c.seen_at > seen_after
    )
    return tx.execute(query).scalar_one()


def forget_views(tx: sa.Connection, before: datetime) -> None:
    """Delete the views that nobody has looked at since then."""
    tx.execute(sa.delete(VIEWS).where(VIEWS.c.seen_at < before))


def alive(tx: sa.Connection, ids: Sequence[str], seen_after: datetime) -> frozenset[str]:
    """Return which of some views are open and were seen since then."""
    query = sa.select(VIEWS.c.id).where(
        VIEWS.c.id.in_(ids), VIEWS.c.state == State.OPEN, VIEWS.c.seen_at > seen_after
    )
    return frozenset(tx.scalars(query))
