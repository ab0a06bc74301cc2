"""Reads the archive again and again, so that damage is known while a copy of it can still be had.

*Scrub*: every object of a segment is read and compared with the digest that the signed catalogue
has of it; one segment at a time, the whole archive in a turn. What is found is recorded once, and
told by the process's health until a later turn finds it mended. A process that begins again goes on
where the one before it was.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from mavis_core import clock
from mavis_core.errors import Damaged, NotFound
from mavis_core.folders import write_whole
from mavis_core.ids import new_id
from mavis_core.logs.archive import Archive
from mavis_core.logs.loop import Loop
from mavis_core.logs.manifests import Part, Segment
from mavis_core.objects import ObjectStore
from mavis_core.records.model import Kind, Outcome, Phase, Record

__all__ = ["Scrubber"]

logger = logging.getLogger(__name__)

_NAME = "scrub.json"
_PAUSE_S = 10.0
_CHUNK_BYTES = 1 << 20
_WHO = "mavis-logs"
_GONE, _OTHER = "it is not there", "its bytes are not those that were archived"
_MEND = "Bring the object back from a copy of the object store."


@dataclass
class _State:
    """How far it is.

    Parameters
    ----------
    after
        The last line of the segment that was read last in this turn.
    ended
        When the last whole turn was over; empty before the first.
    damaged
        What is wrong, by key.
    """

    after: int = 0
    ended: str = ""
    damaged: dict[str, str] = field(default_factory=dict)


class Scrubber:
    """Reads the archive. One thread calls `step`; any thread reads `damage`.

    Parameters
    ----------
    archive, store
        Which segments there are, and their objects.
    folder
        The journal's: it remembers there how far it is.
    every
        From the end of a turn to the begin of the next.
    report
        Puts records into the log; returns when they are durable.
    """

    def __init__(
        self,
        archive: Archive,
        store: ObjectStore,
        folder: Path,
        *,
        every: timedelta,
        report: Callable[[Sequence[Record]], None],
    ) -> None:
        self._archive, self._store, self._path = archive, store, folder / _NAME
        self._every, self._report = every, report
        self._state = _read(self._path)
        self.loop = Loop("log-scrubber", self._do, every_s=_PAUSE_S)
        """Does it, once it is started."""

    @property
    def damage(self) -> str | None:
        """What is damaged, in a sentence; None where nothing is known to be."""
        damaged = dict(self._state.damaged)
        if not damaged:
            return None
        key, found = next(iter(damaged.items()))
        more = f", and {len(damaged) - 1} more" if len(damaged) > 1 else ""
        return f"The archive of the log is damaged: {key}: {found}{more}"

    @property
    def ended_at(self) -> datetime | None:
        """When the last whole turn was over; None before the first."""
        return clock.parse(self._state.ended) if self._state.ended else None

    def step(self) -> Segment | None:
        """Read the next segment and return it; None where no turn is due, or one is over.

        Raises
        ------
        Unavailable
            The store or the journal does not answer; the same segment comes again.
        """
        state = self._state
        if state.after == 0 and self.ended_at and clock.now() < self.ended_at + self._every:
            return None
        left = [each for each in self._archive.segments if each.last > state.after]
        if not left:
            known = {key for each in self._archive.segments for key in _keys(each)}
            damaged = {key: found for key, found in state.damaged.items() if key in known}
            self._keep(_State(0, clock.iso(clock.now()), damaged))
            return None
        segment = left[0]
        found = dict(self._found(segment))
        if segment not in self._archive.segments:  # written anew, or merged, meanwhile
            return segment
        fresh = [key for key in found if key not in state.damaged]
        if fresh:
            self._report([_record(segment, key, found[key]) for key in fresh])
        others = {k: it for k, it in state.damaged.items() if k not in _keys(segment)}
        self._keep(_State(segment.last, state.ended, others | found))
        return segment

    def _found(self, segment: Segment) -> Iterator[tuple[str, str]]:
        for part in (segment.records, segment.words):
            if (fault := self._fault(part)) is not None:
                yield part.key, fault
        try:
            self._store.read(segment.manifest_key)
        except NotFound:
            yield segment.manifest_key, _GONE
        except Damaged:
            yield segment.manifest_key, _OTHER

    def _fault(self, part: Part) -> str | None:
        digest = hashlib.sha256()
        try:
            with self._store.open(part.key) as file:
                while chunk := file.read(_CHUNK_BYTES):
                    digest.update(chunk)
        except NotFound:
            return _GONE
        return None if digest.hexdigest() == part.sha256 else _OTHER

    def _keep(self, state: _State) -> None:
        write_whole(self._path, json.dumps(asdict(state)).encode("ascii"))
        self._state = state

    def _do(self) -> bool:
        if (segment := self.step()) is not None:
            logger.info("archive.scrubbed first=%d", segment.first)
        return False


def _read(path: Path) -> _State:
    try:
        return _State(**json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError):  # it is made anew by the next turn
        return _State()


def _keys(segment: Segment) -> tuple[str, ...]:
    return segment.records.key, segment.words.key, segment.manifest_key


def _record(segment: Segment, key: str, found: str) -> Record:
    return Record(
        kind=Kind.AUDIT,
        phase=Phase.EVENT,
        outcome=Outcome.FAILED,
        action="log.damage",
        person=_WHO,
        object=key,
        summary=f"The archive's records {segment.first} to {segment.last} are damaged: {found}",
        error_code="damaged",
        correlation_id=new_id("cor"),
        source=_WHO,
        data={"mend": _MEND},
    )
