"""``/projects/{p}/environments`` and ``/projects/{p}/discoveries``."""

from __future__ import annotations

from pydantic import Field

from mavis_ext import forms
from mavis_ext.base import ApiHandler
from mavis_ext.bodies import Body
from mavis_ext.handlers.runs import StartsRun

__all__ = ["Discoveries", "Environment", "Environments"]


class EnvironmentBody(Body):
    """An environment to be added."""

    name: str
    kit: str
    account: str
    regions: list[str]
    key: str | None = None
    options: dict[str, str] = Field(default_factory=dict)


class DiscoveryBody(Body):
    """What to look at; everything where nothing is named."""

    environment: str | None = None


class Environments(ApiHandler):
    """The environments of a project."""

    async def get(self, project: str) -> None:
        """List them."""
        self.filters()
        found = await self.call(self.app.environments.list, self.ctx, project)
        self.answer(forms.listing(found, forms.environment))

    async def post(self, project: str) -> None:
        """Add one."""
        body = self.body(EnvironmentBody)
        made = await self.call(
            self.app.environments.create,
            self.ctx,
            project,
            name=body.name,
            kit=body.kit,
            account=body.account,
            regions=body.regions,
            key=body.key,
            options=body.options,
        )
        self.set_header("Location", f"{self.request.path}/{made.name}")
        self.answer(forms.environment(made), status=201)


class Environment(ApiHandler):
    """One environment."""

    async def get(self, project: str, name: str) -> None:
        """Show it."""
        found = await self.call(self.app.environments.get, self.ctx, project, name)
        self.answer(forms.environment(found))

    async def delete(self, project: str, name: str) -> None:
        """Forget it; the cloud is not touched."""
        await self.call(self.app.environments.remove, self.ctx, project, name)
        self.done()


class Discoveries(StartsRun):
    """Looks at a project's environments."""

    async def post(self, project: str) -> None:
        """Begin one."""
        wanted = self.body(DiscoveryBody).environment
        arguments = {} if wanted is None else {"environment": wanted}
        await self.start(project, "inventory.discover", None, arguments)
