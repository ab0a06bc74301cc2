"""``/projects/{p}/recovery-points``; what is done to one of them is in `point_changes`."""

from __future__ import annotations

from mavis_ext import forms, protection_forms
from mavis_ext.base import ApiHandler
from mavis_ext.handlers.runs import StartBody, StartsRun

__all__ = ["Explanation", "RecoveryPoint", "RecoveryPoints"]

_ACTION = "recovery_point.create"


class RecoveryPointBody(StartBody):
    """A recovery point to be taken."""

    resource: str
    description: str | None = None


class RecoveryPoints(StartsRun):
    """The recovery points of a project."""

    async def get(self, project: str) -> None:
        """List them by filters, newest first and without their manifests."""
        wanted = self.filters("instance", "plan", "state", "region")
        found = await self.call(
            self.app.recovery_points.list, self.ctx, project, self.page(), **wanted
        )
        self.answer(forms.page(found, protection_forms.recovery_point_of_list))

    async def post(self, project: str) -> None:
        """Take one; with ``dry_run`` show what would happen."""
        body = self.body(RecoveryPointBody)
        begin = self.show if body.dry_run else self.start
        await begin(project, _ACTION, body.resource, body.arguments("resource"))


class RecoveryPoint(ApiHandler):
    """One recovery point."""

    async def get(self, project: str, point: str) -> None:
        """Show it with its manifest, its copies and their members."""
        found = await self.call(self.app.recovery_points.get, self.ctx, project, point)
        self.answer(protection_forms.recovery_point(found))


class Explanation(ApiHandler):
    """Why a recovery point is there, and until when."""

    async def get(self, project: str, point: str) -> None:
        """Say it of each copy."""
        self.filters()
        found = await self.call(self.app.outlooks.explain, self.ctx, project, point)
        self.answer(forms.listing(found, protection_forms.explanation))
