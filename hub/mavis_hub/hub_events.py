"""What happens at the Hub is told to the api process, which records it.

A login does not wait for that, nor fail without it: what the api process cannot take now waits
here, up to a bound, and is told later with the moment at which it happened. Strangers can make as
many logins fail as they like, so failed ones beyond a number in a minute are counted, and told as a
number with the next.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import Any

from mavis_core import clock
from mavis_core.errors import MavisError, Unavailable
from mavis_hub.asking import Asking

__all__ = ["HubEvents"]

_WAITING = 1000
_REFUSALS = 20
_IN_S = 60.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 30.0
_log = logging.getLogger("mavis.hub")


class HubEvents:
    """Tells events one after another, in the order in which they came.

    Parameters
    ----------
    asking
        The api process.
    """

    def __init__(self, asking: Asking) -> None:
        self._asking = asking
        self._waiting: deque[dict[str, Any]] = deque()
        self._telling: asyncio.Task[None] | None = None
        self._refusals: deque[float] = deque()
        self._more = 0

    def tell(self, what: str, name: str, address: str = "", **more: int) -> None:
        """Have an event told, some time."""
        if len(self._waiting) >= _WAITING:
            lost = self._waiting.popleft()
            _log.error("hub_events.lost what=%s name=%s", lost["what"], lost["name"])
        event = {"what": what, "name": name, "address": address, **more}
        self._waiting.append({**event, "time": clock.iso(clock.now())})
        if self._telling is None or self._telling.done():
            self._telling = asyncio.ensure_future(self._tell_all())

    def refused(self, name: str, address: str) -> None:
        """Have a login told that failed; beyond a number in a minute only how many there were."""
        now = asyncio.get_running_loop().time()
        while self._refusals and self._refusals[0] < now - _IN_S:
            self._refusals.popleft()
        if len(self._refusals) >= _REFUSALS:
            self._more += 1
            return
        self._refusals.append(now)
        more, self._more = self._more, 0
        self.tell("refused", name, address, more=more)

    async def finish(self) -> None:
        """Return when all was told."""
        if self._telling is not None:
            await self._telling

    async def _tell_all(self) -> None:
        pause_s = _FIRST_PAUSE_S
        while self._waiting:
            event = self._waiting[0]
            try:
                await self._asking("told", event)
            except Unavailable:
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
                continue
            except MavisError as exc:  # it will not take this one later either
                _log.error("hub_events.refused what=%s error=%s", event["what"], exc.message)
            pause_s = _FIRST_PAUSE_S
            if self._waiting and self._waiting[0] is event:
                self._waiting.popleft()
