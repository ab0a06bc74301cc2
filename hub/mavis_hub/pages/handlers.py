"""What pages have in common: who is there, headers, errors as a sentence with its mend."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http.client import responses
from typing import Any, TypeVar

from jupyterhub.services.auth import HubOAuth, HubOAuthCallbackHandler
from tornado.httputil import HTTPServerRequest
from tornado.web import Application, HTTPError, RequestHandler

from mavis_core import records
from mavis_core.access import CallContext
from mavis_core.errors import (
    Forbidden,
    Internal,
    InvalidInput,
    MavisError,
    Unauthenticated,
    Unavailable,
)
from mavis_core.ids import new_id
from mavis_ext import problems
from mavis_ext.base import Services
from mavis_ext.refusals import refusal
from mavis_hub.hub_identity import HubIdentity
from mavis_hub.pages.forms import check_sent_by_page, check_ticket, is_window, ticket
from mavis_hub.pages.templates import render

__all__ = [
    "Callback",
    "Page",
    "PersonPage",
    "Site",
    "send_to_login",
]

T = TypeVar("T")
_CSP = (
    "default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}';"
    " connect-src 'self'; img-src data:; form-action 'self'; base-uri 'none';"
    " frame-ancestors 'none'"
)
_UNREADABLE = frozenset(map(chr, (*range(32), 127)))
_log = logging.getLogger("mavis.pages")


@dataclass(frozen=True, slots=True)
class Site:
    """What pages work with.

    Parameters
    ----------
    name
        How this appliance is called.
    """

    name: str
    services: Services
    identity: HubIdentity

    @property
    def url(self) -> str:
        """The origin, as browsers name it."""
        return self.services.app.config.public_url


class Callback(HubOAuthCallbackHandler):  # type: ignore[misc]  # jupyterhub has no types
    """The way back from the Hub's login."""

    def initialize(self, auth: HubOAuth) -> None:
        """Take the Hub's client."""
        self.hub_auth = auth


class Page(RequestHandler):
    """The base of all pages: headers, and errors as a page."""

    site_name = "Mavis"
    person: str | None = None

    def __init__(self, application: Application, request: HTTPServerRequest, **kwargs: Any) -> None:
        self.request_id = new_id("req")
        self.nonce = secrets.token_urlsafe(18)
        super().__init__(application, request, **kwargs)

    def set_default_headers(self) -> None:
        self.set_header("Content-Security-Policy", _CSP.format(nonce=self.nonce))
        self.set_header("Cache-Control", "no-store")
        # Who opens a page in a window of its own has no hold of that, of whatever site it is.
        self.set_header("Cross-Origin-Opener-Policy", "same-origin")
        self.set_header("Cross-Origin-Resource-Policy", "same-origin")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("X-Request-Id", self.request_id)
        self.set_header("Referrer-Policy", "same-origin")
        self.clear_header("Server")

    def compute_etag(self) -> str | None:
        return None  # each page has a nonce of its own

    def show(self, template: str, **values: Any) -> None:
        """Send a page."""
        given = {"site": self.site_name, "nonce": self.nonce, "person": self.person}
        self.finish(render(template, **{**given, **values}))

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        error = (kwargs.get("exc_info") or (None, None, None))[1]
        title = responses.get(status_code, "Error")
        message, mend = "This page could not be made", "Try again in a moment."
        if isinstance(error, MavisError):
            self.set_status(error.status)
            title, message, mend = responses.get(error.status, title), error.message, error.mend
            if error.retry_after_s is not None:
                self.set_header("Retry-After", str(max(1, round(error.retry_after_s))))
        elif isinstance(error, HTTPError) and status_code < 500:
            message, mend = f"This address answers {status_code}", "Go back to the start page."
        self.show(
            "error.html",
            status=self.get_status(),
            title=title,
            message=message.rstrip("."),
            mend=mend,
            request_id=self.request_id,
        )

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        what = (self.request.method, self.request.path[:200])
        if isinstance(value, MavisError) and not isinstance(value, Internal):
            _log.info("%s %r: %s: %s", *what, value.code, value)
        elif isinstance(value, HTTPError) and value.status_code < 500:
            _log.info("%s %r: %d", *what, value.status_code)
        else:
            _log.error("%s %r: bug, request %s", *what, self.request_id, exc_info=(typ, value, tb))


class PersonPage(Page):
    """The base of pages that are for whoever is logged in."""

    leads_to_login = True
    ctx: CallContext

    def initialize(self, site: Site) -> None:
        """Take what the application hands over."""
        self.site = site
        self.site_name = site.name
        self.app = site.services.app

    async def prepare(self) -> None:
        """Find out who is there; a browser that opens a page goes to the Hub first.

        Raises
        ------
        Unauthenticated
            Nobody is, or what they send does not come from a page of this site.
        """
        if self.request.method not in ("GET", "POST"):
            return  # Tornado says which methods there are
        try:
            self.ctx = await self.site.identity.browser(self)
        except Unauthenticated:
            if self.request.method != "GET" or not self.leads_to_login or not is_window(self):
                raise
            send_to_login(self, self.site.identity.auth)
            return
        self.person = self.ctx.principal.name
        self.site.services.limits.take(self.person)
        if any(letter in _UNREADABLE for arg in self.path_args for letter in arg):
            raise InvalidInput("A name in the address holds control characters")

    @property
    def xsrf(self) -> str:
        """The token without which the Hub's client takes no cookie from a script or a form."""
        # JupyterHub's client has put its own in Tornado's place.
        return self.xsrf_token.decode("ascii")

    def ticket(self, purpose: str) -> str | None:
        """Return what a form for `purpose` brings back; None: no form is to be shown.

        To scripts, to frames and to tokens none is given (`mavis_hub.pages.forms`).
        """
        if not is_window(self) or self.has_token:
            return None
        return ticket(self, self.ctx.principal.name, purpose)

    def check_form(self, purpose: str) -> None:
        """Return where the person has sent this form from our page.

        Raises
        ------
        Forbidden
            Somebody or something else has.
        """
        if self.has_token:
            raise Forbidden(
                "This page takes the login of a browser, and no token", mend="Open it in a browser."
            )
        check_sent_by_page(self, self.site.url)
        check_ticket(self, self.ctx.principal.name, purpose)

    @property
    def has_token(self) -> bool:
        """Whether a token is sent in place of a browser's cookie."""
        return bool(self.site.identity.auth.get_token(self, in_cookie=False))

    async def recorded(self, answer: Awaitable[None]) -> None:
        """Do what a form asks for; a refusal is recorded before it is told, as the API does."""
        try:
            await answer
        except Unavailable:  # what is down has changed nothing and could not take the record
            raise
        except MavisError as exc:
            told = problems.problem(exc, self.request_id)
            record = refusal(self.ctx, "POST", self.request.path, told)

            def write() -> None:
                with self.app.database.write() as tx:
                    records.write(tx, record)

            await self.ask(write)
            raise

    async def ask(self, call: Callable[[], T]) -> T:
        """Return what a service of the core answers."""
        return await self.site.services.database.run(call)


def send_to_login(handler: RequestHandler, auth: HubOAuth) -> None:
    """Send a browser to the Hub's login, from where it comes back to the same address."""
    verifier, challenge, method = auth.generate_pkce_code_challenge()
    state = auth.set_state_cookie(handler, next_url=handler.request.uri, code_verifier=verifier)
    fields = {"state": state, "code_challenge": challenge, "code_challenge_method": method}
    query = "".join(f"&{name}={value}" for name, value in fields.items())
    handler.redirect(auth.login_url + query)
