"""The text of one session on its way: lines in ``text.jsonl``, then packed in *parts*.

The first line of ``text.jsonl`` says which part it becomes and which chunks are in parts already; a
bare number after lines says which chunk they end. So each chunk's text is there once, whenever the
process is killed.
"""

from __future__ import annotations

import logging
import re
from pathlib import Path

import orjson

from mavis_core.remote.recording.packing import pack
from mavis_core.remote.recording.screen_text import ScreenText
from mavis_core.remote.recording.spool import SessionFolder, append_whole

__all__ = ["TextSpool", "part_name"]

logger = logging.getLogger(__name__)

_PART_BYTES = 2 << 20
_PART = re.compile(r"text-\d{6}\.zst")


def part_name(number: int) -> str:
    """Return the name of a part's file."""
    return f"text-{number:06}.zst"


class TextSpool:
    """Makes and keeps the text of one session. One thread at a time may call it.

    Parameters
    ----------
    folder
        The session's.
    """

    def __init__(self, folder: SessionFolder) -> None:
        self._folder, self._path = folder, folder.path / "text.jsonl"
        self._part, self._done, kept = self._load()
        self._text = ScreenText(folder.header.columns, kept)
        self._ended = False

    def add(self, number: int, content: bytes) -> None:
        """Take the plain content of a chunk, once.

        Raises
        ------
        OSError
            There is no room.
        """
        if number <= self._done:
            return
        self._append(self._text.chunk(content) + b"%d\n" % number)
        self._done = number
        if self._size() >= _PART_BYTES:
            self.roll()

    def end(self) -> None:
        """Take what stands in the last line, and pack all.

        Raises
        ------
        OSError
            There is no room.
        """
        if not self._ended and (last := self._text.end()):
            self._append(last + b"%d\n" % self._done)
        self._ended = True
        self.roll()

    def roll(self) -> None:
        """Pack what there is as a part.

        Raises
        ------
        OSError
            There is no room.
        """
        content = b"".join(line for line in self._lines() if line.startswith(b"["))
        if content:
            self._folder.write(part_name(self._part), pack(content))
            self._part += 1
            self._folder.write(self._path.name, self._head())

    @property
    def parts(self) -> list[Path]:
        """The packed parts that are here, in order."""
        return sorted(each for each in self._folder.path.iterdir() if _PART.fullmatch(each.name))

    def _head(self) -> bytes:
        return orjson.dumps({"part": self._part, "chunks": self._done}) + b"\n"

    def _append(self, lines: bytes) -> None:
        if not self._path.exists():
            self._folder.write(self._path.name, self._head())
        append_whole(self._path, lines)
        self._folder.room.change(len(lines))

    def _size(self) -> int:
        return self._path.stat().st_size

    def _lines(self) -> list[bytes]:
        return self._path.read_bytes().splitlines(keepends=True) if self._path.exists() else []

    def _load(self) -> tuple[int, int, int]:
        """Return part, last chunk and bytes kept, after what a kill left was cut."""
        lines = self._lines()
        if not lines:
            return 1, 0, 0
        try:
            head = orjson.loads(lines[0])
            part, done = int(head["part"]), int(head["chunks"])
        except (ValueError, KeyError, TypeError):  # a power cut; what is there is made into text
            self._folder.drop(self._path)
            return len(self.parts) + 1, 0, 0
        whole = len(lines[0])
        at = whole
        for line in lines[1:]:
            at += len(line)
            if line.endswith(b"\n") and line[:-1].isdigit():
                whole, done = at, int(line)
        if whole < at:
            content = self._path.read_bytes()[:whole]
            self._folder.write(self._path.name, content)
        kept = sum(each.stat().st_size * 10 for each in self.parts) + whole
        return part, done, kept
