"""The project that a page is about, as the one who asks for it is in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mavis_core.access import CallContext, Permission, Role
from mavis_core.bootstrap import ApiApp
from mavis_core.projects.model import Project
from mavis_ext import schemas

__all__ = ["SeenProject", "see"]


@dataclass(frozen=True, slots=True)
class SeenProject:
    """A project as the one who asks for a page is in it.

    Parameters
    ----------
    role
        Their highest one.
    """

    project: Project
    role: Role
    roles: frozenset[Role]

    @property
    def values(self) -> dict[str, Any]:
        """What a project's page shows in its bar."""
        return {"project": self.project, "role": self.role}


def see(app: ApiApp, ctx: CallContext, reference: str, permission: Permission) -> SeenProject:
    """Return a project, where the caller has `permission` in it.

    Raises
    ------
    NotFound
        There is none that they may see.
    Forbidden
        Their role is too low.
    """
    found = app.projects.authorize(ctx, reference, permission)
    return SeenProject(found.project, schemas.Project.of(found).role, found.roles)
