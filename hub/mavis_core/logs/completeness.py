"""Whether streams have all their records: a number that never came is a gap. Pure.

That is another question than whether a record is as it was written: what never reached the log
cannot be sealed. Only records that carry a number in a stream can tell. Where records were erased
since their period was over, it cannot be known whether what is missing was among them: as many as
were erased between two records of a stream count as such.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from dataclasses import dataclass, field

__all__ = ["Completeness", "Gap"]


@dataclass(frozen=True, slots=True)
class Gap:
    """Records of a stream that are not there.

    Parameters
    ----------
    stream
        What numbers them.
    first, last
        The numbers of the first and the last of them.
    before
        The time of the record that came after them.
    """

    stream: str
    first: int
    last: int
    before: str


@dataclass
class _Stream:
    highest: int = 0
    erased: int = 0  # lines, before the one with the highest number
    gaps: list[Gap] = field(default_factory=list)  # by number, none touching another


class Completeness:
    """Looks at lines of the log, in any order, and remembers what is missing."""

    def __init__(self) -> None:
        self._streams: dict[str, _Stream] = {}
        self.records = 0
        """How many records carry a number."""
        self.erased = 0
        """How many numbers are missing where at least as many records were erased."""
        self._erased_lines = 0

    @property
    def streams(self) -> int:
        """How many streams there are."""
        return len(self._streams)

    @property
    def gaps(self) -> list[Gap]:
        """What is missing, by stream and number."""
        return [gap for name in sorted(self._streams) for gap in self._streams[name].gaps]

    def add(self, line: bytes) -> None:
        """Take note of one line; what is no record, or has no number, is passed over."""
        if b'"stream":null' in line or b'"stream":' not in line:
            return
        try:
            value = json.loads(line)
            name, number, time = value["stream"], value["sequence"], value["time"]
        except (ValueError, KeyError, TypeError, RecursionError):
            return
        if isinstance(name, str) and type(number) is int and number > 0:
            self._note(name, number, str(time))

    def skip(self) -> None:
        """Take note of one line that was erased."""
        self._erased_lines += 1

    def _note(self, name: str, number: int, time: str) -> None:
        self.records += 1
        stream = self._streams.setdefault(name, _Stream())
        if number > stream.highest:
            missing = number - stream.highest - 1
            if missing and missing <= self._erased_lines - stream.erased:
                self.erased += missing
            elif missing:
                stream.gaps.append(Gap(name, stream.highest + 1, number - 1, time))
            stream.highest, stream.erased = number, self._erased_lines
            return
        at = bisect_left(stream.gaps, number, key=lambda gap: gap.last)
        if at < len(stream.gaps) and stream.gaps[at].first <= number:  # it came late
            gap = stream.gaps[at]
            parts = ((gap.first, number - 1), (number + 1, gap.last))
            stream.gaps[at : at + 1] = [
                Gap(name, first, last, gap.before) for first, last in parts if first <= last
            ]
