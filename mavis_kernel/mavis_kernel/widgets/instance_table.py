"""The instances of a project, and doing something with many of them."""

from __future__ import annotations

import threading
from collections.abc import Mapping

import traitlets

from mavis_kernel.client import Mavis
from mavis_kernel.models import Resource
from mavis_kernel.widgets.conversation import Answering, Given
from mavis_kernel.widgets.failures import Message
from mavis_kernel.widgets.pages import Pages
from mavis_kernel.widgets.working import WorkingWidget

__all__ = ["InstanceTable"]

_MOST = 10_000
_LARGEST_PAGE = 200
_FIELDS = ("id", "name", "cloud_id", "state", "environment", "region", "seen_at")


class InstanceTable(WorkingWidget):
    """The instances of a project, sorted, filtered and paged by the appliance.

    Parameters
    ----------
    project, mavis
        As in `ProjectWidget`.
    query
        A part of name, cloud id or tags.
    page_size
        Rows on a page, 1 to 200.

    Examples
    --------
    >>> table = InstanceTable("shop", query="web")      # doctest: +SKIP
    >>> table.selected                                  # doctest: +SKIP
    ['res_01...']
    """

    query = traitlets.Unicode(help="The filter; empty: none.").tag(sync=True)
    sort = traitlets.Unicode("name", help="A field, with a minus the largest first.").tag(sync=True)
    page_size = traitlets.Int(25, min=1, max=_LARGEST_PAGE, help="Rows on a page.").tag(sync=True)

    def __init__(
        self,
        project: str | traitlets.HasTraits | None = None,
        *,
        query: str = "",
        page_size: int = 25,
        mavis: Mavis | None = None,
    ) -> None:
        self._reading = threading.Lock()
        self._read: tuple[object, Pages[Resource]] | None = None
        super().__init__(
            "instance_table",
            project,
            mavis=mavis,
            query=query,
            page_size=page_size,
        )

    def _answering(self) -> Mapping[str, Answering]:
        return {**super()._answering(), "rows": self._rows, "all": self._all}

    def _rows(self, given: Given) -> Message:
        query, sort = given.text("query"), given.text("sort")
        pages = self._pages(query, sort, fresh=given.flag("fresh"))
        page = pages.page(
            given.count("start", most=_MOST), max(1, given.count("size", most=_LARGEST_PAGE))
        )
        discovered = bool(page["rows"]) or bool(query) or self._has_been_discovered()
        return {**page, "discovered": discovered}

    def _all(self, given: Given) -> Message:
        pages = self._pages(given.text("query"), self.sort, fresh=True)
        return {"ids": [each.id for each in pages.all()]}

    def _pages(self, query: str, sort: str, *, fresh: bool) -> Pages[Resource]:
        """Return what was read of a list, from the beginning where `fresh`."""
        project = self.named()
        asked = (project, query, sort)
        with self._reading:
            if fresh or self._read is None or self._read[0] != asked:
                found = self.mavis.resources.list(
                    project, kind="instance", query=query or None, sort=sort, fields=_FIELDS
                )
                self._read = asked, Pages(found, most=_MOST)
            return self._read[1]

    def _has_been_discovered(self) -> bool:
        found = self.mavis.environments.list(self.named(), fields=("state",))
        return any(each.state != "new" for each in found)
