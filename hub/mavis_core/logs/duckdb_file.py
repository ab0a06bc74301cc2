"""The index's DuckDB file: opening it safely, and telling damage from a full disk."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from mavis_core.errors import Unavailable
from mavis_core.logs.journal import START, Position
from mavis_core.logs.statements import READ_ALL, READ_STATE, SCHEMA

__all__ = ["EXTRACTS", "State", "is_surroundings", "open_file", "stopped_after", "unavailable"]

EXTRACTS = "extracts"
"""The one folder, beside the file, into which its database may write: what SQL is asked of."""

# Words of the operating system that DuckDB passes on: the file is sound, its surroundings are not.
_SURROUNDINGS = (
    "Could not set lock",
    "No space left",
    "Permission denied",
    "Too many open files",
    "Disk quota exceeded",
    "Read-only file system",
    "Cannot allocate memory",
    "File too large",
)


@dataclass(frozen=True, slots=True)
class State:
    """What the index holds.

    Parameters
    ----------
    position
        The place in the journal up to which it has read.
    number
        How many lines of the journal lie before it.
    records
        Records that queries see.
    last_time
        Time of the newest record, None where there is none.
    damaged
        Lines of the journal that were no records.
    """

    position: Position = START
    number: int = 0
    records: int = 0
    last_time: datetime | None = None
    damaged: int = 0


def open_file(path: Path) -> tuple[duckdb.DuckDBPyConnection, State]:
    """Open or make the file at `path`, read all of it so that damage shows now.

    Raises
    ------
    duckdb.Error
        It cannot be opened, or is damaged, or another release made it.
    """
    scratch, extracts = path.with_name("tmp"), path.with_name(EXTRACTS)
    for folder in (scratch, extracts):
        folder.mkdir(exist_ok=True, mode=0o700)
    root = duckdb.connect(
        str(path),
        config={
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "allow_community_extensions": "false",
            "allow_persistent_secrets": "false",
            "memory_limit": "256MB",
            "threads": "2",
            "temp_directory": str(scratch),
            "max_temp_directory_size": "1GB",
        },
    )
    try:
        # One after the other: DuckDB takes the folder only from a database that runs.
        root.execute("SET allowed_directories = [?]", [str(extracts)])
        # A page is larger than DuckDB takes for few: read wide columns of what is on it only.
        root.execute("SET late_materialization_max_rows = 2000")
        root.execute("SET enable_external_access = false")
        root.execute("SET lock_configuration = true")
        path.chmod(0o600)
        return root, _read_state(root)
    except BaseException:
        root.close()
        raise


def _read_state(root: duckdb.DuckDBPyConnection) -> State:
    with root.cursor() as cursor:
        for statement in SCHEMA:
            cursor.execute(statement)
        states = cursor.execute(READ_STATE).fetchall()
        if len(states) != 1:
            raise duckdb.DataError("made by another release")
        file, offset, number, damaged = states[0]
        records, last, _ = cursor.execute(READ_ALL).fetchall()[0]
    last = last and last.replace(tzinfo=UTC)
    return State(Position(file, offset), number, records, last, damaged)


@contextmanager
def stopped_after(cursor: duckdb.DuckDBPyConnection, seconds: float) -> Iterator[None]:
    """Stop what `cursor` does when the block has taken longer than `seconds`.

    Raises
    ------
    Unavailable
        It has.
    """
    timer = threading.Timer(max(0.0, seconds), cursor.interrupt)
    timer.start()
    try:
        yield
    except duckdb.InterruptException as exc:
        raise Unavailable(
            f"The query took longer than {seconds:g} s",
            mend="Narrow it: a shorter time, a project, a person.",
        ) from exc
    finally:
        timer.cancel()


def is_surroundings(error: duckdb.Error) -> bool:
    """Return whether `error` comes from memory, disk space or rights, not from the file."""
    text = str(error)
    return isinstance(error, duckdb.OutOfMemoryException) or any(
        words in text for words in _SURROUNDINGS
    )


def unavailable(path: Path, error: duckdb.Error) -> Unavailable:
    """Return our error for `error` of the file at `path`."""
    return Unavailable(
        f"The log's index {path} does not answer: {str(error).splitlines()[0]}",
        mend="Check disk space and `mavisctl doctor`; the index mends itself from the journal.",
        retry_after_s=2,
    )
