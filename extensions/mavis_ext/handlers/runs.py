"""``/projects/{p}/runs``."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field

from mavis_core.access import Permission
from mavis_core.scheduling.model import RunState
from mavis_core.scheduling.service import Runs as RunService
from mavis_ext import schemas
from mavis_ext.answers import Accepted, Stream
from mavis_ext.base import ApiHandler
from mavis_ext.bodies import Body
from mavis_ext.following import Following
from mavis_ext.operation import operation
from mavis_ext.pages import page
from mavis_ext.queries import Listing, sorting

__all__ = ["Cancel", "Events", "Run", "Runs"]


class RunQuery(Listing):
    """Which Runs."""

    state: Annotated[RunState | None, Field(description="How far they are.")] = None
    sort: str | None = sorting(RunService.SORTS)


class Cancellation(Body):
    """Nothing: the address says it all."""

    model_config = ConfigDict(json_schema_extra={"examples": [{}]})


class Runs(ApiHandler):
    """The Runs of a project."""

    @operation("list_runs", Permission.RUN_READ)
    def get(self, project: str, *, query: RunQuery) -> schemas.Page[schemas.Run]:
        """List the Runs of a project, newest first and without their steps."""
        found = self.app.runs.list(self.ctx, project, query.page, state=query.state)
        return page(schemas.Run, found)


class Run(ApiHandler):
    """One Run."""

    @operation("get_run", Permission.RUN_READ)
    def get(self, project: str, run: str) -> schemas.Run:
        """Show a Run with its steps."""
        return schemas.Run.of(self.app.runs.get(self.ctx, project, run))


class Events(Following):
    """The changes of one Run, as they come."""

    @operation("follow_run", Permission.RUN_READ)
    async def get(self, project: str, run: str) -> Stream:
        """Follow a Run by server-sent events, until it is final.

        Each event `run` has the Run as its data and the Run's version as its id. Whoever comes
        back with `Last-Event-ID` hears only of what is new; where the Run is final and nothing is
        new the answer is 204, upon which browsers do not come back. An event `problem` says why a
        stream ends before.
        """
        await self.follow(project, run)
        return Stream()


class Cancel(ApiHandler):
    """Ends a Run before it is done."""

    @operation("cancel_run", Permission.RUN_CANCEL)
    def post(self, project: str, run: str, *, body: Cancellation) -> Accepted:  # noqa: ARG002  # empty
        """End a Run before it is done.

        What it had begun is cleaned up, which may take a while; until then it goes on.
        """
        return Accepted(schemas.Run.of(self.app.runs.cancel(self.ctx, project, run)))
