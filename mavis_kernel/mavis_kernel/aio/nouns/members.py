"""Members: who is what in a project."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from mavis_kernel.aio.transport import AsyncTransport, segment
from mavis_kernel.models import Member

__all__ = ["Members"]


class Members:
    """The people and Hub groups of a project; `subject` is ``user:NAME`` or ``group:NAME``."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    def list(self, project: str, *, fields: Sequence[str] | None = None) -> AsyncIterator[Member]:
        """Yield the members of `project`."""
        return self._transport.whole_list(Member, _path(project), fields=fields)

    async def get(
        self, project: str, subject: str, *, fields: Sequence[str] | None = None
    ) -> Member:
        """Return what `subject` is in `project`."""
        return await self._transport.get(Member, _path(project, subject), fields=fields)

    async def grant(
        self, project: str, subject: str, role: str, *, if_match: str | None = None
    ) -> Member:
        """Give `subject` the one `role` in `project`; another role is replaced.

        Parameters
        ----------
        project
            Name or id.
        role
            A word of `mavis_kernel.models.Role`.
        if_match
            `Member.etag` as it was read: only where that is still so; None: whatever it is.

        Raises
        ------
        ChangedSince
            Somebody else changed it since.
        """
        body = {"role": role}
        path = _path(project, subject)
        return await self._transport.put(Member, path, body, if_match=if_match)

    async def revoke(self, project: str, subject: str, *, if_match: str | None = None) -> None:
        """Take `subject` out of `project`; `if_match` as in `grant`."""
        await self._transport.delete(_path(project, subject), if_match=if_match)


def _path(project: str, subject: str | None = None) -> str:
    path = f"/projects/{segment(project)}/members"
    return path if subject is None else f"{path}/{segment(subject)}"
