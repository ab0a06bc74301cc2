"""The page on which a person answers a login by browser, and the way back from the Hub.

It works without scripts. "Allow" sends the browser through the Hub, which knows who is there, and
back with a code that makes the login (`mavis_hub.hub_logins`). A signed cookie ties the two
together: what the Hub says to a browser that did not ask is worth nothing.

Whoever can press that button in somebody's browser can act as them: `mavis_hub.pages.forms` says
what holds against that.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass
from hmac import compare_digest
from typing import Any
from urllib.parse import urlencode

from mavis_core.access import CallContext
from mavis_core.errors import (
    Forbidden,
    InvalidInput,
    NotFound,
    TooManyRequests,
)
from mavis_core.logins.model import TOKEN_LIFETIME, DeviceLogin, State
from mavis_ext.handlers.logins import LOGIN_PAGE
from mavis_hub.hub import LOGIN_CALLBACK
from mavis_hub.hub_logins import HubLogins
from mavis_hub.pages.handlers import PersonPage, Site

__all__ = ["Answer", "Question", "login_rules"]

_COOKIE = "mavis-login"
_COOKIE_DAYS = 5 / (24 * 60)  # as long as the Hub's codes are good
_LONGEST_CODE = 200
_HOURS = int(TOKEN_LIFETIME.total_seconds() // 3600)
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


class _LoginPage(PersonPage):
    def initialize(self, site: Site, hub: HubLogins | None = None) -> None:
        """Take what the application hands over."""
        super().initialize(site)
        self.logins = self.app.logins
        self._hub = hub

    async def prepare(self) -> None:
        """Find out who is at the browser.

        Raises
        ------
        Forbidden
            It is no browser.
        """
        if self.has_token:
            raise Forbidden(
                "This page takes the login of a browser, and no token", mend="Open it in a browser."
            )
        await super().prepare()

    @property
    def hub(self) -> HubLogins:
        """Where logins are made."""
        assert self._hub is not None  # noqa: S101  # the rules hand it over
        return self._hub

    def back(self, user_code: str) -> None:
        """Send the browser to what the login is now, so that a reload repeats nothing."""
        self.redirect(f"{LOGIN_PAGE}?{urlencode({'user_code': user_code})}", status=303)


class Question(_LoginPage):
    """Asks for a code, and then whether to allow its login."""

    async def get(self) -> None:
        """Show what is to be answered."""
        typed = self.get_query_argument("user_code", "")
        if not typed:
            self._ask()
            return
        try:
            login = await self.ask(lambda: self.logins.look(self.ctx, typed))
        except (InvalidInput, NotFound, TooManyRequests) as exc:
            self.set_status(exc.status)
            self._ask(wrong=f"{exc.message}. {exc.mend}", typed=typed)
            return
        if login.state is not State.WAITING:
            head = _head(login, self.ctx.principal.name)
            self.show("login_answered.html", login=login, head=head, hours=_HOURS)
            return
        self.show(
            "login_question.html",
            login=login,
            hours=_HOURS,
            beside=_beside(login.source, self.ctx.source),
            address=LOGIN_PAGE,
            xsrf=self.xsrf,
            ticket=self.ticket(f"login {login.user_code}"),
        )

    async def post(self) -> None:
        """Take the answer."""
        code, answer = self.get_body_argument("user_code", ""), self.get_body_argument("answer", "")
        self.check_form(f"login {code}")
        act = self.logins.deny if answer == "deny" else self.logins.look
        login = await self.ask(lambda: act(self.ctx, code))
        if answer == "allow" and login.state is State.WAITING:
            self._send_to_hub(login, self.ctx)
        else:
            self.back(login.user_code)

    def _ask(self, *, wrong: str = "", typed: str = "") -> None:
        self.show("login_ask.html", wrong=wrong, typed=typed[:20], address=LOGIN_PAGE)

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
            secure=self.site.url.startswith("https:"),
        )
        self.redirect(way, status=303)


class Answer(_LoginPage):
    """Takes what the Hub says to a browser that was sent there."""

    leads_to_login = False

    async def get(self) -> None:
        """Allow the login that the browser was sent for."""
        asked = self._asked()
        self.clear_cookie(_COOKIE, path=LOGIN_PAGE)
        ctx = self.ctx
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
        login = await self.ask(lambda: self.logins.allow(ctx, asked.login_id, authority))
        self.back(login.user_code)

    def _asked(self) -> _Asked | None:
        kept = self.get_signed_cookie(_COOKIE, max_age_days=_COOKIE_DAYS)
        return _Asked(**json.loads(kept)) if kept else None


def _head(login: DeviceLogin, person: str) -> str:
    """Return what became of a login, for `person`."""
    if login.state is State.EXPIRED:
        return "Expired"
    if login.person != person:
        return "Answered already"
    return "Denied" if login.state is State.DENIED else "Allowed"


def _beside(source: str, browser: str) -> str:
    if source == browser:
        return "the same as this browser's"
    return f"this browser's is {browser}; they differ where you work on another machine"


def login_rules(site: Site, hub: HubLogins) -> list[tuple[Any, ...]]:
    """Return the rules of the page."""
    given = {"site": site, "hub": hub}
    return [(LOGIN_PAGE, Question, given), (LOGIN_CALLBACK, Answer, given)]
