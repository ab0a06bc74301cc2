"""Who asks, what they are where, and the credentials that they may use."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from mavis_kernel.parsing import Model

__all__ = [
    "ROLES",
    "Health",
    "Key",
    "Me",
    "Member",
    "OwnProject",
    "Project",
]

ROLES = ("enduser", "viewer", "operator", "approver", "auditor", "admin")
"""What somebody can be in a project."""


@dataclass(frozen=True, kw_only=True)
class Health(Model):
    """The appliance's answer to anybody."""

    status: str
    version: str


@dataclass(frozen=True, kw_only=True)
class OwnProject(Model):
    """A project of the asker, and what they are in it."""

    name: str
    title: str
    role: str


@dataclass(frozen=True, kw_only=True)
class Me(Model):
    """Who asks, as the appliance sees them."""

    name: str
    groups: tuple[str, ...]
    scopes: tuple[str, ...]
    platform_admin: bool
    projects: tuple[OwnProject, ...]


@dataclass(frozen=True, kw_only=True)
class Project(Model):
    """The infrastructure that runs one application.

    Parameters
    ----------
    role
        What the asker is in it; None for a platform administrator who is no member.
    """

    id: str
    name: str
    title: str
    created_at: datetime
    created_by: str | None = None
    role: str | None = None


@dataclass(frozen=True, kw_only=True)
class Member(Model):
    """A person (``user:alice``) or Hub group (``group:ops``) with a role in a project."""

    subject: str
    role: str
    added_at: datetime | None = None
    added_by: str | None = None


@dataclass(frozen=True, kw_only=True)
class Key(Model):
    """A credential in the vault. Its value never leaves the appliance.

    Parameters
    ----------
    fields
        The names of the value's parts.
    """

    id: str
    name: str
    kind: str
    fields: tuple[str, ...]
    created_at: datetime
    created_by: str | None = None
