"""The Hub's side of a login: a token is made, and revoked.

The two calls are JupyterHub's (``POST`` and ``DELETE /users/{name}/tokens``); a token made here
stands for the person with all their scopes, which is what tells a login from a kernel's token.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass
from datetime import UTC, datetime

from mavis_kernel.errors import Forbidden, NotLoggedIn, UnexpectedAnswer
from mavis_kernel.exchange import Exchange
from mavis_kernel.masking import Secret
from mavis_kernel.settings import Trust, hub_url
from mavis_kernel.transport import segment

__all__ = ["Login", "identify", "log_in", "revoke"]

_LOGIN_S = 12 * 3600


@dataclass(frozen=True)
class Login:
    """A token and whose it is.

    Parameters
    ----------
    token_id
        Names the token at the Hub; None where the Hub does not say.
    expires_at
        None where it does not end, or that is not known.
    """

    username: str
    token: Secret
    token_id: str | None
    expires_at: datetime | None


def log_in(url: str, trust: Trust, username: str, password: Secret) -> Login:
    """Return a new login of `username` at the appliance at `url`, for twelve hours.

    Raises
    ------
    NotLoggedIn
        The Hub does not know this name with this password.
    """
    body = {
        "auth": {"username": username, "password": password.reveal()},
        "note": f"mavis login from {platform.node()}",
        "expires_in": _LOGIN_S,
    }
    exchange = Exchange(hub_url(url), None, trust)
    try:
        answer = exchange.send("POST", f"/users/{segment(username)}/tokens", body=body).body
    except Forbidden as exc:
        raise NotLoggedIn(
            f"The Hub does not let {username} in with this password.",
            status=exc.status,
            # The Hub answers the same to a person whom it has never met.
            mend="Check name and password. If you have never been there, log in once with a"
            f" browser: {hub_url(url).removesuffix('/api')}/login",
            request_id=exc.request_id,
        ) from exc
    finally:
        exchange.close()
    token = _text(answer, "token")
    if token is None:
        raise UnexpectedAnswer("The Hub's answer holds no token.")
    return Login(username, Secret(token), _text(answer, "id"), _moment(answer, "expires_at"))


def identify(url: str, trust: Trust, token: Secret) -> Login:
    """Return whose `token` is, as the Hub says.

    Raises
    ------
    NotLoggedIn
        The Hub does not know the token.
    """
    exchange = Exchange(hub_url(url), token, trust)
    try:
        answer = exchange.send("GET", "/user").body
    except Forbidden as exc:  # the Hub's answer to an unknown token
        raise NotLoggedIn(
            "The Hub does not know this token.", status=exc.status, request_id=exc.request_id
        ) from exc
    finally:
        exchange.close()
    name = _text(answer, "name")
    if name is None:
        raise UnexpectedAnswer("The Hub's answer names no person.")
    return Login(name, token, _text(answer, "token_id"), None)


def revoke(url: str, trust: Trust, token: Secret) -> None:
    """End `token` at the Hub, with its own authority.

    Raises
    ------
    ApiError
        The Hub does not answer, does not know the token, or does not let it end itself.
    """
    login = identify(url, trust, token)
    if login.token_id is None:
        raise UnexpectedAnswer("The Hub does not say which of its tokens this is.")
    exchange = Exchange(hub_url(url), token, trust)
    try:
        path = f"/users/{segment(login.username)}/tokens/{segment(login.token_id)}"
        exchange.send("DELETE", path)
    finally:
        exchange.close()


def _text(answer: object, name: str) -> str | None:
    value = answer.get(name) if isinstance(answer, dict) else None
    return value if isinstance(value, str) else None


def _moment(answer: object, name: str) -> datetime | None:
    text = _text(answer, name)
    try:
        return datetime.fromisoformat(text).astimezone(UTC) if text else None
    except ValueError as exc:
        raise UnexpectedAnswer(f"The Hub's answer has no moment in {name}.") from exc
