"""``/arrivals``: what arrives at the log, as it does, without an end."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from tornado.iostream import StreamClosedError

from mavis_core.logs import Query
from mavis_core.logs.arrivals import Arrival, number_of
from mavis_hub.log_process.followers import Follower
from mavis_hub.log_process.handler import Handler, params_of

__all__ = ["Arrivals"]

_BEAT_S = 5.0
_PATIENCE_S = 60.0


class Arrivals(Handler):
    """Lines of `mavis_core.logs.arrivals.Arrival`: the first at once, then at least one a while."""

    _follower: Follower | None = None

    async def get(self) -> None:
        """Tell them until the caller goes."""
        params = params_of(self.request.query_arguments)
        after = params.pop("after", None)
        known = None if after is None else number_of(after, "after")
        query = replace(Query.from_params(params), cursor=None)
        followers = self.parts.followers
        with followers.follow(query) as follower:
            self._follower = follower
            begin = follower.begun if known is None else min(known, follower.begun)
            # Also where nothing is missing: what the log refuses it refuses before it begins.
            await followers.catch_up(follower, begin)
            self.set_header("Content-Type", "application/jsonl")
            self.write(Arrival(begin).to_line())
            try:
                await self.flush()
                while not follower.gone:
                    self.write(await follower.next(_BEAT_S))
                    await asyncio.wait_for(self.flush(), _PATIENCE_S)
            except (StreamClosedError, TimeoutError):
                return  # who goes, or takes nothing any more, comes again

    def on_connection_close(self) -> None:
        if self._follower is not None:
            self._follower.leave()
