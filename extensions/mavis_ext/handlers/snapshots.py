"""``/projects/{p}/snapshots``."""

from __future__ import annotations

from mavis_ext import forms
from mavis_ext.base import ApiHandler
from mavis_ext.bodies import Body
from mavis_ext.handlers.runs import StartsRun

__all__ = ["Snapshot", "Snapshots"]

_ACTION = "snapshot.create"


class SnapshotBody(Body):
    """A snapshot to be taken."""

    resource: str
    description: str = ""
    dry_run: bool = False


class Snapshots(StartsRun):
    """The snapshots of a project."""

    async def get(self, project: str) -> None:
        """List them, newest first."""
        instance = self.filters("instance")["instance"]
        found = await self.call(
            self.app.snapshots.list, self.ctx, project, self.page(), instance=instance
        )
        self.answer(forms.page(found, forms.snapshot))

    async def post(self, project: str) -> None:
        """Take one; with ``dry_run`` show what would happen."""
        body = self.body(SnapshotBody)
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


class Snapshot(ApiHandler):
    """One snapshot."""

    async def get(self, project: str, snapshot: str) -> None:
        """Show it with its members."""
        found = await self.call(self.app.snapshots.get, self.ctx, project, snapshot)
        self.answer(forms.snapshot(found))
