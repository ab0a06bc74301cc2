"""The page of the REST API: its description, readable, and its calls to try out (Swagger UI).

Everything below its address asks for the login at the Hub. The page runs no script but the two
that it names by a nonce (Content Security Policy, level 3), and asks no other machine for
anything; what it loads from npm is fetched when Mavis is built (``make assets``).

The API takes tokens and no cookies, so a call can be tried out only with a token that somebody
pastes in; it stays in the memory of that browser's tab.
"""

from __future__ import annotations

import functools
import hashlib
import secrets
from dataclasses import dataclass, field
from html import escape
from importlib import resources
from typing import Any

from mavis_core.changes.replies import Reply
from mavis_core.errors import NotFound, Unauthenticated, Unavailable
from mavis_ext.answers import JSON
from mavis_ext.app import PREFIX
from mavis_ext.openapi import committed
from mavis_ext.prefect_guard import Identify, Login
from mavis_ext.sending import pack, takes_gzip
from mavis_hub.pages import STYLE, Page, header, page

__all__ = ["DOCS", "docs_rules"]

DOCS = f"{PREFIX}/docs"
_CSP = (
    "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self';"
    " img-src data:; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
_FILES = ("swagger-ui.css", "page.css", "swagger-ui-bundle.js", "page.js")
_KEPT_S = 31_536_000


@dataclass(frozen=True, slots=True)
class Asset:
    """A file that the page loads.

    Parameters
    ----------
    digest
        Of its content: an address with it never changes what it leads to.
    packed
        The content in gzip; None where it is not kept so.
    """

    media: str
    digest: str
    content: bytes = field(repr=False)
    packed: bytes | None = field(repr=False)


def docs_rules(name: str, identify: Identify, login: Login) -> list[tuple[Any, ...]]:
    """Return the rules of the page and of what it loads.

    Parameters
    ----------
    name
        How this appliance is called.
    identify
        Finds out who sits at the browser.
    login
        Sends a browser that opens the page to log in.
    """
    given = {"identify": identify}
    return [
        (f"{DOCS}/?", _DocsPage, {**given, "name": name, "login": login}),
        (f"{DOCS}/openapi\\.json", _Description, given),
        (f"{DOCS}/([a-z-]+\\.(?:css|js))", _Assets, given),
    ]


class _DocsPage(Page):
    """The page itself."""

    def initialize(self, name: str, identify: Identify, login: Login) -> None:
        """Take what the application hands over."""
        self._name = name
        self._identify = identify
        self._login = login

    async def get(self) -> None:
        """Show it; whoever is not logged in goes to the Hub first."""
        try:
            ctx = await self._identify(self)
        except Unauthenticated:
            self._login(self)
            return
        nonce = secrets.token_urlsafe(18)
        # JupyterHub's client takes a script's request for one of its page only with this.
        xsrf = self.xsrf_token.decode("ascii")
        shown = _shown(self._name, ctx.principal.name, nonce=nonce, xsrf=xsrf)
        self.set_header("Content-Security-Policy", _CSP.format(nonce=nonce))
        self.finish(shown)


class _Loaded(Page):
    """What the page loads: for whoever is logged in, and never a way to the login."""

    def initialize(self, identify: Identify) -> None:
        """Take what the application hands over."""
        self._identify = identify

    async def prepare(self) -> None:
        await self._identify(self)

    def compute_etag(self) -> str | None:
        return None  # the description says its own, the other addresses hold a digest


class _Description(_Loaded):
    """The description of the API, for those who have a cookie and no token."""

    def get(self) -> None:
        """Send what is committed."""
        packed = pack(
            Reply(200, {"Content-Type": JSON}, committed()),
            tagged=True,
            request=self.request.headers,
        )
        self.set_status(packed.status)
        self.clear_header("Content-Type")
        for name, value in packed.headers.items():
            self.set_header(name, value.replace("Authorization", "Cookie"))
        self.finish(packed.content or None)


class _Assets(_Loaded):
    """Scripts and style sheets."""

    def get(self, name: str) -> None:
        """Send one of the files."""
        if name not in _FILES:
            raise NotFound(f"There is no file {name[:40]} here")
        asset = _assets()[name]
        known = self.get_query_argument("v", "") == asset.digest
        kept = f"private, max-age={_KEPT_S}, immutable" if known else "private, no-cache"
        self.set_header("Cache-Control", kept)
        self.set_header("Content-Type", asset.media)
        self.set_header("Vary", "Accept-Encoding, Cookie")
        content = asset.content
        if asset.packed is not None and takes_gzip(self.request.headers.get("Accept-Encoding", "")):
            self.set_header("Content-Encoding", "gzip")
            content = asset.packed
        self.finish(content)


@functools.cache
def _assets() -> dict[str, Asset]:
    """Return the files by name; they do not change while this process runs.

    Raises
    ------
    Unavailable
        What comes from npm was not fetched.
    """
    ours = resources.files("mavis_hub").joinpath("docs_page")
    theirs = resources.files("mavis_ext").joinpath("static", "swagger-ui")
    made: dict[str, Asset] = {}
    for name in _FILES:
        mine = name.startswith("page.")
        try:
            content = (ours if mine else theirs).joinpath(name).read_bytes()
            packed = None if mine else theirs.joinpath(f"{name}.gz").read_bytes()
        except OSError as exc:
            raise Unavailable(
                f"{name}, which this page loads, is not part of this installation",
                mend="Run `make assets` in the source tree, and install from there.",
            ) from exc
        if name == "page.css":
            content = STYLE.encode() + content
        media = "text/css; charset=utf-8" if name.endswith(".css") else "text/javascript"
        made[name] = Asset(media, hashlib.sha256(content).hexdigest()[:16], content, packed)
    return made


def _shown(name: str, person: str, *, nonce: str, xsrf: str) -> str:
    """Return the page as it is shown to somebody."""
    at = {file: f"{DOCS}/{file}?v={asset.digest}" for file, asset in _assets().items()}
    head = "".join(
        f'<link rel=stylesheet href="{at[file]}" nonce="{nonce}">'
        if file.endswith(".css")
        else f'<script defer src="{at[file]}" nonce="{nonce}"></script>'
        for file in _FILES
    )
    words = _WORDS.format(xsrf=escape(xsrf))
    home = f'<a href="{PREFIX}/">{escape(name)}</a> <span class=soft>REST API</span>'
    return page(
        f"REST API · {name}",
        f"{header(home, person)}<main>{words}</main>",
        '<link rel=icon href="data:,">' + head,
    )


_WORDS = f"""
<section class=first>
<p>Whatever Mavis does, a program can ask for here. Each call needs a token: make one on the page of
<a href="/hub/token">tokens</a>. On a command line, <code>mavis login</code> gets one and keeps
it.</p>
<p>To try a call out, press <b>Authorize</b> and paste a token in; it stays in this tab until you
close or reload it. What you try out is <strong>done for real</strong>, in your name.</p>
<p><a href="{PREFIX}/">Start page</a> ·
<a href="{DOCS}/openapi.json" download="mavis-openapi.json">Download the description</a>
<span class=soft>(OpenAPI 3.1)</span></p>
</section>
<div id=operations data-description="{DOCS}/openapi.json" data-xsrf="{{xsrf}}" aria-busy=true>
<p class=soft role=status>The description is being loaded …</p>
<noscript><p>This page needs JavaScript; the description is a file for programs and people
alike.</p></noscript></div>
"""
