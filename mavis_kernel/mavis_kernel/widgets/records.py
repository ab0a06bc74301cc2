"""What was done in a project, by whom, and what came of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import cast

import traitlets

from mavis_kernel.client import Mavis
from mavis_kernel.errors import InvalidInput
from mavis_kernel.models import Record
from mavis_kernel.record_filters import RecordFilters
from mavis_kernel.widgets.conversation import Answering, Given
from mavis_kernel.widgets.failures import Message
from mavis_kernel.widgets.pages import LARGEST_SHOWN, Lists
from mavis_kernel.widgets.widget import ProjectWidget

__all__ = ["Records"]

_TEXTS = (
    "query",
    "words",
    "regex",
    "person",
    "action",
    "source",
    "outcome",
    "origin",
    "kind",
)
_NO_FILTER = dict.fromkeys((*_TEXTS, "since", "until"), "")


class Records(ProjectWidget):
    """The records of a project, the newest first; how many there are, of what, and when.

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
        help="By what is sought: query, words, regex, person, action, source, outcome, origin,"
        " kind, since and until (RFC 3339)."
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
        return {"rows": self._rows, "summary": self._summary}

    def _rows(self, given: Given) -> Message:
        project, sought = self.named(), _sought(given)

        def find() -> Iterable[Record]:
            return self.mavis.records.list(project, **sought)

        return self._lists.page(given, (project, sought), find)

    def _summary(self, given: Given) -> Message:
        found = self.mavis.records.summary(
            self.named(), zone=given.text("zone", "UTC"), **_sought(given)
        )
        return dict(found.raw)


def _sought(given: Given) -> RecordFilters:
    """Return what a question's filter says; what is empty there is not asked for."""
    sought = Given(given.document("filter"))
    texts = {name: sought.text(name, "") or None for name in _TEXTS}
    moments = {name: _moment(name, sought.text(name, "")) for name in ("since", "until")}
    return cast("RecordFilters", {**texts, **moments})


def _moment(name: str, text: str) -> datetime | None:
    if not text:
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError as exc:
        mend = "Write 2026-01-31T12:00:00Z."
        raise InvalidInput(f"{text!r} is no moment.", mend=mend, field=name) from exc
