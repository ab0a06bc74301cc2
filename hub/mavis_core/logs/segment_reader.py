"""Questions to segments, by a DuckDB in memory that can read their files and nothing else.

It writes into one folder, where it has one: what SQL is asked of (`mavis_core.logs.extract`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from mavis_core.errors import Damaged, Unavailable
from mavis_core.logs.manifests import Segment
from mavis_core.logs.segment_cache import SegmentCache
from mavis_core.logs.words import WordFile

__all__ = ["COLD_WORDS", "SegmentReader"]

# The text that `q` looks in, as the index keeps it.
COLD_WORDS = "lower(concat_ws(chr(10), summary, object, person, action, data))"
# Lines of an older release do not say who says so.
_RECORDS = (
    "(SELECT * REPLACE (coalesce(origin, 'observed') AS origin)"
    " FROM read_parquet('{path}') WHERE sound)"
)


class SegmentReader:
    """Asks segments. Any thread may call it; close it at the end.

    Parameters
    ----------
    cache
        Has their files.
    scratch
        A folder for what does not fit into memory.
    extracts
        The folder that it may write into; None: none.
    """

    def __init__(self, cache: SegmentCache, scratch: Path, *, extracts: Path | None = None) -> None:
        self._cache = cache
        self._root = duckdb.connect(
            config={
                "threads": "2",
                "memory_limit": "512MB",
                "temp_directory": str(scratch),
                "autoinstall_known_extensions": "false",
                "autoload_known_extensions": "false",
            }
        )
        self._root.execute("SET parquet_metadata_cache = true")
        allowed = [str(folder) for folder in (cache.folder, extracts) if folder is not None]
        self._root.execute("SET allowed_directories = ?::VARCHAR[]", [allowed])
        self._root.execute("SET enable_external_access = false")
        self._root.execute("SET lock_configuration = true")

    @contextmanager
    def relation(self, segment: Segment) -> Iterator[tuple[duckdb.DuckDBPyConnection, str]]:
        """Give the block a cursor, and the SQL that stands for the records of `segment` there.

        Raises
        ------
        Damaged
            The file cannot be read, or is not as it was stored.
        Unavailable
            The store does not answer.
        """
        with self._cache.file(segment.records) as path:
            try:
                with self.cursor() as cursor:
                    yield cursor, _RECORDS.format(path=str(path).replace("'", "''"))
            except duckdb.InterruptException:
                raise
            except duckdb.Error as exc:
                raise Damaged(
                    f"The segment {segment.records.key} cannot be read: {str(exc).splitlines()[0]}"
                ) from exc

    @contextmanager
    def cursor(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Give the block a cursor, for files in the folder that it may write into.

        Raises
        ------
        Unavailable
            Memory or disk do not suffice.
        """
        with self._root.cursor() as cursor:
            try:
                yield cursor
            except duckdb.OutOfMemoryException as exc:
                raise Unavailable(
                    "The question needs more memory than it may have", mend="Narrow it."
                ) from exc

    def numbers(self, segment: Segment, asked: str, first: int, last: int, limit: int) -> list[int]:
        """Return the numbers of lines of `segment` that hold `asked`; see `WordFile.numbers`."""
        with self._cache.file(segment.words) as path:
            return WordFile(path).numbers(asked, first=first, last=last, limit=limit)

    def keep_only(self, segments: Iterable[Segment]) -> None:
        """Throw away copies of what is in none of `segments`."""
        self._cache.keep_only(part for each in segments for part in (each.records, each.words))

    def close(self) -> None:
        """End it."""
        self._root.close()
