"""Dashboards, their versions and views: what they are.

*Dashboard*: a notebook published for exactly one project, under a name. *Version*: one notebook
that was published as it, and never changes. *View*: one open page of one viewer, for which one
kernel runs. *Ticket*: the secret by which the frame of a view is recognised; nobody else has it.
*Token*: what the view's kernel calls the API with; it reads that project and nothing else.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

__all__ = [
    "TOKEN_LIFETIME",
    "TOKEN_PREFIX",
    "Dashboard",
    "Opened",
    "Started",
    "State",
    "Version",
    "View",
    "hash_of",
    "new_ticket",
    "new_token",
]

TOKEN_LIFETIME = timedelta(minutes=15)
TOKEN_PREFIX = "mavis-view-"  # noqa: S105 - tells such tokens from the Hub's, and is no secret


@dataclass(frozen=True, slots=True)
class Dashboard:
    """A dashboard of one project.

    Parameters
    ----------
    project
        The project's name.
    version
        The number of the version that viewers see; None: it is not published now.
    last_version
        The highest number that was given.
    """

    id: str
    project_id: str
    project: str
    name: str
    title: str
    description: str
    version: int | None
    last_version: int
    created_at: datetime
    created_by: str
    changed_at: datetime
    changed_by: str


@dataclass(frozen=True, slots=True)
class Version:
    """One notebook that was published.

    Parameters
    ----------
    hash
        SHA-256 of the notebook's text, in hexadecimal digits.
    shipped
        The name under which Mavis brought it; None: somebody's own.
    current
        Whether viewers see it.
    """

    number: int
    hash: str
    size_bytes: int
    note: str
    shipped: str | None
    published_at: datetime
    published_by: str
    current: bool


class State(StrEnum):
    """What a view is."""

    OPEN = "open"
    DIED = "died"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class View:
    """One open page of one viewer."""

    id: str
    dashboard_id: str
    version: int
    viewer: str
    state: State
    opened_at: datetime
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class Opened:
    """A new view, with the ticket that only its page gets."""

    view: View
    dashboard: Dashboard
    ticket: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Started:
    """What a kernel is started with: the notebook of its view, and the token."""

    view: View
    dashboard: Dashboard
    notebook: str
    token: str = field(repr=False)


def new_ticket() -> str:
    """Return a ticket for a view."""
    return secrets.token_urlsafe(32)


def new_token() -> str:
    """Return a token for the kernel of a view."""
    return TOKEN_PREFIX + secrets.token_urlsafe(32)


def hash_of(secret: str) -> str:
    """Return under what a ticket or token is kept; it has 256 random bits, so no salt is needed."""
    return hashlib.sha256(secret.encode()).hexdigest()
