"""What could be read on the screen: lines with their times, without control functions.

Made from chunks as they are closed, for search. It is no evidence and can be made again from the
cast. Its form is JSON lines, ``[microseconds, text]``, with a third value 1 for what a program
wrote that had the whole screen; bulk output is many lines in one text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import orjson

from mavis_core.errors import Damaged
from mavis_core.remote.recording.cast import read_event
from mavis_core.remote.recording.terminal import Left, Terminal

__all__ = ["MOST_TEXT", "ScreenText", "TextLine", "read_text"]

MOST_TEXT = 32 << 20
"""Bytes of text that are kept of one session; what comes later is in the cast only."""

_COLOURS = re.compile(r"\x1b\[(?:[0-9;]*m|K)")  # and "erase to the end", at an end
_BEYOND = "[the text of this session ends here: it is longer than what is kept for search]"


@dataclass(frozen=True, slots=True)
class TextLine:
    """A line that could be read.

    Parameters
    ----------
    at_us
        When it was whole, in microseconds of the session.
    alternate
        Whether an editor or another program that had the whole screen wrote it.
    """

    at_us: int
    text: str
    alternate: bool = False


class ScreenText:
    """Makes text of one session's chunks, in order.

    Parameters
    ----------
    columns
        Of the terminal.
    kept_bytes
        How much was kept already.
    """

    def __init__(self, columns: int, kept_bytes: int = 0) -> None:
        self._terminal = Terminal(columns)
        self._last_us = 0
        self._kept = kept_bytes

    def chunk(self, content: bytes) -> bytes:
        """Return the text of the next chunk."""
        found = bytearray()
        for line in content.splitlines():
            if line.startswith(b"["):
                at_us, kind, text = read_event(line)
                if kind == "o":
                    self._output(at_us, text, found)
                    self._last_us = at_us
                elif kind == "r":
                    self._terminal.columns = max(1, int(text.partition("x")[0]))
        return self._bounded(found)

    def end(self) -> bytes:
        """Return what stands in the last line."""
        found = bytearray()
        if line := self._terminal.current.strip():
            self._add(self._last_us, Left(line, self._terminal.alternate), found)
        return self._bounded(found)

    def _output(self, at_us: int, text: str, found: bytearray) -> None:
        first, newline, rest = text.partition("\n")
        self._follow(at_us, first + newline, found)
        plain = None if self._terminal.unsettled else _plain(rest)
        if plain is None:
            self._follow(at_us, rest, found)
            return
        middle, _, last = plain.rpartition("\n")
        if middle:
            self._add(at_us, Left(middle, alternate=False), found)
        self._follow(at_us, last, found)

    def _follow(self, at_us: int, text: str, found: bytearray) -> None:
        for line in self._terminal.feed(text):
            self._add(at_us, line, found)

    def _add(self, at_us: int, line: Left, found: bytearray) -> None:
        found += orjson.dumps((at_us, line.text, 1) if line.alternate else (at_us, line.text))
        found += b"\n"

    def _bounded(self, found: bytearray) -> bytes:
        before, self._kept = self._kept, self._kept + len(found)
        if self._kept <= MOST_TEXT:
            return bytes(found)
        if before > MOST_TEXT:
            return b""
        cut = found.rfind(b"\n", 0, max(0, MOST_TEXT - before)) + 1
        return bytes(found[:cut]) + orjson.dumps((self._last_us, _BEYOND)) + b"\n"


def _plain(text: str) -> str | None:
    """Return `text` with bare line ends where nothing in it moves the cursor otherwise."""
    if "\x1b" in text:
        text = _COLOURS.sub("", text)
        if "\x1b" in text:
            return None
    text = text.replace("\r\n", "\n")
    return None if "\r" in text or "\b" in text else text


def read_text(content: bytes) -> Iterator[TextLine]:
    """Yield the lines of a text.

    Raises
    ------
    Damaged
        It is none.
    """
    for line in content.splitlines():
        try:
            at_us, text, *alternate = orjson.loads(line)
        except (ValueError, TypeError) as exc:
            raise Damaged(f"This is no text of a recording: {line[:40]!r}") from exc
        for each in str(text).split("\n"):
            if line_text := each.rstrip():
                yield TextLine(int(at_us), line_text, bool(alternate))
