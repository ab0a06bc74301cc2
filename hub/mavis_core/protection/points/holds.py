"""Legal holds: nobody deletes a recovery point while one stands, whatever a plan keeps.

A hold is a row of Mavis's own, with a reason and no end. Whoever may destroy cannot release it by
that alone: holds have a permission of their own.
"""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa

from mavis_core import clock, records
from mavis_core.access import CallContext, Permission
from mavis_core.db import Database
from mavis_core.errors import Conflict, InvalidInput
from mavis_core.projects.model import check_text
from mavis_core.projects.service import Projects, audit, hold
from mavis_core.protection.points import rows as points
from mavis_core.protection.points.model import Hold, PointState, RecoveryPoint

__all__ = ["Holds"]

_TOO_LATE = (PointState.EXPIRING, PointState.GONE)


class Holds:
    """The legal holds of all projects.

    Parameters
    ----------
    database
        The main database.
    projects
        Guards every call.
    """

    def __init__(self, database: Database, projects: Projects) -> None:
        self._database = database
        self._projects = projects

    def place(self, ctx: CallContext, reference: str, point_id: str, reason: str) -> RecoveryPoint:
        """Let nobody delete a recovery point. A hold that stands stays as it is.

        Raises
        ------
        InvalidInput
            There is no reason.
        Conflict
            It is being deleted, or was.
        """
        said = _reason(reason)

        def change(tx: sa.Connection, point: RecoveryPoint) -> str | None:
            if point.hold is not None:
                return None
            if point.state in _TOO_LATE:
                raise Conflict(f"{point.id} is {point.state}: it cannot be held any more")
            placed = Hold(ctx.principal.name, clock.now(), said)
            points.update(tx, point.id, hold=placed)
            return f"{ctx.principal.name} placed a legal hold on {point.id}: {said}"

        return self._change(ctx, reference, point_id, "recovery_point.hold", change)

    def release(
        self, ctx: CallContext, reference: str, point_id: str, reason: str
    ) -> RecoveryPoint:
        """End a legal hold; without one nothing changes.

        Raises
        ------
        InvalidInput
            There is no reason.
        """
        said = _reason(reason)

        def change(tx: sa.Connection, point: RecoveryPoint) -> str | None:
            if point.hold is None:
                return None
            points.update(tx, point.id, hold=None)
            return f"{ctx.principal.name} released the legal hold on {point.id}: {said}"

        return self._change(ctx, reference, point_id, "recovery_point.release", change)

    def _change(
        self,
        ctx: CallContext,
        reference: str,
        point_id: str,
        action: str,
        change: Callable[[sa.Connection, RecoveryPoint], str | None],
    ) -> RecoveryPoint:
        """Change a point and write the record of it; what `change` returns is its summary."""
        project = self._projects.authorize(ctx, reference, Permission.POINT_HOLD).project
        with self._database.write() as tx:
            hold(tx, project.id)  # what decides about deletion waits here, too
            summary = change(tx, points.load(tx, project.id, point_id))
            if summary is not None:
                records.write(tx, audit(ctx, action, point_id, summary, project=project.id))
            return points.load(tx, project.id, point_id)


def _reason(text: str) -> str:
    reason = check_text(text, field="reason", limit=500)
    if not reason:
        raise InvalidInput("A legal hold needs a reason", field="reason")
    return reason
