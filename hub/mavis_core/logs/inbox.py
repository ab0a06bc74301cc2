"""The direct way into the journal: records that come over the socket, not through the database.

For what is too much for a row each: cells, output of terminals, logs of others. Whoever sends waits
until its records are durable. What several send while the journal is being written goes into it
together, so that they share one fsync.

*Room*: bytes that a caller may hold here, from its first byte until its answer. It is bounded, so
that a caller that is too fast is told at once and slows down. *Parcel*: the records of one call.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from mavis_core.errors import InvalidInput, MavisError, Unavailable
from mavis_core.logs.codec import decode, encode_masked
from mavis_core.records.model import Record

__all__ = [
    "MAX_LINES",
    "MAX_PARCEL_BYTES",
    "Inbox",
    "Parcel",
    "Receipt",
    "Refusal",
    "answer",
    "read_lines",
]

MAX_PARCEL_BYTES = 4 << 20
MAX_LINES = 5000
_ROOM_BYTES = 32 << 20
_TURN_BYTES = 8 << 20  # of parcels that go into one append
_MAX_REASON = 300


@dataclass(frozen=True, slots=True)
class Refusal:
    """A line that is no record. `line` counts from 1; what it held lies in the quarantine."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of the lines of one call: those accepted are durable, each once by its id."""

    accepted: int
    refused: tuple[Refusal, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the receipt as JSON values."""
        refused = [{"line": each.line, "reason": each.reason} for each in self.refused]
        return {"accepted": self.accepted, "refused": refused}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Receipt:
        """Return the receipt that `to_json` wrote."""
        refused = tuple(Refusal(each["line"], each["reason"]) for each in value["refused"])
        return cls(value["accepted"], refused)


@dataclass(frozen=True, slots=True)
class Parcel:
    """Lines for the journal by record id, and the promise that they are durable."""

    payloads: Mapping[str, bytes]
    durable: Future[None] = field(default_factory=Future)

    @property
    def size_bytes(self) -> int:
        """Size of all lines."""
        return sum(map(len, self.payloads.values()))


def read_lines(
    body: bytes, check: Callable[[Record], None] = lambda _: None
) -> tuple[dict[str, bytes], list[tuple[Refusal, bytes]]]:
    """Return the records of `body`, JSON lines, as lines for the journal by id; and what is none.

    Parameters
    ----------
    check
        Raises `InvalidInput` for a record that is not taken.

    Raises
    ------
    InvalidInput
        There are more than `MAX_LINES`.
    """
    lines = body.split(b"\n")
    if len(lines) > MAX_LINES + 1:
        raise InvalidInput(f"More than {MAX_LINES} lines", mend=f"Send {MAX_LINES} at a time.")
    payloads: dict[str, bytes] = {}
    refused: list[tuple[Refusal, bytes]] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            record = decode(line)
            check(record)
            payloads.setdefault(record.id, encode_masked(record))
        except InvalidInput as exc:
            refused.append((Refusal(number, exc.message[:_MAX_REASON]), line))
    return payloads, refused


class Inbox:
    """Parcels that wait for the drain's thread. Safe for threads.

    Parameters
    ----------
    room_bytes
        What all callers together may hold.
    """

    def __init__(self, *, room_bytes: int = _ROOM_BYTES) -> None:
        self._room_bytes = room_bytes
        self._taken = 0
        self._waiting: deque[Parcel] = deque()
        self._closed = False
        self._changed = threading.Condition()

    @property
    def waiting(self) -> int:
        """How many parcels wait."""
        return len(self._waiting)

    def reserve(self, size_bytes: int) -> bool:
        """Take room for a call; return False where there is none. `release` gives it back."""
        with self._changed:
            if self._closed or self._taken + size_bytes > self._room_bytes:
                return False
            self._taken += size_bytes
            return True

    def release(self, size_bytes: int) -> None:
        """Give back the room of a call that is answered."""
        with self._changed:
            self._taken -= size_bytes

    def put(self, payloads: Mapping[str, bytes]) -> Future[None]:
        """Add a parcel; the future is done when it is durable, and fails where it is not.

        A future that is cancelled before its turn is passed over.
        """
        parcel = Parcel(payloads)
        with self._changed:
            if self._closed:
                raise _ended()
            self._waiting.append(parcel)
            self._changed.notify_all()
        return parcel.durable

    def take(self) -> list[Parcel]:
        """Return the parcels whose turn it is, for the one thread that writes."""
        taken: list[Parcel] = []
        size = 0
        with self._changed:
            while self._waiting and size < _TURN_BYTES:
                parcel = self._waiting.popleft()
                if parcel.durable.set_running_or_notify_cancel():
                    taken.append(parcel)
                    size += parcel.size_bytes
        return taken

    def wait(self, timeout_s: float) -> None:
        """Wait until a parcel waits, or the inbox is closed, or the time is over."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._waiting, timeout_s)

    def close(self) -> None:
        """Take nothing more; whoever waits is told so."""
        with self._changed:
            self._closed = True
            waiting = [
                each for each in self._waiting if each.durable.set_running_or_notify_cancel()
            ]
            self._waiting.clear()
            self._changed.notify_all()
        answer(waiting, _ended())


def answer(parcels: Sequence[Parcel], error: Exception | None = None) -> None:
    """Tell the senders of `parcels`, which were taken, that they are durable, or what failed."""
    for parcel in parcels:
        if error is None:
            parcel.durable.set_result(None)
        else:
            parcel.durable.set_exception(error if isinstance(error, MavisError) else _failed(error))


def _ended() -> Unavailable:
    return Unavailable("The log process ends", mend="Send the same records again.", retry_after_s=2)


def _failed(error: Exception) -> Unavailable:
    return Unavailable(
        f"The records could not be kept: {type(error).__name__}",
        mend="Send the same records again; none is kept twice.",
        retry_after_s=5,
    )
