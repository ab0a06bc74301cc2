"""The base of the widgets whose page asks the appliance itself, by the way that Lab has.

The page calls the API through the person's own server, which asks with its own token
(`mavis_ext.lab`); the kernel only says what is to be shown. Where a page has no such way, as in
another Jupyter or a dashboard, it says so and links to the page of Mavis that has the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import traitlets

from mavis_kernel.client import Mavis
from mavis_kernel.errors import MavisError
from mavis_kernel.widgets.conversation import Answering
from mavis_kernel.widgets.widget import ProjectWidget

__all__ = ["LabWidget"]


class LabWidget(ProjectWidget):
    """A widget that the kernel answers nothing for; parameters of `ProjectWidget`."""

    def __init__(
        self,
        bundle_name: str,
        project: str | traitlets.HasTraits | None = None,
        *,
        mavis: Mavis | None = None,
        **traits: Any,
    ) -> None:
        super().__init__(bundle_name, project, mavis=mavis, styles=(bundle_name,), **traits)
        with suppress(MavisError):  # a page without an address has no links, and works
            self.change(url=self.mavis.url)

    def _answering(self) -> Mapping[str, Answering]:
        return {}
