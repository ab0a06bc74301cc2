"""The few pages of the api process: the start page and the way back from the Hub's login."""

from __future__ import annotations

from html import escape
from typing import Any

from jupyterhub.services.auth import HubOAuth, HubOAuthCallbackHandler
from tornado.web import RequestHandler

from mavis_core.access import Scope
from mavis_core.config import Config
from mavis_core.db.paging import MAX_LIMIT, PageRequest
from mavis_core.errors import MavisError, Unauthenticated
from mavis_ext import schemas
from mavis_ext.app import PREFIX
from mavis_ext.base import Services
from mavis_hub.hub import TRY_OUT_NOTICE
from mavis_hub.hub_identity import HubIdentity

__all__ = ["STYLE", "Callback", "Home", "Page", "header", "page", "page_rules", "send_to_login"]

_CSP = (
    "default-src 'none'; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none';"
    " frame-ancestors 'none'"
)
STYLE = """
:root { color-scheme: light dark; --ground: light-dark(#f4f5f7, #101317);
  --card: light-dark(#fff, #191d23); --ink: light-dark(#1a1f26, #e7eaef);
  --soft: light-dark(#525c69, #a9b2be); --line: light-dark(#d6dae0, #333a44);
  --accent: light-dark(#0a5aa8, #8cbcf2); --on-accent: light-dark(#fff, #0d1420); }
* { box-sizing: border-box; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0; background: var(--ground);
  color: var(--ink); }
header { background: var(--card); border-bottom: 1px solid var(--line); }
header > div, main { max-width: 62rem; margin: 0 auto; padding: .9rem 1.5rem; }
header > div { display: flex; flex-wrap: wrap; gap: .25rem 1.5rem; align-items: baseline; }
header p { margin: 0 0 0 auto; }
main { padding-top: 1.5rem; padding-bottom: 3rem; }
h1 { font-size: 1.35rem; margin: 0; } h2 { font-size: 1.1rem; margin: 0 0 .75rem; }
p { margin: .25rem 0; } .soft { color: var(--soft); }
nav { display: flex; gap: .75rem; flex-wrap: wrap; margin: 0 0 1.5rem; }
a { color: var(--accent); } a:focus-visible { outline: 2px solid; outline-offset: 2px; }
nav a { padding: .5rem 1rem; border: 1px solid var(--accent); border-radius: .4rem;
  text-decoration: none; background: var(--card); }
nav a:first-child { background: var(--accent); color: var(--on-accent); }
nav a:hover { text-decoration: underline; }
section, .notice { background: var(--card); border: 1px solid var(--line);
  border-radius: .6rem; padding: 1.1rem 1.25rem; }
.notice { border-left: .3rem solid light-dark(#b35900, #f0a648); margin: 0 0 1.5rem; }
.wide { overflow-x: auto; } table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .55rem .9rem .55rem 0; border-top: 1px solid var(--line); }
th { color: var(--soft); font-size: .875rem; font-weight: 600; border-top: 0; padding-top: 0; }
code { font: .95em ui-monospace, monospace; }
"""


class Callback(HubOAuthCallbackHandler):  # type: ignore[misc]  # jupyterhub has no types
    """The way back from the Hub's login."""

    def initialize(self, auth: HubOAuth) -> None:
        """Take the Hub's client."""
        self.hub_auth = auth


class Page(RequestHandler):
    """What pages have in common: headers, and errors as a sentence with its mend."""

    def set_default_headers(self) -> None:
        self.set_header("Content-Security-Policy", _CSP)
        self.set_header("Cache-Control", "no-store")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Referrer-Policy", "same-origin")
        self.clear_header("Server")

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        error = (kwargs.get("exc_info") or (None, None, None))[1]
        message, mend = "This page could not be made.", "Try again in a moment."
        if isinstance(error, MavisError):
            status_code, message, mend = error.status, error.message, error.mend
        self.set_status(status_code)
        self.finish(page("Mavis", f"<main><h1>{escape(message)}</h1><p>{escape(mend)}</p></main>"))


class Home(Page):
    """The start page: who you are, your projects, where to go."""

    def initialize(self, services: Services, identity: HubIdentity) -> None:
        """Take what the application hands over."""
        self.services = services
        self.identity = identity

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
        rows = [schemas.Project.of(each) for each in mine.items]
        admin = Scope.ADMIN in ctx.scopes
        self.finish(_home(self.services.app.config, ctx.principal.name, rows, admin))


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


def _home(config: Config, person: str, projects: list[schemas.Project], admin: bool) -> str:
    name = config.appliance.name
    links = [
        '<a href="/hub/spawn">Open JupyterLab</a>',
        '<a href="/hub/token">Tokens</a>',
        f'<a href="{PREFIX}/docs">REST API</a>',
    ]
    if admin:
        links.append(f'<a href="{PREFIX}/prefect/">Schedules and runs (Prefect)</a>')
    notice = "" if config.isolated else f"<p class=notice role=note>{escape(TRY_OUT_NOTICE)}</p>"
    return page(
        name,
        f"{header(escape(name), person)}<main>{notice}<nav aria-label=Mavis>{''.join(links)}</nav>"
        f"<section><h2>Your projects</h2>{_table(projects, admin)}</section></main>",
    )


def _table(projects: list[schemas.Project], admin: bool) -> str:
    if not projects:
        first = (
            "<p>Make the first one: <code>mavis project create NAME</code></p>"
            if admin
            else "<p>A project's administrator gives you a role in it.</p>"
        )
        return f"<p>You are in no project yet.</p>{first}"
    rows = "".join(
        f"<tr><td><code>{escape(each.name)}</code></td><td>{escape(each.title)}</td>"
        f"<td>{escape(each.role)}</td></tr>"
        for each in projects
    )
    return (
        "<div class=wide><table><thead><tr><th scope=col>Project<th scope=col>Title"
        f"<th scope=col>Your role</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def header(heading: str, person: str) -> str:
    """Return what stands at the top of a page.

    Parameters
    ----------
    heading
        What the page is, as HTML.
    """
    return (
        f"<header><div><h1>{heading}</h1><p><span class=soft>Logged in as</span>"
        f' {escape(person)} · <a href="/hub/logout">Log out</a></p></div></header>'
    )


def page(title: str, content: str, head: str = f"<style>{STYLE}</style>") -> str:
    """Return a page.

    Parameters
    ----------
    content, head
        HTML; what is in it from elsewhere is escaped.
    """
    return (
        "<!doctype html><html lang=en><meta charset=utf-8>"
        '<meta name=viewport content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title>{head}{content}</html>"
    )
