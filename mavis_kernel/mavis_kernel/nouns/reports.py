# Made from aio/nouns/reports.py by `make client`: edit that.
"""Reports: how well a project is protected."""

from __future__ import annotations

from collections.abc import Sequence

from mavis_kernel.models import ProtectionReport
from mavis_kernel.transport import Transport, segment

__all__ = ["Reports"]


class Reports:
    """The reports on a project."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def protection(
        self, project: str, *, everything: bool = False, fields: Sequence[str] | None = None
    ) -> ProtectionReport:
        """Return what is not protected as it should be.

        Parameters
        ----------
        project
            Name or id.
        everything
            Have a row for machines with which nothing is the matter, too.
        """
        params = {"everything": everything}
        return self._transport.get(ProtectionReport, _path(project), params, fields=fields)

    def protection_csv(self, project: str, *, everything: bool = False) -> str:
        """Return the same as CSV (RFC 4180) for a spreadsheet."""
        return self._transport.csv(_path(project), {"everything": everything})


def _path(project: str) -> str:
    return f"/projects/{segment(project)}/reports/protection"
