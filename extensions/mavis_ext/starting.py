"""What the handlers that begin a Run have in common."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from mavis_core.errors import MavisError
from mavis_ext import schemas
from mavis_ext.answers import Accepted
from mavis_ext.base import ApiHandler
from mavis_ext.bodies import Body

__all__ = ["StartBody", "StartsRun", "located"]


class StartBody(Body):
    """The base of bodies that begin a Run: with ``dry_run`` it is only shown."""

    dry_run: bool = False
    """Show what would happen, as a preview that can be applied; begin nothing."""

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
    """The base of handlers that answer 202 with a Run to follow."""

    def start(
        self, project: str, action: str, resource: str | None, arguments: Mapping[str, Any]
    ) -> Accepted:
        """Begin a Run that needs no confirmation."""
        with located("arguments.", ""):
            run = self.app.runs.start(
                self.ctx, project, action=action, resource=resource, arguments=arguments
            )
        return Accepted(schemas.Run.of(run))

    def show(
        self, project: str, action: str, resource: str | None, arguments: Mapping[str, Any]
    ) -> schemas.Preview:
        """Return what `start` would do, as a preview that can be applied."""
        with located("arguments.", ""):
            shown = self.app.runs.preview(
                self.ctx, project, action=action, resource=resource, arguments=arguments
            )
        return schemas.Preview.of(shown)

    def begin(
        self, project: str, action: str, resource: str, body: StartBody, *beside: str
    ) -> Accepted | schemas.Preview:
        """Begin what a body asks for, or only show it.

        Parameters
        ----------
        beside
            Fields of the body that are no arguments of the action.
        """
        act = self.show if body.dry_run else self.start
        return act(project, action, resource, body.arguments(*beside))
