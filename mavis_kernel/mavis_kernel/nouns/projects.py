"""Projects: the infrastructure that runs one application."""

from __future__ import annotations

from collections.abc import Iterator

from mavis_kernel.models import Project
from mavis_kernel.transport import Transport, segment

__all__ = ["Projects"]


class Projects:
    """The projects that the asker may see."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, *, limit: int | None = None) -> Iterator[Project]:
        """Yield projects, at most `limit`, page after page."""
        for item in self._transport.pages("/projects", {}, limit=limit):
            yield Project.from_json(item)

    def get(self, project: str) -> Project:
        """Return the project with the name or id `project`."""
        return Project.from_json(self._transport.get(f"/projects/{segment(project)}"))

    def create(self, name: str, *, title: str | None = None) -> Project:
        """Make a project; for platform administrators.

        Parameters
        ----------
        name
            Two to forty lower-case letters, digits and hyphens, a letter first.
        title
            What people read; None takes the name.
        """
        answer = self._transport.post("/projects", {"name": name, "title": title or name})
        return Project.from_json(answer.body)
