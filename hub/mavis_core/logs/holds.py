"""Legal holds on records: while one stands, what it is about is kept, whatever its period is.

A hold is about a project, and narrower where it says so: a person, a story, a time. It has a reason
and no end. Whoever may read the records of a project and place one may release it; both are
recorded, and a hold that was released stays in the list.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from mavis_core import clock, records
from mavis_core.access import CallContext, Permission
from mavis_core.db import Database
from mavis_core.db.tables import record_holds
from mavis_core.errors import Conflict, InvalidInput, NotFound
from mavis_core.ids import new_id
from mavis_core.logs.query import Query
from mavis_core.logs.statements import Condition, conditions
from mavis_core.projects.model import check_text
from mavis_core.projects.service import Projects, audit, hold

__all__ = ["MOST_HOLDS", "RecordHold", "RecordHolds", "standing_holds"]

MOST_HOLDS = 200
"""Holds of a project that may stand at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordHold:
    """One hold.

    Parameters
    ----------
    project_id
        Its project.
    reason
        Why.
    person, correlation_id, since, until
        Only records of this person, of this story, from this moment on, before this moment.
    placed_by, placed_at
        Who placed it, and when.
    released_by, released_at, release_reason
        Who ended it, when and why; None while it stands.
    """

    id: str
    project_id: str
    reason: str
    person: str | None
    correlation_id: str | None
    since: datetime | None
    until: datetime | None
    placed_by: str
    placed_at: datetime
    released_by: str | None = None
    released_at: datetime | None = None
    release_reason: str | None = None

    @property
    def stands(self) -> bool:
        """Whether it was not released."""
        return self.released_at is None

    @property
    def condition(self) -> Condition:
        """What holds for a row that it keeps."""
        found = conditions(
            Query(
                projects=frozenset({self.project_id}),
                person=self.person,
                correlation_id=self.correlation_id,
                since=self.since,
                until=self.until,
            )
        )
        text = " AND ".join(each.text for each in found)
        return Condition(text, tuple(value for each in found for value in each.values))


class RecordHolds:
    """The holds on records of all projects.

    Parameters
    ----------
    database
        The main database.
    projects
        Guards every call.
    """

    def __init__(self, database: Database, projects: Projects) -> None:
        self._database, self._projects = database, projects

    def list(self, ctx: CallContext, reference: str) -> tuple[RecordHold, ...]:
        """Return the holds of a project, those that stand first, the newest first."""
        project = self._projects.authorize(ctx, reference, Permission.RECORD_READ).project
        with self._database.read() as tx:
            rows = tx.execute(
                sa.select(record_holds)
                .where(record_holds.c.project_id == project.id)
                .order_by(
                    record_holds.c.released_at.is_not(None),
                    record_holds.c.placed_at.desc(),
                    record_holds.c.id.desc(),
                )
            )
            return tuple(RecordHold(**row._mapping) for row in rows)  # noqa: SLF001 - SQLAlchemy's name for a row as a mapping

    def get(self, ctx: CallContext, reference: str, hold_id: str) -> RecordHold:
        """Return one hold.

        Raises
        ------
        NotFound
            The project has none with this id.
        """
        project = self._projects.authorize(ctx, reference, Permission.RECORD_READ).project
        with self._database.read() as tx:
            return _load(tx, project.id, hold_id)

    def place(
        self,
        ctx: CallContext,
        reference: str,
        reason: str,
        *,
        person: str | None = None,
        correlation_id: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> RecordHold:
        """Keep records of a project, those to come included.

        Raises
        ------
        InvalidInput
            There is no reason, or no time between `since` and `until`.
        Conflict
            Too many stand.
        """
        project = self._projects.authorize(ctx, reference, Permission.RECORD_HOLD).project
        placed = RecordHold(
            id=new_id("hold"),
            project_id=project.id,
            reason=_reason(reason),
            person=person,
            correlation_id=correlation_id,
            since=since,
            until=until,
            placed_by=ctx.principal.name,
            placed_at=clock.now(),
        )
        _ = placed.condition  # refuses what no record can be
        summary = f"{ctx.principal.name} placed a legal hold on records: {placed.reason}"
        with self._database.write() as tx:
            hold(tx, project.id)
            standing = tx.execute(
                sa.select(sa.func.count()).where(
                    record_holds.c.project_id == project.id, record_holds.c.released_at.is_(None)
                )
            ).scalar_one()
            if standing >= MOST_HOLDS:
                raise Conflict(
                    f"{project.name} has {standing} holds on records",
                    mend="Release some, or place one that is about more.",
                )
            tx.execute(sa.insert(record_holds).values(**_row(placed)))
            records.write(tx, audit(ctx, "record.hold", placed.id, summary, project=project.id))
        return placed

    def release(self, ctx: CallContext, reference: str, hold_id: str, reason: str) -> RecordHold:
        """End a hold; of one that was released nothing changes.

        Raises
        ------
        NotFound
            The project has none with this id.
        InvalidInput
            There is no reason.
        """
        project = self._projects.authorize(ctx, reference, Permission.RECORD_HOLD).project
        said = _reason(reason)
        summary = f"{ctx.principal.name} released the legal hold {hold_id} on records: {said}"
        with self._database.write() as tx:
            hold(tx, project.id)
            if _load(tx, project.id, hold_id).stands:
                tx.execute(
                    sa.update(record_holds)
                    .where(record_holds.c.id == hold_id)
                    .values(
                        released_by=ctx.principal.name,
                        released_at=clock.now(),
                        release_reason=said,
                    )
                )
                records.write(
                    tx, audit(ctx, "record.release", hold_id, summary, project=project.id)
                )
            return _load(tx, project.id, hold_id)


def standing_holds(database: Database) -> tuple[RecordHold, ...]:
    """Return the holds of all projects that stand, for what erases.

    Raises
    ------
    Unavailable
        The database does not answer.
    """
    with database.read() as tx:
        rows = tx.execute(
            sa.select(record_holds)
            .where(record_holds.c.released_at.is_(None))
            .order_by(record_holds.c.id)
        )
        return tuple(RecordHold(**row._mapping) for row in rows)  # noqa: SLF001 - as above


def _load(tx: sa.Connection, project_id: str, hold_id: str) -> RecordHold:
    row = tx.execute(
        sa.select(record_holds).where(
            record_holds.c.project_id == project_id, record_holds.c.id == hold_id
        )
    ).one_or_none()
    if row is None:
        raise NotFound(
            f"This project has no hold {hold_id!r} on records",
            mend="`mavis record hold list` names them.",
        )
    return RecordHold(**row._mapping)  # noqa: SLF001 - as above


def _row(placed: RecordHold) -> dict[str, Any]:
    return {name: getattr(placed, name) for name in RecordHold.__dataclass_fields__}


def _reason(text: str) -> str:
    reason = check_text(text, field="reason", limit=500)
    if not reason:
        raise InvalidInput("A legal hold needs a reason", field="reason")
    return reason
