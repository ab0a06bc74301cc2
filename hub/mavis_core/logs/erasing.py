"""Erases records whose period is over, segment by segment; what is on hold stays.

*Over*: before the cut-off of its class and project (`mavis_core.logs.retention`), and on no hold.
Only the archive is erased from: `rule_of` sees to it that a record is there when its period ends.
Of a line that is no record nobody knows the class; it goes with the last record of its segment.

Each erasing leaves two records in the log of each project that it is about: before, and after. They
are the same ones however often a process that was killed begins again.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from mavis_core import clock
from mavis_core.errors import Damaged, NotFound, Unavailable
from mavis_core.ids import id_of
from mavis_core.logs.archive import Archive
from mavis_core.logs.holds import RecordHold
from mavis_core.logs.manifests import Segment
from mavis_core.logs.retention import CLASS, CutOff, RecordClass, Retention
from mavis_core.logs.segment_reader import SegmentReader
from mavis_core.logs.statements import Condition
from mavis_core.records.model import Kind, Outcome, Phase, Record

__all__ = ["Eraser", "Over", "over_in"]

logger = logging.getLogger(__name__)

_WHO = "mavis-logs"
_Counts = Mapping[tuple[str | None, RecordClass], int]


@dataclass(frozen=True, slots=True)
class Over:
    """What of a segment is over its period.

    Parameters
    ----------
    condition
        Holds for its lines.
    records
        How many there are, by project and class.
    odd
        Whether lines that are no records go, too.
    cut_offs
        What says so.
    """

    segment: Segment
    condition: Condition
    records: _Counts
    odd: bool
    cut_offs: tuple[CutOff, ...]


def over_in(
    segment: Segment,
    retention: Retention,
    holds: Sequence[RecordHold],
    reader: SegmentReader,
    now: datetime,
) -> Over | None:
    """Return what of `segment` is over its period at `now`; None where nothing is.

    Raises
    ------
    Damaged, NotFound, Unavailable
        The segment cannot be read.
    """
    cut_offs = retention.cut_offs(now)
    touched = tuple(cut for cut in cut_offs if _touches(cut, segment))
    records: _Counts = {}
    wanted = _any(each.condition for each in touched)
    if holds:
        held = _any(each.condition for each in holds)
        kept = f"NOT coalesce({held.text}, false)"
        wanted = Condition(f"({wanted.text} AND {kept})", (*wanted.values, *held.values))
    if touched:
        with reader.relation(segment) as (cursor, relation):
            asked = f"SELECT project, {CLASS}, count(*) FROM {relation} WHERE {wanted.text}"  # noqa: S608 - conditions are of our modules
            rows = cursor.execute(f"{asked} GROUP BY ALL ORDER BY ALL", wanted.values).fetchall()
        records = {(project, RecordClass(name)): count for project, name, count in rows}
    odd = _odd_are_over(segment, sum(records.values()), cut_offs)
    if not records and not odd:
        return None
    text = f"((sound AND {wanted.text}) OR (NOT sound AND {str(odd).lower()}))"
    return Over(segment, Condition(text, wanted.values), records, odd, touched)


def _touches(cut: CutOff, segment: Segment) -> bool:
    return any(
        span.kind == cut.kind and span.since < cut.before and cut.holds_for(span.project)
        for span in segment.all_spans
    )


def _odd_are_over(segment: Segment, going: int, cut_offs: Sequence[CutOff]) -> bool:
    """Return whether the lines that are no records go: with the last record that may go."""
    general = {cut.kind: cut.before for cut in cut_offs if cut.project is None}
    if segment.count == segment.kept + segment.erased or set(general) != set(RecordClass):
        return False
    if not going and not segment.erased:  # there never was a record
        return not segment.kept and segment.made_at < min(general.values())
    return going == segment.kept


def _any(conditions: Iterable[Condition]) -> Condition:
    found = list(conditions)
    text = " OR ".join(f"({each.text})" for each in found) or "false"
    return Condition(f"({text})", tuple(value for each in found for value in each.values))


class Eraser:
    """Erases what is over its period. One thread calls it: the archive's.

    Parameters
    ----------
    archive, reader
        What it works on.
    retention
        The periods.
    holds
        Returns the holds that stand.
    report
        Puts records into the log; returns when they are durable.
    """

    def __init__(
        self,
        archive: Archive,
        reader: SegmentReader,
        retention: Retention,
        holds: Callable[[], Sequence[RecordHold]],
        report: Callable[[Sequence[Record]], None],
    ) -> None:
        self._archive, self._reader, self._retention = archive, reader, retention
        self._holds, self._report = holds, report
        self._looked: set[tuple[object, ...]] = set()

    def step(self) -> Segment | None:
        """Erase from one segment; return the new one, or None where nothing is over.

        Raises
        ------
        Unavailable
            The database, the store or the journal does not answer. Nothing is half done.
        Damaged, NotFound
            A segment is not as it was archived. Others were erased from.
        """
        if not self._retention.cut_offs(clock.now()):
            return None
        failure: Exception | None = None
        holds = tuple(self._holds())
        for segment in self._archive.segments:
            try:
                if (over := self._over_in(segment, holds)) is not None:
                    return self._erase(over, holds)
            except (Damaged, NotFound) as exc:
                failure = failure or exc
        self._reader.keep_only(self._archive.segments)
        if failure is not None:
            raise failure
        return None

    def _over_in(self, segment: Segment, holds: tuple[RecordHold, ...]) -> Over | None:
        now = clock.now()
        looked = (segment.records.sha256, self._retention.cut_offs(now), holds)
        if looked in self._looked or self._archive.locked(segment):
            return None
        over = over_in(segment, self._retention, holds, self._reader, now)
        if over is None:
            self._looked.add(looked)
        return over

    def _erase(self, over: Over, holds: tuple[RecordHold, ...]) -> Segment:
        self._report([*_records(over, Phase.INTENT)])
        if tuple(self._holds()) != holds:
            raise Unavailable("A hold was placed meanwhile; it is looked again", retry_after_s=1)
        segment = self._archive.erase(over.segment, over.condition)
        self._report([*_records(over, Phase.OUTCOME)])
        self._looked.clear()
        total = sum(over.records.values())
        logger.info("archive.erased first=%d records=%d", segment.first, total)
        return segment


def _records(over: Over, phase: Phase) -> Iterator[Record]:
    """Yield the records of an erasing, one for each project."""
    segment = over.segment
    lines = f"{segment.first} to {segment.last}"
    for project in dict.fromkeys(name for name, _ in over.records) or [None]:
        counts = {str(kind): n for (name, kind), n in over.records.items() if name == project}
        told = ", ".join(f"{count} {kind}" for kind, count in counts.items()) or "none"
        before = {
            str(cut.kind): clock.iso(cut.before)
            for cut in over.cut_offs
            if str(cut.kind) in counts and cut.holds_for(project)
        }
        is_done = phase == Phase.OUTCOME
        story = hashlib.sha256(repr((segment.records.sha256, project, before)).encode()).digest()
        at = segment.made_at
        yield Record(
            kind=Kind.AUDIT,
            phase=phase,
            outcome=Outcome.OK if is_done else None,
            action="record.erase",
            project=project,
            person=_WHO,
            object=f"records {lines}",
            summary=f"Records {'were' if is_done else 'are to be'} erased, their period being over,"
            f" from {lines}: {told}",
            correlation_id=id_of("cor", at, story),
            source=_WHO,
            data={"erased": counts, "before": before, "odd_lines": over.odd},
            id=id_of("rec", at, hashlib.sha256(story + phase.encode()).digest()),
        )
