"""A terminal at a device, in a notebook."""

from __future__ import annotations

import traitlets

from mavis_kernel.client import Mavis
from mavis_kernel.widgets.lab import LabWidget

__all__ = ["Terminal"]


class Terminal(LabWidget):
    """A terminal at a device of a project; it is recorded, and says so before it opens.

    What is typed and shown goes between browser and gateway, by the person's server, and never by
    the kernel: a cell that runs does not hold it up, and a kernel that is gone does not end it.

    Parameters
    ----------
    project, mavis
        As in `ProjectWidget`.
    device
        Name or id of the device.
    access_service
        Which way into it; None: the only one, or that of the name ``ssh``.
    rows
        Lines that are in sight at first, 5 to 100; the lower edge is drawn to have more.

    Examples
    --------
    >>> Terminal("shop", "web-1")      # doctest: +SKIP
    """

    device = traitlets.Unicode(help="Name or id of the device.").tag(sync=True)
    access_service = traitlets.Unicode(
        None, allow_none=True, help="The way into it; None: the only one, or `ssh`."
    ).tag(sync=True)
    rows = traitlets.Int(24, min=5, max=100, help="Lines in sight at first.").tag(sync=True)
    session = traitlets.Unicode(help="Id of the session that was opened last; empty: none.").tag(
        sync=True
    )

    def __init__(
        self,
        project: str | traitlets.HasTraits | None = None,
        device: str = "",
        *,
        access_service: str | None = None,
        rows: int = 24,
        mavis: Mavis | None = None,
    ) -> None:
        super().__init__(
            "terminal",
            project,
            mavis=mavis,
            device=device,
            access_service=access_service,
            rows=rows,
        )
