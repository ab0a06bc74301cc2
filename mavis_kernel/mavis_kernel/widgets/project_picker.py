"""Choosing one of one's projects."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice

import traitlets

from mavis_kernel.client import Mavis
from mavis_kernel.widgets.conversation import Answering, Given
from mavis_kernel.widgets.failures import Message
from mavis_kernel.widgets.widget import Widget

__all__ = ["ProjectPicker"]

_SHOWN = 500


class ProjectPicker(Widget):
    """The projects of a person, each with role and environments.

    Parameters
    ----------
    value
        The project that is chosen at first; None: none, or the only one there is.
    mavis
        As in `Widget`.

    Examples
    --------
    >>> picker = ProjectPicker()                                       # doctest: +SKIP
    >>> picker.observe(lambda change: print(change.new), "value")      # doctest: +SKIP
    """

    value = traitlets.Unicode(
        None, allow_none=True, help="The name of the chosen project; None: none is."
    ).tag(sync=True)

    def __init__(self, value: str | None = None, *, mavis: Mavis | None = None) -> None:
        super().__init__("project_picker", mavis=mavis, value=value)

    def _answering(self) -> Mapping[str, Answering]:
        return {"projects": self._projects, "environments": self._environments}

    def _projects(self, _given: Given) -> Message:
        fields = ("name", "title", "role", "production")
        found = self.mavis.projects.list(sort="name", limit=_SHOWN + 1, fields=fields)
        projects = [dict(each.raw) for each in found]
        if self.value is None and len(projects) == 1:
            self.change(value=projects[0]["name"])
        return {"projects": projects[:_SHOWN], "more": len(projects) > _SHOWN}

    def _environments(self, given: Given) -> Message:
        fields = ("name", "kit", "account", "regions", "state")
        found = self.mavis.environments.list(given.text("project"), fields=fields)
        return {"environments": [dict(each.raw) for each in islice(found, _SHOWN)]}
