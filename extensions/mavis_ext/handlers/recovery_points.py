"""``/projects/{p}/recovery-points``."""

from __future__ import annotations

from mavis_ext import forms
from mavis_ext.base import ApiHandler
from mavis_ext.bodies import Body
from mavis_ext.handlers.runs import StartsRun

__all__ = ["RecoveryPoint", "RecoveryPoints"]

_ACTION = "recovery_point.create"


class RecoveryPointBody(Body):
    """A recovery point to be taken."""

    resource: str
    description: str = ""
    dry_run: bool = False


class RecoveryPoints(StartsRun):
    """The recovery points of a project."""

    async def get(self, project: str) -> None:
        """List them by filters, newest first and without their manifests."""
        wanted = self.filters("instance", "plan", "state", "region")
        found = await self.call(
            self.app.recovery_points.list, self.ctx, project, self.page(), **wanted
        )
        self.answer(forms.page(found, forms.recovery_point_of_list))

    async def post(self, project: str) -> None:
        """Take one; with ``dry_run`` show what would happen."""
        body = self.body(RecoveryPointBody)
        arguments = {"description": body.description} if body.description else {}
        if not body.dry_run:
            await self.start(project, _ACTION, body.resource, arguments)
            return
        shown = await self.call(
            self.app.runs.preview,
            self.ctx,
            project,
            action=_ACTION,
            resource=body.resource,
            arguments=arguments,
        )
        self.answer(forms.preview(shown))


class RecoveryPoint(ApiHandler):
    """One recovery point."""

    async def get(self, project: str, point: str) -> None:
        """Show it with its manifest, its copies and their members."""
        found = await self.call(self.app.recovery_points.get, self.ctx, project, point)
        self.answer(forms.recovery_point(found))
