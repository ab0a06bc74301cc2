"""What a recording is made of. Pure.

*Cast*: what a session showed, as lines of asciicast v2
(https://docs.asciinema.org/manual/asciicast/v2/), the *header* first, then one line an *event*.
*Chunk*: whole lines of the cast, of at most ten seconds or 4 MiB; the cast is its chunks joined in
order. *Entry*: what is said of a chunk. *Chain*: each entry's hash over the one before it and the
chunk's digest, so that no chunk can be exchanged, left out or moved without all that follow.
*Manifest*: who, where, when, how it ended, and all entries; signed once the session is over.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from mavis_core import clock
from mavis_core.errors import Damaged, InvalidInput
from mavis_core.remote.model import EndReason

__all__ = [
    "FORM",
    "ChunkEntry",
    "Ending",
    "EventKind",
    "Manifest",
    "RecordingHeader",
    "chain_start",
    "chained",
    "chunk_name",
    "encodable",
]

FORM = "mavis-recording-1"
_LARGEST = 10_000

EventKind = str
"""``o``: what the device sent; ``i``: what was typed; ``r``: a new size; ``m``: a marker."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingHeader:
    """What is known of a session when its recording begins. It holds no secret.

    Parameters
    ----------
    person, source, entrance
        Who, from which address, and how: ``browser``, ``door`` or ``notebook``.
    device, access_service, login
        To what, by names.
    kind
        What is done there; see `SessionKind`.
    started_at
        The moment that the cast's times count from.
    columns, rows
        The size of the terminal.
    command
        What was asked to be run; None for a terminal.
    term
        The terminal's type.
    record_input
        Whether what is typed is recorded, too.
    """

    session_id: str
    project_id: str
    project: str
    person: str
    device: str
    access_service: str
    login: str
    kind: str
    entrance: str
    source: str
    started_at: datetime
    columns: int = 80
    rows: int = 24
    command: str | None = None
    title: str = ""
    term: str = "xterm-256color"
    correlation_id: str = ""
    record_input: bool = False

    def __post_init__(self) -> None:
        if not (1 <= self.columns <= _LARGEST and 1 <= self.rows <= _LARGEST):
            raise InvalidInput(f"A terminal cannot be {self.columns} by {self.rows} characters")
        for name in self.__dataclass_fields__:
            if isinstance(value := getattr(self, name), str):
                object.__setattr__(self, name, encodable(value))  # frozen, and not yet seen

    def cast(self) -> dict[str, Any]:
        """Return the first line of the cast, as JSON values."""
        found: dict[str, Any] = {
            "version": 2,
            "width": self.columns,
            "height": self.rows,
            "timestamp": int(self.started_at.timestamp()),
        }
        if self.command is not None:
            found["command"] = self.command
        found["title"] = self.title or f"{self.person} on {self.device} as {self.login}"
        found["env"] = {"TERM": self.term}
        return found

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self) | {"started_at": clock.iso(self.started_at)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> RecordingHeader:
        """Return what `to_json` wrote; what is not known here is passed over.

        Raises
        ------
        Damaged
            It is none.
        """
        try:
            known = {name: value[name] for name in cls.__dataclass_fields__ if name in value}
            return cls(**known | {"started_at": clock.parse(value["started_at"])})
        except (KeyError, TypeError, ValueError, InvalidInput) as exc:
            raise Damaged(f"This is no header of a recording: {exc}") from exc


@dataclass(frozen=True, slots=True)
class ChunkEntry:
    """What is said of one chunk.

    Parameters
    ----------
    number
        From 1 on, without gaps.
    first_us, last_us
        When its first and its last event were, in microseconds of the session.
    events
        Its lines but the header.
    size_bytes, sha256
        Of its plain content.
    chain
        The SHA-256, in hexadecimal, over the text of the chain before it and of its own `sha256`.
    """

    number: int
    first_us: int
    last_us: int
    events: int
    size_bytes: int
    sha256: str
    chain: str

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: object) -> ChunkEntry:
        """Return what `to_json` wrote.

        Raises
        ------
        Damaged
            It is none.
        """
        if not isinstance(value, dict) or value.keys() != cls.__dataclass_fields__.keys():
            raise Damaged("This is no entry of a recording's chunk")
        entry = cls(**value)
        numbers = entry.number, entry.first_us, entry.last_us, entry.events, entry.size_bytes
        if set(map(type, numbers)) != {int} or set(map(type, (entry.sha256, entry.chain))) != {str}:
            raise Damaged("This is no entry of a recording's chunk")
        return entry


@dataclass(frozen=True, slots=True)
class Ending:
    """How a session ended.

    Parameters
    ----------
    exit_status
        Of what ran, where it told one.
    detail
        Why, for people.
    """

    ended_at: datetime
    reason: EndReason
    exit_status: int | None = None
    detail: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self) | {"ended_at": clock.iso(self.ended_at)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Ending:
        """Return what `to_json` wrote.

        Raises
        ------
        Damaged
            It is none.
        """
        try:
            return cls(
                clock.parse(value["ended_at"]),
                EndReason(value["reason"]),
                value["exit_status"],
                str(value["detail"]),
            )
        except (KeyError, TypeError, ValueError) as exc:
            raise Damaged(f"This is no ending of a recording: {exc}") from exc


@dataclass(frozen=True, slots=True)
class Manifest:
    """All that is said of a recording.

    Parameters
    ----------
    chunks
        The entries, in order.
    key
        What the key that signed it is called by: the SHA-256 of its 32 bytes.
    """

    header: RecordingHeader
    ending: Ending
    chunks: tuple[ChunkEntry, ...]
    key: str

    @property
    def chain(self) -> str:
        """The hash that all chunks are in."""
        return self.chunks[-1].chain if self.chunks else chain_start(self.header.session_id)

    @property
    def events(self) -> int:
        """How many events there are."""
        return sum(each.events for each in self.chunks)

    @property
    def size_bytes(self) -> int:
        """Of the cast."""
        return sum(each.size_bytes for each in self.chunks)

    @property
    def duration_s(self) -> float:
        """When the last event was, in seconds of the session."""
        return self.chunks[-1].last_us / 1e6 if self.chunks else 0.0

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "form": FORM,
            "session": self.header.to_json(),
            "end": self.ending.to_json(),
            "events": self.events,
            "size_bytes": self.size_bytes,
            "duration_us": self.chunks[-1].last_us if self.chunks else 0,
            "chunks": [each.to_json() for each in self.chunks],
            "chain": self.chain,
            "key": self.key,
        }

    @property
    def line(self) -> bytes:
        """What is signed: its JSON in one line, names sorted, ASCII only, and a line's end."""
        text = json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"))
        return text.encode("ascii") + b"\n"

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Manifest:
        """Return what `to_json` wrote.

        Raises
        ------
        Damaged
            It is none, or of a form that is not known here.
        """
        try:
            if value["form"] != FORM:
                raise Damaged(
                    f"A manifest of the form {value['form']!r} cannot be read here",
                    mend="Read it with the release of Mavis that wrote it, or a newer one.",
                )
            return cls(
                RecordingHeader.from_json(value["session"]),
                Ending.from_json(value["end"]),
                tuple(map(ChunkEntry.from_json, value["chunks"])),
                str(value["key"]),
            )
        except (KeyError, TypeError) as exc:
            raise Damaged(f"This is no manifest of a recording: {exc}") from exc


def chain_start(session_id: str) -> str:
    """Return what stands for the chain before the first chunk."""
    return hashlib.sha256(f"{FORM}\n{session_id}\n".encode()).hexdigest()


def chained(before: str, sha256: str) -> str:
    """Return the chain after a chunk: the SHA-256 over both texts, one after the other."""
    return hashlib.sha256((before + sha256).encode("ascii")).hexdigest()


def encodable(text: str) -> str:
    """Return `text` with a question mark for each half of a character (a lone surrogate)."""
    return text.encode("utf-8", "replace").decode("utf-8")


def chunk_name(number: int) -> str:
    """Return the name of a chunk's file, packed."""
    return f"{number:06}.cast.zst"
