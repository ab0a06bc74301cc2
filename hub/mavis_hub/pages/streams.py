"""Events for the scripts of pages: by the login of a browser and the token of the page."""

from __future__ import annotations

from mavis_ext.streaming import StreamHandler
from mavis_hub.pages.handlers import Site

__all__ = ["ForPages"]


class ForPages(StreamHandler):
    """What makes a handler of events one for pages; name it first among the bases."""

    def initialize(self, site: Site) -> None:  # type: ignore[override]  # pages take a site
        """Take what the application hands over."""
        self.site = site
        super().initialize(site.services)

    def check_xsrf_cookie(self) -> None:
        """Let a script follow only with the token of its page: it comes with a cookie."""
        self.site.identity.auth.check_xsrf_cookie(self)

    async def identify(self) -> None:
        """Find out who is at the browser.

        Raises
        ------
        Unauthenticated
            Nobody is, or nobody any more.
        """
        self.ctx = await self.site.identity.browser(self)
