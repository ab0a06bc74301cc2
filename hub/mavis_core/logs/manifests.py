"""What is said of a segment: which lines, whose, from when until when, under which root; signed.

A segment that was written anew, since records of it were over their period, has a new manifest,
which says what was erased.

The manifest of a segment is the last of its objects to be stored. What has none does not count.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from mavis_core import clock
from mavis_core.errors import Damaged
from mavis_core.logs.journal import Position
from mavis_core.logs.retention import RecordClass
from mavis_core.logs.segments import Span

__all__ = ["MANIFEST", "Erasure", "Part", "Segment"]

MANIFEST = "manifest.json"
"""The name of a manifest in its segment's folder."""

_FORM = 2
_PREAMBLE = b"mavis-segment-1\n"


@dataclass(frozen=True, slots=True)
class Part:
    """One object of a segment."""

    key: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Erasure:
    """What was erased at a time, of one class of one project; None stands for the platform."""

    at: datetime
    project: str | None
    kind: RecordClass
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A run of the journal's lines that lies in the object store.

    Parameters
    ----------
    first, count
        The number of its first line, and how many there are.
    place
        The place in the journal after its last line.
    root
        The hash over its lines (RFC 6962), in hexadecimal.
    seals
        Numbers of the first and last seal that speak of it.
    all_spans
        Of its records.
    odd
        Lines that are kept as they are, too.
    erased
        Lines of which only the hash is left.
    made_at
        When it was archived, or written anew.
    erasures
        What was erased, in the order of time.
    records, words
        Its Parquet file, and the index of its words.
    """

    first: int
    count: int
    place: Position
    root: str
    seals: tuple[int, int]
    all_spans: tuple[Span, ...]
    odd: int
    erased: int
    made_at: datetime
    records: Part
    words: Part
    erasures: tuple[Erasure, ...] = ()

    @property
    def last(self) -> int:
        """The number of its last line."""
        return self.first + self.count - 1

    @property
    def folder(self) -> str:
        """The prefix of its objects."""
        return self.records.key.rpartition("/")[0] + "/"

    @property
    def manifest_key(self) -> str:
        """The key of its manifest."""
        return self.folder + MANIFEST

    @property
    def size_bytes(self) -> int:
        """Size of its objects, the manifest left out."""
        return self.records.size_bytes + self.words.size_bytes

    @property
    def kept(self) -> int:
        """How many records it has."""
        return sum(span.count for span in self.all_spans)

    def spans(self, projects: frozenset[str] | None) -> tuple[Span, ...]:
        """Return what it has of `projects`; None: of all, and of the platform."""
        if projects is None:
            return self.all_spans
        return tuple(span for span in self.all_spans if span.project in projects)

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "form": _FORM,
            "first": self.first,
            "count": self.count,
            "place": [self.place.file, self.place.offset],
            "root": self.root,
            "seals": list(self.seals),
            "spans": [
                [it.project, str(it.kind), it.count, clock.iso(it.since), clock.iso(it.until)]
                for it in self.all_spans
            ],
            "erasures": [
                [clock.iso(it.at), it.project, str(it.kind), it.count] for it in self.erasures
            ],
            "odd": self.odd,
            "erased": self.erased,
            "made_at": clock.iso(self.made_at),
            "records": [self.records.key, self.records.size_bytes, self.records.sha256],
            "words": [self.words.key, self.words.size_bytes, self.words.sha256],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Segment:
        """Return what `to_json` wrote.

        Raises
        ------
        ValueError
            It is no such thing, or of another release.
        """
        try:
            if value["form"] != _FORM:
                raise ValueError(f"a manifest of form {value['form']!r}")
            file, offset = value["place"]
            first_seal, last_seal = value["seals"]
            return cls(
                first=int(value["first"]),
                count=int(value["count"]),
                place=Position(str(file), int(offset)),
                root=str(value["root"]),
                seals=(int(first_seal), int(last_seal)),
                all_spans=tuple(
                    Span(
                        project,
                        RecordClass(kind),
                        int(count),
                        clock.parse(since),
                        clock.parse(until),
                    )
                    for project, kind, count, since, until in value["spans"]
                ),
                erasures=tuple(
                    Erasure(clock.parse(at), project, RecordClass(kind), int(count))
                    for at, project, kind, count in value["erasures"]
                ),
                odd=int(value["odd"]),
                erased=int(value["erased"]),
                made_at=clock.parse(value["made_at"]),
                records=Part(*value["records"]),
                words=Part(*value["words"]),
            )
        except (KeyError, TypeError) as exc:
            raise ValueError(f"not a manifest: {exc}") from exc

    def to_line(self, key: Ed25519PrivateKey) -> bytes:
        """Return it as one signed line."""
        told = self.to_json()
        signature = base64.b64encode(key.sign(_PREAMBLE + _canonical(told))).decode("ascii")
        return _canonical({"segment": told, "signature": signature}) + b"\n"

    @classmethod
    def from_line(cls, line: bytes, key: Ed25519PublicKey) -> Segment:
        """Return what `to_line` wrote.

        Raises
        ------
        Damaged
            It is none, or was not signed by `key`.
        """
        try:
            value = json.loads(line)
            told = value["segment"]
            key.verify(base64.b64decode(value["signature"]), _PREAMBLE + _canonical(told))
            return cls.from_json(told)
        except (ValueError, KeyError, TypeError, InvalidSignature) as exc:
            raise Damaged(
                f"A manifest of the log's archive is not as it was signed: {type(exc).__name__}",
                mend="Bring it back from a copy of the object store.",
            ) from exc


def _canonical(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode("ascii")
