"""Who calls: the port that the handlers ask. `mavis_hub` fulfils it with JupyterHub."""

from __future__ import annotations

from typing import Protocol

from mavis_core.access import Principal, Scope

__all__ = ["Caller", "Identify", "identity_of"]


class Caller(Protocol):
    """What the Hub says of a token."""

    @property
    def principal(self) -> Principal: ...

    @property
    def scopes(self) -> frozenset[Scope]: ...


class Identify(Protocol):
    """Finds out whose a token is."""

    async def __call__(self, token: str) -> Caller | None:
        """Return whose `token` is, or None where it is nobody's.

        Raises
        ------
        Unavailable
            The Hub does not answer and the token was not checked within 25 s.
        """


def identity_of(authorization: str | None) -> str | None:
    """Return the token of an ``Authorization`` header: ``token X`` or ``Bearer X``."""
    scheme, _, token = (authorization or "").partition(" ")
    token = token.strip()
    if scheme.lower() in ("token", "bearer") and token and len(token) <= 200:
        return token
    return None
