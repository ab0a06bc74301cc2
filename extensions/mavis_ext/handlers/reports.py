"""``/projects/{p}/reports``: how well a project is protected, for people and for spreadsheets."""

from __future__ import annotations

from mavis_core.protection.reports import ProtectionReport, to_csv
from mavis_ext import protection_forms
from mavis_ext.base import ApiHandler

__all__ = ["Protection"]

_CSV = "text/csv"


class Protection(ApiHandler):
    """What is not protected as it should be."""

    async def get(self, project: str) -> None:
        """Tell it as JSON, or as CSV where ``format`` or else ``Accept`` asks for that."""
        self.query("everything", "format")
        wanted = self.choice("format", *self._formats())
        found = await self.call(
            self.app.reports.protection,
            self.ctx,
            project,
            everything=self.choice("everything", "false", "true") == "true",
        )
        self.set_header("Vary", "Accept")
        if wanted == "json":
            self.answer(await self.call(protection_forms.report, found))
            return
        content = await self.call(to_csv, found.rows)
        self.set_header("Content-Type", f"{_CSV}; charset=utf-8; header=present")
        self.set_header("Content-Disposition", f'attachment; filename="{_file_name(found)}"')
        self.finish(content)

    def _formats(self) -> tuple[str, str]:
        """Return the forms that there are, the one that ``Accept`` prefers first."""
        ranges = self.request.headers.get("Accept", "").split(",")
        named = {each.partition(";")[0].strip().lower() for each in ranges}
        only_csv = _CSV in named and named.isdisjoint({"application/json"})
        return ("csv", "json") if only_csv else ("json", "csv")


def _file_name(found: ProtectionReport) -> str:
    """Return a name by which the file is found again: ``shop-protection-20260131T1200Z.csv``."""
    return f"{found.project}-protection-{found.at:%Y%m%dT%H%MZ}.csv"
