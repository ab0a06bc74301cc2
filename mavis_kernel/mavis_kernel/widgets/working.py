"""The base of the widgets that do something with many things of a project at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import traitlets

from mavis_kernel.client import Mavis
from mavis_kernel.widgets.conversation import Answering, Given
from mavis_kernel.widgets.failures import Message
from mavis_kernel.widgets.jobs import Bulk
from mavis_kernel.widgets.widget import ProjectWidget

__all__ = ["WorkingWidget"]

_MOST_AT_ONCE = 200


class WorkingWidget(ProjectWidget):
    """Plans, applies and follows an action on what is selected; parameters of `ProjectWidget`."""

    selected = traitlets.List(
        traitlets.Unicode(), help="Ids of what is selected, also on other pages."
    ).tag(sync=True)
    job = traitlets.Dict(help="What is done with the selected ones, and how far it is.").tag(
        sync=True
    )

    def __init__(
        self,
        bundle_name: str,
        project: str | traitlets.HasTraits | None = None,
        *,
        mavis: Mavis | None = None,
        **traits: Any,
    ) -> None:
        self._bulk = Bulk(lambda: self.mavis, lambda job: self.change(job=job))
        super().__init__(bundle_name, project, mavis=mavis, job=self._bulk.nothing(), **traits)
        self.observe(self._leave, "project")

    def close(self) -> None:
        self._bulk.closed.set()
        super().close()

    def _leave(self, _change: object) -> None:
        """Forget the selection: it is of another project."""
        self.change(selected=[])
        self._bulk.forget()

    def _answering(self) -> Mapping[str, Answering]:
        return {"plan": self._plan, "apply": self._apply, "forget": self._forget}

    def _plan(self, given: Given) -> Message:
        resources = given.texts("ids", most=_MOST_AT_ONCE)
        self._bulk.plan(self.named(), given.text("action"), resources, given.document("arguments"))
        return {}

    def _apply(self, _given: Given) -> Message:
        self._bulk.apply()
        return {}

    def _forget(self, _given: Given) -> Message:
        self._bulk.forget()
        return {}
