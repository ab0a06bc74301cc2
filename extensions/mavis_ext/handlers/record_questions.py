"""``/records/sql``: questions in SQL."""

from __future__ import annotations

import threading
from typing import Annotated

from pydantic import ConfigDict, Field

from mavis_core.access import Permission
from mavis_core.logs.questions import MAX_SQL
from mavis_ext import schemas
from mavis_ext.base import ApiHandler, Services
from mavis_ext.bodies import Body
from mavis_ext.operation import operation
from mavis_ext.queries import Moment

__all__ = ["RecordsSql"]


class SqlQuestion(Body):
    """A question in SQL, and the records that it is asked of."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "sql": "SELECT person, count(*) FROM audit GROUP BY ALL",
                    "projects": ["shop"],
                    "since": "2026-01-31T00:00:00Z",
                }
            ]
        }
    )

    sql: Annotated[str, Field(min_length=1, max_length=MAX_SQL)]
    """One SELECT of DuckDB over the views `records`, `audit` and `operations`."""
    projects: tuple[str, ...] | None = None
    """Names or ids. Null: all projects whose records the caller may read; for those who may read
    all records, those of the platform, too."""
    since: Moment | None = None
    """From this moment on."""
    until: Moment | None = None
    """Before this moment."""


class RecordsSql(ApiHandler):
    """Questions in SQL."""

    def initialize(self, services: Services) -> None:
        super().initialize(services)
        self._gone = threading.Event()

    def on_connection_close(self) -> None:
        self._gone.set()

    @operation("query_records", Permission.RECORD_READ, pool="sql", asks=True)
    def post(self, *, body: SqlQuestion) -> schemas.SqlAnswer:
        """Ask the records in SQL. One SELECT is carried out, by a process that sees nothing else.

        What takes too much time, memory or room is ended with `over_limit`; what DuckDB refuses is
        `invalid_input`, in its own words. The question is itself recorded, as `record.query`.
        """
        reach = self.app.questions.reach(self.ctx, body.projects)
        self.recorded = True  # from here on by its own record, however it ends
        return schemas.SqlAnswer.of(
            self.app.questions.ask(
                self.ctx,
                reach,
                body.sql,
                since=body.since,
                until=body.until,
                gone=self._gone.is_set,
            )
        )
