"""Who calls, and logins for people: the ports of the handlers; `mavis_hub` fulfils them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

from mavis_core.access import Confinement, Principal, Scope
from mavis_core.logins.model import Grant

__all__ = ["Caller", "Identify", "Issue", "Issued", "identity_of"]


class Caller(Protocol):
    """What is known of a token."""

    @property
    def principal(self) -> Principal: ...

    @property
    def scopes(self) -> frozenset[Scope]: ...

    @property
    def confined(self) -> Confinement | None:
        """The one project that it is good for; None: all of its principal's."""


class Identify(Protocol):
    """Finds out whose a token is."""

    async def __call__(self, token: str) -> Caller | None:
        """Return whose `token` is, or None where it is nobody's.

        Raises
        ------
        Unavailable
            The Hub does not answer and the token was not checked within 25 s.
        """


@dataclass(frozen=True, slots=True)
class Issued:
    """A login of a person, that nobody has yet."""

    token: str = field(repr=False)
    lifetime: timedelta


class Issue(Protocol):
    """Makes the login that a person has allowed, with what their browser brought."""

    def __call__(self, grant: Grant) -> Issued:
        """Return the login. Blocks.

        Raises
        ------
        LoginNotGiven
            What the browser brought is not good any more, or is somebody else's.
        Unavailable
            The Hub does not answer; what the browser brought is good still.
        """


def identity_of(authorization: str | None) -> str | None:
    """Return the token of an ``Authorization`` header: ``token X`` or ``Bearer X``."""
    scheme, _, token = (authorization or "").partition(" ")
    token = token.strip()
    if scheme.lower() in ("token", "bearer") and token and len(token) <= 200:
        return token
    return None
