"""Dashboards: publish a version, go back to one, take one away, and see which there are."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from mavis_core import clock, records
from mavis_core.access import PERMISSIONS, CallContext, Permission
from mavis_core.dashboards import rows
from mavis_core.dashboards.model import Dashboard, Version
from mavis_core.dashboards.notebooks import published_form
from mavis_core.dashboards.shipped import Shipped
from mavis_core.db import Database
from mavis_core.db.paging import MAX_LIMIT, PageRequest
from mavis_core.errors import Conflict, InvalidInput, NotFound
from mavis_core.ids import new_id
from mavis_core.projects.model import Membership, Project, check_name, check_text
from mavis_core.projects.service import Projects, audit, hold

__all__ = ["Dashboards"]

_AT_MOST = 100
_VERSIONS_AT_MOST = 1000
_PUBLISHES = PERMISSIONS[Permission.DASHBOARD_PUBLISH].roles
_READS = PERMISSIONS[Permission.RECORD_READ].roles


class Dashboards:
    """The dashboards of all projects.

    Parameters
    ----------
    database
        The main database.
    projects
        Guards every call.
    shipped
        What can be published by name.
    """

    def __init__(
        self, database: Database, projects: Projects, shipped: Mapping[str, Shipped]
    ) -> None:
        self._database = database
        self._projects = projects
        self._shipped = shipped

    def list(self, ctx: CallContext, reference: str) -> tuple[Dashboard, ...]:
        """Return the dashboards of a project by name.

        Those that are not published now are shown to whoever may publish; those that show the log,
        to whoever may read that.
        """
        found = self._projects.authorize(ctx, reference, Permission.DASHBOARD_VIEW)
        with self._database.read() as tx:
            every = rows.dashboards_in(tx, [found.project.id])
            return self._seen(tx, [found], _visible(found, every))

    def gallery(self, ctx: CallContext) -> tuple[Dashboard, ...]:
        """Return the published dashboards of every project in which the caller has a role."""
        ctx.require(Permission.DASHBOARD_VIEW, PERMISSIONS[Permission.DASHBOARD_VIEW].roles)
        mine = self._projects.list(ctx, PageRequest(MAX_LIMIT)).items
        with self._database.read() as tx:
            every = rows.dashboards_in(tx, [each.project.id for each in mine])
            published = tuple(each for each in every if each.version is not None)
            return self._seen(tx, mine, published)

    def get(self, ctx: CallContext, reference: str, name: str) -> Dashboard:
        """Return one dashboard.

        Raises
        ------
        NotFound
            There is none of that name or id, or it is not published and the caller may not publish.
        """
        found = self._projects.authorize(ctx, reference, Permission.DASHBOARD_VIEW)
        with self._database.read() as tx:
            dashboard = rows.dashboard_of(tx, project_id=found.project.id, reference=name)
            visible = _visible(found, (dashboard,) if dashboard else ())
            visible = self._seen(tx, [found], visible)
        return _there(visible, found.project, name)

    def versions(self, ctx: CallContext, reference: str, name: str) -> tuple[Version, ...]:
        """Return the versions of a dashboard, the newest first."""
        dashboard = self._to_publish(ctx, reference, name)
        with self._database.read() as tx:
            return rows.versions_of(tx, dashboard)

    def notebook(self, ctx: CallContext, reference: str, name: str, number: int) -> dict[str, Any]:
        """Return the notebook of a version, as it was published.

        Raises
        ------
        NotFound
            There is no such version.
        """
        dashboard = self._to_publish(ctx, reference, name)
        with self._database.read() as tx:
            text = rows.notebook_of(tx, dashboard.id, number)
        if text is None:
            raise _no_version(dashboard, number)
        return dict(json.loads(text))

    def publish(
        self,
        ctx: CallContext,
        reference: str,
        *,
        name: str,
        notebook: Mapping[str, Any] | None = None,
        shipped: str | None = None,
        title: str = "",
        description: str = "",
        note: str = "",
    ) -> Dashboard:
        """Make a new version of a dashboard, and the dashboard where it is new, and show it.

        Parameters
        ----------
        notebook
            A notebook of nbformat 4.
        shipped
            In its place: the name of one that Mavis brings along.
        title, description
            What people read; empty: as before, else the shipped one's, else the name.
        note
            What is new in this version.

        Raises
        ------
        InvalidInput
            The notebook or a text is not good, or not exactly one notebook is named.
        Conflict
            The project has too many dashboards, or this one too many versions.
        """
        project = self._projects.authorize(ctx, reference, Permission.DASHBOARD_PUBLISH).project
        check_name(name)
        taken = self._find_shipped(shipped) if shipped is not None else None
        if (notebook is None) == (taken is None):
            raise InvalidInput("Name either a notebook or a shipped dashboard", field="notebook")
        text = published_form(notebook if taken is None else taken.notebook)  # type: ignore[arg-type]  # one of both is there
        usual_title = taken.title if taken else name
        usual_description = taken.description if taken else ""
        title = check_text(title, field="title")
        description = check_text(description, field="description", limit=500)
        note = check_text(note, field="note", limit=500)
        with self._database.write() as tx:
            hold(tx, project.id)
            was = rows.dashboard_of(tx, project_id=project.id, reference=name)
            is_now = _published(ctx, project, name, was)
            is_now = replace(
                is_now,
                title=title or is_now.title or usual_title,
                description=description or is_now.description or usual_description,
            )
            if was is None:
                _check_room(tx, project)
                rows.insert(tx, is_now)
            version = _version(ctx, is_now, text, note, shipped)
            rows.add_version(tx, is_now.id, version, text)
            _set(tx, is_now)
            summary = f"Dashboard {name} of {project.name} published as version {version.number}"
            record = audit(ctx, "dashboard.publish", name, summary, project=project.id)
            told = {"version": version.number, "sha256": version.hash, "note": note}
            records.write(tx, replace(record, data=told))
        return is_now

    def activate(self, ctx: CallContext, reference: str, name: str, number: int) -> Dashboard:
        """Show the version `number` to viewers from now on.

        Raises
        ------
        NotFound
            There is no such version.
        """
        project = self._projects.authorize(ctx, reference, Permission.DASHBOARD_PUBLISH).project
        with self._database.write() as tx:
            hold(tx, project.id)
            dashboard = _there_in(tx, project, name)
            if rows.notebook_of(tx, dashboard.id, number) is None:
                raise _no_version(dashboard, number)
            is_now = _changed(ctx, dashboard, version=number)
            _set(tx, is_now)
            summary = f"Dashboard {dashboard.name} of {project.name} shows version {number}"
            records.write(
                tx, audit(ctx, "dashboard.activate", dashboard.name, summary, project=project.id)
            )
        return is_now

    def unpublish(self, ctx: CallContext, reference: str, name: str) -> Dashboard:
        """Show a dashboard to nobody any more; its versions stay, and open pages end.

        Raises
        ------
        NotFound
            There is none, or it is not published.
        """
        project = self._projects.authorize(ctx, reference, Permission.DASHBOARD_PUBLISH).project
        with self._database.write() as tx:
            hold(tx, project.id)
            dashboard = _there_in(tx, project, name)
            if dashboard.version is None:
                raise NotFound(f"The dashboard {dashboard.name} of {project.name} is not published")
            is_now = _changed(ctx, dashboard, version=None)
            _set(tx, is_now)
            summary = f"Dashboard {dashboard.name} of {project.name} is published no more"
            records.write(
                tx, audit(ctx, "dashboard.unpublish", dashboard.name, summary, project=project.id)
            )
        return is_now

    def _seen(
        self, tx: sa.Connection, mine: Sequence[Membership], every: tuple[Dashboard, ...]
    ) -> tuple[Dashboard, ...]:
        """Leave out what shows the log where somebody may not read it."""
        names = [name for name, each in self._shipped.items() if each.reads_records]
        closed = [each.project.id for each in mine if not _READS & each.roles]
        hidden = rows.showing(tx, closed, names) if closed else set()
        return tuple(each for each in every if each.id not in hidden)

    def _to_publish(self, ctx: CallContext, reference: str, name: str) -> Dashboard:
        project = self._projects.authorize(ctx, reference, Permission.DASHBOARD_PUBLISH).project
        with self._database.read() as tx:
            return _there_in(tx, project, name)

    def _find_shipped(self, name: str) -> Shipped:
        found = self._shipped.get(name)
        if found is None:
            raise InvalidInput(
                f"Mavis brings no dashboard {name[:60]!r}",
                mend=f"There are: {', '.join(sorted(self._shipped)) or 'none'}.",
                field="shipped",
            )
        return found


def _visible(found: Membership, every: tuple[Dashboard, ...]) -> tuple[Dashboard, ...]:
    if _PUBLISHES & found.roles:
        return every
    return tuple(each for each in every if each.version is not None)


def _there(found: tuple[Dashboard, ...], project: Project, name: str) -> Dashboard:
    if not found:
        raise NotFound(
            f"No dashboard {name[:60]!r} in {project.name}",
            mend="`mavis dashboard list` shows those that there are.",
        )
    return found[0]


def _there_in(tx: sa.Connection, project: Project, name: str) -> Dashboard:
    found = rows.dashboard_of(tx, project_id=project.id, reference=name)
    return _there((found,) if found else (), project, name)


def _published(ctx: CallContext, project: Project, name: str, was: Dashboard | None) -> Dashboard:
    """Return the dashboard with its next version, whose texts are still to be said."""
    now, person = clock.now(), ctx.principal.name
    if was is None:
        return Dashboard(
            id=new_id("dsh"),
            project_id=project.id,
            project=project.name,
            name=name,
            title="",
            description="",
            version=1,
            last_version=1,
            created_at=now,
            created_by=person,
            changed_at=now,
            changed_by=person,
        )
    number = was.last_version + 1
    if number > _VERSIONS_AT_MOST:
        raise Conflict(
            f"{was.name} has {_VERSIONS_AT_MOST} versions", mend="Publish it under another name."
        )
    return replace(_changed(ctx, was, version=number), last_version=number)


def _changed(ctx: CallContext, was: Dashboard, *, version: int | None) -> Dashboard:
    return replace(was, version=version, changed_at=clock.now(), changed_by=ctx.principal.name)


def _version(
    ctx: CallContext, dashboard: Dashboard, text: str, note: str, shipped: str | None
) -> Version:
    content = text.encode()
    return Version(
        number=dashboard.last_version,
        hash=hashlib.sha256(content).hexdigest(),
        size_bytes=len(content),
        note=note,
        shipped=shipped,
        published_at=clock.now(),
        published_by=ctx.principal.name,
        current=True,
    )


def _set(tx: sa.Connection, dashboard: Dashboard) -> None:
    names = ("title", "description", "version", "last_version", "changed_at", "changed_by")
    values = {name: getattr(dashboard, name) for name in names}
    rows.set_dashboard(tx, dashboard.id, **values)


def _check_room(tx: sa.Connection, project: Project) -> None:
    if len(rows.dashboards_in(tx, [project.id])) >= _AT_MOST:
        raise Conflict(
            f"{project.name} has {_AT_MOST} dashboards",
            mend="Publish a new version of one that is there.",
        )


def _no_version(dashboard: Dashboard, number: int) -> NotFound:
    return NotFound(
        f"{dashboard.name} of {dashboard.project} has no version {number}",
        mend=f"`mavis dashboard versions {dashboard.name}` shows them.",
    )
