"""Projects: the infrastructure that runs one application."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from mavis_kernel.aio.transport import AsyncTransport, segment
from mavis_kernel.models import Project

__all__ = ["Projects"]


class Projects:
    """The projects that the asker may see."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    def list(
        self,
        *,
        sort: str | None = None,
        limit: int | None = None,
        fields: Sequence[str] | None = None,
    ) -> AsyncIterator[Project]:
        """Yield projects, page after page.

        Parameters
        ----------
        sort
            A field, with a minus the largest first; None for the usual order. What there is:
            ``name``, ``created_at``.
        limit
            Yield at most so many; None for all.
        """
        params = {"sort": sort}
        return self._transport.list(Project, "/projects", params, limit=limit, fields=fields)

    async def get(self, project: str, *, fields: Sequence[str] | None = None) -> Project:
        """Return the project with the name or id `project`."""
        return await self._transport.get(Project, f"/projects/{segment(project)}", fields=fields)

    async def create(
        self,
        name: str,
        *,
        title: str | None = None,
        production: bool = False,
        idempotency_key: str | None = None,
    ) -> Project:
        """Make a project; for platform administrators.

        Parameters
        ----------
        name
            Two to forty lower-case letters, digits and hyphens, a letter first.
        title
            What people read; None takes the name.
        production
            Whether people depend on it; everything that shows it says so.
        idempotency_key
            Who calls again with the same key and the same arguments gets the first answer, for
            24 hours; None for a key of its own.
        """
        body: dict[str, object] = {"name": name, "title": title or name}
        if production:
            body["production"] = True
        return await self._transport.post(
            Project, "/projects", body, idempotency_key=idempotency_key
        )

    async def edit(
        self, project: str, *, title: str, production: bool, if_match: str | None = None
    ) -> Project:
        """Give a project another title, and say whether it is in production.

        Parameters
        ----------
        project
            Name or id.
        title
            What people read; empty takes the name.
        production
            Whether people depend on it; everything that shows it says so.
        if_match
            `Project.etag` as it was read: only where that is still so; None: whatever it is.
        """
        body = {"title": title, "production": production}
        path = f"/projects/{segment(project)}"
        return await self._transport.put(Project, path, body, if_match=if_match)
