"""What arrives at the log while somebody follows it. Pure: no database, no HTTP.

*Number*: that of a record's line in the journal, from 1 on. Records arrive in its order, which is
not quite that of their times; whoever knows the last number that they heard of misses nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from mavis_core.errors import InvalidInput
from mavis_core.records.model import Record

__all__ = ["MOST_ARRIVALS", "Arrival", "Arrived", "number_of"]

MOST_ARRIVALS = 500
"""Records that are told at once; of what came before them the count alone."""

_MOST_DIGITS = 18


@dataclass(frozen=True, slots=True)
class Arrival:
    """What a follower is told.

    Parameters
    ----------
    number
        All up to this line was told, or counted as missed.
    record
        What has arrived; None where nothing has, or where it was missed.
    missed
        How many records arrived that are not told, because they were too many.
    """

    number: int
    record: Record | None = None
    missed: int = 0

    def to_line(self) -> bytes:
        """Return it as a line of JSON."""
        told: dict[str, Any] = {"number": self.number}
        if self.record is not None:
            told["record"] = self.record.to_json()
        if self.missed:
            told["missed"] = self.missed
        return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> Self:
        """Return what `to_line` wrote."""
        told: Mapping[str, Any] = json.loads(line)
        record = told.get("record")
        return cls(
            told["number"], record and Record.from_json(record), missed=told.get("missed", 0)
        )


@dataclass(frozen=True, slots=True)
class Arrived:
    """Records that arrived between two lines, by their numbers, in that order.

    Parameters
    ----------
    missed
        How many arrived before them that are not among them.
    """

    records: tuple[tuple[int, Record], ...] = ()
    missed: int = 0


def number_of(text: str, field: str) -> int:
    """Return the number of a line that `text` stands for; 0: before the first.

    Raises
    ------
    InvalidInput
        It is none.
    """
    if not (text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS):
        raise InvalidInput(
            f"No record has the number {text[:40]!r}",
            mend="Send the id of the last event that came, or leave it out.",
            field=field,
        )
    return int(text)
