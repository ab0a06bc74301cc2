"""The spool: recordings on this machine until the object store has them.

::

    lock                     held by the one process whose spool it is
    <session>/header.json    what is known of the session
    <session>/000001.cast    a chunk; the one with the highest number may still grow
    <session>/000001.cast.zst  a closed chunk, packed, where the object store did not take it
    <session>/chunks.jsonl   the entries of the closed chunks, a line each
    <session>/text.jsonl     what could be read in the closed chunks; see `text_spool`
    <session>/text-000001.zst  a part of it, packed
    <session>/end.json       how the session ended
    <session>/manifest.jsonl the signed manifest
    <session>.gone/          the object store has all of it; on its way out

A chunk whose entry is there and whose file is not is in the object store. Files have one writer:
the recorder has the growing chunk and the entries, the uploader all else.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import re
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from mavis_core.errors import Conflict, Damaged, InvalidInput, Unavailable
from mavis_core.folders import private_folder, sync_folder, write_whole
from mavis_core.remote.recording.cast import header_line, read_event
from mavis_core.remote.recording.model import (
    ChunkEntry,
    Ending,
    RecordingHeader,
    chain_start,
    chained,
    chunk_name,
)
from mavis_core.remote.recording.rush import Rush

__all__ = ["Room", "SessionFolder", "Spool"]

logger = logging.getLogger(__name__)

_CHUNK = re.compile(r"(\d{6,})\.cast(\.zst)?")
_SESSION = re.compile(r"[A-Za-z0-9_-]{1,80}")
_GONE = ".gone"


class Room:
    """How much of the spool is taken. Any thread may call it.

    Parameters
    ----------
    limit_bytes
        Where it ends: what comes later is refused.
    on_alarm
        Told True once when more than four fifths are taken, and False once it is less than 70 %.
    """

    def __init__(self, limit_bytes: int, on_alarm: Callable[[bool], None] | None = None) -> None:
        self.limit_bytes, self._on_alarm = limit_bytes, on_alarm
        self._lock = threading.Lock()
        self.used_bytes = 0
        self.alarm = False
        self.rush = Rush()

    @property
    def full(self) -> bool:
        """Whether nothing more may come."""
        return self.used_bytes >= self.limit_bytes

    @property
    def part(self) -> float:
        """How much of it is taken, of 1."""
        return self.used_bytes / self.limit_bytes

    def came(self, count: int) -> None:
        """Take note of bytes that were recorded."""
        self.rush.note(count)
        self.change(count)

    def change(self, by_bytes: int) -> None:
        """Take note of what was written, or removed where it is negative."""
        with self._lock:
            self.used_bytes += by_bytes
            part = self.part
            alarm = part >= 0.8 or (self.alarm and part >= 0.7)
            changed, self.alarm = alarm != self.alarm, alarm
        if changed and self._on_alarm is not None:
            self._on_alarm(alarm)


class Spool:
    """The folder of all recordings of one process.

    Parameters
    ----------
    folder
        Made on demand, for its owner only.
    room
        Told of what is in it.

    Raises
    ------
    Conflict
        Another process has it.
    """

    def __init__(self, folder: Path, room: Room) -> None:
        private_folder(folder)
        self.folder, self.room = folder, room
        self._lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            os.close(self._lock)
            raise Conflict(
                f"Another process records to {folder}",
                mend="End it, or give each gateway process a spool of its own.",
            ) from exc
        for each in folder.glob(f"*{_GONE}"):
            shutil.rmtree(each)
        room.change(sum(each.stat().st_size for each in folder.rglob("*") if each.is_file()))

    def new(self, header: RecordingHeader) -> SessionFolder:
        """Return the folder of a session that begins; it is durable.

        Raises
        ------
        Unavailable
            The spool is full or cannot be written.
        Conflict
            The session was recorded before.
        """
        if self.room.full:
            raise full(self.folder, self.room)
        path = self.path(header.session_id)
        if path.exists():
            raise Conflict(f"The session {header.session_id} is being recorded already")
        try:
            private_folder(path)
            made = SessionFolder(path, self.room, header)
            made.write("header.json", orjson.dumps(header.to_json()))
        except OSError as exc:
            shutil.rmtree(path, ignore_errors=True)
            raise unwritable(path, exc) from exc
        return made

    def adopt(self, other: Path) -> None:
        """Take over what is in the spool of a process that there is no more.

        Killed at any moment, another call does the rest.

        Raises
        ------
        Conflict
            There is such a process: it still has that spool.
        """
        left = Spool(other, Room(self.room.limit_bytes))
        try:
            for path in left.left():
                path.rename(self.path(path.name))
            sync_folder(self.folder)
            self.room.change(left.room.used_bytes)
        finally:
            left.close()
        (other / "lock").unlink()
        other.rmdir()

    def left(self) -> list[Path]:
        """Return the folders that an earlier process left."""
        found = []
        for path in sorted(self.folder.iterdir()):
            if (path / "header.json").exists():
                found.append(path)
            elif path.is_dir():  # killed before anything was promised
                shutil.rmtree(path)
        return found

    def close(self) -> None:
        """Let another process have it."""
        os.close(self._lock)

    def path(self, session_id: str) -> Path:
        """Return the folder of a session, whether it is there or not.

        Raises
        ------
        InvalidInput
            It is no id.
        """
        if not _SESSION.fullmatch(session_id):
            raise InvalidInput(f"No id of a session: {session_id[:80]!r}")
        return self.folder / session_id


class SessionFolder:
    """The folder of one session.

    Parameters
    ----------
    path
        It is there.
    """

    def __init__(self, path: Path, room: Room, header: RecordingHeader) -> None:
        self.path, self.room, self.header = path, room, header
        self.log = path / "chunks.jsonl"
        self.entries: list[ChunkEntry] = []
        self.chain = chain_start(header.session_id)
        self.ending: Ending | None = None
        self.shortened = False
        """Whether a power cut took something of it that had been written."""

    @classmethod
    def load(cls, path: Path, room: Room) -> SessionFolder:
        """Return what a process left in `path`.

        What it wrote of a line and did not end is cut; chunks without an entry get one.

        Raises
        ------
        Damaged
            What stands there was not written by a recorder.
        """
        folder = cls(path, room, RecordingHeader.from_json(_json(path / "header.json")))
        for line in _whole_lines(folder.log):
            entry = ChunkEntry.from_json(_parsed(line, path))
            folder._follow(entry)
        if (path / "end.json").exists():
            folder.ending = Ending.from_json(_json(path / "end.json"))
        if not (path / "manifest.jsonl").exists():
            folder._take_back()
            folder._enter_the_rest()
        return folder

    def chunk(self, number: int) -> Path:
        """Return the file of a chunk, plain."""
        return self.path / f"{number:06}.cast"

    def packed(self, number: int) -> Path:
        """Return the file of a chunk, packed."""
        return self.path / chunk_name(number)

    def files(self) -> dict[int, Path]:
        """Return the chunks that are here, by number; a plain one before a packed one."""
        found: dict[int, Path] = {}
        for each in sorted(self.path.iterdir(), reverse=True):
            if named := _CHUNK.fullmatch(each.name):
                found[int(named[1])] = each
        return found

    def enter(self, entry: ChunkEntry) -> None:
        """Add the entry of a closed chunk.

        Raises
        ------
        OSError
            It cannot be written; nothing was added.
        """
        line = orjson.dumps(entry.to_json()) + b"\n"
        append_whole(self.log, line)
        self.room.change(len(line))
        self._follow(entry)

    def end(self, ending: Ending) -> None:
        """Note how the session ended; durable on return.

        Raises
        ------
        OSError
            It cannot be written.
        """
        self.write("end.json", orjson.dumps(ending.to_json()))
        self.ending = ending

    def write(self, name: str, content: bytes) -> None:
        """Write a small file whole and durable; an older one is replaced.

        Raises
        ------
        OSError
            It cannot be written.
        """
        path = self.path / name
        before = path.stat().st_size if path.exists() else 0
        try:
            write_whole(path, content)
        except OSError:
            path.with_name(f"{name}.new").unlink(missing_ok=True)
            raise
        self.room.change(len(content) - before)

    def drop(self, path: Path) -> None:
        """Remove a file that is not needed any more."""
        size = path.stat().st_size
        path.unlink()
        self.room.change(-size)

    def sync(self) -> None:
        """Make entries and text durable, and that the files are there."""
        for path in (self.log, self.path / "text.jsonl"):
            sync_file(path)
        sync_folder(self.path)

    def remove(self) -> None:
        """Remove the folder at once, whole."""
        size = sum(each.stat().st_size for each in self.path.iterdir())
        gone = self.path.with_name(self.path.name + _GONE)
        self.path.rename(gone)
        shutil.rmtree(gone)
        self.room.change(-size)

    def _follow(self, entry: ChunkEntry) -> None:
        chain = chained(self.chain, entry.sha256)
        if entry.number != len(self.entries) + 1 or entry.chain != chain:
            raise Damaged(f"The entries in {self.path} do not follow each other")
        self.entries.append(entry)
        self.chain = chain

    def _take_back(self) -> None:
        """Forget the entries from the first one on whose chunk a power cut has shortened."""
        for number, path in sorted(self.files().items()):
            if number > len(self.entries) or path != self.chunk(number):
                continue
            entry = self.entries[number - 1]
            if hashlib.sha256(path.read_bytes()).hexdigest() != entry.sha256:
                logger.warning("recording.shortened folder=%s chunk=%d", self.path.name, number)
                self.shortened = True
                self.entries = self.entries[: number - 1]
                start = chain_start(self.header.session_id)
                self.chain = self.entries[-1].chain if self.entries else start
                lines = [orjson.dumps(each.to_json()) + b"\n" for each in self.entries]
                self.write(self.log.name, b"".join(lines))
                return

    def _enter_the_rest(self) -> None:
        """Enter the chunks that have no entry; what a power cut took is not between them."""
        for found in sorted(number for number in self.files() if number > len(self.entries)):
            number = len(self.entries) + 1
            lines = _whole_lines(self.chunk(found))
            if number == 1 and lines and not lines[0].startswith(b"{"):
                self.shortened = True
                lines.insert(0, header_line(self.header.cast()))
            entry = entry_of(number, b"".join(lines), self.chain)
            if entry is None:  # nothing but the beginning of a line, or of the cast
                self.drop(self.chunk(found))
                continue
            if found != number or lines[0] != self.chunk(found).read_bytes()[: len(lines[0])]:
                self.shortened = True
                self.write(self.chunk(number).name, b"".join(lines))
                if found != number:
                    self.drop(self.chunk(found))
            self.enter(entry)


def entry_of(number: int, content: bytes, chain: str) -> ChunkEntry | None:
    """Return the entry of a chunk of whole lines; None where it has no line."""
    lines = content.splitlines() if number > 1 else content.splitlines()[1:]
    if not content:
        return None
    sha256 = hashlib.sha256(content).hexdigest()
    first_us, last_us = (read_event(lines[at])[0] for at in (0, -1)) if lines else (0, 0)
    return ChunkEntry(
        number, first_us, last_us, len(lines), len(content), sha256, chained(chain, sha256)
    )


def append_whole(path: Path, content: bytes) -> None:
    """Append all of `content`, or nothing.

    Raises
    ------
    OSError
        It cannot be written; nothing was appended.
    """
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        size = os.fstat(fd).st_size
        try:
            write_all(fd, content)
        except OSError:
            os.ftruncate(fd, size)
            raise
    finally:
        os.close(fd)


def write_all(fd: int, content: bytes) -> None:
    """Write all of `content`.

    Raises
    ------
    OSError
        Not all could be written; a part may have been.
    """
    view = memoryview(content)
    while view:
        view = view[os.write(fd, view) :]


def sync_file(path: Path) -> None:
    """Make the content of `path` durable, if it is there."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def full(folder: Path, room: Room) -> Unavailable:
    """Return the error of a spool that is over its bound."""
    return Unavailable(
        f"The spool of recordings {folder} is full: {room.used_bytes >> 20} of"
        f" {room.limit_bytes >> 20} MiB wait for the object store",
        mend="Bring the object store back: what waits goes there by itself, and leaves room.",
        retry_after_s=60,
    )


def unwritable(path: Path, exc: OSError) -> Unavailable:
    """Return the error of a spool that the system does not let us write."""
    return Unavailable(
        f"The recording cannot be written to {path}: {exc.strerror}",
        mend="Free disk space or mend the disk: no session goes on that is not recorded.",
        retry_after_s=60,
    )


def _whole_lines(path: Path) -> list[bytes]:
    """Return the lines of a file of ours, after what a kill left of the last one was cut."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return []
    whole = content[: content.rfind(b"\n") + 1]
    if len(whole) < len(content):
        os.truncate(path, len(whole))
    return whole.splitlines(keepends=True)


def _json(path: Path) -> Any:
    return _parsed(path.read_bytes(), path)


def _parsed(content: bytes, path: Path) -> Any:
    try:
        return orjson.loads(content)
    except ValueError as exc:
        raise Damaged(f"What stands in {path} was not written by a recorder") from exc
