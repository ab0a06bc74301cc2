"""The command line's state, with the kernel's client and project in it."""

from __future__ import annotations

import os
from dataclasses import dataclass

from mavis_kernel.cli.state import State
from mavis_kernel.client import Mavis
from mavis_kernel.notebook.session import Session
from mavis_kernel.settings import Settings

__all__ = ["NotebookState"]


@dataclass(kw_only=True)
class NotebookState(State):
    """One call of a magic.

    Parameters
    ----------
    session
        What the kernel knows.
    cell
        What stands below a magic of a cell; None where it is one of a line.
    """

    session: Session
    cell: str | None = None

    @property
    def project(self) -> str:
        """The project of ``-p``, or the kernel's."""
        return self.chosen_project or self.session.project()

    def settings(self) -> Settings:
        """Return where to ask and as whom: as the cells do, but for ``--profile``."""
        if os.environ.get("MAVIS_PROFILE"):
            return super().settings()
        return self.session.client.settings

    def client(self) -> Mavis:
        """Return the client of the cells; with ``--profile`` one of its own."""
        if os.environ.get("MAVIS_PROFILE"):
            return super().client()
        return self.session.client
