"""A small server in the Hub's place: it says whose a token is, until it is revoked."""

from __future__ import annotations

import json
from typing import Any

from tornado.web import Application, RequestHandler

from rest_service import Caller, Tokens

__all__ = ["Hub", "hub_application"]

ACCESS = "access:services!service=mavis"


class Hub:
    """The tokens that it knows.

    Parameters
    ----------
    service
        The token of a service that may read who people are.
    """

    def __init__(self, service: str = "") -> None:
        self.known, self.service = dict(Tokens().known), service

    def revoke(self, token: str) -> None:
        """Know a token no more."""
        del self.known[token]

    def model(self, token: str) -> dict[str, Any] | None:
        """Return whose a token is, in the Hub's form."""
        caller: Caller | None = self.known.get(token)
        if caller is None:
            return None
        name, groups = caller.principal.name, sorted(caller.principal.groups)
        return {"kind": "user", "name": name, "groups": groups, "scopes": [ACCESS, *caller.scopes]}


class _User(RequestHandler):
    def initialize(self, hub: Hub) -> None:
        self._hub = hub

    def get(self) -> None:
        model = self._hub.model(self.request.headers["Authorization"].rpartition(" ")[2])
        if model is None:
            self.set_status(403)
        else:
            self.write(json.dumps(model))


class _Named(RequestHandler):
    def initialize(self, hub: Hub) -> None:
        self._hub = hub

    def get(self, name: str) -> None:
        """Tell the groups of a person to a service that may ask for them."""
        if self.request.headers["Authorization"].rpartition(" ")[2] != self._hub.service:
            self.set_status(403)
            return
        found = next(
            (each.principal for each in self._hub.known.values() if each.principal.name == name),
            None,
        )
        if found is None:
            self.set_status(404)
        else:
            self.write({"kind": "user", "name": name, "groups": sorted(found.groups)})


def hub_application(hub: Hub) -> Application:
    given = {"hub": hub}
    return Application(
        [("/hub/api/user", _User, given), ("/hub/api/users/([^/]+)", _Named, given)],
        log_function=lambda _: None,
    )
