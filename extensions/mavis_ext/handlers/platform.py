"""``/health`` and ``/me``."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from tornado.web import HTTPError

from mavis_core.access import CallContext, Scope
from mavis_core.db.paging import MAX_LIMIT, PageRequest
from mavis_ext import forms
from mavis_ext.base import ApiHandler

__all__ = ["Health", "Me", "Unknown"]


class Health(ApiHandler):
    """Says that the process answers; nothing else, to anybody."""

    authenticated = False

    async def get(self) -> None:
        """Answer."""
        self.answer({"status": "ok", "version": version("mavis-ops")})


class Me(ApiHandler):
    """Who the caller is, and in which projects."""

    async def get(self) -> None:
        """Answer with the first 200 projects."""
        self.answer(await self.call(self._me, self.ctx))

    def _me(self, ctx: CallContext) -> dict[str, Any]:
        mine = self.app.projects.list(ctx, PageRequest(MAX_LIMIT))
        projects = [forms.project(membership) for membership in mine.items]
        return {
            "name": ctx.principal.name,
            "groups": sorted(ctx.principal.groups),
            "scopes": sorted(ctx.scopes),
            "platform_admin": Scope.ADMIN in ctx.scopes,
            "projects": [{k: each[k] for k in ("name", "title", "role")} for each in projects],
        }


class Unknown(ApiHandler):
    """Every address that is none; 401 comes first, so that strangers learn nothing."""

    async def prepare(self) -> None:
        """Refuse, whatever the method."""
        await super().prepare()
        raise HTTPError(404)
