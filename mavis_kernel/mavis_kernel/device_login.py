"""A login with a browser: asked for here, allowed by a person there, fetched here.

What goes over the wire is that of the device authorization grant (RFC 8628), at the appliance's
``/device-logins``. The password never comes near this program, and whatever the Hub asks people
for, single sign-on too, works.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from mavis_kernel.errors import (
    ApiError,
    BadSettings,
    CertificateNotTrusted,
    NotFound,
    NotLoggedIn,
    Unavailable,
    UnexpectedAnswer,
    Unreachable,
)
from mavis_kernel.exchange import Exchange
from mavis_kernel.hub import Login
from mavis_kernel.masking import Secret
from mavis_kernel.settings import Trust, api_url, is_private

__all__ = ["DeviceLogin", "begin", "fetch"]

_PROGRAM = "mavis"
_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
_SHORTEST_S, _SLOWER_S, _LONGEST_S = 1.0, 5.0, 30.0
_OVER = ("access_denied", "expired_token", "invalid_grant")


@dataclass(frozen=True)
class DeviceLogin:
    """A login that waits for a person.

    Parameters
    ----------
    device_code
        With it the login is fetched.
    user_code
        What the person compares: ``WDJB-MJHT``.
    page
        The address to open, with the code in it.
    interval_s
        Seconds between two questions.
    lasts_s
        For how many seconds it waits.
    """

    device_code: Secret
    user_code: str
    page: str
    interval_s: float
    lasts_s: float


def begin(url: str, trust: Trust, machine: str) -> DeviceLogin:
    """Return a new login at the appliance at `url`, which a person is to allow.

    Parameters
    ----------
    machine
        What the person is told of where this runs.

    Raises
    ------
    NotFound
        The appliance knows no logins by browser.
    """
    body = {"client_id": _PROGRAM, "client_name": machine}
    exchange = Exchange(api_url(url), None, trust)
    try:
        answer = exchange.send("POST", "/device-logins", body=body).body
    except NotFound as exc:
        raise NotFound(
            f"{url} knows no login by browser.",
            status=exc.status,
            mend="Log in with a password: mavis login --password.",
            request_id=exc.request_id,
        ) from exc
    finally:
        exchange.close()
    found = DeviceLogin(
        device_code=Secret(_text(answer, "device_code")),
        user_code=_text(answer, "user_code"),
        page=_text(answer, "verification_uri_complete"),
        interval_s=max(_SHORTEST_S, _number(answer, "interval")),
        lasts_s=_number(answer, "expires_in"),
    )
    _check(found)
    return found


def fetch(
    url: str,
    trust: Trust,
    login: DeviceLogin,
    *,
    wait: Callable[[float], None] = time.sleep,
    on_trouble: Callable[[ApiError], None] = lambda _: None,
) -> Login:
    """Return what a person has allowed; wait until they have.

    Parameters
    ----------
    wait
        Waits for some seconds.
    on_trouble
        Told when the appliance does not answer, which is asked again.

    Raises
    ------
    NotLoggedIn
        The person has denied it, or nobody has answered in time.
    """
    body = {
        "grant_type": _GRANT,
        "device_code": login.device_code.reveal(),
        "client_id": _PROGRAM,
    }
    until = time.monotonic() + login.lasts_s
    interval_s = pause_s = login.interval_s
    exchange = Exchange(api_url(url), None, trust)
    try:
        while time.monotonic() < until:
            wait(pause_s)
            try:
                return _login(exchange.send("POST", "/device-logins/token", body=body).body)
            except CertificateNotTrusted:
                raise
            except (Unavailable, Unreachable) as exc:
                on_trouble(exc)
                pause_s = min(2 * pause_s, _LONGEST_S)  # RFC 8628, section 3.5
            except ApiError as exc:
                interval_s += _slower(exc)
                pause_s = interval_s
    finally:
        exchange.close()
    raise NotLoggedIn("Nobody has allowed this login in time.", code="expired_token")


def _slower(exc: ApiError) -> float:
    """Return by how many seconds to ask less often, where there is to be asked again."""
    if exc.code == "authorization_pending":
        return 0.0
    if exc.code == "slow_down":
        return _SLOWER_S
    if exc.code in _OVER:
        raise NotLoggedIn(
            exc.detail, code=exc.code, status=exc.status, request_id=exc.request_id
        ) from exc
    raise exc


def _login(answer: object) -> Login:
    ends = datetime.now(UTC) + timedelta(seconds=_number(answer, "expires_in"))
    return Login(_text(answer, "username"), Secret(_text(answer, "access_token")), None, ends)


def _check(login: DeviceLogin) -> None:
    """Refuse what should neither be shown nor opened."""
    address, _, _ = login.page.partition("?")
    try:
        sound = is_private(address) and (login.page + login.user_code).isprintable()
    except BadSettings:
        sound = False
    if not sound or " " in login.page:
        raise UnexpectedAnswer("The appliance names no page on which a login could be allowed.")


def _text(answer: object, name: str) -> str:
    value = answer.get(name) if isinstance(answer, dict) else None
    if not isinstance(value, str) or not value:
        raise UnexpectedAnswer(f"The appliance's answer holds no {name}.")
    return value


def _number(answer: object, name: str) -> float:
    value = answer.get(name) if isinstance(answer, dict) else None
    if not isinstance(value, int | float):
        raise UnexpectedAnswer(f"The appliance's answer holds no {name}.")
    return float(value)
