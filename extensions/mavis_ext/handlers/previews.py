"""``/projects/{p}/previews``: what an action would do, and letting it."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ConfigDict, Field

from mavis_core.access import Permission
from mavis_ext import schemas
from mavis_ext.answers import Accepted, Created, Needs
from mavis_ext.base import ApiHandler
from mavis_ext.bodies import Body
from mavis_ext.operation import operation

__all__ = ["Apply", "Preview", "Previews"]


class NewPreview(Body):
    """What somebody would like to do."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"action": "resource.stop", "resource": "web-1"}]}
    )

    action: str
    """`resource.stop`, `recovery_point.delete`, `restore.in_place` and the like."""
    resource: str | None = None
    """What it works on, by id, cloud id or name."""
    arguments: dict[str, Any] = Field(default_factory=dict)
    group: (
        Annotated[str, Field(json_schema_extra={"pattern": "^pgr_[0-7][0-9a-hjkmnp-tv-z]{25}$"})]
        | None
    ) = None
    """An id of the caller's own. Previews of one group, 200 at most, are confirmed together on one
    page of the appliance, `/projects/{project}/preview-groups/{group}`."""


class Confirmation(Body):
    """What it takes to let a preview happen."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"hash": "…", "confirm": "shop"}]})

    hash: str
    """That of the preview that was read."""
    confirm: str | None = None
    """The project's name, where the preview asks for that."""


class Previews(ApiHandler):
    """Previews of a project."""

    @operation("create_preview", Permission.RESOURCE_READ)
    def post(self, project: str, *, body: NewPreview) -> Created[schemas.Preview]:
        """Show exactly what an action would do.

        What interrupts or destroys begins here; nothing happens before the preview is applied.
        """
        made = schemas.Preview.of(
            self.app.runs.preview(
                self.ctx,
                project,
                action=body.action,
                resource=body.resource,
                arguments=body.arguments,
                group=body.group,
            )
        )
        return Created(made, f"/projects/{made.project}/previews/{made.id}")


class Preview(ApiHandler):
    """One preview."""

    @operation("get_preview", Permission.RESOURCE_READ)
    def get(self, project: str, preview: str) -> schemas.Preview:
        """Show a preview of the caller's again."""
        return schemas.Preview.of(self.app.runs.shown(self.ctx, project, preview))


class Apply(ApiHandler):
    """Lets a preview happen."""

    @operation("apply_preview", Needs.ACTION)
    def post(self, project: str, preview: str, *, body: Confirmation) -> Accepted:
        """Begin the Run that carries a preview out, exactly as it was shown.

        Where the same request would do something else by now it is refused.
        """
        run = self.app.runs.apply(self.ctx, project, preview, hash=body.hash, confirm=body.confirm)
        return Accepted(schemas.Run.of(run))
