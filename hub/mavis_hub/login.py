"""Login of a try-out without isolation: the generated passwords of its people."""

from __future__ import annotations

from hmac import compare_digest
from typing import Any

from jupyterhub.auth import Authenticator
from traitlets import Dict, Unicode

__all__ = ["TryOutAuthenticator"]


class TryOutAuthenticator(Authenticator):  # type: ignore[misc]  # untyped package
    """One generated password a person.

    JupyterHub's own shared-password login gives everybody the same one, and makes whoever knows
    the administrator's password almighty in the Hub; a try-out shows the roles of the real thing.
    """

    passwords = Dict(
        key_trait=Unicode(), value_trait=Unicode(), config=True, help="Passwords by person."
    )

    async def authenticate(self, handler: Any, data: dict[str, str]) -> str | None:  # noqa: ARG002 - the Hub's form
        """Return the person's name where the password is theirs."""
        wanted = self.passwords.get(data["username"])
        given = data["password"].encode()
        if wanted is not None and compare_digest(wanted.encode(), given):
            return str(data["username"])
        return None
