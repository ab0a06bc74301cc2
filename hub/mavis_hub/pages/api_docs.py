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
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

from mavis_core.changes.replies import Reply
from mavis_core.errors import NotFound, Unauthenticated, Unavailable
from mavis_ext.answers import JSON
from mavis_ext.app import PREFIX
from mavis_ext.openapi import committed
from mavis_ext.prefect_guard import Identify, Login
from mavis_ext.sending import pack, takes_gzip
from mavis_hub.pages.assets import kept
from mavis_hub.pages.handlers import Page

__all__ = ["DOCS", "docs_rules"]

DOCS = f"{PREFIX}/docs"
_FILES = ("swagger-ui.css", "page.css", "swagger-ui-bundle.js", "page.js")


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
        self.site_name = name
        self._identify = identify
        self._login = login

    async def get(self) -> None:
        """Show it; whoever is not logged in goes to the Hub first."""
        try:
            ctx = await self._identify(self)
        except Unauthenticated:
            self._login(self)
            return
        self.person = ctx.principal.name
        self.show(
            "api_docs.html",
            docs=DOCS,
            files={file: f"{DOCS}/{file}?v={asset.digest}" for file, asset in _assets().items()},
            # JupyterHub's client takes a script's request for one of its page only with this.
            xsrf=self.xsrf_token.decode("ascii"),
        )


class _Loaded(Page):
    """What the page loads: for whoever is logged in, and never a way to the login."""

    def initialize(self, identify: Identify) -> None:
        """Take what the application hands over."""
        self._identify = identify

    async def prepare(self) -> None:
        await self._identify(self)


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
        self.set_header("Cache-Control", kept(self.get_query_argument("v", "") == asset.digest))
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
    ours = resources.files("mavis_hub.pages").joinpath("docs_page")
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
        media = "text/css; charset=utf-8" if name.endswith(".css") else "text/javascript"
        made[name] = Asset(media, hashlib.sha256(content).hexdigest()[:16], content, packed)
    return made
