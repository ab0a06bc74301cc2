"""Recovery points of a project: which there are, what keeps each, when it goes, and its plans.

A restore or a deletion begins with a preview, which a button asks for; the page of the preview has
it done (`mavis_hub.pages.previews`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from mavis_core.access import Permission
from mavis_core.db.paging import PageRequest
from mavis_core.errors import Conflict, InvalidInput
from mavis_core.protection.deletion.outlook import Explanation
from mavis_core.protection.points.model import CopyRole, PointState, RecoveryPoint
from mavis_core.protection.restore.model import Restore
from mavis_ext.app import PREFIX
from mavis_hub.pages.handlers import PersonPage
from mavis_hub.pages.seen import SeenProject, see

__all__ = ["PointPage", "PointsPage"]

_AT_A_TIME = 20  # what keeps one takes some questions to the database
_RESTORES = 50
_ACTIONS: Mapping[str, str] = {
    "restore.volumes": "Restore as new volumes",
    "restore.instance": "Restore as a new instance",
    "restore.in_place": "Restore in place",
    "recovery_point.delete": "Delete",
}


@dataclass(frozen=True, slots=True)
class _Row:
    """A recovery point, and why each of its copies is there."""

    point: RecoveryPoint
    copies: tuple[Explanation, ...]

    @property
    def goes_at(self) -> datetime | None:
        """When the copy beside the instance goes; None where it was not seen to go."""
        return next((c.goes_at for c in self.copies if c.copy.role is CopyRole.PRIMARY), None)

    @property
    def sentence(self) -> str:
        """What becomes of the copy beside the instance."""
        return next((c.sentence for c in self.copies if c.copy.role is CopyRole.PRIMARY), "")

    @property
    def elsewhere(self) -> int:
        """How many copies of it there are in other places."""
        return sum(copy.role is CopyRole.COPY for copy in self.point.copies)


@dataclass(frozen=True, slots=True)
class _Seen:
    where: SeenProject
    row: _Row
    restores: tuple[Restore, ...]
    actions: Mapping[str, str]


class PointsPage(PersonPage):
    """The recovery points of a project, newest first; the address says which."""

    async def get(self, project: str) -> None:
        """Show them."""
        state = self.get_query_argument("state", "") or None
        instance = self.get_query_argument("instance", "").strip() or None
        want = PageRequest(_AT_A_TIME, self.get_query_argument("cursor", None))

        def look() -> tuple[SeenProject, tuple[_Row, ...], str | None]:
            where = see(self.app, self.ctx, project, Permission.POINT_READ)
            found = self.app.recovery_points.list(
                self.ctx, where.project.id, want, instance=instance, state=state
            )
            rows = tuple(self._row(where, point) for point in found.items)
            return where, rows, found.next

        where, rows, after = await self.ask(look)
        self.show(
            "recovery_points.html",
            **where.values,
            rows=rows,
            next=after,
            state=state,
            instance=instance,
            states=list(PointState),
        )

    def _row(self, where: SeenProject, point: RecoveryPoint) -> _Row:
        return _Row(point, self.app.outlooks.explain(self.ctx, where.project.id, point.id))


class PointPage(PersonPage):
    """One recovery point."""

    async def get(self, project: str, point: str) -> None:
        """Show it, and what can be made of it."""
        self._show(await self._look(project, point))

    async def post(self, project: str, point: str) -> None:
        """Plan what somebody would like to do with it, and show that."""
        try:
            await self.recorded(self._plan(project, point))
        except (Conflict, InvalidInput) as exc:
            self.set_status(exc.status)
            self._show(await self._look(project, point), fault=f"{exc.message}. {exc.mend}")

    async def _plan(self, project: str, point: str) -> None:
        self.check_form(_purpose(point))
        action = self.get_body_argument("action", "")
        if action not in _ACTIONS:
            raise InvalidInput("That is nothing that is done with a recovery point", field="action")
        made = await self.ask(
            lambda: self.app.runs.preview(
                self.ctx, project, action=action, resource=point, arguments={}
            )
        )
        place = f"{PREFIX}/projects/{made.plan.project_name}/previews/{made.id}"
        self.redirect(place, status=303)

    async def _look(self, project: str, point_id: str) -> _Seen:
        def look() -> _Seen:
            app, ctx = self.app, self.ctx
            where = see(app, ctx, project, Permission.POINT_READ)
            point = app.recovery_points.get(ctx, where.project.id, point_id)
            row = _Row(point, app.outlooks.explain(ctx, where.project.id, point.id))
            want = PageRequest(_RESTORES)
            restores = app.restores.list(ctx, where.project.id, want, point=point.id).items
            may = {
                action: title
                for action, title in _ACTIONS.items()
                if ctx.may(app.runs.permission_of(action), where.roles)
            }
            return _Seen(where, row, restores, may)

        return await self.ask(look)

    def _show(self, seen: _Seen, *, fault: str = "") -> None:
        self.show(
            "recovery_point.html",
            **seen.where.values,
            row=seen.row,
            point=seen.row.point,
            restores=seen.restores,
            actions=seen.actions,
            fault=fault,
            ticket=self.ticket(_purpose(seen.row.point.id)),
            xsrf=self.xsrf,
        )


def _purpose(point_id: str) -> str:
    return f"plans of {point_id}"
