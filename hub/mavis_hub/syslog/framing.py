"""Bytes of a stream into frames, in bounded memory. Pure.

RFC 5425, section 4.3: ``MSG-LEN SP SYSLOG-MSG``, with the length in decimal digits. On a local
stream socket programs may also end each message with a line feed or a zero byte (RFC 6587, section
3.4.2).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Protocol

__all__ = ["MAX_FRAME_BYTES", "MAX_KEPT_BYTES", "Counted", "Either", "Frame", "Framing"]

MAX_KEPT_BYTES = 8192
"""What is kept of a message; RFC 5425 asks receivers for that much."""
MAX_FRAME_BYTES = 1 << 20
"""A longer message is none: nobody skips a gigabyte to find the next one."""
_MAX_DIGITS = len(str(MAX_FRAME_BYTES))
_ENDS = re.compile(rb"[\n\0]")
_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Frame:
    """One message.

    Parameters
    ----------
    data
        At most `MAX_KEPT_BYTES` of it.
    size_bytes
        How long it was.
    """

    data: bytes
    size_bytes: int

    @property
    def cut(self) -> bool:
        """Whether it was longer than what was kept."""
        return self.size_bytes > len(self.data)


class Framing(Protocol):
    """Finds frames in what comes."""

    @property
    def broken(self) -> str | None:
        """Why no further frame can be found; None where all is well."""

    @property
    def begun(self) -> bool:
        """Whether a frame has begun and not ended."""

    def feed(self, data: bytes) -> list[Frame]:
        """Return the frames that end in `data`."""


class Counted:
    """Frames that say how long they are."""

    def __init__(self) -> None:
        self.broken: str | None = None
        self._head = b""
        self._kept = bytearray()
        self._size = self._left = 0

    @property
    def begun(self) -> bool:
        """Whether a frame has begun and not ended."""
        return bool(self._head or self._left)

    def feed(self, data: bytes) -> list[Frame]:
        """Return the frames that end in `data`."""
        frames: list[Frame] = []
        at = 0
        while at < len(data) and self.broken is None:
            at = self._body(data, at, frames) if self._left else self._count(data, at)
        return frames

    def _count(self, data: bytes, at: int) -> int:
        """Read on in the length of a frame; return where it goes on."""
        space = data.find(b" ", at, at + _MAX_DIGITS + 1 - len(self._head))
        head = self._head + data[at : space if space >= 0 else at + _MAX_DIGITS + 1]
        good = head.isdigit() and not head.startswith(b"0") and len(head) <= _MAX_DIGITS
        if not good or int(head) > MAX_FRAME_BYTES:
            self.broken = _no_length(head)
            return len(data)
        if space < 0:
            self._head = head
            return len(data)
        self._head, self._size = b"", int(head)
        self._left = self._size
        return space + 1

    def _body(self, data: bytes, at: int, frames: list[Frame]) -> int:
        end = min(len(data), at + self._left)
        room = MAX_KEPT_BYTES - len(self._kept)
        self._kept += data[at : min(end, at + room)]
        self._left -= end - at
        if not self._left:
            frames.append(Frame(bytes(self._kept), self._size))
            self._kept.clear()
        return end


class _Ended:
    """Frames that a line feed or a zero byte ends; empty ones are none."""

    broken: str | None = None

    def __init__(self) -> None:
        self._kept = bytearray()
        self._size = 0

    @property
    def begun(self) -> bool:
        return self._size > 0

    def feed(self, data: bytes) -> list[Frame]:
        frames: list[Frame] = []
        *whole, rest = _ENDS.split(data)
        for part in whole:
            self._add(part)
            if self._size:
                frames.append(Frame(bytes(self._kept), self._size))
            self._kept.clear()
            self._size = 0
        self._add(rest)
        return frames

    def _add(self, part: bytes) -> None:
        self._kept += part[: MAX_KEPT_BYTES - len(self._kept)]
        self._size += len(part)


class Either:
    """What the first byte says: a digit begins a length, all else a message that something ends."""

    def __init__(self) -> None:
        self._chosen: Framing | None = None

    @property
    def broken(self) -> str | None:
        """Why no further frame can be found; None where all is well."""
        return self._chosen.broken if self._chosen else None

    @property
    def begun(self) -> bool:
        """Whether a frame has begun and not ended."""
        return self._chosen is not None and self._chosen.begun

    def feed(self, data: bytes) -> list[Frame]:
        """Return the frames that end in `data`."""
        if self._chosen is None and data:
            self._chosen = Counted() if data[:1].isdigit() else _Ended()
        return self._chosen.feed(data) if self._chosen else []


def _no_length(head: bytes) -> str:
    shown = head[:_SHOWN].decode("ascii", "backslashreplace")
    if head.startswith(b"<"):
        return (
            f"messages begin with their length, not with {shown!r}: set octet-counted framing, in"
            ' rsyslog TCP_Framing="octet-counted"'
        )
    return f"{shown!r} is no length of a message from 1 to {MAX_FRAME_BYTES}"
