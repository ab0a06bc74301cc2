"""Projects, memberships, environments: what they are and which names are good.

*Project*: the infrastructure that runs one application. *Member*: a person or a Hub group with a
role in one project. *Environment*: one account of one kit with its regions, used by one project.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from mavis_core.access import Principal, Role
from mavis_core.contract import EnvironmentSettings
from mavis_core.errors import InvalidInput

__all__ = [
    "Environment",
    "EnvironmentState",
    "Member",
    "Membership",
    "Project",
    "check_name",
    "check_subject",
    "check_text",
    "subjects_of",
]

_NAME = re.compile(r"[a-z][a-z0-9-]{1,39}\Z")
_SUBJECT = re.compile(r"(user|group):[A-Za-z0-9._@+-]{1,100}\Z")


@dataclass(frozen=True, slots=True)
class Project:
    """The infrastructure that runs one application.

    Parameters
    ----------
    production
        Whether people depend on it, so that everything which shows it says so.
    """

    id: str
    name: str
    title: str
    created_at: datetime
    created_by: str
    production: bool = False


@dataclass(frozen=True, slots=True)
class Member:
    """A person (``user:alice``) or a Hub group (``group:ops``) with a role in a project."""

    subject: str
    role: Role
    added_at: datetime
    added_by: str


@dataclass(frozen=True, slots=True)
class Membership:
    """What one caller is in one project."""

    project: Project
    roles: frozenset[Role]


class EnvironmentState(StrEnum):
    """What the last look at an environment said."""

    NEW = "new"
    OK = "ok"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Environment:
    """One account of one kit, as a project uses it.

    Parameters
    ----------
    project
        The project's name.
    key
        Name of the key in the vault, or None.
    error
        Code, message and mend of the last failed look, or None.
    """

    id: str
    project_id: str
    project: str
    name: str
    kit: str
    account: str
    regions: tuple[str, ...]
    options: Mapping[str, str]
    key: str | None
    key_id: str | None
    state: EnvironmentState
    checked_at: datetime | None
    error: Mapping[str, str] | None
    created_at: datetime
    created_by: str

    def settings(self) -> EnvironmentSettings:
        """Return the part that a kit needs."""
        return EnvironmentSettings(self.id, self.name, self.account, self.regions, self.options)


def check_name(value: str, *, field: str = "name") -> str:
    """Return `value` where it is a good name: it goes into addresses, files and tags.

    Raises
    ------
    InvalidInput
        It has other characters than lower-case letters, digits and hyphens, or a bad length.
    """
    if not _NAME.match(value):
        raise InvalidInput(
            f"{field} {value[:60]!r} is not a name",
            mend="Use 2 to 40 lower-case letters, digits and hyphens, a letter first.",
            field=field,
        )
    return value


def check_text(value: str, *, field: str, limit: int = 200) -> str:
    """Return `value` without outer spaces where a person can read it on one line.

    Raises
    ------
    InvalidInput
        It is too long or holds control characters.
    """
    text = value.strip()
    if len(text) > limit:
        raise InvalidInput(f"{field} has {len(text)} characters; at most {limit}", field=field)
    if any(unicodedata.category(letter) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp") for letter in text):
        raise InvalidInput(f"{field} holds control characters", field=field)
    return text


def check_subject(value: str) -> str:
    """Return `value` where it names a person or a Hub group.

    Raises
    ------
    InvalidInput
        It is of another form.
    """
    if not _SUBJECT.match(value):
        raise InvalidInput(
            f"{value[:60]!r} names neither a person nor a group",
            mend="Write user:NAME or group:NAME.",
            field="subject",
        )
    return value


def subjects_of(principal: Principal) -> tuple[str, ...]:
    """Return every subject under which `principal` may be a member."""
    return (f"user:{principal.name}", *(f"group:{name}" for name in sorted(principal.groups)))
