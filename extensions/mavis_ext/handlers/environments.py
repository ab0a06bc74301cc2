"""``/projects/{p}/environments`` and ``/projects/{p}/discoveries``."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field

from mavis_core.access import Permission
from mavis_ext import schemas
from mavis_ext.answers import Accepted, Created
from mavis_ext.base import ApiHandler
from mavis_ext.bodies import Body
from mavis_ext.described import Account, Name, Region
from mavis_ext.operation import operation
from mavis_ext.pages import listing
from mavis_ext.starting import StartsRun

__all__ = ["Discoveries", "Environment", "Environments"]


class NewEnvironment(Body):
    """An environment to be added."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "production",
                    "kit": "aws",
                    "account": "111122223333",
                    "regions": ["eu-central-1"],
                    "key": "production",
                }
            ]
        }
    )

    name: Name
    kit: str
    """Which kind of cloud it is."""
    account: Account
    regions: Annotated[list[Region], Field(json_schema_extra={"minItems": 1, "maxItems": 40})]
    key: str | None = None
    """The name of the key that opens it."""
    options: dict[str, str] = Field(default_factory=dict)
    """What else the kit takes: a role, an endpoint."""


class Discovery(Body):
    """What to look at; everything where nothing is named."""

    model_config = ConfigDict(json_schema_extra={"examples": [{}]})

    environment: str | None = None


class Environments(ApiHandler):
    """The environments of a project."""

    @operation("list_environments", Permission.ENVIRONMENT_READ)
    def get(self, project: str) -> schemas.Page[schemas.Environment]:
        """List the environments of a project."""
        return listing(schemas.Environment, self.app.environments.list(self.ctx, project))

    @operation("create_environment", Permission.ENVIRONMENT_WRITE)
    def post(self, project: str, *, body: NewEnvironment) -> Created[schemas.Environment]:
        """Add an environment: an account of a cloud, with its regions."""
        made = self.app.environments.create(
            self.ctx,
            project,
            name=body.name,
            kit=body.kit,
            account=body.account,
            regions=body.regions,
            key=body.key,
            options=body.options,
        )
        told = schemas.Environment.of(made)
        return Created(told, f"/projects/{told.project}/environments/{told.name}")


class Environment(ApiHandler):
    """One environment."""

    @operation("get_environment", Permission.ENVIRONMENT_READ)
    def get(self, project: str, environment: str) -> schemas.Environment:
        """Show an environment, and what the last look at it said."""
        return schemas.Environment.of(self.app.environments.get(self.ctx, project, environment))

    @operation("delete_environment", Permission.ENVIRONMENT_WRITE)
    def delete(self, project: str, environment: str) -> None:
        """Forget an environment; the cloud is not touched."""
        self.app.environments.remove(self.ctx, project, environment)


class Discoveries(StartsRun):
    """Looks at a project's environments."""

    @operation("create_discovery", Permission.RESOURCE_DISCOVER)
    def post(self, project: str, *, body: Discovery) -> Accepted:
        """Look at the environments of a project, and write down what is there."""
        wanted = body.environment
        arguments = {} if wanted is None else {"environment": wanted}
        return self.start(project, "inventory.discover", None, arguments)
