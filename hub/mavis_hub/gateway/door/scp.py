"""scp's own protocol (``scp -O``), read while it goes by: which files, how large, their digests.

One side sends lines about files, and their bytes; the other one answers each line and each file
with a byte. Bytes of a file follow only where the line about it was answered with zero.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from enum import Enum, auto

from mavis_core.errors import InvalidInput
from mavis_hub.gateway.door.commands import ScpCopy
from mavis_hub.gateway.door.digests import Passage
from mavis_hub.gateway.door.ports import Direction, Transfer

__all__ = ["ScpReader"]

_LONGEST = 8 * 1024
_LINE = re.compile(rb"[CD](?P<mode>[0-7]{4}) (?P<size>\d{1,19}) (?P<name>[^/\0\n]+)\Z")


class _At(Enum):
    LINE = auto()
    ANSWER = auto()
    BYTES = auto()
    STATUS = auto()


class ScpReader:
    """Follows one copy. `sent` and `answered` are called by a thread each.

    Parameters
    ----------
    check
        Called with the path of each file and folder before it is passed on; raises to refuse it.
    done
        Told of each file.
    """

    def __init__(
        self, copy: ScpCopy, *, check: Callable[[str], None], done: Callable[[Transfer], None]
    ) -> None:
        self._direction = copy.direction
        self._base = copy.paths[0]
        self._one = copy.direction is Direction.UPLOAD and not (
            copy.folder or self._base.endswith("/") or self._base in (".", "~")
        )
        self._check = check
        self._done = done
        self._folders: list[str] = []
        self._lock = threading.Lock()
        self._at = _At.LINE
        self._line = bytearray()
        self._asked: bytes | None = None
        self._left = 0
        self._passage: Passage | None = None
        self._refused = False

    def sent(self, data: bytes) -> None:
        """Read what the side with the files sends.

        Raises
        ------
        InvalidInput
            It is not the protocol, or a file is refused.
        """
        with self._lock:
            rest = memoryview(data)
            while rest:
                rest = rest[self._take(rest) :]

    def answered(self, data: bytes) -> None:
        """Read what the side that gets the files answers."""
        with self._lock:
            for byte in data:
                self._answer(byte)

    def end(self) -> None:
        """Tell of a file that did not come to its end."""
        with self._lock:
            if self._passage is not None and self._at in (_At.BYTES, _At.STATUS):
                self._finish(complete=False)

    def _take(self, data: memoryview) -> int:
        """Read some of `data`, and return how much."""
        if self._at is _At.BYTES and self._passage is not None:
            part = data[: self._left]
            self._passage.add(part)
            self._left -= len(part)
            if not self._left:
                self._at = _At.STATUS
            return len(part)
        if self._at is _At.STATUS and not self._line and data[0] == 0:
            self._finish(complete=True)
            return 1
        if self._at is _At.LINE and not self._line and data[0] == 0:
            return 1  # the first word of a side that gets files, or an answer to nothing
        ahead = bytes(data[:_LONGEST])
        end = ahead.find(b"\n") + 1
        self._line += ahead[: end or len(ahead)]
        if len(self._line) > _LONGEST:
            raise InvalidInput("scp sent a line that is too long")
        if end:
            line, self._line = bytes(self._line[:-1]), bytearray()
            self._read(line)
        return end or len(ahead)

    def _read(self, line: bytes) -> None:
        if self._at is _At.STATUS:  # an error while the file was read
            self._finish(complete=False)
            return
        kind = line[:1]
        if kind in (b"\x01", b"\x02", b"T"):
            return
        if kind == b"E":
            if self._folders:
                self._folders.pop()
            return
        found = _LINE.match(line)
        if not found or found["name"] in (b".", b".."):
            raise InvalidInput("scp sent a line that is not of its protocol")
        path = self._path(found["name"].decode("utf-8", "replace"))
        self._check(path)
        if self._one:  # it may be a folder all the same
            self._check(f"{path}/{found['name'].decode('utf-8', 'replace')}")
        self._asked, self._at = kind, _At.ANSWER
        if kind == b"D":
            self._folders.append(found["name"].decode("utf-8", "replace"))
        else:
            self._passage = Passage(self._direction, path)
            self._left = int(found["size"])

    def _answer(self, byte: int) -> None:
        if self._refused:  # the words of an error, up to the end of the line
            self._refused = byte != 0x0A
            return
        self._refused = byte != 0
        if self._at is not _At.ANSWER:
            return
        if byte and self._asked == b"D" and self._folders:
            self._folders.pop()
        if byte or self._asked == b"D":
            self._at, self._passage = _At.LINE, None
        else:
            self._at = _At.BYTES if self._left else _At.STATUS

    def _finish(self, *, complete: bool) -> None:
        if self._passage is not None:
            self._done(self._passage.transfer(complete=complete))
        self._at, self._passage = _At.LINE, None

    def _path(self, name: str) -> str:
        if self._one and not self._folders:
            return self._base
        if self._direction is Direction.DOWNLOAD and not self._folders:
            first = self._base.rstrip("/")
            return first if first.rpartition("/")[2] == name else f"{first} ({name})"
        return "/".join((self._base.rstrip("/"), *self._folders, name))
