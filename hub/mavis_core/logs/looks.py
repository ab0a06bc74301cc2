"""Reading the log is recorded: who looked at the records of which project.

*Look*: the first page of a question, whatever is asked. Of the same person and project one an hour
is recorded, so that a page that refreshes itself does not fill the log with itself. What was asked
for is not told: it would be found by the next who asks for the same.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from datetime import datetime, timedelta

from mavis_core import clock, records
from mavis_core.access import CallContext
from mavis_core.db import Database
from mavis_core.records.model import Kind, Outcome, Phase, Record

__all__ = ["Looks"]

_SILENT = timedelta(hours=1)
_REMEMBERED = 10_000


class Looks:
    """Records looks at the log. One a process; safe for threads.

    Parameters
    ----------
    database
        The main database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._looks: dict[tuple[str, str | None], datetime] = {}
        self._changing = threading.Lock()

    def told(self, ctx: CallContext, projects: Iterable[str] | None) -> None:
        """Record that the caller looks at the records of `projects`; None: at all there are.

        Call it before they are shown: where it cannot be recorded, nothing is.

        Parameters
        ----------
        projects
            Their ids.
        """
        wanted = [None] if projects is None else sorted(projects)
        due = [each for each in wanted if self._is_due(ctx.principal.name, each)]
        if not due:
            return
        with self._database.write() as tx:
            records.write(tx, *(_record(ctx, each) for each in due))
        now = clock.now()
        with self._changing:
            if len(self._looks) > _REMEMBERED:
                self._looks.clear()
            self._looks.update({(ctx.principal.name, each): now for each in due})

    def _is_due(self, person: str, project: str | None) -> bool:
        last = self._looks.get((person, project))
        return last is None or last <= clock.now() - _SILENT


def _record(ctx: CallContext, project: str | None) -> Record:
    whose = "of this project" if project else "of the platform and of all projects"
    return Record(
        kind=Kind.AUDIT,
        phase=Phase.EVENT,
        outcome=Outcome.OK,
        action="record.read",
        project=project,
        person=ctx.principal.name,
        object="the log",
        summary=f"{ctx.principal.name} reads the records {whose}",
        correlation_id=ctx.correlation_id,
        request_id=ctx.request_id,
        source=ctx.source,
    )
