"""``/projects/{p}/runs``, and what the handlers that begin a Run have in common."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from mavis_core.errors import MavisError
from mavis_core.scheduling.model import Run as RunModel
from mavis_ext import forms
from mavis_ext.base import ApiHandler
from mavis_ext.bodies import Body

__all__ = ["Cancel", "Run", "Runs", "StartBody", "StartsRun", "located"]


class CancelBody(Body):
    """Nothing: the address says it all."""


class StartBody(Body):
    """The base of bodies that begin a Run: with ``dry_run`` it is only shown."""

    dry_run: bool = False

    def arguments(self, *beside: str) -> dict[str, Any]:
        """Return what the action is given: every field that says something, but for `beside`."""
        return self.model_dump(exclude={"dry_run", *beside}, exclude_none=True, by_alias=True)


@contextmanager
def located(was: str, now: str) -> Iterator[None]:
    """Let errors of the block name their field where it is in the body, not in the core.

    Parameters
    ----------
    was, now
        What the fields begin with: ``arguments.`` and nothing.
    """
    try:
        yield
    except MavisError as exc:
        if exc.field is not None and exc.field.startswith(was):
            exc.field = now + exc.field.removeprefix(was)
        elif exc.field is not None and exc.field == was.removesuffix("."):
            exc.field = now or None  # the whole of the body
        raise


class StartsRun(ApiHandler):
    """The base of handlers that answer 202 with a Run to poll."""

    async def start(
        self, project: str, action: str, resource: str | None, arguments: Mapping[str, Any]
    ) -> None:
        """Begin a Run that needs no confirmation."""
        with located("arguments.", ""):
            run = await self.call(
                self.app.runs.start,
                self.ctx,
                project,
                action=action,
                resource=resource,
                arguments=arguments,
            )
        self.accepted(run)

    async def show(
        self, project: str, action: str, resource: str | None, arguments: Mapping[str, Any]
    ) -> None:
        """Answer with what `start` would do, as a preview that can be applied."""
        with located("arguments.", ""):
            shown = await self.call(
                self.app.runs.preview,
                self.ctx,
                project,
                action=action,
                resource=resource,
                arguments=arguments,
            )
        self.answer(forms.preview(shown))

    def accepted(self, run: RunModel) -> None:
        """Answer with a Run and its address."""
        base = self.request.path.partition("/projects/")[0]
        self.set_header("Location", f"{base}/projects/{run.plan.project_name}/runs/{run.id}")
        self.answer(forms.run(run), status=202)


class Runs(ApiHandler):
    """The Runs of a project."""

    async def get(self, project: str) -> None:
        """List them, newest first."""
        state = self.filters("state")["state"]
        found = await self.call(self.app.runs.list, self.ctx, project, self.page(), state=state)
        self.answer(forms.page(found, forms.run))


class Run(ApiHandler):
    """One Run."""

    async def get(self, project: str, run: str) -> None:
        """Show it with its steps."""
        self.answer(forms.run(await self.call(self.app.runs.get, self.ctx, project, run)))


class Cancel(StartsRun):
    """Ends a Run before it is done."""

    async def post(self, project: str, run: str) -> None:
        """Have it cancelled; what it had begun is cleaned up, which may take a while."""
        self.body(CancelBody)
        self.accepted(await self.call(self.app.runs.cancel, self.ctx, project, run))
