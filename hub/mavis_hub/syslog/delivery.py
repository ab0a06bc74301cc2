"""From the receiver to the log process: what is given is kept, however long that takes.

Whoever gives waits until it is durable, and reads nothing meanwhile: that is how a log process that
is slow or down holds the senders back.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from mavis_core.errors import Unavailable
from mavis_core.logs.client import LogClient
from mavis_core.logs.inbox import Refusal
from mavis_core.records import Record
from mavis_hub.syslog.stories import Refused

__all__ = ["Delivery"]

logger = logging.getLogger(__name__)

_AT_A_TIME = 500
_THREADS = 8
_ASIDE_PER_HOUR = 1000
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 5.0


class Delivery:
    """Gives records to the log process. For one loop; close it at the end.

    Parameters
    ----------
    client
        The log process.
    """

    def __init__(self, client: LogClient) -> None:
        self._client = client
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="syslog-delivery")
        self._hour, self._aside = 0, Counter[str]()
        self.trouble: str | None = None
        """Why nothing can be kept now; None where all is well."""

    async def keep(self, records: Sequence[Record]) -> None:
        """Return when `records` are durable."""
        for at in range(0, len(records), _AT_A_TIME):
            some = records[at : at + _AT_A_TIME]
            refused = await self._surely(lambda some=some: self._client.append(some).refused)  # type: ignore[misc]  # bound now
            for each in refused:
                logger.error("syslog.refused line=%d reason=%s", each.line, each.reason)

    async def put_aside(self, refused: Sequence[Refused], sender: str) -> None:
        """Return when what cannot be read is in the quarantine.

        That nobody fills the disk with it, of each sender so much is kept in an hour; its records
        tell the beginning of each.
        """
        hour = int(time.time() // 3600)
        if hour != self._hour:
            self._hour, self._aside = hour, Counter()
        room = max(0, _ASIDE_PER_HOUR - self._aside[sender])
        self._aside[sender] += len(refused)
        if given := [(each.reason, each.data) for each in refused[:room]]:
            await self._surely(lambda: self._client.put_aside(given, sender))
        if len(refused) > room:
            logger.warning("syslog.quarantine_full client=%s", sender)

    def close(self) -> None:
        """Ask no more; what is at hand is answered."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._client.close()

    async def _surely(self, ask: Callable[[], Sequence[Refusal]]) -> Sequence[Refusal]:
        loop, pause_s = asyncio.get_running_loop(), _FIRST_PAUSE_S
        while True:
            try:
                answer = await loop.run_in_executor(self._threads, ask)
            except Unavailable as exc:
                if self.trouble is None:
                    logger.warning("syslog.waits reason=%s", exc.message)
                self.trouble = exc.message
                await asyncio.sleep(max(exc.retry_after_s or 0, pause_s) * random.uniform(1, 1.5))  # noqa: S311 - no secret
                pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
                continue
            if self.trouble is not None:
                logger.info("syslog.goes_on")
                self.trouble = None
            return answer
