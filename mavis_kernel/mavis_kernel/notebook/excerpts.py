"""What a cell writes, as text: the beginning of it, taken down while it is shown."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

__all__ = ["Excerpt"]

_COLOURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Excerpt:
    """Takes down what one cell writes, results and displays included, up to a length.

    Nothing is held back or changed. Where a stream cannot be listened to, it is not.

    Parameters
    ----------
    shell
        IPython's.
    longest
        Characters that are kept.
    """

    def __init__(self, shell: Any, longest: int) -> None:
        self._longest = longest
        self._texts: list[str] = []
        self._length = 0
        self._undo: list[Callable[[], None]] = []
        for stream in (sys.stdout, sys.stderr):
            self._listen(stream, "write", lambda text, *_: text)
        if getattr(shell, "kernel", None) is not None:  # elsewhere results go to the streams
            self._listen(shell.displayhook, "write_format_data", _plain)
            self._listen(shell.display_pub, "publish", _plain)

    def text(self) -> str:
        """Return what was written so far, without colours."""
        return _COLOURS.sub("", "".join(self._texts))[: self._longest]

    def add(self, text: object) -> None:
        """Take down `text`."""
        if isinstance(text, str) and self._length < self._longest:
            self._texts.append(text[: self._longest - self._length])
            self._length += len(self._texts[-1])

    def end(self) -> None:
        """Listen no more."""
        for undo in reversed(self._undo):
            with suppress(AttributeError):  # somebody else has put theirs there, and taken it away
                undo()

    def _listen(self, owner: Any, name: str, text_of: Callable[..., object]) -> None:
        call = getattr(owner, name, None)
        if call is None:
            return

        def heard(*args: Any, **kwargs: Any) -> Any:
            with suppress(Exception):  # whatever happens here is not the cell's matter
                self.add(text_of(*args, **kwargs))
            return call(*args, **kwargs)

        with suppress(AttributeError, TypeError):
            setattr(owner, name, heard)
            self._undo.append(lambda: delattr(owner, name))


def _plain(data: Any = None, *_: Any, **more: Any) -> object:
    plain = (data or more.get("format_dict") or more.get("data") or {}).get("text/plain")
    return f"{plain}\n" if isinstance(plain, str) else None
