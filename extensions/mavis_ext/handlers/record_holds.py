"""``/projects/{p}/record-holds``: what of the log is kept, whatever the periods say."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import ConfigDict, Field, model_validator

from mavis_core.access import Permission
from mavis_ext import schemas
from mavis_ext.answers import Created
from mavis_ext.base import ApiHandler
from mavis_ext.bodies import Body
from mavis_ext.described import Why
from mavis_ext.handlers.point_changes import Reason
from mavis_ext.handlers.records import Story, When
from mavis_ext.operation import operation
from mavis_ext.pages import listing

__all__ = ["RecordHold", "RecordHolds", "Release"]

Who = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^,\u0000-\u001f\u007f]+$")]


class NewRecordHold(Body):
    """Which records of a project to keep: all, or those that fit whatever is said."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"reason": "case 2026-17"},
                {
                    "reason": "case 2026-17",
                    "person": "alice",
                    "since": "2026-01-01T00:00:00Z",
                    "until": "2026-04-01T00:00:00Z",
                },
            ]
        }
    )

    reason: Why
    person: Who | None = None
    """Only what this person did."""
    correlation_id: Story | None = None
    """Only this story."""
    since: When | None = None
    """Only from this moment on."""
    until: When | None = None
    """Only before this moment."""

    @model_validator(mode="after")
    def _some_time(self) -> Self:
        if self.since is not None and self.until is not None and self.since >= self.until:
            raise ValueError("since is not before until")
        return self


class RecordHolds(ApiHandler):
    """The holds on records of a project."""

    @operation("list_record_holds", Permission.RECORD_READ)
    def get(self, project: str) -> schemas.Page[schemas.RecordHold]:
        """List the legal holds on records, those that stand first; released ones are told, too."""
        return listing(schemas.RecordHold, self.app.record_holds.list(self.ctx, project))

    @operation("hold_records", Permission.RECORD_HOLD)
    def post(self, project: str, *, body: NewRecordHold) -> Created[schemas.RecordHold]:
        """Place a legal hold on records: they are kept, whatever the periods of the log are.

        It is about what there is and what is to come, and has no end until it is released.
        """
        placed = self.app.record_holds.place(self.ctx, project, **body.model_dump())
        address = f"/projects/{placed.project_id}/record-holds/{placed.id}"
        return Created(schemas.RecordHold.model_validate(placed), address)


class RecordHold(ApiHandler):
    """One hold."""

    @operation("get_record_hold", Permission.RECORD_READ)
    def get(self, project: str, hold: str) -> schemas.RecordHold:
        """Show a legal hold on records."""
        found = self.app.record_holds.get(self.ctx, project, hold)
        return schemas.RecordHold.model_validate(found)


class Release(ApiHandler):
    """Its end."""

    @operation("release_records", Permission.RECORD_HOLD)
    def post(self, project: str, hold: str, *, body: Reason) -> schemas.RecordHold:
        """Release a legal hold on records, for a reason; one that was released stays as it is.

        What is over its period and on no other hold is erased within five weeks.
        """
        free = self.app.record_holds.release(self.ctx, project, hold, body.reason)
        return schemas.RecordHold.model_validate(free)
