"""The api process with a table of tokens in the Hub's place, which dies before it answers.

``python -m dying_api KEY``: of the request with this ``Idempotency-Key`` the effect is had, and
then the process is gone, as by ``kill -9``. Nothing else of it differs from the real one.
"""

from __future__ import annotations

import functools
import os
import signal
import sys

from jupyterhub.services.auth import HubOAuth

from mavis_core.testing.cloud import FakeCloud, FakeKit
from mavis_ext.base import ApiHandler
from mavis_ext.sending import Packed
from mavis_hub import api
from mavis_hub.hub_identity import HubCaller, HubIdentity
from rest_service import Tokens


class _Identity(HubIdentity):
    """Knows people by a table."""

    def __init__(self, auth: HubOAuth) -> None:
        super().__init__(auth)
        self._tokens = Tokens()

    async def __call__(self, token: str) -> HubCaller | None:
        found = await self._tokens(token)
        return None if found is None else HubCaller(found.principal, found.scopes)


def main(key: str) -> int:
    """Serve until killed, or told to stop."""
    send = ApiHandler._send

    def die_or_send(self: ApiHandler, packed: Packed) -> None:
        if self.request.headers.get("Idempotency-Key") == key:
            os.kill(os.getpid(), signal.SIGKILL)
        send(self, packed)

    ApiHandler._send = die_or_send  # type: ignore[method-assign]
    api.HubIdentity = _Identity  # type: ignore[misc]
    kits = {"fake": FakeKit(FakeCloud())}  # it never calls a cloud
    api.api_app = functools.partial(api.api_app, kits=kits)
    return api.main()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
