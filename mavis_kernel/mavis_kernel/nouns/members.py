"""Members: who is what in a project."""

from __future__ import annotations

from collections.abc import Iterator

from mavis_kernel.models import Member
from mavis_kernel.transport import Transport, segment

__all__ = ["Members"]


class Members:
    """The people and Hub groups of a project."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, project: str) -> Iterator[Member]:
        """Yield the members of `project`."""
        for item in self._transport.pages(_path(project), {}, limit=None):
            yield Member.from_json(item)

    def grant(self, project: str, subject: str, role: str) -> Member | None:
        """Give `subject` the one `role` in `project`; another role is replaced.

        Parameters
        ----------
        project
            Name or id.
        subject
            ``user:NAME`` or ``group:NAME``.
        role
            One of `mavis_kernel.models.Role`.

        Returns
        -------
        Member or None
            None where the appliance answers with no body.
        """
        body = self._transport.put(f"{_path(project)}/{segment(subject)}", {"role": role})
        return None if body is None else Member.from_json(body)

    def revoke(self, project: str, subject: str) -> None:
        """Take `subject` out of `project`."""
        self._transport.delete(f"{_path(project)}/{segment(subject)}")


def _path(project: str) -> str:
    return f"/projects/{segment(project)}/members"
