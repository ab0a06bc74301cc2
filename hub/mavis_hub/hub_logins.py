"""Makes logins of people at JupyterHub, each with what its person's browser brought.

The api process has no power over anybody's tokens. It is a client of the Hub's OAuth for this
alone (``mavis-login``, beside the one of the pages), which may ask for ``tokens!user``: a browser
that is logged in at the Hub brings a code, good once and for five minutes, with which that one
person's tokens can be managed. The login is made with it and then it is ended. A client of its own,
because the Hub ends all tokens of a client together, and because the pages' cookies shall never
hold such a power.

What is made is what a login with a password makes: the same call, with the same body
(``POST /users/{name}/tokens``), so that it holds the same.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from contextlib import closing
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from typing import Any
from urllib.parse import quote, urlencode

from jupyterhub.services.auth import HubOAuth

from mavis_core.config import Config
from mavis_core.errors import LoginNotGiven, Unavailable
from mavis_core.logins.model import TOKEN_LIFETIME, Grant
from mavis_ext.answers import JSON
from mavis_ext.auth import Issued
from mavis_hub.hub import LOGIN_CALLBACK, LOGIN_CLIENT

__all__ = ["HubLogins"]

_TIMEOUT_S = 10.0
_log = logging.getLogger("mavis.logins")
_FORM = "application/x-www-form-urlencoded"


class HubLogins:
    """Fulfils `mavis_ext.auth.Issue`, and says where a browser gets what that takes.

    Parameters
    ----------
    config
        Says where the Hub is; holds the secret of the OAuth client.
    """

    def __init__(self, config: Config) -> None:
        self._port = config.ports.hub
        self._auth = HubOAuth(
            api_url=f"http://127.0.0.1:{config.ports.hub}/hub/api",
            api_token=config.read_secret("api", "hub-login-token"),
            hub_host="",
            hub_prefix="/hub/",
            base_url=LOGIN_CALLBACK,
            oauth_client_id=LOGIN_CLIENT,
            oauth_redirect_uri=f"{config.public_url}{LOGIN_CALLBACK}",
        )

    def way(self, state: str) -> tuple[str, str]:
        """Return the Hub's address to which a browser is sent, and a proof to go with its code.

        Parameters
        ----------
        state
            What comes back with the code.
        """
        verifier, challenge, method = self._auth.generate_pkce_code_challenge()
        fields = {"state": state, "code_challenge": challenge, "code_challenge_method": method}
        return f"{self._auth.login_url}&{urlencode(fields)}", verifier

    @staticmethod
    def authority(code: str, verifier: str) -> bytes:
        """Return what a login is made with."""
        return json.dumps({"code": code, "verifier": verifier}).encode()

    def __call__(self, grant: Grant) -> Issued:
        """Make the login; see `mavis_ext.auth.Issue`."""
        power = self._exchange(json.loads(grant.authority))
        try:
            return self._made_with(power, grant)
        except Unavailable as exc:  # the code is used up: asking again does not help
            raise LoginNotGiven(f"The login was not made: {exc.message}") from exc

    def _made_with(self, power: str, grant: Grant) -> Issued:
        owner = self._ask("GET", "/user", power)
        try:
            if owner.get("kind") != "user" or owner.get("name") != grant.person:
                raise LoginNotGiven(
                    "Somebody else was logged in at the Hub than the one who allowed this login"
                )
            login = grant.login
            wanted = {
                "note": f"{login.program} login from {login.client}",
                "expires_in": int(TOKEN_LIFETIME.total_seconds()),
            }
            made = self._ask("POST", f"{_tokens_of(owner)}", power, json.dumps(wanted))
            return Issued(str(made["token"]), TOKEN_LIFETIME)
        finally:
            self._end(power, owner)

    def _exchange(self, brought: Mapping[str, str]) -> str:
        """Return the token that a code stands for."""
        form = {
            "client_id": self._auth.oauth_client_id,
            "client_secret": self._auth.api_token,
            "grant_type": "authorization_code",
            "code": brought["code"],
            "code_verifier": brought["verifier"],
            "redirect_uri": self._auth.oauth_redirect_uri,
        }
        answer = self._ask("POST", "/oauth2/token", self._auth.api_token, urlencode(form), _FORM)
        return str(answer["access_token"])

    def _end(self, power: str, owner: Mapping[str, Any]) -> None:
        try:
            self._ask("DELETE", f"{_tokens_of(owner)}/{quote(owner['token_id'], safe='')}", power)
        except (LoginNotGiven, Unavailable) as exc:
            # Nobody has it, and it ends with the browser's login at the Hub.
            _log.warning("a token for making a login was not ended: %s", exc.message)

    def _ask(
        self, method: str, path: str, token: str, body: str | None = None, media: str = JSON
    ) -> dict[str, Any]:
        """Return what the Hub's API answers.

        Raises
        ------
        LoginNotGiven
            It says no.
        Unavailable
            It does not answer, or has an error.
        """
        headers = {"Authorization": f"token {token}", "Content-Type": media}
        try:
            with closing(HTTPConnection("127.0.0.1", self._port, timeout=_TIMEOUT_S)) as hub:
                hub.request(method, f"/hub/api{path}", body=body, headers=headers)
                answer = hub.getresponse()
                content = answer.read()
        except (OSError, HTTPException) as exc:
            raise Unavailable("JupyterHub does not answer", retry_after_s=5) from exc
        if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise Unavailable(f"JupyterHub answers {answer.status}", retry_after_s=5)
        if answer.status >= HTTPStatus.BAD_REQUEST:
            raise LoginNotGiven(
                f"JupyterHub does not take what the browser brought ({answer.status});"
                " it is good once, and for five minutes"
            )
        told: dict[str, Any] = json.loads(content) if content else {}
        return told


def _tokens_of(owner: Mapping[str, Any]) -> str:
    return f"/users/{quote(owner['name'], safe='')}/tokens"
