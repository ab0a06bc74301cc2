"""``/projects/{p}/records/export``, ``/records/export``: all records that fit, as a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated

from pydantic import Field

from mavis_core import clock, logs
from mavis_core.access import Permission
from mavis_core.logs.exports import ExportFormat
from mavis_ext.answers import Download, Form
from mavis_ext.base import ApiHandler
from mavis_ext.downloads import Source, send_file
from mavis_ext.handlers.records import RecordFilters
from mavis_ext.operation import operation

__all__ = ["AllRecordsExport", "RecordsExport", "file_name", "media_type"]

_MEDIA = {
    ExportFormat.CSV: "text/csv",
    ExportFormat.JSONL: "application/jsonl",
    ExportFormat.PARQUET: "application/vnd.apache.parquet",
}

_FORMS = tuple(Form(200, media=each) for each in _MEDIA.values())
_PARAMETERS = {ExportFormat.CSV: "; charset=utf-8; header=present"}


class ExportQuery(RecordFilters):
    """Which records, and in which form."""

    format: Annotated[ExportFormat, Field(description="The form of the file.")] = ExportFormat.CSV


def media_type(format: ExportFormat) -> str:
    """Return the media type of a form, with parameters."""
    return _MEDIA[format] + _PARAMETERS.get(format, "")


def file_name(whose: str, format: ExportFormat) -> str:
    """Return a name by which the file is found again: ``shop-records-20260131T1200Z.csv``."""
    return f"{whose}-records-{clock.now():%Y%m%dT%H%MZ}.{format}"


class _Exporting(ApiHandler):
    """Sends records as a file."""

    def taken(
        self, projects: frozenset[str] | None, names: Mapping[str, str], query: ExportQuery
    ) -> Source:
        """Return those that fit, in which projects have names."""
        wanted = logs.Query(projects=projects, **query.model_dump(exclude={"format"}))
        return self.app.exports.take(self.ctx, wanted, query.format, names)

    async def export(self, take: Callable[[], Source], whose: str, query: ExportQuery) -> None:
        """Send what `take` returns."""
        await send_file(
            self,
            self.services,
            self.ctx.principal.name,
            take,
            media=media_type(query.format),
            name=file_name(whose, query.format),
        )


class RecordsExport(_Exporting):
    """All records of a project that fit, as a file."""

    @operation("export_records", Permission.RECORD_READ, pool="sql", also=_FORMS, of_now=True)
    async def get(self, project: str, *, query: ExportQuery) -> Download:
        """Take all records of a project that fit as a file, the newest first.

        One has at most 1,000,000 records and 1 GiB of text; more is `over_limit`. What arrives
        meanwhile is not in it. In CSV an apostrophe stands before what a spreadsheet would take for
        a formula. The header `X-Records` says how many there are. Who took what is recorded before
        anything is sent: `record.export`.
        """

        def take() -> Source:
            found = self.app.projects.authorize(self.ctx, project, Permission.RECORD_READ).project
            return self.taken(frozenset({found.id}), {found.id: found.name}, query)

        await self.export(take, project, query)
        return Download()


class AllRecordsExport(_Exporting):
    """All records that fit, everywhere, as a file."""

    @operation(
        "export_all_records", Permission.RECORD_READ_ALL, pool="sql", also=_FORMS, of_now=True
    )
    async def get(self, *, query: ExportQuery) -> Download:
        """Take all records that fit, of the platform and of all projects, as a file."""

        def take() -> Source:
            self.ctx.require(Permission.RECORD_READ_ALL)
            return self.taken(None, {}, query)

        await self.export(take, "all", query)
        return Download()
