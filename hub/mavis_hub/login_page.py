"""The page on which a person answers a login by browser, and the way back from the Hub.

It works without scripts. "Allow" sends the browser through the Hub, which knows who is there, and
back with a code that makes the login (`mavis_hub.hub_logins`). A signed cookie ties the two
together: what the Hub says to a browser that did not ask is worth nothing.

Whoever can press that button in somebody's browser can act as them. So an answer needs the XSRF
token of this page, and headers by which the browser says that a page of this site sent it; the
page stands in no frame, and a page that opened it has no hold of it. A token in place of the
browser's cookie is refused: notebooks have one.
"""

from __future__ import annotations

import json
import logging
import secrets
from dataclasses import asdict, dataclass
from hmac import compare_digest
from typing import Any
from urllib.parse import urlencode

from mavis_core import clock
from mavis_core.access import CallContext
from mavis_core.errors import (
    Forbidden,
    InvalidInput,
    MavisError,
    NotFound,
    TooManyRequests,
    Unauthenticated,
)
from mavis_core.logins.model import DeviceLogin, State
from mavis_ext.base import Services
from mavis_ext.handlers.logins import LOGIN_PAGE
from mavis_hub import login_html
from mavis_hub.hub import LOGIN_CALLBACK
from mavis_hub.hub_identity import HubIdentity
from mavis_hub.hub_logins import HubLogins
from mavis_hub.pages import Page, send_to_login

__all__ = ["Answer", "Question", "login_rules"]

_CSP = (
    "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none';"
    " frame-ancestors 'none'"
)
_log = logging.getLogger("mavis.logins")
_COOKIE = "mavis-login"
_COOKIE_DAYS = 5 / (24 * 60)  # as long as the Hub's codes are good
_LONGEST_CODE = 200
_MEND = "Open the page again with the code that the command line shows."


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a browser was sent to the Hub for.

    Parameters
    ----------
    state
        What the Hub's answer must bring back.
    verifier
        The proof that goes with the Hub's code.
    """

    state: str
    verifier: str
    login_id: str
    person: str


class _LoginHandler(Page):
    def initialize(self, services: Services, identity: HubIdentity, hub: HubLogins) -> None:
        """Take what the application hands over."""
        self.services = services
        self.logins = services.app.logins
        self.identity = identity
        self.hub = hub

    def set_default_headers(self) -> None:
        super().set_default_headers()
        self.set_header("Content-Security-Policy", _CSP)
        self.set_header("Cross-Origin-Opener-Policy", "same-origin")

    async def who(self) -> CallContext:
        """Return who is at the browser.

        Raises
        ------
        Unauthenticated
            Nobody is, or what changes something does not come from this page.
        Forbidden
            It is no browser.
        """
        if self.identity.auth.get_token(self, in_cookie=False):
            raise Forbidden(
                "This page takes the login of a browser, and no token", mend="Open it in a browser."
            )
        return await self.identity.browser(self)

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        if isinstance(value, MavisError):
            _log.info("%s %s: %s: %s", self.request.method, self.request.path, value.code, value)
        else:
            super().log_exception(typ, value, tb)

    def back(self, user_code: str) -> None:
        """Send the browser to what the login is now, so that a reload repeats nothing."""
        self.redirect(f"{LOGIN_PAGE}?{urlencode({'user_code': user_code})}", status=303)


class Question(_LoginHandler):
    """Asks for a code, and then whether to allow its login."""

    async def get(self) -> None:
        """Show what is to be answered; whoever is not logged in goes to the Hub first."""
        try:
            ctx = await self.who()
        except Unauthenticated:
            send_to_login(self, self.identity.auth)
            return
        person, typed = ctx.principal.name, self.get_query_argument("user_code", "")
        if not typed:
            self.finish(login_html.ask(person))
            return
        try:
            login = await self.services.database.run(lambda: self.logins.look(ctx, typed))
        except (InvalidInput, NotFound, TooManyRequests) as exc:
            self.set_status(exc.status)
            wrong = f"{exc.message}. {exc.mend}"
            self.finish(login_html.ask(person, wrong=wrong, typed=typed))
            return
        if login.state is not State.WAITING:
            self.finish(login_html.answered(login, person))
            return
        # JupyterHub's client has put its own token in Tornado's place.
        xsrf = self.xsrf_token.decode("ascii")
        self.finish(
            login_html.question(login, person, browser=ctx.source, xsrf=xsrf, now=clock.now())
        )

    async def post(self) -> None:
        """Take the answer."""
        self._check_site()
        try:
            ctx = await self.who()
        except Unauthenticated as exc:
            raise Forbidden("This page is too old to be answered", mend=_MEND) from exc
        code, answer = self.get_body_argument("user_code", ""), self.get_body_argument("answer", "")
        act = self.logins.deny if answer == "deny" else self.logins.look
        login = await self.services.database.run(lambda: act(ctx, code))
        if answer == "allow" and login.state is State.WAITING:
            self._send_to_hub(login, ctx)
        else:
            self.back(login.user_code)

    def _check_site(self) -> None:
        """Refuse what no page of this site has sent (https://www.w3.org/TR/fetch-metadata/).

        Browsers leave out the metadata, but not the origin, where neither TLS nor loopback is used.
        """
        said = self.request.headers
        here = self.services.app.config.public_url
        if (
            said.get("Origin") != here
            or said.get("Sec-Fetch-Site", "same-origin") != "same-origin"
            or said.get("Sec-Fetch-Mode", "navigate") != "navigate"
        ):
            raise Forbidden("This answer does not come from the page that asks", mend=_MEND)

    def _send_to_hub(self, login: DeviceLogin, ctx: CallContext) -> None:
        state = secrets.token_urlsafe(32)
        way, verifier = self.hub.way(state)
        asked = _Asked(state, verifier, login.id, ctx.principal.name)
        self.set_signed_cookie(
            _COOKIE,
            json.dumps(asdict(asked)),
            expires_days=None,
            path=LOGIN_PAGE,
            httponly=True,
            samesite="Lax",
            secure=self.services.app.config.public_url.startswith("https:"),
        )
        self.redirect(way, status=303)


class Answer(_LoginHandler):
    """Takes what the Hub says to a browser that was sent there."""

    async def get(self) -> None:
        """Allow the login that the browser was sent for."""
        asked = self._asked()
        self.clear_cookie(_COOKIE, path=LOGIN_PAGE)
        ctx = await self.who()
        state = self.get_query_argument("state", "")
        if (
            asked is None
            or not compare_digest(asked.state.encode(), state.encode())
            or asked.person != ctx.principal.name
        ):
            raise Forbidden("The Hub's answer is not for what this browser asked", mend=_MEND)
        code = self.get_query_argument("code", "")
        if not code or len(code) > _LONGEST_CODE:
            raise Forbidden("The Hub has not allowed this login", mend=_MEND)
        authority = self.hub.authority(code, asked.verifier)
        login = await self.services.database.run(
            lambda: self.logins.allow(ctx, asked.login_id, authority)
        )
        self.back(login.user_code)

    def _asked(self) -> _Asked | None:
        kept = self.get_signed_cookie(_COOKIE, max_age_days=_COOKIE_DAYS)
        return _Asked(**json.loads(kept)) if kept else None


def login_rules(services: Services, identity: HubIdentity, hub: HubLogins) -> list[tuple[Any, ...]]:
    """Return the rules of the page."""
    given = {"services": services, "identity": identity, "hub": hub}
    return [(LOGIN_PAGE, Question, given), (LOGIN_CALLBACK, Answer, given)]
