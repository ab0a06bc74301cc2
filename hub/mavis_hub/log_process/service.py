"""The parts of the log process, open."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta

from mavis_core import clock
from mavis_core.config import Config
from mavis_core.errors import Unavailable
from mavis_core.logs import Drain, Health, RecordSource
from mavis_core.logs.anchoring import SealCopies
from mavis_core.logs.codec import encode_masked
from mavis_core.logs.holds import RecordHold
from mavis_core.logs.inbox import Inbox, Receipt, read_lines
from mavis_core.logs.loop import Loop
from mavis_core.logs.opening import (
    Keeping,
    Log,
    anchor_stores,
    archive_store,
    open_log,
    retention_of,
    rule_of,
)
from mavis_core.logs.scrubbing import Scrubber
from mavis_core.logs.sealing import private_key
from mavis_core.records.model import Record

__all__ = ["LogService"]

logger = logging.getLogger(__name__)

_COPY_EVERY_S = 30.0
_TELLING_S = 60.0  # until a record of our own is durable


@dataclass(frozen=True, slots=True)
class LogService:
    """The parts of the log process, open."""

    source: RecordSource
    log: Log
    drain: Drain
    inbox: Inbox
    scrubber: Scrubber | None
    loops: tuple[Loop, ...]

    @classmethod
    def open(
        cls,
        config: Config,
        source: RecordSource,
        closers: ExitStack,
        on_fatal: Callable[[], None] = lambda: None,
        on_indexed: Callable[[], None] = lambda: None,
        holds: Callable[[], Sequence[RecordHold]] = tuple,
    ) -> LogService:
        """Open the log of an appliance; `closers` closes it.

        Parameters
        ----------
        on_fatal
            Is called when the drain cannot go on.
        on_indexed
            Is called when the index has more records.
        holds
            Returns the legal holds that stand.

        Raises
        ------
        Conflict
            Another process has it open.
        Unavailable
            A secret or the object store is missing.
        """
        keep = timedelta(days=config.logs.lock_days)
        inbox = Inbox()

        def report(records: Sequence[Record]) -> None:
            inbox.put({each.id: encode_masked(each) for each in records}).result(_TELLING_S)

        store = archive_store(config)
        log = open_log(
            config.journal,
            store,
            private_key(config.read_secret("logs", "seal-key")),
            closers,
            rule=rule_of(config),
            cache_bytes=config.logs.cache_mb << 20,
            keep=keep,
            keeping=Keeping(retention_of(config), holds, report),
        )
        drain = Drain(
            source,
            log.journal,
            log.index,
            log.quarantine,
            inbox=inbox,
            on_fatal=on_fatal,
            on_indexed=on_indexed,
        )
        scrubber = None
        if days := config.logs.scrub_days:
            every = timedelta(days=days)
            scrubber = Scrubber(log.archive, store, config.journal, every=every, report=report)
        loops = [
            log.archiver.loop,
            *([scrubber.loop] if scrubber else ()),
            *(
                Loop(
                    "seal-copies",
                    SealCopies(config.journal, each, keep).step,
                    every_s=_COPY_EVERY_S,
                )
                for each in anchor_stores(config)
            ),
        ]
        for loop in loops:
            closers.callback(loop.stop)
        closers.callback(log.sealer.stop)  # after the drain, so that it seals the last ones
        closers.callback(_stop, drain)
        return cls(source, log, drain, inbox, scrubber, tuple(loops))

    def start(self) -> None:
        """Begin to move records, to seal and to archive them."""
        self.drain.start()
        self.log.sealer.start()
        for loop in self.loops:
            loop.start()

    def take(
        self, body: bytes, sender: str, check: Callable[[Record], None]
    ) -> tuple[Future[None], Receipt]:
        """Put the records of `body` into the inbox and what is none into the quarantine.

        The receipt holds when the future is done.

        Parameters
        ----------
        check
            Raises `InvalidInput` for a record that `sender` may not give.
        """
        payloads, refused = read_lines(body, check)
        if refused:
            self.log.quarantine.refuse_lines(
                ((told.line, told.reason, line) for told, line in refused), sender
            )
        receipt = Receipt(len(payloads), tuple(told for told, _ in refused))
        return self.inbox.put(payloads), receipt

    def health(self) -> Health:
        """Return how the process is."""
        log = self.log
        damage = self.scrubber.damage if self.scrubber else None
        errors = [self.drain.error, log.sealer.error, *(it.error for it in self.loops), damage]
        error = next(filter(None, errors), None)
        try:
            backlog = self.source.backlog()
        except Unavailable as exc:
            backlog, error = None, exc.message
        state, last, segments = log.index.state, log.sealer.last, log.archive.segments
        archived = sum(segment.kept for segment in segments)
        times = [span.until for segment in segments for span in segment.all_spans]
        status = "ok" if log.index.ready else "starting"
        return Health(
            status="degraded" if error else status,
            backlog=backlog,
            indexed=state.records + archived,
            journal_bytes=log.journal.size_bytes,
            last_record_time=max(filter(None, (state.last_time, *times)), default=None),
            damaged_lines=state.damaged,
            quarantined=log.quarantine.count,
            sealed_until=None if last is None else clock.parse(last.time),
            archived=archived,
            archive_bytes=sum(segment.size_bytes for segment in segments),
            error=error,
        )


def _stop(drain: Drain) -> None:
    if not drain.stop():
        # It hangs in the database. Closing the journal under it could harm; ending does not:
        # everything here bears a kill.
        logger.warning("logs.killed_itself")
        os._exit(0)
