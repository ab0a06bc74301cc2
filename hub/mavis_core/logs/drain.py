"""The way of a record from outbox and inbox to journal and index, each exactly once.

A step: let the index catch up with the journal, read what waits, leave out what the index has,
append the rest to the journal (durable from here on), answer the senders, index it, tell the
outbox. A crash between any two of these leaves either a record that still waits and is known, or
one that waits and is not; the next step does right by both. A sender who got no answer sends again.

What waits in the outbox goes first, in every step: it is never dropped, and no flood of records
from elsewhere holds it up.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Protocol

from mavis_core.errors import InvalidInput, MavisError
from mavis_core.logs.codec import encode_masked
from mavis_core.logs.inbox import Inbox, Parcel, answer
from mavis_core.logs.index import Index
from mavis_core.logs.journal import Journal
from mavis_core.logs.quarantine import Quarantine
from mavis_core.records.model import Record

__all__ = ["Drain", "RecordSource"]

logger = logging.getLogger(__name__)

_BATCH = 1000
_IDLE_S = 0.2
_LONGEST_PAUSE_S = 5.0


class RecordSource(Protocol):
    """Where records wait. `mavis_core.records.Outbox` is the one of the appliance."""

    def pending(self, limit: int) -> list[tuple[int, Record]]:
        """Return up to `limit` records that wait, with their sequence numbers, oldest first."""

    def mark_drained(self, seqs: Sequence[int]) -> None:
        """Say that the records with `seqs` are durable in the journal."""

    def backlog(self) -> int:
        """Return how many records wait."""


class Drain:
    """Moves records in a thread of its own, which alone writes to journal and index.

    Parameters
    ----------
    source
        Where records wait.
    journal, index, quarantine
        Where they go. All stay open; who made them closes them.
    inbox
        What comes directly; None where nothing does. It is closed when the thread ends.
    on_fatal
        Called from the thread before it ends because the journal cannot be written until the
        process starts anew.
    on_indexed
        Called from the thread when the index has more than before.
    idle_s
        Pause after a look that found nothing.
    """

    def __init__(
        self,
        source: RecordSource,
        journal: Journal,
        index: Index,
        quarantine: Quarantine,
        *,
        inbox: Inbox | None = None,
        on_fatal: Callable[[], None] = lambda: None,
        on_indexed: Callable[[], None] = lambda: None,
        idle_s: float = _IDLE_S,
    ) -> None:
        self._source = source
        self._journal = journal
        self._index = index
        self._quarantine = quarantine
        self._inbox = inbox or Inbox()
        self._on_fatal = on_fatal
        self._on_indexed = on_indexed
        self._idle_s = idle_s
        self._stopping = threading.Event()
        self._error: str | None = None
        # A daemon: a database that hangs must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name="log-drain", daemon=True)

    @property
    def error(self) -> str | None:
        """What the last step failed with; None where it went well."""
        return self._error

    def start(self) -> None:
        """Begin to move records."""
        self._thread.start()

    def stop(self, timeout_s: float = 2.0) -> bool:
        """Finish the step at hand and end; return False where that takes too long."""
        self._stopping.set()
        self._inbox.close()
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def step(self) -> int:
        """Move one batch and return how many records were taken from the source and the inbox."""
        self._index.catch_up(self._journal, stopping=self._stopping.is_set)
        if self._stopping.is_set():
            return 0
        rows, trouble = self._pending()
        payloads = self._encode(rows)
        parcels = self._inbox.take()
        if rows or parcels:
            self._keep(payloads, parcels)
            self._index.catch_up(self._journal)
            self._on_indexed()
        if rows:
            self._source.mark_drained([seq for seq, _ in rows])
        if trouble is not None:
            raise trouble
        return len(rows) + sum(len(parcel.payloads) for parcel in parcels)

    def _pending(self) -> tuple[list[tuple[int, Record]], MavisError | None]:
        """Return what waits in the source, or why it cannot be asked: parcels do not need it."""
        try:
            return self._source.pending(_BATCH), None
        except MavisError as exc:
            return [], exc

    def _keep(self, payloads: dict[str, bytes], parcels: Sequence[Parcel]) -> None:
        """Make `payloads`, then those of `parcels`, durable and answer whoever waits for that."""
        try:
            for parcel in parcels:
                for id_, text in parcel.payloads.items():
                    payloads.setdefault(id_, text)
            known = self._index.known(list(payloads))
            self._journal.append([text for id_, text in payloads.items() if id_ not in known])
        except Exception as exc:
            answer(parcels, exc)
            raise
        answer(parcels)

    def _encode(self, rows: Sequence[tuple[int, Record]]) -> dict[str, bytes]:
        """Return the lines for the journal by record id; what is no record is put aside."""
        payloads: dict[str, bytes] = {}
        for seq, record in rows:
            try:
                payloads.setdefault(record.id, encode_masked(record))
            except InvalidInput as exc:
                logger.warning("drain.refused seq=%d reason=%s", seq, exc)
                self._quarantine.refuse_record(seq, repr(record), str(exc))
        return payloads

    def _run(self) -> None:
        try:
            self._go_on()
        finally:
            self._inbox.close()

    def _go_on(self) -> None:
        pause_s = self._idle_s
        while not self._stopping.is_set():
            try:
                moved = self.step()
                self._error = None
                pause_s = self._idle_s
            except Exception as exc:  # noqa: BLE001 - the edge of the loop; it must go on
                moved = 0
                pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
                self._tell(exc)
                if not self._journal.writable:
                    self._on_fatal()
                    return
            if not moved:
                self._inbox.wait(pause_s)

    def _tell(self, error: Exception) -> None:
        if isinstance(error, MavisError):
            self._error = error.message
            logger.error("drain.failed error=%s", error.message)
        else:
            self._error = type(error).__name__
            logger.error("drain.failed", exc_info=error)
