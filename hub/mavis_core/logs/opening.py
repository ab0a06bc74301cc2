"""Opens all parts of the log, over the files of one appliance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mavis_core.config import Config
from mavis_core.logs.archive import Archive
from mavis_core.logs.archiver import Archiver, Rule
from mavis_core.logs.duckdb_file import EXTRACTS
from mavis_core.logs.erasing import Eraser
from mavis_core.logs.holds import RecordHold
from mavis_core.logs.hot_words import HotWords
from mavis_core.logs.index import Index
from mavis_core.logs.journal import Journal, Position
from mavis_core.logs.library import Library
from mavis_core.logs.quarantine import Quarantine
from mavis_core.logs.retention import RecordClass, Retention, parse_exceptions
from mavis_core.logs.sealing import Sealer, SealFile
from mavis_core.logs.segment_cache import SegmentCache
from mavis_core.logs.segment_reader import SegmentReader
from mavis_core.objects import Lock, ObjectStore, Settings, open_store
from mavis_core.records.model import Record

__all__ = [
    "Keeping",
    "Log",
    "anchor_stores",
    "archive_store",
    "open_log",
    "retention_of",
    "rule_of",
]


def archive_store(config: Config) -> ObjectStore:
    """Return the object store, confined to the log's archive.

    Raises
    ------
    Unavailable
        The account of the bucket cannot be read.
    """
    settings = Settings(
        folder=config.objects_folder,
        url=config.objects.url,
        endpoint_url=config.objects.endpoint_url,
        region=config.objects.region,
        account_file=config.secret_file("logs", "objects-account"),
        lock=Lock(config.objects.lock),
    )
    return open_store(settings, "logs")


def anchor_stores(config: Config) -> list[ObjectStore]:
    """Return the stores that have copies of the log's seals: those that are not of this machine.

    Raises
    ------
    Unavailable
        The account of a bucket cannot be read.
    """
    stores = [archive_store(config)] if config.objects.url else []
    if config.objects.anchors_url:
        settings = Settings(
            folder=config.objects_folder / "anchors",
            url=config.objects.anchors_url,
            endpoint_url=config.objects.endpoint_url,
            region=config.objects.region,
            account_file=config.secret_file("logs", "anchors-account"),
            lock=Lock(config.objects.lock),
        )
        stores.append(open_store(settings, "logs"))
    return stores


@dataclass(frozen=True, slots=True)
class Keeping:
    """How long records are kept; see `mavis_core.logs.erasing.Eraser`."""

    retention: Retention
    holds: Callable[[], Sequence[RecordHold]]
    report: Callable[[Sequence[Record]], None]


@dataclass(frozen=True, slots=True)
class Log:
    """The parts of a log, open. They are named after their modules."""

    journal: Journal
    index: Index
    words: HotWords
    archive: Archive
    archiver: Archiver
    library: Library
    sealer: Sealer
    quarantine: Quarantine


def open_log(
    folder: Path,
    store: ObjectStore,
    key: Ed25519PrivateKey,
    closers: ExitStack,
    *,
    rule: Rule,
    cache_bytes: int,
    keep: timedelta = timedelta(0),
    keeping: Keeping | None = None,
) -> Log:
    """Open the log in `folder`; `closers` closes it.

    Parameters
    ----------
    store
        For the archive.
    key
        Signs.
    rule
        When records are archived.
    cache_bytes, keep
        See `SegmentCache` and `Archive`.
    keeping
        What is erased; None: nothing.

    Raises
    ------
    Conflict
        Another process has it open.
    Damaged
        The archive's catalogue is not as it was written.
    Unavailable
        The disk is full, or a store that is needed does not answer.
    """
    quarantine = Quarantine(folder / "quarantine")
    journal = closers.enter_context(closing(Journal(folder, quarantine)))
    archive = Archive(folder, store, key, keep=keep)

    def base() -> tuple[int, Position]:
        return archive.end

    path = folder / "index.duckdb"
    index = closers.enter_context(closing(Index(path, quarantine, base=base)))
    words = closers.enter_context(closing(HotWords(folder / "words.sqlite", journal, base)))
    cache = SegmentCache(folder / "cache", store, cache_bytes)
    reader = closers.enter_context(
        closing(SegmentReader(cache, folder / "tmp", extracts=folder / EXTRACTS))
    )
    eraser = None
    if keeping is not None:
        eraser = Eraser(archive, reader, keeping.retention, keeping.holds, keeping.report)
    return Log(
        journal=journal,
        index=index,
        words=words,
        archive=archive,
        archiver=Archiver(journal, index, words, archive, rule, eraser),
        library=Library(index, words, archive, reader),
        sealer=Sealer(journal, closers.enter_context(closing(SealFile(folder, quarantine))), key),
        quarantine=quarantine,
    )


def retention_of(config: Config) -> Retention:
    """Return how long records are kept, by the settings.

    Raises
    ------
    InvalidInput
        The periods of single projects are none.
    """
    logs = config.logs
    days = {
        RecordClass.AUDIT: logs.keep_audit_days,
        RecordClass.OPERATION: logs.keep_operation_days,
        RecordClass.REPORTED: logs.keep_reported_days,
    }
    return Retention(days, parse_exceptions(logs.keep_projects))


def rule_of(config: Config) -> Rule:
    """Return when records are archived, by the settings.

    They are in the archive when the shortest period is over: what is erased is erased there.
    """
    logs = config.logs
    after = timedelta(days=logs.archive_after_days)
    shortest = retention_of(config).shortest
    if shortest is not None:
        after = min(after, shortest / 2)  # they move when they are twice as old, at the latest
    return Rule(after, hot=logs.hot_records, most=logs.segment_records)
