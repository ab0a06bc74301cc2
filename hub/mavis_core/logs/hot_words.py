"""The words of what is not archived yet: an index like a segment's, which follows the journal.

It can be thrown away: a file that cannot be read, that knows another journal, or that is older than
the machine's last start (it is not durable) is made anew. What the archive takes stays in it until
there is more of that than of the rest; whoever asks names the first line that counts.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable
from contextlib import suppress
from itertools import islice
from pathlib import Path

from mavis_core.errors import Unavailable
from mavis_core.logs.journal import START, Journal, Position
from mavis_core.logs.words import TABLE, numbers_of, text_of

__all__ = ["HotWords"]

logger = logging.getLogger(__name__)

_BATCH = 5000
_STATE = "CREATE TABLE state (file TEXT, position INT, number INT, first INT, boot TEXT)"
_LEAST = 100_000  # lines that are not worth a new file


class HotWords:
    """The words of a journal's lines. Any thread may call it.

    Parameters
    ----------
    path
        The file; made on demand.
    journal
        What it follows. It stays open; who made it closes it after this.
    base
        Says where the archive ends: the number of its last line, and the place after it.
    """

    def __init__(
        self, path: Path, journal: Journal, base: Callable[[], tuple[int, Position]]
    ) -> None:
        self._path, self._journal, self._base = path, journal, base
        self._lock = threading.Lock()
        self._database: sqlite3.Connection | None = None
        self._place, self._number, self._first = START, 0, 1

    def catch_up(self, *, stopping: Callable[[], bool] = lambda: False) -> None:
        """Take in what the journal has more, until its end or until `stopping` says so.

        Raises
        ------
        Unavailable
            The disk is full.
        """
        with self._lock:
            self._catch_up(stopping)

    def numbers(self, asked: str, first: int, last: int, limit: int) -> list[int]:
        """Return the numbers of up to `limit` lines between two that hold `asked`, the last first.

        Raises
        ------
        InvalidInput
            There is no word in `asked`.
        Unavailable
            The disk is full, or the file was damaged: it is made anew.
        """
        with self._lock:
            database = self._catch_up(lambda: False)
            try:
                return numbers_of(database, asked, first, last, limit)
            except sqlite3.Error as exc:
                self._throw_away()
                raise self._unavailable(exc) from exc

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._database is not None:
                self._database.close()
                self._database = None

    def _catch_up(self, stopping: Callable[[], bool]) -> sqlite3.Connection:
        try:
            database = self._opened()
            lines = self._journal.read(self._place)
            while batch := list(islice(lines, _BATCH)):
                first = self._number + 1
                with database:
                    database.executemany(
                        "INSERT INTO words(rowid, text) VALUES (?, ?)",
                        ((at, text_of(it.payload or b"")) for at, it in enumerate(batch, first)),
                    )
                    place, number = batch[-1].end, self._number + len(batch)
                    database.execute(
                        "UPDATE state SET file = ?, position = ?, number = ?",
                        (place.file, place.offset, number),
                    )
                self._place, self._number = place, number
                if stopping():
                    break
        except sqlite3.Error as exc:
            self._throw_away()
            raise self._unavailable(exc) from exc
        return database

    def _opened(self) -> sqlite3.Connection:
        """Return the file, which knows lines from the archive's end on."""
        number, place = self._base()
        if self._database is None:
            try:
                self._read()
            except sqlite3.DatabaseError as exc:
                logger.warning("words.unreadable path=%s error=%s", self._path, exc)
                self._throw_away()
        stale = number - self._first + 1 > max(_LEAST, self._number - number)
        if self._database is None or self._number < number or stale:
            return self._make(number, place)
        if not self._journal.covers(self._place):
            logger.error("words.ahead_of_journal place=%s", self._place)
            return self._make(number, place)
        return self._database

    def _read(self) -> None:
        if not self._path.exists():
            return
        database = self._connected()
        try:
            rows = database.execute("SELECT * FROM state").fetchall()
        except BaseException:
            database.close()
            raise
        if len(rows) != 1 or rows[0][-1] != _boot():
            database.close()
            return
        self._database = database
        file, offset, self._number, self._first, _ = rows[0]
        self._place = Position(file, offset)

    def _make(self, number: int, place: Position) -> sqlite3.Connection:
        self._throw_away()
        database = self._connected()
        with database:
            database.execute(TABLE)
            database.execute(_STATE)
            database.execute(
                "INSERT INTO state VALUES (?, ?, ?, ?, ?)",
                (place.file, place.offset, number, number + 1, _boot()),
            )
        self._database = database
        self._place, self._number, self._first = place, number, number + 1
        return database

    def _connected(self) -> sqlite3.Connection:
        database = sqlite3.connect(self._path, check_same_thread=False)
        self._path.chmod(0o600)
        # Not durable: after a crash of the machine it is made anew.
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = OFF")
        return database

    def _throw_away(self) -> None:
        if self._database is not None:
            with suppress(sqlite3.Error):
                self._database.close()
            self._database = None
        for ending in ("", "-wal", "-shm"):
            self._path.with_name(self._path.name + ending).unlink(missing_ok=True)

    def _unavailable(self, error: sqlite3.Error) -> Unavailable:
        return Unavailable(
            f"The words of the log in {self._path} do not answer: {error}",
            mend="Check disk space and `mavisctl doctor`; they are made anew from the journal.",
            retry_after_s=2,
        )


def _boot() -> str:
    """Return what names the machine's last start (proc(5))."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
