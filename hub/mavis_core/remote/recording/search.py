"""Looks for what was on the screen in many recordings, the newest first.

The packed texts of the recordings stand in one SQLite file beside whoever searches, each with the
*vocabulary* that it has: its words, each once. The file can be made again from the object store. A
search passes over what has not all of its words, unpacks the others one after the other, and yields
what it finds at once: see ``benchmarks/recordings.py``.
"""

from __future__ import annotations

import fcntl
import os
import re
import sqlite3
import threading
from collections.abc import Collection, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import orjson

from mavis_core import clock
from mavis_core.errors import Damaged, InvalidInput, MavisError, NotFound
from mavis_core.folders import private_folder
from mavis_core.objects import ObjectStore
from mavis_core.remote.recording.library import Library
from mavis_core.remote.recording.manifests import MANIFEST
from mavis_core.remote.recording.packing import unpack
from mavis_core.remote.recording.screen_text import TextLine, read_text

__all__ = ["Hit", "ScreenTexts", "found_in"]

_LONGEST = 200
_FORM = 1
_NEWEST = (
    "SELECT session_id, project_id, started_at, number"
    " FROM recording CROSS JOIN vocabulary USING (session_id) WHERE true{}"
    " ORDER BY started_at DESC, session_id DESC, number"
)
_WORD = re.compile(rb"[a-z0-9_\x80-\xff]+")
_MOST_WORDS = 1 << 20
_TABLES = """
CREATE TABLE IF NOT EXISTS recording (
  session_id TEXT PRIMARY KEY, project_id TEXT NOT NULL, started_at TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS recording_newest ON recording (started_at, session_id);
CREATE TABLE IF NOT EXISTS vocabulary (
  session_id TEXT NOT NULL, number INTEGER NOT NULL, words BLOB,
  PRIMARY KEY (session_id, number)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS part (
  session_id TEXT NOT NULL, number INTEGER NOT NULL, packed BLOB NOT NULL,
  PRIMARY KEY (session_id, number)) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Hit:
    """A line of a recording that has what was looked for.

    Parameters
    ----------
    line
        With its time in the recording, at which a player begins.
    """

    session_id: str
    project_id: str
    started_at: datetime
    line: TextLine


class ScreenTexts:
    """The texts of recordings that are over, for search. Any thread and process may call it.

    Parameters
    ----------
    path
        The SQLite file; made on demand, for its owner only. It may be removed at any time.
    """

    def __init__(self, path: Path) -> None:
        private_folder(path.parent)
        self._path, self._lock = path, threading.Lock()
        with self._lock, _alone(path.parent), closing(self._connect()) as db:
            if db.execute("PRAGMA user_version").fetchone()[0] not in (0, _FORM):
                raise Damaged(
                    f"{path} was written by another release of Mavis",
                    mend="Remove it: it is made again from the object store.",
                )
            db.execute("PRAGMA journal_mode = WAL")
            db.executescript(_TABLES)
            db.execute(f"PRAGMA user_version = {_FORM}")
        path.chmod(0o600)

    def add(
        self, session_id: str, project_id: str, started_at: datetime, parts: Iterable[bytes]
    ) -> None:
        """Take the packed text of a recording; again is no error."""
        rows = [(session_id, number, packed) for number, packed in enumerate(parts, 1)]
        words = [(each, number, _vocabulary(unpack(packed))) for each, number, packed in rows]
        with self._lock, closing(self._connect()) as db, db:
            _forget(db, session_id)
            db.execute(
                "INSERT INTO recording VALUES (?, ?, ?)",
                (session_id, project_id, clock.iso(started_at)),
            )
            db.executemany("INSERT INTO part VALUES (?, ?, ?)", rows)
            db.executemany("INSERT INTO vocabulary VALUES (?, ?, ?)", words)

    def take(self, library: Library, project_id: str, session_id: str) -> None:
        """Take a recording that the object store has.

        Raises
        ------
        NotFound, Damaged
            It is not there, or not what was signed.
        """
        manifest = library.manifest(project_id, session_id)
        parts = list(library.text_parts(project_id, session_id))
        self.add(session_id, project_id, manifest.header.started_at, parts)

    def forget(self, session_id: str) -> None:
        """Leave out a recording that has gone."""
        with self._lock, closing(self._connect()) as db, db:
            _forget(db, session_id)

    def rebuild(self, store: ObjectStore, library: Library) -> int:
        """Take what the store has more; return how many recordings that were."""
        with closing(self._connect()) as db:
            there = {row[0] for row in db.execute("SELECT session_id FROM recording")}
        taken = 0
        for key in store.keys(""):
            project_id, _, rest = key.partition("/")
            session_id, _, name = rest.partition("/")
            if name != MANIFEST or session_id in there:
                continue
            try:
                self.take(library, project_id, session_id)
            except (Damaged, NotFound):  # `verify` tells of it; a tombstone has no text
                continue
            taken += 1
        return taken

    def search(
        self,
        words: str,
        *,
        projects: Collection[str],
        sessions: Collection[str] | None = None,
        most_each: int = 20,
    ) -> Iterator[Hit]:
        """Yield lines that have `words` as they stand, in either case, the newest session first.

        Parameters
        ----------
        projects
            Ids: only recordings of these.
        sessions
            Only these, where they are given.
        most_each
            How many lines of one recording.

        Raises
        ------
        InvalidInput
            Nothing is looked for, or too much.
        """
        wanted = words.strip()
        if not wanted or len(wanted) > _LONGEST or "\n" in wanted:
            raise InvalidInput(
                f"What is looked for has 1 to {_LONGEST} characters of one line", field="words"
            )
        return self._search(wanted, projects, sessions, most_each)

    def _search(
        self, words: str, projects: Collection[str], sessions: Collection[str] | None, most: int
    ) -> Iterator[Hit]:
        wanted = sorted(_words(words.lower()))
        has_all = " AND (words IS NULL OR instr(words, ?))" * len(wanted)
        with closing(self._connect()) as db:
            newest = db.execute(_NEWEST.format(has_all), wanted)
            left: dict[str, int] = {}
            for session_id, project_id, started_at, number in newest:
                allowed = sessions is None or session_id in sessions
                most_now = left.get(session_id, most)
                if project_id not in projects or not allowed or not most_now:
                    continue
                (packed,) = db.execute(
                    "SELECT packed FROM part WHERE session_id = ? AND number = ?",
                    (session_id, number),
                ).fetchone()
                for line in found_in(unpack(packed), words, most_now):
                    left[session_id] = left.get(session_id, most) - 1
                    yield Hit(session_id, project_id, clock.parse(started_at), line)

    def _connect(self) -> sqlite3.Connection:
        try:
            return sqlite3.connect(self._path, timeout=30)
        except sqlite3.Error as exc:
            raise MavisError(f"{self._path} cannot be opened: {exc}") from exc


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Have no other process in the block: SQLite changes a new file's mode without any patience."""
    fd = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def _forget(db: sqlite3.Connection, session_id: str) -> None:
    for table in ("part", "vocabulary", "recording"):
        db.execute(f"DELETE FROM {table} WHERE session_id = ?", (session_id,))  # noqa: S608 - a name of ours


def _words(text: str) -> set[bytes]:
    return set(_WORD.findall(text.encode()))


def _vocabulary(content: bytes) -> bytes | None:
    """Return the words of a text, each once; None where they are too many to save anything."""
    words = _words(content.decode("utf-8", "replace").lower())
    if sum(map(len, words)) > _MOST_WORDS:
        return None
    return b" ".join(sorted(words))


def found_in(content: bytes, words: str, most: int) -> Iterator[TextLine]:
    """Yield at most `most` lines of a text that have `words` in either case.

    Letters outside ASCII are found in either case, too, though more slowly.
    """
    needle = orjson.dumps(words.lower())[1:-1]
    if words.isascii():
        content_lower = content.lower()
    else:
        content_lower = content.decode("utf-8", "replace").lower().encode()
        if len(content_lower) != len(content):  # letters whose cases differ in length
            content_lower, needle = content, b"["
    at, found = 0, 0
    while found < most and (hit := content_lower.find(needle, at)) >= 0:
        start, end = content.rfind(b"\n", 0, hit) + 1, content.find(b"\n", hit)
        at = end + 1
        for line in read_text(content[start:at]):
            if words.lower() in line.text.lower() and found < most:
                found += 1
                yield line
