"""Asks JupyterHub whose a token is.

Answers are kept for 25 s: so long the API goes on serving the same callers while the Hub is down.
A stream asks again every 5 s, so that a revoked token works for 30 s at most, wherever it is used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jupyterhub.services.auth import HubOAuth
from tornado.web import HTTPError, RequestHandler

from mavis_core.access import RESERVED, CallContext, Confinement, Principal, Scope
from mavis_core.config import Config
from mavis_core.errors import Unauthenticated, Unavailable
from mavis_core.ids import new_id
from mavis_ext.app import PREFIX

__all__ = ["CACHE_S", "HubCaller", "HubIdentity", "hub_oauth"]

CACHE_S = 25
_KNOWN = {scope.value: scope for scope in Scope}


@dataclass(frozen=True, slots=True)
class HubCaller:
    """What the Hub says of a token."""

    principal: Principal
    scopes: frozenset[Scope]
    confined: Confinement | None = None


def hub_oauth(config: Config) -> HubOAuth:
    """Return the Hub's client for this service; its own token comes from our own file."""
    return HubOAuth(
        api_url=f"http://127.0.0.1:{config.ports.hub}/hub/api",
        api_token=config.read_secret("api", "hub-token"),
        hub_host="",
        hub_prefix="/hub/",
        base_url=f"{PREFIX}/",
        oauth_client_id="service-mavis",
        oauth_redirect_uri=f"{config.public_url}{PREFIX}/oauth_callback",
        access_scopes={"access:services!service=mavis"},
        cache_max_age=CACHE_S,
    )


class HubIdentity:
    """Finds out whose a token is, and who sits at a browser.

    Parameters
    ----------
    auth
        Made by `hub_oauth`.
    """

    def __init__(self, auth: HubOAuth) -> None:
        self.auth = auth

    async def __call__(self, token: str) -> HubCaller | None:
        """Return whose `token` is, or None."""
        try:
            model = await self.auth.user_for_token(token, sync=False)
        except HTTPError as exc:
            raise Unavailable(
                "JupyterHub does not answer, so nobody can be identified", retry_after_s=5
            ) from exc
        return self._caller(model)

    async def browser(self, handler: RequestHandler) -> CallContext:
        """Return the call of whoever is logged in at a browser.

        Raises
        ------
        Unauthenticated
            Nobody is, or the login has ended.
        """
        # JupyterHub's client answers once a handler; an open WebSocket asks again.
        vars(handler).pop("_cached_hub_user", None)
        try:
            model = await self.auth.get_user(handler, sync=False)
        except HTTPError as exc:
            raise Unavailable("JupyterHub does not answer", retry_after_s=5) from exc
        caller = self._caller(model)
        if caller is None:
            raise Unauthenticated("Nobody is logged in here", mend="Log in and come back.")
        return CallContext(
            principal=caller.principal,
            scopes=caller.scopes,
            request_id=getattr(handler, "request_id", None) or new_id("req"),
            source=handler.request.remote_ip or "unknown",
        )

    def _caller(self, model: dict[str, Any] | None) -> HubCaller | None:
        if not model or model.get("kind") != "user" or model["name"].startswith(RESERVED):
            return None
        # A token that was not made for this service has no business here.
        if not self.auth.check_scopes(self.auth.access_scopes, model):
            return None
        held = {scope.partition("!")[0] for scope in model.get("scopes", ())}
        scopes = frozenset(_KNOWN[scope] for scope in held if scope in _KNOWN)
        principal = Principal(model["name"], frozenset(model.get("groups") or ()))
        return HubCaller(principal, scopes)
