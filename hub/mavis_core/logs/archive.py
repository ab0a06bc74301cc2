"""The archive: what is older, moved from the journal into segments in the object store.

A segment takes whole stretches, and only what is as it was sealed. Its objects come first, then its
manifest, then its line in the *catalogue*, ``segments.jsonl`` beside the journal: from then on it
answers questions, and the journal and the index may forget its lines. A crash before that leaves
objects that nobody knows; `Archive.sweep` removes them once their lines lie in another segment. The
catalogue follows from the manifests, and is made from them where it is missing.

What is erased from a segment is left out of a new one in its place, made in the same order; the
objects before are swept.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from mavis_core import clock
from mavis_core.errors import Damaged, NotFound
from mavis_core.folders import private_folder, write_whole
from mavis_core.ids import new_id
from mavis_core.logs.evidence import root
from mavis_core.logs.journal import START, Journal, Position
from mavis_core.logs.manifests import MANIFEST, Erasure, Part, Segment
from mavis_core.logs.sealing import Mark
from mavis_core.logs.segments import Contents, Line, SegmentFile, erase_lines, write_segment
from mavis_core.logs.statements import Condition
from mavis_core.logs.words import text_of, write_words
from mavis_core.objects import ObjectStore

__all__ = ["CATALOGUE", "Archive", "archived_lines", "read_catalogue"]

CATALOGUE = "segments.jsonl"
_SEGMENTS = "segments/"
_SCRATCH = "archiving-"
_FOLDER = re.compile(r"/\d{12}-(\d{12})-seg_\w+/\Z")
_UNKNOWN = 1 << 62  # of what is none of ours nothing is removed
_ORPHANS_AFTER = timedelta(days=2)


def read_catalogue(folder: Path, key: Ed25519PublicKey) -> tuple[Segment, ...]:
    """Return the segments that the catalogue beside the journal in `folder` names, in order.

    Raises
    ------
    Damaged
        A line is not as it was signed, or one is missing between two.
    """
    try:
        lines = (folder / CATALOGUE).read_bytes().splitlines()
    except FileNotFoundError:
        return ()
    return _in_order([Segment.from_line(line, key) for line in lines])


class Archive:
    """The segments of one journal. One thread changes it; any thread reads `segments`.

    Parameters
    ----------
    folder
        The journal's.
    store
        Where segments lie.
    key
        Signs manifests; the one that signs seals.
    keep
        How long the store must keep a segment; zero: no promise.

    Raises
    ------
    Damaged
        The catalogue is not as it was written; without the file it is made anew from manifests.
    Unavailable
        There is no catalogue, and the store does not answer.
    """

    def __init__(
        self,
        folder: Path,
        store: ObjectStore,
        key: Ed25519PrivateKey,
        *,
        keep: timedelta = timedelta(0),
    ) -> None:
        self._folder, self._store, self._key, self._keep = folder, store, key, keep
        private_folder(folder)
        for left in folder.glob(f"{_SCRATCH}*"):  # by a process that was killed
            shutil.rmtree(left, ignore_errors=True)
        self.segments: tuple[Segment, ...] = ()
        if (folder / CATALOGUE).exists():
            self.segments = read_catalogue(folder, key.public_key())
        else:
            self.rebuild()

    @property
    def end(self) -> tuple[int, Position]:
        """The number of the last line in the archive, and the place after it in the journal."""
        if not self.segments:
            return 0, START
        return self.segments[-1].last, self.segments[-1].place

    def take(self, journal: Journal, marks: Sequence[Mark]) -> Segment:
        """Make a segment of the stretches of `marks`, which follow what is in the archive.

        Raises
        ------
        Damaged
            The journal's lines are not as they were sealed. Nothing is archived then.
        Unavailable
            The disk is full, or the store does not answer. Nothing is lost; try again.
        """
        last, place = self.end
        count = sum(mark.sealed.seal.count for mark in marks)
        if not count or marks[0].sealed.seal.first != last + 1:
            raise ValueError("stretches with lines, from the end of the archive on")

        def lines() -> Iterator[bytes]:
            return (line.payload or b"" for line in islice(journal.read(place), count))

        with tempfile.TemporaryDirectory(prefix=_SCRATCH, dir=self._folder) as name:
            scratch = Path(name)
            records, words = scratch / "records.parquet", scratch / "words.sqlite"
            contents = write_segment(lines(), records, first=last + 1, scratch=scratch)
            _compare(contents, marks)
            write_words(((at, text_of(it)) for at, it in enumerate(lines(), last + 1)), words)
            folder = _new_folder(last + 1, count)
            segment = Segment(
                first=contents.first,
                count=contents.count,
                place=marks[-1].place,
                root=root(contents.leaves).hex(),
                seals=(marks[0].sealed.seal.number, marks[-1].sealed.seal.number),
                all_spans=contents.spans,
                odd=contents.odd,
                erased=contents.erased,
                made_at=clock.now(),
                records=self._put(folder, records, self._until),
                words=self._put(folder, words, self._until),
            )
        self._sign(segment, self._until)
        self._write((*self.segments, segment))
        return segment

    def erase(self, segment: Segment, over: Condition) -> Segment:
        """Put a new segment in the place of `segment`, without the records that `over` holds for.

        The old objects are there until they are swept. No lock is put on the new ones: the time of
        the old one's was over.

        Raises
        ------
        Damaged, NotFound
            The segment is not as it was archived, or not there. It stays as it is.
        Unavailable
            The disk is full, or the store does not answer. The segment stays as it is.
        """
        with tempfile.TemporaryDirectory(prefix=_SCRATCH, dir=self._folder) as name:
            scratch = Path(name)
            before, records = scratch / "before.parquet", scratch / "records.parquet"
            self._store.fetch(segment.records.key, before)
            source, now = SegmentFile(before, scratch), clock.now()
            contents, gone = erase_lines(source, records, over, first=segment.first)
            if (contents.count, root(contents.leaves).hex()) != (segment.count, segment.root):
                raise Damaged(f"The segment {segment.records.key} is not as it was archived")
            words = scratch / "words.sqlite"
            left = SegmentFile(records, scratch).lines()
            write_words(((at, text_of(it)) for at, it in left if isinstance(it, bytes)), words)
            folder = _new_folder(segment.first, segment.count)
            erased = (Erasure(now, it.project, it.kind, it.count) for it in gone)
            fresh = replace(
                segment,
                all_spans=contents.spans,
                odd=contents.odd,
                erased=contents.erased,
                made_at=now,
                records=self._put(folder, records),
                words=self._put(folder, words),
                erasures=(*segment.erasures, *erased),
            )
        self._sign(fresh)
        self._write(tuple(fresh if each == segment else each for each in self.segments))
        return fresh

    def locked(self, segment: Segment) -> bool:
        """Return whether the store was told to keep `segment` as it is, and for longer than now.

        Raises
        ------
        NotFound
            It is not there.
        """
        until = self._store.stat(segment.records.key).keep_until
        return until is not None and clock.now() < until

    def rebuild(self) -> int:
        """Make the catalogue from the manifests in the store; return how many segments it has.

        Raises
        ------
        Damaged
            A manifest is not as it was signed, or a segment between two others is missing.
        """
        public = self._key.public_key()
        found = [
            Segment.from_line(self._store.read(key), public)
            for key in self._store.keys(_SEGMENTS)
            if key.endswith(f"/{MANIFEST}")
        ]
        self._write(_in_order(_widest(found)))
        return len(self.segments)

    def sweep(self) -> int:
        """Remove what archiving that a crash ended has left in the store; return how much."""
        known = {segment.folder for segment in self.segments}
        before, removed = clock.now() - _ORPHANS_AFTER, 0
        for key in list(self._store.keys(_SEGMENTS)):
            folder = key.rpartition("/")[0] + "/"
            if folder in known or _last(folder) > self.end[0]:
                continue
            try:
                stored = self._store.stat(key)
            except NotFound:
                continue
            locked = stored.keep_until is not None and clock.now() < stored.keep_until
            if stored.stored_at < before and not locked:
                self._store.remove(key)
                removed += 1
        return removed + self._store.sweep()

    @property
    def _until(self) -> datetime | None:
        return clock.now() + self._keep if self._keep else None

    def _put(self, folder: str, path: Path, until: datetime | None = None) -> Part:
        stored = self._store.put_file(folder + path.name, path, keep_until=until)
        return Part(stored.key, stored.size_bytes, stored.sha256)

    def _sign(self, segment: Segment, until: datetime | None = None) -> None:
        line = segment.to_line(self._key)
        self._store.put_bytes(segment.manifest_key, line, keep_until=until)

    def _write(self, segments: tuple[Segment, ...]) -> None:
        """Write the catalogue anew, all or nothing."""
        lines = b"".join(segment.to_line(self._key) for segment in segments)
        write_whole(self._folder / CATALOGUE, lines)
        self.segments = segments


def archived_lines(
    store: ObjectStore, segments: Sequence[Segment], scratch: Path
) -> Iterator[tuple[int, Line]]:
    """Yield the lines of `segments` with their numbers, as they were in the journal.

    Raises
    ------
    Damaged
        An object is not as it was stored.
    NotFound
        An object is not there.
    """
    for segment in segments:
        path = scratch / f"{segment.records.sha256}.parquet"
        store.fetch(segment.records.key, path)
        try:
            yield from SegmentFile(path, scratch).lines()
        finally:
            path.unlink(missing_ok=True)


def _new_folder(first: int, count: int) -> str:
    return f"{_SEGMENTS}{first:012d}-{first + count - 1:012d}-{new_id('seg')}/"


def _last(folder: str) -> int:
    """Return the number of the last line of the segment whose objects are in `folder`."""
    found = _FOLDER.search(folder)
    return int(found[1]) if found else _UNKNOWN


def _compare(contents: Contents, marks: Sequence[Mark]) -> None:
    """Refuse lines that are not as `marks` say."""
    at = 0
    for seal in (mark.sealed.seal for mark in marks):
        stretch = contents.leaves[at : at + seal.count]
        if len(stretch) != seal.count or root(stretch).hex() != seal.root:
            raise Damaged(
                f"The journal is not as it was sealed on {seal.time}: records {seal.first} to"
                f" {seal.end - 1}; it is not archived",
                mend="`mavisctl audit verify` names what was altered; bring the journal back from"
                " the backup of the appliance.",
            )
        at += seal.count


def _widest(segments: Sequence[Segment]) -> list[Segment]:
    """Leave out what another segment has whole: more was erased from it, so it is the newer."""
    ordered = sorted(segments, key=lambda it: (it.first, -it.count, -it.erased))
    kept: list[Segment] = []
    for segment in ordered:
        if not kept or segment.last > kept[-1].last:
            kept.append(segment)
    return kept


def _in_order(segments: Sequence[Segment]) -> tuple[Segment, ...]:
    """Return `segments`, of which each must begin where the one before ends."""
    wanted = 1
    for segment in segments:
        if segment.first != wanted:
            raise Damaged(
                f"The log's archive has no records {wanted} to {segment.first - 1}",
                mend="Bring the object store back from its copy, then `mavisctl audit rebuild`.",
            )
        wanted = segment.last + 1
    return tuple(segments)
