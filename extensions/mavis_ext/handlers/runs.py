"""``/projects/{p}/runs``."""

from __future__ import annotations

from pydantic import ConfigDict

from mavis_core.access import Permission
from mavis_core.scheduling.model import RunState
from mavis_ext import schemas
from mavis_ext.answers import Accepted
from mavis_ext.base import ApiHandler
from mavis_ext.bodies import Body
from mavis_ext.operation import operation
from mavis_ext.pages import page
from mavis_ext.queries import Listing

__all__ = ["Cancel", "Run", "Runs"]


class RunQuery(Listing):
    """Which Runs."""

    state: RunState | None = None


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


class Cancel(ApiHandler):
    """Ends a Run before it is done."""

    @operation("cancel_run", Permission.RUN_CANCEL)
    def post(self, project: str, run: str, *, body: Cancellation) -> Accepted:  # noqa: ARG002  # empty
        """End a Run before it is done.

        What it had begun is cleaned up, which may take a while; until then it goes on.
        """
        return Accepted(schemas.Run.of(self.app.runs.cancel(self.ctx, project, run)))
