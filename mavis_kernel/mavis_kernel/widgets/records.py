"""What was done in a project, by whom, and what came of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

import traitlets

from mavis_kernel.client import Mavis
from mavis_kernel.errors import InvalidInput
from mavis_kernel.models import Record
from mavis_kernel.widgets.conversation import Answering, Given
from mavis_kernel.widgets.failures import Message
from mavis_kernel.widgets.pages import LARGEST_SHOWN, Lists
from mavis_kernel.widgets.widget import ProjectWidget

__all__ = ["Records"]

_NO_FILTER = {"query": "", "person": "", "action": "", "since": "", "until": ""}


class Records(ProjectWidget):
    """The records of a project, the newest first.

    Parameters
    ----------
    project, mavis
        As in `ProjectWidget`.
    query
        A text in summary, object, person, action or data.
    page_size
        Rows on a page, 1 to 200.

    Examples
    --------
    >>> Records("shop", query="web-1")      # doctest: +SKIP
    """

    filter = traitlets.Dict(
        help="By what is sought: query, person, action, since and until (RFC 3339)."
    ).tag(sync=True)
    page_size = traitlets.Int(50, min=1, max=LARGEST_SHOWN, help="Rows on a page.").tag(sync=True)

    def __init__(
        self,
        project: str | traitlets.HasTraits | None = None,
        *,
        query: str = "",
        page_size: int = 50,
        mavis: Mavis | None = None,
    ) -> None:
        self._lists = Lists[Record]()
        super().__init__(
            "records",
            project,
            mavis=mavis,
            filter={**_NO_FILTER, "query": query},
            page_size=page_size,
        )

    def _answering(self) -> Mapping[str, Answering]:
        return {"rows": self._rows}

    def _rows(self, given: Given) -> Message:
        sought = Given(given.document("filter"))
        texts = {name: sought.text(name, "") for name in _NO_FILTER}
        project = self.named()

        def find() -> Iterable[Record]:
            return self.mavis.records.list(
                project,
                query=texts["query"] or None,
                person=texts["person"] or None,
                action=texts["action"] or None,
                since=_moment("since", texts["since"]),
                until=_moment("until", texts["until"]),
            )

        return self._lists.page(given, (project, texts), find)


def _moment(name: str, text: str) -> datetime | None:
    if not text:
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError as exc:
        mend = "Write 2026-01-31T12:00:00Z."
        raise InvalidInput(f"{text!r} is no moment.", mend=mend, field=name) from exc
