"""The instances of a project, and doing something with many of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import traitlets

from mavis_kernel.client import Mavis
from mavis_kernel.models import Resource
from mavis_kernel.widgets.conversation import Answering, Given
from mavis_kernel.widgets.failures import Message
from mavis_kernel.widgets.pages import LARGEST_SHOWN, Lists
from mavis_kernel.widgets.working import WorkingWidget

__all__ = ["InstanceTable"]

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
    page_size = traitlets.Int(25, min=1, max=LARGEST_SHOWN, help="Rows on a page.").tag(sync=True)

    def __init__(
        self,
        project: str | traitlets.HasTraits | None = None,
        *,
        query: str = "",
        page_size: int = 25,
        mavis: Mavis | None = None,
    ) -> None:
        self._lists = Lists[Resource]()
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
        project = self.named()
        page = self._lists.page(given, (project, query, sort), self._find(project, query, sort))
        discovered = bool(page["rows"]) or bool(query) or self._has_been_discovered()
        return {**page, "discovered": discovered}

    def _all(self, given: Given) -> Message:
        """Return the ids of all that match."""
        project, query = self.named(), given.text("query")
        find = self._find(project, query, self.sort)
        pages = self._lists.of((project, query, self.sort), find, fresh=True)
        return {"ids": [each.id for each in pages.all()]}

    def _find(self, project: str, query: str, sort: str) -> Callable[[], Iterable[Resource]]:
        return lambda: self.mavis.resources.list(
            project, kind="instance", query=query or None, sort=sort, fields=_FIELDS
        )

    def _has_been_discovered(self) -> bool:
        found = self.mavis.environments.list(self.named(), fields=("state",))
        return any(each.state != "new" for each in found)
