"""``/health`` and ``/me``."""

from __future__ import annotations

from importlib.metadata import version

from tornado.web import HTTPError

from mavis_core.access import Scope
from mavis_core.db.paging import MAX_LIMIT, PageRequest
from mavis_ext import schemas
from mavis_ext.answers import Needs
from mavis_ext.base import ApiHandler
from mavis_ext.operation import operation

__all__ = ["Health", "Me", "Unknown"]


class Health(ApiHandler):
    """Says that the process answers; nothing else, to anybody."""

    authenticated = False

    @operation("get_health", Needs.NOTHING)
    def get(self) -> schemas.Health:
        """Say that the API answers.

        It needs no token and says nothing else.
        """
        return schemas.Health(status="ok", version=version("mavis-ops"))


class Me(ApiHandler):
    """Who the caller is, and in which projects."""

    @operation("get_me", Needs.LOGIN)
    def get(self) -> schemas.Me:
        """Show who the caller is, with the first 200 of their projects."""
        mine = self.app.projects.list(self.ctx, PageRequest(MAX_LIMIT))
        projects = map(schemas.Project.of, mine.items)
        return schemas.Me(
            name=self.ctx.principal.name,
            groups=tuple(sorted(self.ctx.principal.groups)),
            scopes=tuple(sorted(self.ctx.scopes)),
            platform_admin=Scope.ADMIN in self.ctx.scopes,
            projects=tuple(map(schemas.MyProject.of, projects)),
        )


class Unknown(ApiHandler):
    """Every address that is none; 401 comes first, so that strangers learn nothing."""

    async def prepare(self) -> None:
        """Refuse, whatever the method."""
        await super().prepare()
        raise HTTPError(404)
