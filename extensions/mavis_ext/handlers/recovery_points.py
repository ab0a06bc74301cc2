"""``/projects/{p}/recovery-points``; what is done to one of them is in `point_changes`."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field

from mavis_core.access import Permission
from mavis_core.protection.points.model import PointState
from mavis_core.protection.points.service import RecoveryPoints as PointService
from mavis_ext import schemas
from mavis_ext.answers import Accepted
from mavis_ext.base import ApiHandler
from mavis_ext.described import Line
from mavis_ext.operation import operation
from mavis_ext.pages import listing, page
from mavis_ext.queries import Listing, sorting
from mavis_ext.starting import StartBody, StartsRun

__all__ = ["Explanation", "RecoveryPoint", "RecoveryPoints"]


class PointQuery(Listing):
    """Which recovery points."""

    instance: Annotated[str | None, Field(description="Its name or cloud id.")] = None
    plan: Annotated[str | None, Field(description="The plan's name or id.")] = None
    state: Annotated[
        PointState | None, Field(description="Left out: all but those that are gone.")
    ] = None
    region: Annotated[str | None, Field(description="Where the instance is.")] = None
    sort: str | None = sorting(PointService.SORTS)


class NewRecoveryPoint(StartBody):
    """A recovery point to be taken."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"resource": "web-1", "description": "before the upgrade"},
                {"resource": "web-1", "dry_run": True},
            ]
        }
    )

    resource: str
    """The instance, by id, cloud id or name."""
    description: Line | None = None
    """Why; kept with it and in the cloud."""


class RecoveryPoints(StartsRun):
    """The recovery points of a project."""

    @operation("list_recovery_points", Permission.POINT_READ)
    def get(self, project: str, *, query: PointQuery) -> schemas.Page[schemas.RecoveryPoint]:
        """List recovery points, newest first and without their manifests."""
        found = self.app.recovery_points.list(
            self.ctx,
            project,
            query.page,
            instance=query.instance,
            plan=query.plan,
            state=query.state,
            region=query.region,
        )
        return page(schemas.RecoveryPoint, found)

    @operation("create_recovery_point", Permission.POINT_CREATE)
    def post(self, project: str, *, body: NewRecoveryPoint) -> Accepted | schemas.Preview:
        """Take a crash-consistent recovery point of all volumes of an instance."""
        return self.begin(project, "recovery_point.create", body.resource, body, "resource")


class RecoveryPoint(ApiHandler):
    """One recovery point."""

    @operation("get_recovery_point", Permission.POINT_READ)
    def get(self, project: str, point: str) -> schemas.RecoveryPointDetail:
        """Show a recovery point with its manifest, its copies and their members."""
        found = self.app.recovery_points.get(self.ctx, project, point)
        return schemas.RecoveryPointDetail.of(found)


class Explanation(ApiHandler):
    """Why a recovery point is there, and until when."""

    @operation("explain_recovery_point", Permission.POINT_READ, pool="database")
    def get(self, project: str, point: str) -> schemas.Page[schemas.PointExplanation]:
        """Say of each copy of a recovery point why it is kept and when it goes."""
        found = self.app.outlooks.explain(self.ctx, project, point)
        return listing(schemas.PointExplanation, found)
