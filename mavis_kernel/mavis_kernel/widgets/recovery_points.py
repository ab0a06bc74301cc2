"""The recovery points of a project: why they are there, and what bringing one back would do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import traitlets

from mavis_kernel.client import Mavis
from mavis_kernel.models import RecoveryPoint
from mavis_kernel.widgets.conversation import Answering, Given
from mavis_kernel.widgets.failures import Message
from mavis_kernel.widgets.pages import LARGEST_SHOWN, Lists
from mavis_kernel.widgets.working import WorkingWidget

__all__ = ["RecoveryPoints"]

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
    page_size = traitlets.Int(25, min=1, max=LARGEST_SHOWN, help="Rows on a page.").tag(sync=True)

    def __init__(
        self,
        project: str | traitlets.HasTraits | None = None,
        *,
        instance: str = "",
        page_size: int = 25,
        mavis: Mavis | None = None,
    ) -> None:
        self._lists = Lists[RecoveryPoint]()
        super().__init__(
            "recovery_points", project, mavis=mavis, instance=instance, page_size=page_size
        )

    def _answering(self) -> Mapping[str, Answering]:
        return {**super()._answering(), "rows": self._rows, "explain": self._explain}

    def _rows(self, given: Given) -> Message:
        instance, state, sort = (given.text(name) for name in ("instance", "state", "sort"))
        project = self.named()

        def find() -> Iterable[RecoveryPoint]:
            return self.mavis.recovery_points.list(
                project,
                instance=instance or None,
                state=state or None,
                sort=sort,
                fields=_FIELDS,
            )

        return self._lists.page(given, (project, instance, state, sort), find)

    def _explain(self, given: Given) -> Message:
        project, point = self.named(), given.text("point")
        copies = self.mavis.recovery_points.explain(project, point)
        disks = self.mavis.recovery_points.get(project, point, fields=("manifest",)).manifest.disks
        return {
            "copies": [dict(each.raw) for each in copies],
            "disks": [dict(each.raw) for each in disks],
        }
