"""All parts of a log over two folders, as the log process has them, for tests."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from mavis_core import clock
from mavis_core.logs import Index, Journal, Quarantine
from mavis_core.logs.archive import Archive
from mavis_core.logs.archiver import Archiver, Rule
from mavis_core.logs.codec import encode
from mavis_core.logs.duckdb_file import EXTRACTS
from mavis_core.logs.hot_words import HotWords
from mavis_core.logs.library import Library
from mavis_core.logs.sealing import Sealer, SealFile, new_key, private_key
from mavis_core.logs.segment_cache import SegmentCache
from mavis_core.logs.segment_reader import SegmentReader
from mavis_core.objects import FolderObjects, ObjectStore
from mavis_core.records import Record

KEY = private_key(new_key())


@dataclass
class Log:
    """All parts of a log, over two folders."""

    journal: Journal
    index: Index
    words: HotWords
    archive: Archive
    archiver: Archiver
    sealer: Sealer
    library: Library
    store: ObjectStore
    reader: SegmentReader

    def add(self, records: Sequence[Record]) -> None:
        self.journal.append([encode(each) for each in records])
        self.index.catch_up(self.journal)
        self.sealer.seal()

    def archive_all(self) -> int:
        """Archive what is sealed; return how many segments it took."""
        later = clock.now() + timedelta(days=2)
        with clock.set_clock(lambda: later):
            taken = 0
            while self.archiver.step() is not None:
                taken += 1
        return taken


def opened(folder: Path, closers: ExitStack, *, most: int = 1000, cache: int = 1 << 30) -> Log:
    """Open the log in `folder`; `closers` closes it."""
    home = folder / "journal"
    quarantine = Quarantine(home / "quarantine")
    store = ObjectStore(FolderObjects(folder / "objects"))
    archive = Archive(home, store, KEY)
    journal = closers.enter_context(closing(Journal(home, quarantine)))
    index = closers.enter_context(
        closing(Index(home / "index.duckdb", quarantine, base=lambda: archive.end))
    )
    words = closers.enter_context(
        closing(HotWords(home / "words.sqlite", journal, lambda: archive.end))
    )
    cached = SegmentCache(folder / "cache", store, cache)
    extracts = home / EXTRACTS
    reader = closers.enter_context(
        closing(SegmentReader(cached, folder / "scratch", extracts=extracts))
    )
    sealer = Sealer(journal, closers.enter_context(closing(SealFile(home, quarantine))), KEY)
    rule = Rule(timedelta(0), hot=0, most=most)
    archiver = Archiver(journal, index, words, archive, rule)
    index.catch_up(journal)
    found = Library(index, words, archive, reader)
    return Log(journal, index, words, archive, archiver, sealer, found, store, reader)
