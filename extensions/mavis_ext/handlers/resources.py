"""``/projects/{p}/resources``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from mavis_core.access import Permission
from mavis_core.contract import ResourceKind
from mavis_core.inventory.service import Resources as ResourceService
from mavis_ext import schemas
from mavis_ext.base import ApiHandler
from mavis_ext.operation import operation
from mavis_ext.pages import page
from mavis_ext.queries import Listing, sorting

__all__ = ["Resource", "Resources"]


class ResourceQuery(Listing):
    """Which resources."""

    kind: Annotated[ResourceKind | None, Field(description="Only these.")] = None
    environment: Annotated[str | None, Field(description="Its name or id.")] = None
    region: Annotated[str | None, Field(description="In which they are.")] = None
    q: Annotated[str | None, Field(description="A text that name, cloud id or a tag holds.")] = None
    gone: Annotated[Literal["false", "true"], Field(description="Those that are gone instead.")] = (
        "false"
    )
    sort: str | None = sorting(ResourceService.SORTS)


class Resources(ApiHandler):
    """The resources of a project."""

    @operation("list_resources", Permission.RESOURCE_READ)
    def get(self, project: str, *, query: ResourceQuery) -> schemas.Page[schemas.Resource]:
        """List the resources of a project."""
        found = self.app.resources.list(
            self.ctx,
            project,
            query.page,
            kind=query.kind,
            environment=query.environment,
            region=query.region,
            text=query.q,
            gone=query.gone == "true",
        )
        return page(schemas.Resource, found)


class Resource(ApiHandler):
    """One resource."""

    @operation("get_resource", Permission.RESOURCE_READ)
    def get(self, project: str, resource: str) -> schemas.Resource:
        """Show a resource, by id, cloud id or name."""
        return schemas.Resource.of(self.app.resources.get(self.ctx, project, resource))
