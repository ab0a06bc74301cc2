"""The journal: append-only files of JSON lines that are durable before they count.

``YYYY-MM-DD.jsonl``, named after the UTC day of writing. A line is a JSON object with the CRC-32
of the payload's bytes before the payload, so that a line that was torn by a crash or changed by
a bad disk is told from a good one::

    {"crc":"8f3a01c2","record":{"id":"rec_01jd…", …}}

*Position*: a file and a byte offset in it, always between two lines. *Torn tail*: what follows
the last good line of the last file; it was never acknowledged, and moves to the quarantine when
the journal is opened. *Damaged line*: a bad line before a good one; it stays where it is and
readers step over it.

*Forget*: remove files of which every line lies elsewhere by now, in the archive; a place in such a
file is covered no longer.

Files keep their order even where the clock is set back: writing goes on in the newest file.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import re
import threading
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from mavis_core import clock
from mavis_core.errors import Conflict, Internal, Unavailable
from mavis_core.folders import private_folder, sync_folder
from mavis_core.logs.quarantine import Quarantine

__all__ = ["START", "Journal", "Line", "Position", "read_folder"]

_NAME = re.compile(r"\d{4}-\d\d-\d\d\.jsonl\Z")
_HEAD, _MIDDLE, _TAIL = b'{"crc":"', b'","record":', b"}\n"
_CRC_END = len(_HEAD) + 8
_PAYLOAD = _CRC_END + len(_MIDDLE)
_MAX_LINE_BYTES = 4 << 20
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place between two lines; later places are greater."""

    file: str
    offset: int


START = Position("", 0)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the journal.

    Parameters
    ----------
    payload
        The bytes that were appended; None for a damaged line.
    start, end
        The places before and after it.
    """

    payload: bytes | None
    start: Position
    end: Position


def _frame(payload: bytes) -> bytes:
    if b"\n" in payload or len(payload) + _PAYLOAD + len(_TAIL) > _MAX_LINE_BYTES:
        raise ValueError("a payload is one line of at most 4 MiB")
    return b"%b%08x%b%b%b" % (_HEAD, zlib.crc32(payload), _MIDDLE, payload, _TAIL)


def _payload(line: bytes) -> bytes | None:
    """Return what `line` carries, or None where it is torn or damaged."""
    if not (line.startswith(_HEAD) and line[_CRC_END:_PAYLOAD] == _MIDDLE and line.endswith(_TAIL)):
        return None
    payload = line[_PAYLOAD : -len(_TAIL)]
    return payload if line[len(_HEAD) : _CRC_END] == b"%08x" % zlib.crc32(payload) else None


class Journal:
    """The journal in one folder. One process at a time; one thread appends, any thread reads.

    Parameters
    ----------
    folder
        Made on demand, for its owner only.
    quarantine
        Takes torn tails.

    Raises
    ------
    Conflict
        Another process has this journal open.
    """

    def __init__(self, folder: Path, quarantine: Quarantine) -> None:
        self.folder = folder
        self._quarantine = quarantine
        self._sizes = threading.Lock()
        private_folder(folder)
        self._lock_fd: int | None = _lock(folder / "lock")
        self._fd: int | None = None
        try:
            self._end = self._open_last()
            self._older_bytes = sum(
                (folder / name).stat().st_size for name in self._names() if name != self._end.file
            )
        except BaseException:
            self.close()
            raise

    @property
    def end(self) -> Position:
        """The place after the last durable line."""
        return self._end

    @property
    def size_bytes(self) -> int:
        """Size of all files."""
        return self._older_bytes + self._end.offset

    @property
    def writable(self) -> bool:
        """Whether `append` may succeed; False after a failure that could not be undone."""
        return self._fd is not None or self._end == START

    def append(self, payloads: Sequence[bytes]) -> Position:
        """Write a line for each payload, durable on return, and return the place after them.

        Raises
        ------
        Unavailable
            The disk failed or is full. None of the payloads counts; try again.
        Internal
            An earlier failure could not be undone: the process must start anew.
        """
        if not payloads:
            return self._end
        block = b"".join(map(_frame, payloads))
        try:
            fd = self._fd_of_today()
            _write(fd, block)
            os.fsync(fd)
        except OSError as exc:
            self._undo()
            raise Unavailable(
                f"The journal in {self.folder} cannot be written: {exc.strerror}",
                mend="Free disk space or mend the disk; records wait in the database meanwhile.",
                retry_after_s=5,
            ) from exc
        self._end = Position(self._end.file, self._end.offset + len(block))
        return self._end

    def read(self, start: Position = START) -> Iterator[Line]:
        """Yield the durable lines from `start` on, damaged ones included."""
        end = self._end
        for name in self._names():
            if start.file <= name <= end.file:
                offset = start.offset if name == start.file else 0
                path = self.folder / name
                size = end.offset if name == end.file else path.stat().st_size
                with path.open("rb") as file:
                    file.seek(offset)
                    yield from _lines(file, Position(name, offset), size)

    def covers(self, position: Position) -> bool:
        """Return whether `position` is a place in this journal: false where lines are missing."""
        if position == START:
            return True
        if position > self._end:
            return False
        try:
            with (self.folder / position.file).open("rb") as file:
                if position.offset:
                    file.seek(position.offset - 1)
                return position.offset == 0 or file.read(1) == b"\n"
        except FileNotFoundError:
            return False

    def forget(self, place: Position) -> int:
        """Remove the files whose last line lies before `place`; return how many there were.

        Any thread may call it; the newest file stays.
        """
        gone = [name for name in self._names() if name < min(place.file, self._end.file)]
        for name in gone:
            path = self.folder / name
            with self._sizes:
                self._older_bytes -= path.stat().st_size
            path.unlink()
        if gone:
            sync_folder(self.folder)
        return len(gone)

    def close(self) -> None:
        """Give the journal free for another process."""
        for fd in (self._fd, self._lock_fd):
            if fd is not None:
                os.close(fd)
        self._fd = self._lock_fd = None

    def _names(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir() if _NAME.match(path.name))

    def _open_last(self) -> Position:
        names = self._names()
        if not names:
            return START
        path = self.folder / names[-1]
        self._fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
        size, good = os.fstat(self._fd).st_size, _end_of_good_lines(self._fd)
        if good < size:
            self._quarantine.keep_bytes(f"torn-{path.name}-{good}", _chunks(self._fd, good, size))
            os.ftruncate(self._fd, good)
        # Lines of a killed process may be in the page cache only: they count once this returns.
        os.fsync(self._fd)
        sync_folder(self.folder)
        return Position(path.name, good)

    def _fd_of_today(self) -> int:
        name = f"{clock.now():%Y-%m-%d}.jsonl"
        if self._end.file and not self.writable:
            raise Internal(
                f"The journal in {self.folder} failed and could not be set back",
                mend="Mend the disk; the log process starts again by itself.",
            )
        if self._fd is not None and name <= self._end.file:
            return self._fd
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        fd = os.open(self.folder / name, flags, 0o600)
        try:
            sync_folder(self.folder)
        except OSError:
            os.close(fd)
            raise
        if self._fd is not None:
            os.close(self._fd)
        with self._sizes:
            self._older_bytes += self._end.offset
        self._fd, self._end = fd, Position(name, 0)
        return fd

    def _undo(self) -> None:
        """Cut what a failed append left. The kernel may have dropped it or not: ask nothing."""
        if self._fd is None:
            return
        try:
            os.ftruncate(self._fd, self._end.offset)
            os.fsync(self._fd)
        except OSError:
            os.close(self._fd)
            self._fd = None


def read_folder(folder: Path, start: Position = START) -> Iterator[Line]:
    """Yield the whole lines of the journal in `folder` from `start` on.

    A process may write to it meanwhile.

    Raises
    ------
    FileNotFoundError
        A file was forgotten meanwhile, or before.
    """
    names = sorted(path.name for path in folder.iterdir() if _NAME.match(path.name))
    if start.file and start.file not in names:
        raise FileNotFoundError(folder / start.file)
    for name in names:
        if name < start.file:
            continue
        offset = start.offset if name == start.file else 0
        with (folder / name).open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(offset)
            for line in _lines(file, Position(name, offset), size):
                if name == names[-1] and line.end.offset == size and line.payload is None:
                    return  # it is being written, or a crash tore it
                yield line


def _lock(path: Path) -> int:
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as exc:
        holder = os.pread(fd, 20, 0).decode("ascii", "replace").strip() or "unknown"
        os.close(fd)
        raise Conflict(
            f"The journal in {path.parent} is open in another process ({holder})",
            mend="Use the log process that runs, or stop it first: `mavisctl status`.",
        ) from exc
    with suppress(OSError):  # the number is for the message above; the lock does not need it
        os.ftruncate(fd, 0)
        os.pwrite(fd, b"%d\n" % os.getpid(), 0)
    return fd


def _write(fd: int, block: bytes) -> None:
    view = memoryview(block)
    while view:
        view = view[os.write(fd, view) :]


def _end_of_good_lines(fd: int) -> int:
    """Return the offset after the last good line, looking from the end of the file."""
    end = os.fstat(fd).st_size
    if end == 0:
        return 0
    with mmap.mmap(fd, 0, access=mmap.ACCESS_READ) as content:
        end = content.rfind(b"\n") + 1
        while end > 0:
            start = content.rfind(b"\n", 0, end - 1) + 1
            if end - start <= _MAX_LINE_BYTES and _payload(content[start:end]) is not None:
                return end
            end = start
    return 0


def _chunks(fd: int, start: int, end: int) -> Iterator[bytes]:
    while start < end and (chunk := os.pread(fd, min(_CHUNK_BYTES, end - start), start)):
        yield chunk
        start += len(chunk)


def _lines(file: BinaryIO, place: Position, size: int) -> Iterator[Line]:
    while place.offset < size:
        raw = file.readline(min(_MAX_LINE_BYTES, size - place.offset))
        if not raw:
            return
        end = Position(place.file, place.offset + len(raw))
        yield Line(_payload(raw), place, end)
        place = end
