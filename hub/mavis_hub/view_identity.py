"""Whose a token is, where it may be one of a dashboard's kernel, which the Hub knows nothing of."""

from __future__ import annotations

from mavis_core.dashboards.model import TOKEN_PREFIX
from mavis_core.dashboards.views import Views
from mavis_ext.auth import Caller, Identify
from mavis_ext.pools import Pool

__all__ = ["ViewIdentity"]


class ViewIdentity:
    """Fulfils `mavis_ext.auth.Identify`.

    Parameters
    ----------
    views, pool
        Where tokens of dashboards' kernels are looked up, and in whose threads.
    others
        Whom to ask of every other token.
    """

    def __init__(self, views: Views, pool: Pool, others: Identify) -> None:
        self._views = views
        self._pool = pool
        self._others = others

    async def __call__(self, token: str) -> Caller | None:
        """Return whose `token` is, or None."""
        if token.startswith(TOKEN_PREFIX):
            return await self._pool.run(lambda: self._views.caller(token))
        return await self._others(token)
