"""``/projects/{p}/resources``."""

from __future__ import annotations

from mavis_ext import forms
from mavis_ext.base import ApiHandler

__all__ = ["Resource", "Resources"]


class Resources(ApiHandler):
    """The resources of a project."""

    async def get(self, project: str) -> None:
        """List them by filters."""
        wanted = self.filters("kind", "environment", "region", "q", "gone")
        found = await self.call(
            self.app.resources.list,
            self.ctx,
            project,
            self.page(),
            kind=wanted["kind"],
            environment=wanted["environment"],
            region=wanted["region"],
            text=wanted["q"],
            gone=self.choice("gone", "false", "true") == "true",
        )
        self.answer(forms.page(found, forms.resource))


class Resource(ApiHandler):
    """One resource."""

    async def get(self, project: str, resource: str) -> None:
        """Show it, by id, cloud id or name."""
        found = await self.call(self.app.resources.get, self.ctx, project, resource)
        self.answer(forms.resource(found))
