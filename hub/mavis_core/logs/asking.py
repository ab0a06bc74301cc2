"""Questions in SQL: who may ask them of which records, and the record that each of them leaves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mavis_core import clock, records
from mavis_core.access import PERMISSIONS, CallContext, Permission
from mavis_core.db import Database
from mavis_core.errors import Cancelled, Forbidden, InvalidInput, MavisError
from mavis_core.logs.client import LogClient
from mavis_core.logs.questions import SqlAnswer, SqlQuestion
from mavis_core.projects.service import Projects

__all__ = ["MOST_PROJECTS", "Questions", "Reach"]

MOST_PROJECTS = 50
"""Projects whose records one question is asked of; the log of each of them says so."""

_KEPT_BYTES = 4096  # of the text of a question, in its record


@dataclass(frozen=True, slots=True)
class Reach:
    """What a caller may ask of.

    Parameters
    ----------
    projects
        Names by ids; None: all records, those of the platform included.
    """

    projects: Mapping[str, str] | None


class Questions:
    """Asks the log process for those who may."""

    def __init__(self, database: Database, projects: Projects, logs: LogClient) -> None:
        self._database, self._projects, self._logs = database, projects, logs

    def reach(self, ctx: CallContext, projects: Sequence[str] | None) -> Reach:
        """Return what the caller may ask of.

        Parameters
        ----------
        projects
            Names or ids. None: wherever the caller may read records; all records, those of the
            platform included, where they may read all.

        Raises
        ------
        NotFound, Forbidden
            One of them is none of the caller's, or with too low a role.
        InvalidInput
            They are too many.
        """
        if projects is None and ctx.confined is None and ctx.may(Permission.RECORD_READ_ALL):
            return Reach(None)
        if projects is None:
            found = self._projects.where(ctx, Permission.RECORD_READ)
        elif len(projects) <= MOST_PROJECTS:
            allowed = Permission.RECORD_READ
            found = tuple(self._projects.authorize(ctx, each, allowed) for each in projects)
        else:
            raise _too_many(len(projects))
        if not found:
            grant = PERMISSIONS[Permission.RECORD_READ]
            ctx.require(Permission.RECORD_READ, grant.roles)  # what is missing may be the scope
            needed = " or ".join(sorted(grant.roles))
            raise Forbidden(
                f"{ctx.principal.name} may read the records of no project: {Permission.RECORD_READ}"
                f" needs the role {needed} in one"
            )
        if len(found) > MOST_PROJECTS:
            raise _too_many(len(found))
        return Reach({each.project.id: each.project.name for each in found})

    def ask(
        self,
        ctx: CallContext,
        reach: Reach,
        sql: str,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        gone: Callable[[], bool] = lambda: False,
    ) -> SqlAnswer:
        """Return the answer to `sql`; its record is written before it is told.

        Parameters
        ----------
        since, until
            From this moment on; before this moment.
        gone
            Whether nobody waits for the answer any more; it is ended then.

        Raises
        ------
        MavisError
            What `LogClient.sql` raises; it is recorded, too.
        """
        told: dict[str, Any] = {"sql": _cut(sql)}
        told |= {"since": since and clock.iso(since), "until": until and clock.iso(until)}
        try:
            question = SqlQuestion(sql=sql, projects=reach.projects, since=since, until=until)
            answer = self._logs.sql(question, gone=gone)
        except MavisError as exc:
            told |= {"message": exc.message[:500]}
            self._record(ctx, reach, "was not answered", told, exc)
            raise
        told |= {"rows": len(answer.rows), "records": answer.records}
        words = f"gave {len(answer.rows)} rows from {answer.records} records"
        self._record(ctx, reach, words, told)
        return answer

    def _record(
        self,
        ctx: CallContext,
        reach: Reach,
        words: str,
        told: Mapping[str, Any],
        error: MavisError | None = None,
    ) -> None:
        """Write a record into the log of each project, or of the platform where all was asked."""
        made = [
            records.Record(
                kind=records.Kind.AUDIT,
                phase=records.Phase.EVENT,
                action="record.query",
                person=ctx.principal.name,
                project=project,
                object="records",
                outcome=_outcome(error),
                error_code=error.code if error else None,
                summary=f"A question in SQL {words}",
                correlation_id=ctx.correlation_id,
                request_id=ctx.request_id,
                source=ctx.source,
                data=told,
            )
            for project in ([None] if reach.projects is None else reach.projects)
        ]
        with self._database.write() as tx:
            records.write(tx, *made)


def _outcome(error: MavisError | None) -> records.Outcome:
    if error is None:
        return records.Outcome.OK
    refused = error.status < 500 and not isinstance(error, Cancelled)
    return records.Outcome.REFUSED if refused else records.Outcome.FAILED


def _cut(sql: str) -> str:
    return sql.encode("utf-8", "replace")[:_KEPT_BYTES].decode("utf-8", "ignore")


def _too_many(count: int) -> InvalidInput:
    return InvalidInput(
        f"A question is asked of at most {MOST_PROJECTS} projects, and these are {count}",
        mend="Name fewer projects.",
        field="projects",
    )
