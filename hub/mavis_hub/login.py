"""Logins at the Hub, and who of those that are logged in may have a notebook server.

The Hub knows people and groups; what somebody is in a project Mavis knows. So the api process is
asked, for each start, at the Hub's pages of servers, and of servers that run
(`mavis_hub.spawning`). Where it does not answer, no server starts.
"""

from __future__ import annotations

from hmac import compare_digest
from typing import Any

from jupyterhub.auth import Authenticator, PAMAuthenticator
from jupyterhub.handlers.login import LogoutHandler
from jupyterhub.utils import maybe_future
from tornado.web import HTTPError
from traitlets import Dict, Instance, Unicode, default

from mavis_core.errors import Forbidden, MavisError, Unavailable
from mavis_hub.asking import SERVERS, Asking
from mavis_hub.hub_events import HubEvents
from mavis_hub.server_pages import server_handlers

__all__ = ["NoServer", "ServersAuthenticator", "SystemAuthenticator", "TryOutAuthenticator"]


class NoServer(HTTPError):
    """Somebody may have no notebook server, or nobody can say now; shown by ``403.html``."""

    def __init__(self, error: MavisError) -> None:
        super().__init__(error.status)
        self.jupyterhub_message = f"{error.message}. {error.mend}"
        self.told, self.mend = error.message, error.mend
        if error.retry_after_s is not None:
            self.headers = {"Retry-After": str(round(error.retry_after_s))}


class ServersAuthenticator(Authenticator):  # type: ignore[misc]  # untyped package
    """What both logins have in common: the api process says who may have a server."""

    api_url = Unicode(config=True, help="Where the api process answers, on loopback.")
    servers_token = Unicode(config=True, help="The secret with which it is asked.")
    asking = Instance(Asking)
    events = Instance(HubEvents)

    @default("asking")
    def _asking(self) -> Asking:
        return Asking(f"{self.api_url}{SERVERS}", self.servers_token)

    @default("events")
    def _events(self) -> HubEvents:
        return HubEvents(self.asking)

    async def get_authenticated_user(self, handler: Any, data: Any) -> Any:
        """Return who logs in, as the Hub has it, and tell that they came or were refused."""
        found = await super().get_authenticated_user(handler, data)
        address = str(handler.request.remote_ip)
        if found is None:
            given = str((data or {}).get("username", ""))
            # Under a name that nobody has there may stand a password.
            self.events.refused(given if given in self.allowed_users else "", address)
        else:
            self.events.tell("came", found["name"], address)
        return found

    async def post_spawn_stop(self, user: Any, spawner: Any) -> None:
        """Tell that somebody's server has ended, where nothing else has told it."""
        await maybe_future(super().post_spawn_stop(user, spawner))
        if not spawner.end_is_told:
            self.events.tell("server_ended", user.name)
        spawner.end_is_told = False

    def get_handlers(self, app: Any) -> list[tuple[str, Any]]:
        """Return pages of ours that go before the Hub's: they ask who comes, or tell who goes."""
        return [*super().get_handlers(app), *server_handlers(), ("/logout", ToldLogout)]

    async def pre_spawn_start(self, user: Any, spawner: Any) -> None:
        """Let a server start where its owner may have one, whoever has asked for it."""
        await self._ask("begin", user)
        await maybe_future(super().pre_spawn_start(user, spawner))

    async def check_server(self, user: Any) -> None:
        """Return where somebody may have a server.

        Raises
        ------
        NoServer
            They may not, or the api process does not answer.
        """
        await self._ask("check", user)

    async def server_goes_on(self, user: Any) -> bool:
        """Whether somebody may have the server that they have; so while nobody says otherwise."""
        try:
            return bool((await self.asking("may", _person(user)))["may"])
        except MavisError as exc:
            self.log.warning("The server of %s goes on: %s", user.name, exc.message)
            return True

    async def server_was_ended(self, user: Any) -> None:
        """Tell that the server of somebody was stopped who may have none any more."""
        try:
            await self.asking("ended", _person(user))
        except MavisError as exc:
            self.log.warning("The end of the server of %s is not recorded: %s", user.name, exc)

    async def _ask(self, what: str, user: Any) -> None:
        try:
            await self.asking(what, _person(user))
        except Forbidden as exc:
            raise NoServer(exc) from exc
        except MavisError as exc:
            self.log.warning("Nobody says whether %s may have a server: %s", user.name, exc.message)
            silent = "Mavis does not say now who may have a notebook server"
            raise NoServer(
                Unavailable(silent, mend="Try again in a moment.", retry_after_s=5)
            ) from exc


class ToldLogout(LogoutHandler):  # type: ignore[misc]  # untyped package
    """The Hub's logout, which tells who has left."""

    async def default_handle_logout(self) -> None:
        """Log out, and tell it."""
        user = self.current_user
        await super().default_handle_logout()
        if user is not None:
            self.authenticator.events.tell("left", user.name, str(self.request.remote_ip))


class SystemAuthenticator(ServersAuthenticator, PAMAuthenticator):  # type: ignore[misc]  # untyped
    """Login of an appliance with isolation: people are Unix users (PAM)."""


class TryOutAuthenticator(ServersAuthenticator):
    """Login of a try-out without isolation: one generated password a person.

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


def _person(user: Any) -> dict[str, Any]:
    """Return the name and the Hub groups of one of the Hub's users."""
    return {"name": user.name, "groups": sorted(group.name for group in user.groups)}
