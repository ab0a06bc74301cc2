"""The searches of the log that somebody keeps: saved and removed on the page of the records."""

from __future__ import annotations

from mavis_core.logs.searches import Search
from mavis_ext.app import PREFIX
from mavis_hub.pages.asked import asked_of, query_of
from mavis_hub.pages.counts import narrowed
from mavis_hub.pages.handlers import PersonPage

__all__ = ["PURPOSE", "SavedSearches"]

PURPOSE = "record searches"
"""What the ticket of its forms is for."""


class SavedSearches(PersonPage):
    """Takes what the page of the records sends, and leads back to it."""

    def get(self) -> None:
        """Lead to the page that shows them."""
        self.redirect(f"{PREFIX}/records")

    async def post(self) -> None:
        """Keep the search that is sent, or remove the one that is named."""
        await self.recorded(self._change())

    async def _change(self) -> None:
        self.check_form(PURPOSE)
        asked = asked_of(self.get_body_argument)
        if name := self.get_body_argument("remove", ""):
            await self.ask(lambda: self.app.searches.forget(self.ctx, name))
        else:
            query_of(None, asked)  # what cannot be looked for is not kept
            filters = {field: text for field, text in asked.items() if text}
            search = Search(self.get_body_argument("name", "").strip(), filters)
            await self.ask(lambda: self.app.searches.keep(self.ctx, search))
        self.redirect(f"{PREFIX}/records{narrowed(asked)}", status=303)
