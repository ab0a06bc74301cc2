"""Moves what is older into the archive, erases from it, and keeps the words of the rest at hand.

*Due* is the oldest part of what is sealed, as soon as there is more than the index shall hold, or
as soon as its first record is twice as old as records may get there: so a small appliance has few,
large segments, too. What came in during the last minutes stays, since a sender who got no answer
sends again, and the index knows what it has.
"""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass
from datetime import timedelta

from mavis_core import clock
from mavis_core.errors import Unavailable
from mavis_core.logs.archive import Archive
from mavis_core.logs.erasing import Eraser
from mavis_core.logs.hot_words import HotWords
from mavis_core.logs.index import Index
from mavis_core.logs.journal import Journal
from mavis_core.logs.loop import Loop
from mavis_core.logs.manifests import Segment
from mavis_core.logs.sealing import Mark, read_marks

__all__ = ["Archiver", "Rule"]

logger = logging.getLogger(__name__)

_EVERY_S = 2.0
_SWEEP_EVERY = timedelta(days=1)
_ERASE_EVERY = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Rule:
    """When records move.

    Parameters
    ----------
    after
        The age at which they may.
    hot
        How many the index shall hold at most.
    most
        How many lines a segment has at most; a single stretch may have more.
    settled
        What was sealed later than so long ago stays in any case.
    """

    after: timedelta
    hot: int
    most: int
    settled: timedelta = timedelta(minutes=10)


class Archiver:
    """Keeps journal and index small.

    Parameters
    ----------
    journal, index, words, archive
        What it works on. All stay open; who made them closes them after it has ended.
    rule
        When records move.
    eraser
        Erases from the archive what is over its period; None: nothing is erased.
    """

    def __init__(
        self,
        journal: Journal,
        index: Index,
        words: HotWords,
        archive: Archive,
        rule: Rule,
        eraser: Eraser | None = None,
    ) -> None:
        self._journal, self._index, self._words = journal, index, words
        self._archive, self._rule, self._eraser = archive, rule, eraser
        self._waiting: deque[Mark] = deque()
        self._offset = 0
        self._sweep_at = self._erase_at = clock.now()
        self.loop = Loop("log-archiver", self._do, every_s=_EVERY_S)
        """Does it, once it is started."""

    def step(self) -> Segment | None:
        """Archive what is due, at most one segment, and return it.

        Raises
        ------
        Unavailable
            The disk is full, or the store does not answer.
        Damaged
            The journal is not as it was sealed.
        """
        marks = self._due()
        segment = self._archive.take(self._journal, marks) if marks else None
        if segment is not None:
            logger.info("archive.segment first=%d count=%d", segment.first, segment.count)
        if segment is not None or self._index.floor < self._archive.end[0]:
            self._index.forget()
            self._journal.forget(self._archive.end[1])
        return segment

    def _due(self) -> list[Mark]:
        self._look()
        now = clock.now()
        count = sum(mark.sealed.seal.count for mark in self._waiting)
        if count > self._rule.hot:
            before = now - self._rule.settled
        elif count and _sealed_at(self._waiting[0]) < clock.iso(now - 2 * self._rule.after):
            before = now - self._rule.after
        else:
            return []
        marks: list[Mark] = []
        lines = 0
        for mark in self._waiting:
            lines += mark.sealed.seal.count
            if (marks and lines > self._rule.most) or _sealed_at(mark) >= clock.iso(before):
                break
            marks.append(mark)
        return marks if any(mark.sealed.seal.count for mark in marks) else []

    def _look(self) -> None:
        """Take note of the seals that came since the last look."""
        try:
            for mark, offset in read_marks(self._journal.folder, self._offset):
                self._waiting.append(mark)
                self._offset = offset
        except ValueError as exc:
            raise Unavailable(
                f"The seals of the journal in {self._journal.folder} cannot be read: {exc}",
                mend="Bring the file back from the backup of the appliance.",
            ) from exc
        last, _ = self._archive.end
        while self._waiting and self._waiting[0].sealed.seal.end <= last + 1:
            self._waiting.popleft()

    def _do(self) -> bool:
        self._words.catch_up(stopping=lambda: self.loop.stopping)
        if clock.now() >= self._sweep_at:
            self._sweep_at = clock.now() + _SWEEP_EVERY
            if (swept := self._archive.sweep()) > 0:
                logger.info("archive.swept objects=%d", swept)
        if not self._index.ready:
            return False
        return self.step() is not None or self._erase()

    def _erase(self) -> bool:
        """Erase from one segment, if any is due; return whether there may be more."""
        if self._eraser is None or clock.now() < self._erase_at:
            return False
        if self._eraser.step() is not None:
            return True
        self._erase_at = clock.now() + _ERASE_EVERY
        return False


def _sealed_at(mark: Mark) -> str:
    return mark.sealed.seal.time
