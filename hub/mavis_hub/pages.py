"""The few pages of the api process: the start page and the way back from the Hub's login."""

from __future__ import annotations

from html import escape
from typing import Any

from jupyterhub.services.auth import HubOAuth, HubOAuthCallbackHandler
from tornado.web import RequestHandler

from mavis_core.access import Scope
from mavis_core.db.paging import MAX_LIMIT, PageRequest
from mavis_core.errors import MavisError, Unauthenticated
from mavis_ext import forms
from mavis_ext.app import PREFIX
from mavis_ext.base import Services
from mavis_hub.hub_identity import HubIdentity

__all__ = ["Callback", "Home", "page_rules", "send_to_login"]

_CSP = (
    "default-src 'none'; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none';"
    " frame-ancestors 'none'"
)
_STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #7779; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 60rem; padding: 1.5rem; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
p { margin: .25rem 0; } .soft { opacity: .75; }
.wide { overflow-x: auto; } table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .5rem .75rem; border-bottom: 1px solid var(--line); }
code { font: .9em ui-monospace, monospace; background: var(--line); padding: .1em .35em;
  border-radius: .25em; }
nav { display: flex; gap: 1rem; flex-wrap: wrap; margin: 1rem 0; }
a { color: LinkText; } a:focus-visible { outline: 2px solid; outline-offset: 2px; }
"""


class Callback(HubOAuthCallbackHandler):  # type: ignore[misc]  # jupyterhub has no types
    """The way back from the Hub's login."""

    def initialize(self, auth: HubOAuth) -> None:
        """Take the Hub's client."""
        self.hub_auth = auth


class Home(RequestHandler):
    """The start page: who you are, your projects, where to go."""

    def initialize(self, services: Services, identity: HubIdentity) -> None:
        """Take what the application hands over."""
        self.services = services
        self.identity = identity

    def set_default_headers(self) -> None:
        self.set_header("Content-Security-Policy", _CSP)
        self.set_header("Cache-Control", "no-store")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Referrer-Policy", "same-origin")
        self.clear_header("Server")

    async def get(self) -> None:
        """Show it; whoever is not logged in goes to the Hub first."""
        try:
            ctx = await self.identity.browser(self)
        except Unauthenticated:
            send_to_login(self, self.identity.auth)
            return
        mine = await self.services.database.run(
            lambda: self.services.app.projects.list(ctx, PageRequest(MAX_LIMIT))
        )
        rows = [forms.project(membership) for membership in mine.items]
        admin = Scope.ADMIN in ctx.scopes
        self.finish(_home(self.services.app.config.appliance.name, ctx.principal.name, rows, admin))

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        error = (kwargs.get("exc_info") or (None, None, None))[1]
        message, mend = "This page could not be made.", "Try again in a moment."
        if isinstance(error, MavisError):
            status_code, message, mend = error.status, error.message, error.mend
        self.set_status(status_code)
        self.finish(_page("Mavis", f"<h1>{escape(message)}</h1><p>{escape(mend)}</p>"))


def send_to_login(handler: RequestHandler, auth: HubOAuth) -> None:
    """Send a browser to the Hub's login, from where it comes back to the same address."""
    verifier, challenge, method = auth.generate_pkce_code_challenge()
    state = auth.set_state_cookie(handler, next_url=handler.request.uri, code_verifier=verifier)
    fields = {"state": state, "code_challenge": challenge, "code_challenge_method": method}
    query = "".join(f"&{name}={value}" for name, value in fields.items())
    handler.redirect(auth.login_url + query)


def page_rules(services: Services, identity: HubIdentity) -> list[tuple[Any, ...]]:
    """Return the rules of the pages."""
    home = {"services": services, "identity": identity}
    return [
        (rf"{PREFIX}/?", Home, home),
        (rf"{PREFIX}/oauth_callback", Callback, {"auth": identity.auth}),
    ]


def _home(appliance: str, person: str, projects: list[dict[str, Any]], admin: bool) -> str:
    links = ['<a href="/hub/spawn">Open JupyterLab</a>', '<a href="/hub/token">Tokens</a>']
    if admin:
        links.append(f'<a href="{PREFIX}/prefect/">Schedules and runs (Prefect)</a>')
    return _page(
        appliance,
        f"<h1>{escape(appliance)}</h1><p class=soft>Logged in as {escape(person)}</p>"
        f"<nav aria-label=Mavis>{''.join(links)}</nav>"
        f"<h2>Your projects</h2>{_table(projects, admin)}",
    )


def _table(projects: list[dict[str, Any]], admin: bool) -> str:
    if not projects:
        first = (
            "<p>Make the first one: <code>mavis project create NAME</code></p>"
            if admin
            else "<p>A project's administrator gives you a role in it.</p>"
        )
        return f"<p>You are in no project yet.</p>{first}"
    rows = "".join(
        f"<tr><td><code>{escape(each['name'])}</code></td><td>{escape(each['title'])}</td>"
        f"<td>{escape(each['role'])}</td></tr>"
        for each in projects
    )
    return (
        "<div class=wide><table><thead><tr><th scope=col>Project<th scope=col>Title"
        f"<th scope=col>Your role</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _page(title: str, content: str) -> str:
    return (
        "<!doctype html><html lang=en><meta charset=utf-8>"
        '<meta name=viewport content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style><main>{content}</main></html>"
    )
