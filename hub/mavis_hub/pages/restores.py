"""Restores of a project: as what recovery points came back, and which can be undone until when."""

from __future__ import annotations

from mavis_core import clock
from mavis_core.access import Permission
from mavis_core.db.paging import Page, PageRequest
from mavis_core.errors import Conflict, InvalidInput
from mavis_core.protection.restore.model import Restore, RestoreState
from mavis_ext.app import PREFIX
from mavis_hub.pages.handlers import PersonPage
from mavis_hub.pages.seen import SeenProject, see

__all__ = ["RestoresPage"]

_AT_A_TIME = 50
_UNDO = "restore.undo"
_UNDONE_FROM = (RestoreState.COMPLETE, RestoreState.STRANDED)


class RestoresPage(PersonPage):
    """The restores of a project, newest first; the address says which."""

    async def get(self, project: str) -> None:
        """Show them."""
        await self._show(project)

    async def post(self, project: str) -> None:
        """Plan the undo of one, and show that."""
        try:
            await self.recorded(self._plan(project))
        except (Conflict, InvalidInput) as exc:
            self.set_status(exc.status)
            await self._show(project, fault=f"{exc.message}. {exc.mend}")

    async def _plan(self, project: str) -> None:
        self.check_form(_PURPOSE)
        restore = self.get_body_argument("undo", "")
        made = await self.ask(
            lambda: self.app.runs.preview(
                self.ctx, project, action=_UNDO, resource=restore, arguments={}
            )
        )
        place = f"{PREFIX}/projects/{made.plan.project_name}/previews/{made.id}"
        self.redirect(place, status=303)

    async def _show(self, project: str, *, fault: str = "") -> None:
        state = self.get_query_argument("state", "") or None
        want = PageRequest(_AT_A_TIME, self.get_query_argument("cursor", None))

        def look() -> tuple[SeenProject, Page[Restore]]:
            where = see(self.app, self.ctx, project, Permission.RESTORE_READ)
            found = self.app.restores.list(self.ctx, where.project.id, want, state=state)
            return where, found

        where, found = await self.ask(look)
        may_undo = self.ctx.may(self.app.runs.permission_of(_UNDO), where.roles)
        undoable = {each.id for each in found.items if may_undo and _can_be_undone(each)}
        self.show(
            "restores.html",
            **where.values,
            found=found,
            state=state,
            states=list(RestoreState),
            undoable=undoable,
            fault=fault,
            ticket=self.ticket(_PURPOSE),
            xsrf=self.xsrf,
        )


_PURPOSE = "undo of a restore"


def _can_be_undone(restore: Restore) -> bool:
    until = restore.undo_until
    return restore.state in _UNDONE_FROM and until is not None and until > clock.now()
