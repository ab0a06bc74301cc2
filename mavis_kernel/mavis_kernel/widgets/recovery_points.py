"""The recovery points of a project: why they are there, and what bringing one back would do."""

from __future__ import annotations

import threading
from collections.abc import Mapping

import traitlets

from mavis_kernel.client import Mavis
from mavis_kernel.models import RecoveryPoint
from mavis_kernel.widgets.conversation import Answering, Given
from mavis_kernel.widgets.failures import Message
from mavis_kernel.widgets.pages import Pages
from mavis_kernel.widgets.working import WorkingWidget

__all__ = ["RecoveryPoints"]

_MOST = 10_000
_LARGEST_PAGE = 200
_FIELDS = (
    "id", "instance_name", "instance_id", "state", "taken_at", "created_at", "region",
    "environment", "plan", "rule", "size_gib", "hold", "lock", "proof", "error", "run_id",
)  # fmt: skip


class RecoveryPoints(WorkingWidget):
    """The recovery points of a project, or of one of its instances.

    Parameters
    ----------
    project, mavis
        As in `ProjectWidget`.
    instance
        Name or cloud id of an instance; empty: of all.
    page_size
        Rows on a page, 1 to 200.

    Examples
    --------
    >>> RecoveryPoints("shop", instance="web-1")      # doctest: +SKIP
    """

    instance = traitlets.Unicode(help="Of which instance; empty: of all.").tag(sync=True)
    state = traitlets.Unicode(help="In which state; empty: in any but gone.").tag(sync=True)
    sort = traitlets.Unicode("-created_at", help="A field, with a minus the largest first.").tag(
        sync=True
    )
    page_size = traitlets.Int(25, min=1, max=_LARGEST_PAGE, help="Rows on a page.").tag(sync=True)

    def __init__(
        self,
        project: str | traitlets.HasTraits | None = None,
        *,
        instance: str = "",
        page_size: int = 25,
        mavis: Mavis | None = None,
    ) -> None:
        self._reading = threading.Lock()
        self._read: tuple[object, Pages[RecoveryPoint]] | None = None
        super().__init__(
            "recovery_points", project, mavis=mavis, instance=instance, page_size=page_size
        )

    def _answering(self) -> Mapping[str, Answering]:
        return {**super()._answering(), "rows": self._rows, "explain": self._explain}

    def _rows(self, given: Given) -> Message:
        instance, state, sort = (given.text(name) for name in ("instance", "state", "sort"))
        asked = (self.named(), instance, state, sort)
        with self._reading:
            if given.flag("fresh") or self._read is None or self._read[0] != asked:
                found = self.mavis.recovery_points.list(
                    self.named(),
                    instance=instance or None,
                    state=state or None,
                    sort=sort,
                    fields=_FIELDS,
                )
                self._read = asked, Pages(found, most=_MOST)
            pages = self._read[1]
        size = max(1, given.count("size", most=_LARGEST_PAGE))
        return pages.page(given.count("start", most=_MOST), size)

    def _explain(self, given: Given) -> Message:
        project, point = self.named(), given.text("point")
        copies = self.mavis.recovery_points.explain(project, point)
        disks = self.mavis.recovery_points.get(project, point, fields=("manifest",)).manifest.disks
        return {
            "copies": [dict(each.raw) for each in copies],
            "disks": [dict(each.raw) for each in disks],
        }
