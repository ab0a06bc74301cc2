"""Dashboards: notebooks that are published for a project, as pages."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from mavis_kernel.aio.transport import AsyncTransport, segment
from mavis_kernel.models import Dashboard, DashboardVersion, DashboardVersionDetail

__all__ = ["Dashboards"]


class Dashboards:
    """The dashboards of a project. A dashboard is named by its name or its id."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    def list(
        self, project: str, *, fields: Sequence[str] | None = None
    ) -> AsyncIterator[Dashboard]:
        """Yield the dashboards of `project` by name.

        Those that are not published now are among them for whoever may publish.
        """
        return self._transport.whole_list(Dashboard, _path(project), fields=fields)

    async def get(
        self, project: str, dashboard: str, *, fields: Sequence[str] | None = None
    ) -> Dashboard:
        """Return the dashboard `dashboard` of `project`."""
        return await self._transport.get(Dashboard, _path(project, dashboard), fields=fields)

    async def publish(
        self,
        project: str,
        name: str,
        notebook: Mapping[str, Any] | None = None,
        *,
        shipped: str | None = None,
        title: str = "",
        description: str = "",
        note: str = "",
        idempotency_key: str | None = None,
    ) -> Dashboard:
        """Publish a new version of a dashboard, and the dashboard where it is new.

        Everybody with a role in the project may open it from then on; its code reads the project
        as a viewer does, and changes nothing.

        Parameters
        ----------
        notebook
            A notebook of nbformat 4, as ``json.load`` reads it; its outputs are not sent.
        shipped
            In its place: the name of one that comes with Mavis.
        title, description
            What people read; empty: as before.
        note
            What is new in this version.
        idempotency_key
            As in `Projects.create`.

        Raises
        ------
        InvalidInput
            The notebook cannot be published; `field` says what is at fault.
        """
        body = {
            "name": name,
            "notebook": None if notebook is None else _without_outputs(notebook),
            "shipped": shipped,
            "title": title,
            "description": description,
            "note": note,
        }
        return await self._transport.post(
            Dashboard, _path(project), body, idempotency_key=idempotency_key
        )

    async def unpublish(
        self, project: str, dashboard: str, *, idempotency_key: str | None = None
    ) -> Dashboard:
        """Show a dashboard to nobody any more; its versions stay, and open pages end.

        Parameters
        ----------
        idempotency_key
            As in `Projects.create`.
        """
        path = f"{_path(project, dashboard)}/unpublish"
        return await self._transport.post(Dashboard, path, {}, idempotency_key=idempotency_key)

    def versions(
        self, project: str, dashboard: str, *, fields: Sequence[str] | None = None
    ) -> AsyncIterator[DashboardVersion]:
        """Yield the versions of a dashboard, the newest first."""
        path = f"{_path(project, dashboard)}/versions"
        return self._transport.whole_list(DashboardVersion, path, fields=fields)

    async def version(
        self, project: str, dashboard: str, number: int, *, fields: Sequence[str] | None = None
    ) -> DashboardVersionDetail:
        """Return a version with its notebook."""
        path = f"{_path(project, dashboard)}/versions/{number}"
        return await self._transport.get(DashboardVersionDetail, path, fields=fields)

    async def activate(
        self, project: str, dashboard: str, number: int, *, idempotency_key: str | None = None
    ) -> Dashboard:
        """Show the version `number` to viewers from now on: go back, or forth.

        Parameters
        ----------
        idempotency_key
            As in `Projects.create`.
        """
        path = f"{_path(project, dashboard)}/versions/{number}/activate"
        return await self._transport.post(Dashboard, path, {}, idempotency_key=idempotency_key)


def _path(project: str, name: str | None = None) -> str:
    path = f"/projects/{segment(project)}/dashboards"
    return path if name is None else f"{path}/{segment(name)}"


def _without_outputs(notebook: Mapping[str, Any]) -> dict[str, Any]:
    """Return a notebook without what was computed: it would be left behind anyway."""
    cells = notebook.get("cells")
    if not isinstance(cells, list):
        return dict(notebook)
    kept = [
        {**cell, "outputs": [], "execution_count": None}
        if isinstance(cell, Mapping) and cell.get("cell_type") == "code"
        else cell
        for cell in cells
    ]
    metadata = notebook.get("metadata")
    if isinstance(metadata, Mapping):
        metadata = {name: each for name, each in metadata.items() if name != "widgets"}
    return {**notebook, "cells": kept, "metadata": metadata or {}}
