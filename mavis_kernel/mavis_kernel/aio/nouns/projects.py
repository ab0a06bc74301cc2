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
        self, name: str, *, title: str | None = None, idempotency_key: str | None = None
    ) -> Project:
        """Make a project; for platform administrators.

        Parameters
        ----------
        name
            Two to forty lower-case letters, digits and hyphens, a letter first.
        title
            What people read; None takes the name.
        idempotency_key
            Who calls again with the same key and the same arguments gets the first answer, for
            24 hours; None for a key of its own.
        """
        body = {"name": name, "title": title or name}
        return await self._transport.post(
            Project, "/projects", body, idempotency_key=idempotency_key
        )
