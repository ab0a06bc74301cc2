"""Projects, members, keys, and who asks."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from mavis_core.access import Role, Scope
from mavis_core.projects.model import Membership
from mavis_ext.schemas.base import Schema

__all__ = ["Health", "Key", "Me", "Member", "MyProject", "Project"]

_RANK = (Role.ADMIN, Role.APPROVER, Role.OPERATOR, Role.AUDITOR, Role.VIEWER, Role.ENDUSER)


class Health(Schema):
    """Says that the process answers."""

    status: Literal["ok"]
    version: str


class Project(Schema):
    """The infrastructure that runs one application."""

    id: str
    name: str
    """What addresses and commands call it."""
    title: str
    """What people read."""
    role: Role
    """The caller's highest role in it."""
    created_at: datetime
    created_by: str
    production: bool
    """Whether people depend on it; everything that shows it says so."""

    @classmethod
    def of(cls, found: Membership) -> Project:
        project = found.project
        return cls(
            id=project.id,
            name=project.name,
            title=project.title,
            role=next(role for role in _RANK if role in found.roles),
            created_at=project.created_at,
            created_by=project.created_by,
            production=project.production,
        )


class MyProject(Schema):
    """A project of the caller, in short."""

    name: str
    title: str
    role: Role


class Me(Schema):
    """Who the caller is, as the platform sees them."""

    name: str
    groups: tuple[str, ...]
    """Groups of the Hub."""
    scopes: tuple[Scope, ...]
    """What the token may be used for."""
    platform_admin: bool
    projects: tuple[MyProject, ...]
    """The first 200."""


class Member(Schema):
    """A person (`user:alice`) or a Hub group (`group:ops`) with a role in a project."""

    subject: str
    role: Role
    added_at: datetime
    added_by: str


class Key(Schema):
    """A credential in the vault. Its value is never told."""

    id: str
    name: str
    kind: str
    """The kit that understands it."""
    fields: tuple[str, ...]
    """The names of the value's parts."""
    created_at: datetime
    created_by: str
