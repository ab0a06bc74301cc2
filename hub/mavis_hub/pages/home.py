"""The start page: who you are, your projects, what goes on in them, where to go."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from mavis_core import clock
from mavis_core.access import CallContext, Permission, Role, Scope
from mavis_core.bootstrap import ApiApp
from mavis_core.dashboards.model import Dashboard
from mavis_core.db.paging import MAX_LIMIT, PageRequest
from mavis_core.projects.model import Environment, Membership
from mavis_core.scheduling.model import Run, RunState
from mavis_ext import schemas
from mavis_hub.hub import TRY_OUT_NOTICE
from mavis_hub.pages.handlers import PersonPage

__all__ = ["Home"]

_GOING_ON = (RunState.QUEUED, RunState.RUNNING)
_WENT_WRONG = (RunState.FAILED, RunState.REFUSED)
_LATELY = timedelta(days=3)
_MOST_RUNS = 10
_MOST_LOOKED_INTO = 25
"""Projects whose environments are shown: each takes a question to the database."""


@dataclass(frozen=True, slots=True)
class _Row:
    """A project, as far as the one who asks may see it.

    Parameters
    ----------
    opens
        Whether its page is for them.
    environments
        None: not shown here.
    """

    project: schemas.Project
    opens: bool
    environments: tuple[Environment, ...] | None


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the page shows.

    Parameters
    ----------
    records
        Whether there are any that the one who asks may read.
    """

    rows: tuple[_Row, ...]
    more: bool
    going_on: tuple[Run, ...]
    went_wrong: tuple[Run, ...]
    only_dashboards: bool
    has_lab: bool
    dashboards: tuple[Dashboard, ...]
    records: bool


class Home(PersonPage):
    """The start page."""

    async def get(self) -> None:
        """Show it."""
        seen = await self.ask(lambda: _look(self.app, self.ctx))
        self.show(
            "home.html",
            seen=seen,
            days=_LATELY.days,
            admin=Scope.ADMIN in self.ctx.scopes,
            notice="" if self.app.config.isolated else TRY_OUT_NOTICE,
        )


def _look(app: ApiApp, ctx: CallContext) -> _Seen:
    mine = app.projects.list(ctx, PageRequest(MAX_LIMIT, sort="name"))
    rows = tuple(_row(app, ctx, each, at) for at, each in enumerate(mine.items))
    since = clock.now() - _LATELY
    only_dashboards = (
        bool(mine.items)
        and Scope.ADMIN not in ctx.scopes
        and all(each.roles == {Role.ENDUSER} for each in mine.items)
    )
    return _Seen(
        rows,
        mine.next is not None,
        app.runs.across(ctx, states=_GOING_ON, limit=_MOST_RUNS),
        app.runs.across(ctx, states=_WENT_WRONG, since=since, limit=_MOST_RUNS),
        only_dashboards,
        app.servers.may(ctx.principal),
        app.dashboards.gallery(ctx) if only_dashboards else (),
        ctx.may(Permission.RECORD_READ_ALL)
        or any(ctx.may(Permission.RECORD_READ, each.roles) for each in mine.items),
    )


def _row(app: ApiApp, ctx: CallContext, membership: Membership, at: int) -> _Row:
    opens = ctx.may(Permission.PROJECT_READ, membership.roles)
    looked = opens and at < _MOST_LOOKED_INTO
    environments = app.environments.list(ctx, membership.project.id) if looked else None
    return _Row(schemas.Project.of(membership), opens, environments)
