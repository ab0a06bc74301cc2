"""Lines of asciicast v2 from bytes as they come, whatever they are.

What is no UTF-8 becomes U+FFFD; what a packet cuts waits for the next one. Control characters are
escaped by JSON, so that each event is one line of its own.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import orjson

from mavis_core.errors import Damaged

__all__ = ["Decoder", "event_line", "header_line", "read_event"]


class Decoder:
    """Text from bytes that come in pieces. Nothing is dropped without a sign in its place."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def feed(self, data: bytes | bytearray) -> str:
        """Return the text that `data` completes."""
        return self._decoder.decode(data)

    @contextmanager
    def kept_on_error(self) -> Iterator[None]:
        """Forget what was fed in the block where the block fails."""
        before = self._decoder.getstate()
        try:
            yield
        except BaseException:
            self._decoder.setstate(before)
            raise

    def end(self) -> str:
        """Return what stands for a character whose end never came."""
        return self._decoder.decode(b"", final=True)


def header_line(header: Mapping[str, Any]) -> bytes:
    """Return the first line of a cast."""
    return orjson.dumps(header) + b"\n"


def event_line(at_us: int, kind: str, text: str) -> bytes:
    """Return the line of one event, `at_us` microseconds after the beginning."""
    return orjson.dumps((at_us / 1e6, kind, text)) + b"\n"


def read_event(line: bytes) -> tuple[int, str, str]:
    """Return time in microseconds, kind and text of an event's line.

    Raises
    ------
    Damaged
        It is none.
    """
    try:
        at_s, kind, text = orjson.loads(line)
        return round(at_s * 1e6), str(kind), str(text)
    except (ValueError, TypeError) as exc:
        raise Damaged(f"This is no event of a recording: {line[:40]!r}") from exc
