"""``/projects/{p}/restores``: what recovery points were brought back as."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from mavis_core.access import Permission
from mavis_core.protection.restore.model import RestoreKind, RestoreState
from mavis_core.protection.restore.service import Restores as RestoreService
from mavis_ext import schemas
from mavis_ext.answers import Accepted
from mavis_ext.base import ApiHandler
from mavis_ext.described import Arn, Region, Word
from mavis_ext.operation import operation
from mavis_ext.pages import page
from mavis_ext.queries import Listing, sorting
from mavis_ext.starting import StartBody, StartsRun

__all__ = ["Restore", "Restores"]


_LISTED = Field(json_schema_extra={"minItems": 1, "maxItems": 60})


class RestoreQuery(Listing):
    """Which restores."""

    point: Annotated[str | None, Field(description="The recovery point's id.")] = None
    kind: Annotated[RestoreKind | None, Field(description="As what something came back.")] = None
    state: Annotated[RestoreState | None, Field(description="How far they are.")] = None
    sort: str | None = sorting(RestoreService.SORTS)


class _NewRestore(StartBody):
    point: Word
    """The recovery point's id."""
    environment: Word | None = None
    """With `region`, which of its copies; left out: that beside the instance."""
    region: Region | None = None


class NewVolumes(_NewRestore):
    """New volumes beside the old ones."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"kind": "volumes", "point": "rp_…", "dry_run": True}]}
    )

    kind: Literal["volumes"]
    zone: Word | None = None
    volumes: Annotated[list[Word], _LISTED] | None = None
    """Ids of the originals; left out: all."""
    attach_to: Word | None = None
    """An instance."""
    kms_key: Arn | None = None


class NewInstance(_NewRestore):
    """The instance as new; what is not said is as it was."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"kind": "instance", "point": "rp_…", "dry_run": True}]}
    )

    kind: Literal["instance"]
    instance_type: Word | None = None
    subnet: Word | None = None
    security_groups: Annotated[list[Word], _LISTED] | None = None
    key_name: Word | None = None
    profile: Arn | None = None
    name: Word | None = None


NewRestore = Annotated[NewVolumes | NewInstance, Field(discriminator="kind")]


class Restores(StartsRun):
    """The restores of a project."""

    @operation("list_restores", Permission.RESTORE_READ)
    def get(self, project: str, *, query: RestoreQuery) -> schemas.Page[schemas.Restore]:
        """List restores, newest first."""
        found = self.app.restores.list(
            self.ctx,
            project,
            query.page,
            point=query.point,
            kind=query.kind,
            state=query.state,
        )
        return page(schemas.Restore, found)

    @operation("create_restore", Permission.RESTORE_CREATE)
    def post(self, project: str, *, body: NewRestore) -> Accepted | schemas.Preview:
        """Restore as new volumes or as a new instance.

        A restore in place of what is there begins with a preview of `restore.in_place`.
        """
        return self.begin(project, f"restore.{body.kind}", body.point, body, "point", "kind")


class Restore(ApiHandler):
    """One restore."""

    @operation("get_restore", Permission.RESTORE_READ)
    def get(self, project: str, restore: str) -> schemas.Restore:
        """Show a restore: what it made, and until when it can be undone."""
        return schemas.Restore.of(self.app.restores.get(self.ctx, project, restore))
