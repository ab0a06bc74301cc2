"""``/projects/{p}/dashboards``."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from pydantic import ConfigDict

from mavis_core.access import Permission
from mavis_ext import schemas
from mavis_ext.answers import Created
from mavis_ext.base import ApiHandler
from mavis_ext.bodies import Body
from mavis_ext.described import Line, Name, Note
from mavis_ext.operation import operation
from mavis_ext.pages import listing

__all__ = ["Activate", "Dashboard", "Dashboards", "Version", "Versions"]

_NOTEBOOK: dict[str, Any] = {
    "nbformat": 4,
    "nbformat_minor": 5,
    "metadata": {"kernelspec": {"name": "mavis", "language": "python"}},
    "cells": [{"cell_type": "markdown", "metadata": {}, "source": "# Machines"}],
}
_DIGITS = 9


class PublishedDashboard(Body):
    """A version of a dashboard to be published: a notebook, or one that Mavis brings along."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"name": "machines", "title": "Our machines", "notebook": _NOTEBOOK},
                {"name": "protection", "shipped": "protection"},
            ]
        }
    )

    name: Name
    """2 to 40 lower-case letters, digits and hyphens, a letter first."""
    notebook: dict[str, Any] | None = None
    """A notebook of nbformat 4; its outputs are left behind."""
    shipped: str | None = None
    """In place of a notebook: the name of one that Mavis brings along."""
    title: Line = ""
    """What people read; where nothing is said it stays as it was."""
    description: Note = ""
    note: Note = ""
    """What is new in this version."""


class Nothing(Body):
    """An empty object: the address says it all."""

    model_config = ConfigDict(json_schema_extra={"examples": [{}]})


class Dashboards(ApiHandler):
    """The dashboards of a project."""

    @operation("list_dashboards", Permission.DASHBOARD_VIEW)
    def get(self, project: str) -> schemas.Page[schemas.Dashboard]:
        """List the dashboards of a project by name.

        Those that are not published now are listed for whoever may publish.
        """
        return listing(schemas.Dashboard, self.app.dashboards.list(self.ctx, project))

    @operation("publish_dashboard", Permission.DASHBOARD_PUBLISH)
    def post(self, project: str, *, body: PublishedDashboard) -> Created[schemas.Dashboard]:
        """Publish a new version of a dashboard, and the dashboard where it is new.

        Everybody with a role in the project may open it from then on; its code reads the project
        as a viewer does, and changes nothing.
        """
        made = self.app.dashboards.publish(
            self.ctx,
            project,
            name=body.name,
            notebook=body.notebook,
            shipped=body.shipped,
            title=body.title,
            description=body.description,
            note=body.note,
        )
        told = schemas.Dashboard.of(made)
        return Created(told, f"/projects/{told.project}/dashboards/{told.name}")


class Dashboard(ApiHandler):
    """One dashboard."""

    @operation("get_dashboard", Permission.DASHBOARD_VIEW)
    def get(self, project: str, dashboard: str) -> schemas.Dashboard:
        """Show a dashboard, by name or id."""
        return schemas.Dashboard.of(self.app.dashboards.get(self.ctx, project, dashboard))


class Versions(ApiHandler):
    """The versions of a dashboard."""

    @operation("list_dashboard_versions", Permission.DASHBOARD_PUBLISH)
    def get(self, project: str, dashboard: str) -> schemas.Page[schemas.DashboardVersion]:
        """List the versions of a dashboard, the newest first."""
        found = self.app.dashboards.versions(self.ctx, project, dashboard)
        return listing(schemas.DashboardVersion, found)


class Version(ApiHandler):
    """One version of a dashboard."""

    @operation("get_dashboard_version", Permission.DASHBOARD_PUBLISH)
    def get(self, project: str, dashboard: str, version: str) -> schemas.DashboardVersionDetail:
        """Show a version with its notebook."""
        number = _number(version)
        notebook = self.app.dashboards.notebook(self.ctx, project, dashboard, number)
        every = self.app.dashboards.versions(self.ctx, project, dashboard)
        found = next(each for each in every if each.number == number)
        return schemas.DashboardVersionDetail(**asdict(found), notebook=notebook)


class Activate(ApiHandler):
    """Goes back, or forth, to a version."""

    @operation("activate_dashboard_version", Permission.DASHBOARD_PUBLISH)
    def post(
        self,
        project: str,
        dashboard: str,
        version: str,
        *,
        body: Nothing,  # noqa: ARG002  # empty
    ) -> schemas.Dashboard:
        """Show this version to viewers from now on."""
        made = self.app.dashboards.activate(self.ctx, project, dashboard, _number(version))
        return schemas.Dashboard.of(made)


class Unpublish(ApiHandler):
    """Takes a dashboard away from its viewers."""

    @operation("unpublish_dashboard", Permission.DASHBOARD_PUBLISH)
    def post(
        self,
        project: str,
        dashboard: str,
        *,
        body: Nothing,  # noqa: ARG002  # empty
    ) -> schemas.Dashboard:
        """Show a dashboard to nobody any more; its versions stay, and open pages end."""
        made = self.app.dashboards.unpublish(self.ctx, project, dashboard)
        return schemas.Dashboard.of(made)


def _number(text: str) -> int:
    """Return the number of a version in an address; 0, which none has, where it is no number."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _DIGITS else 0
