"""Dashboards in a browser: the gallery, and the page that holds a dashboard's frame.

The page knows the viewer by the login at the Hub, opens a view, and keeps it by a stream that is
open as long as the page is. What a publisher has written is shown in its frame only, by the
dashboards process, in a sandbox: no script of it has a hold of this page or of the viewer's login.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from contextlib import suppress
from typing import Any
from urllib.parse import quote, urlencode

from tornado.iostream import StreamClosedError

from mavis_core.dashboards.model import View
from mavis_core.errors import MavisError, TooManyRequests, Unauthenticated
from mavis_ext.answers import STREAM
from mavis_ext.app import PREFIX
from mavis_hub.dashboards.addresses import FRAMES
from mavis_hub.pages.forms import is_window
from mavis_hub.pages.handlers import PersonPage, Site

__all__ = ["GALLERY", "dashboard_rules"]

GALLERY = f"{PREFIX}/dashboards"
_CSP = (
    "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; img-src data:;"
    " connect-src 'self'; frame-src {frames}/; form-action 'none'; base-uri 'none';"
    " frame-ancestors 'none'"
)
_LOOK_EVERY_S = 5.0
_STREAMS_OF_ONE = 20


class Gallery(PersonPage):
    """The dashboards that the viewer may open."""

    async def get(self) -> None:
        """Show them."""
        found = await self.ask(lambda: self.app.dashboards.gallery(self.ctx))
        self.show("dashboards.html", found=found, gallery=GALLERY)


class Slash(PersonPage):
    """Leads to the address of a dashboard, which ends with a slash."""

    def get(self, project: str, name: str) -> None:
        """Lead there."""
        self.redirect(f"{GALLERY}/{quote(project)}/{quote(name)}/")


class Dashboard(PersonPage):
    """The page of one dashboard."""

    def initialize(self, site: Site, frames: str = "") -> None:
        """Take what the application hands over."""
        super().initialize(site)
        self._frames = frames

    async def get(self, project: str, name: str) -> None:
        """Open a view, and show the page that keeps it."""
        if not is_window(self):  # a script's fetch gets no ticket of somebody's view
            await self.ask(lambda: self.app.dashboards.get(self.ctx, project, name))
            self.set_status(204)
            return
        opened = await self.ask(lambda: self.app.views.open(self.ctx, project, name))
        where = self._frames + FRAMES
        self.set_header("Content-Security-Policy", _CSP.format(nonce=self.nonce, frames=where))
        self.show(
            "dashboard.html",
            dashboard=opened.dashboard,
            frame=f"{where}/{opened.ticket}/",
            live=f"live?{urlencode({'view': opened.view.id, '_xsrf': self.xsrf})}",
            gallery=GALLERY,
        )


class Live(PersonPage):
    """The stream by which a page keeps its view, and hears what becomes of it."""

    leads_to_login = False

    def initialize(self, site: Site, streams: Counter[str] | None = None) -> None:
        """Take what the application hands over."""
        super().initialize(site)
        self._left = asyncio.Event()
        self._streams = Counter[str]() if streams is None else streams

    async def get(self, project: str, name: str) -> None:
        """Look every few seconds whether the viewer still is who they were, and still may."""
        del project, name
        view_id, person = self.get_query_argument("view", ""), self.ctx.principal.name
        if self._streams[person] >= _STREAMS_OF_ONE:
            raise TooManyRequests(f"{person} has too many dashboards open")
        self._streams[person] += 1
        try:
            await self._follow(view_id)
        finally:
            self._streams[person] -= 1
            if not self._streams[person]:
                del self._streams[person]
            with suppress(MavisError):  # nobody hears it any more, and the view lapses anyway
                await self.ask(lambda: self.app.views.leave(self.ctx, view_id))

    async def _follow(self, view_id: str) -> None:
        self.set_header("Content-Type", STREAM)
        self.set_header("X-Accel-Buffering", "no")
        with suppress(StreamClosedError):
            while not self._left.is_set():
                try:
                    view = await self._look(view_id)
                except MavisError as exc:
                    await self._send("over", {"message": exc.message, "mend": exc.mend})
                    return
                await self._send("state", {"state": view.state.value})
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._left.wait(), _LOOK_EVERY_S)

    async def _look(self, view_id: str) -> View:
        try:
            self.ctx = await self.site.identity.browser(self)
        except Unauthenticated:  # a login that has ended ends the view, which nobody comes back to
            await self.ask(lambda: self.app.views.end(self.ctx, view_id))
            raise
        return await self.ask(lambda: self.app.views.keep(self.ctx, view_id))

    async def _send(self, event: str, data: dict[str, str]) -> None:
        self.write(f"event: {event}\ndata: {json.dumps(data)}\n\n")
        await self.flush()

    def on_connection_close(self) -> None:
        self._left.set()


def dashboard_rules(site: Site, *, frames: str) -> list[tuple[Any, ...]]:
    """Return the rules of the pages.

    Parameters
    ----------
    frames
        Where browsers find the dashboards process: scheme, host and port.
    """
    one = rf"{GALLERY}/([^/]+)/([^/]+)"
    return [
        (rf"{GALLERY}/?", Gallery, {"site": site}),
        (one, Slash, {"site": site}),
        (rf"{one}/", Dashboard, {"site": site, "frames": frames}),
        (rf"{one}/live", Live, {"site": site, "streams": Counter[str]()}),
    ]
