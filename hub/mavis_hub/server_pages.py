"""The Hub's own pages and addresses of notebook servers, for those who may have one.

They are the Hub's handlers, asked for at the same addresses. Before each does anything, the api
process is asked whether whoever comes may have a server: everybody else gets 403 from all of them.
A login leads to the start page of Mavis, and so does ``/hub/home`` for those without a server.
"""

from __future__ import annotations

from typing import Any

from jupyterhub.apihandlers.base import API404
from jupyterhub.apihandlers.users import SpawnProgressAPIHandler, UserServerAPIHandler
from jupyterhub.handlers.base import UserUrlHandler
from jupyterhub.handlers.pages import HomeHandler, SpawnHandler, SpawnPendingHandler
from jupyterhub.user import User
from tornado.web import HTTPError, authenticated

from mavis_hub.hub import START_PAGE

__all__ = ["server_handlers"]


class _ForWhoMay:
    """Mixed into a handler of the Hub. Anonymous callers and services it leaves to the Hub."""

    async def prepare(self: Any) -> None:
        await super().prepare()  # type: ignore[misc]  # the Hub's
        if isinstance(self.current_user, User):
            await self.authenticator.check_server(self.current_user)


class _Spawn(_ForWhoMay, SpawnHandler):  # type: ignore[misc]  # untyped package
    pass


class _Pending(_ForWhoMay, SpawnPendingHandler):  # type: ignore[misc]  # untyped package
    pass


class _NotRunning(_ForWhoMay, UserUrlHandler):  # type: ignore[misc]  # untyped package
    pass


class _Server(_ForWhoMay, UserServerAPIHandler):  # type: ignore[misc]  # untyped package
    pass


class _Progress(_ForWhoMay, SpawnProgressAPIHandler):  # type: ignore[misc]  # untyped package
    pass


class _Home(HomeHandler):  # type: ignore[misc]  # untyped package
    """The page on which one's server is started and stopped."""

    @authenticated
    async def get(self) -> None:
        """Show it to those who may have a server; lead others to the start page."""
        try:
            await self.authenticator.check_server(self.current_user)
        except HTTPError:
            self.redirect(START_PAGE)
            return
        await super().get()


def server_handlers() -> list[tuple[str, Any]]:
    """Return the handlers by address below the Hub's."""
    return [
        (r"/home", _Home),
        (r"/spawn", _Spawn),
        (r"/spawn/([^/]+)", _Spawn),
        (r"/spawn/([^/]+)/([^/]+)", _Spawn),
        (r"/spawn-pending/([^/]+)", _Pending),
        (r"/spawn-pending/([^/]+)/([^/]+)", _Pending),
        (r"/user/(?P<user_name>[^/]+)(?P<user_path>/.*)?", _NotRunning),
        (r"/api/users/([^/]+)/server", _Server),
        (r"/api/users/([^/]+)/server/progress", _Progress),
        (r"/api/users/([^/]+)/servers/([^/]*)", _Server),
        (r"/api/users/([^/]+)/servers/([^/]*)/progress", _Progress),
        # What services of JupyterHub 1 asked. Nothing here does, and it takes POSTs badly (500).
        (r"/api/authorizations/.*", API404),
    ]
