"""``/projects/{p}/previews``: what an action would do, and letting it."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from mavis_ext import forms
from mavis_ext.base import ApiHandler
from mavis_ext.bodies import Body
from mavis_ext.handlers.runs import StartsRun

__all__ = ["Apply", "Previews"]


class PreviewBody(Body):
    """What somebody would like to do."""

    action: str
    resource: str | None = None
    arguments: dict[str, Any] = Field(default_factory=dict)


class ApplyBody(Body):
    """The hash of the preview that was read, and the project's name where that is asked for."""

    hash: str
    confirm: str | None = None


class Previews(ApiHandler):
    """Previews of a project."""

    async def post(self, project: str) -> None:
        """Show what would happen."""
        body = self.body(PreviewBody)
        made = await self.call(
            self.app.runs.preview,
            self.ctx,
            project,
            action=body.action,
            resource=body.resource,
            arguments=body.arguments,
        )
        self.answer(forms.preview(made), status=201)


class Apply(StartsRun):
    """Lets a preview happen."""

    async def post(self, project: str, preview: str) -> None:
        """Begin the Run that carries it out."""
        body = self.body(ApplyBody)
        run = await self.call(
            self.app.runs.apply,
            self.ctx,
            project,
            preview,
            hash=body.hash,
            confirm=body.confirm,
        )
        self.accepted(run)
