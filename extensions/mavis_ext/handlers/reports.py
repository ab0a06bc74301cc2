"""``/projects/{p}/reports``: how well a project is protected, for people and for spreadsheets."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from mavis_core.access import Permission
from mavis_core.protection.reports import ProtectionReport, to_csv
from mavis_ext import schemas
from mavis_ext.answers import File, Form
from mavis_ext.base import ApiHandler
from mavis_ext.operation import operation
from mavis_ext.queries import Query

__all__ = ["Protection"]

_CSV = "text/csv"


class ReportQuery(Query):
    """What a report tells, and in which form."""

    everything: Annotated[
        Literal["false", "true"], Field(description="Also what is as it should be.")
    ] = "false"
    format: Annotated[
        Literal["json", "csv"] | None, Field(description="Goes before the header `Accept`.")
    ] = None


class Protection(ApiHandler):
    """What is not protected as it should be."""

    @operation(
        "report_protection",
        Permission.POINT_READ,
        pool="database",
        also=(Form(200, media=_CSV),),
        of_now=True,
    )
    def get(self, project: str, *, query: ReportQuery) -> schemas.ProtectionReport | File:
        """Tell what is not protected, where the objective is missed, and what failed.

        As JSON, or as CSV where `format` or else `Accept` asks for that.
        """
        found = self.app.reports.protection(
            self.ctx, project, everything=query.everything == "true"
        )
        if (query.format or self._preferred()) == "json":
            return schemas.ProtectionReport.of(found)
        media = f"{_CSV}; charset=utf-8; header=present"
        return File(to_csv(found.rows), media, _file_name(found))

    def _preferred(self) -> str:
        """Return the form that ``Accept`` prefers."""
        ranges = self.request.headers.get("Accept", "").split(",")
        named = {each.partition(";")[0].strip().lower() for each in ranges}
        return "csv" if _CSV in named and named.isdisjoint({"application/json"}) else "json"


def _file_name(found: ProtectionReport) -> str:
    """Return a name by which the file is found again: ``shop-protection-20260131T1200Z.csv``."""
    return f"{found.project}-protection-{found.at:%Y%m%dT%H%MZ}.csv"
