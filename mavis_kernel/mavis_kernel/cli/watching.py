"""Data that is shown again at each change, until Ctrl-C.

A table in a terminal is redrawn in place. Everything else is a line for each change, which a
program can read while it comes: a row, an object as JSON on one line, a document of YAML, an id.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from mavis_kernel.cli.output import (
    document_text,
    put,
    put_whole,
    say,
    show_fields,
    show_list,
)
from mavis_kernel.cli.state import State
from mavis_kernel.cli.tables import Column, fields_text, printable
from mavis_kernel.errors import Unavailable, Unreachable
from mavis_kernel.parsing import Model

__all__ = ["list_again", "show_again", "watched"]

M = TypeVar("M", bound=Model)

_EVERY_S = 2.0
_AGE = re.compile(r" \((in )?[^()]*( ago|just now)?\)$")


def list_again(
    state: State, fetch: Callable[[], Iterator[M]], columns: Sequence[Column[M]], **more: Any
) -> None:
    """Show what `fetch` yields, as `output.show_list` does with `more`; also with ``--watch``."""
    _shown(state, lambda: show_list(state, fetch(), columns, **more))


def show_again(state: State, fetch: Callable[[], M], show: Callable[[M], None]) -> None:
    """Show what `fetch` returns by `show`, or its fields that are wanted; also with ``--watch``."""

    def once() -> None:
        item = fetch()
        if state.fields:
            show_fields(state, item)
        else:
            show(item)

    _shown(state, once)


def _shown(state: State, show: Callable[[], None]) -> None:
    if not state.watch:
        show()
        return
    with watched(state):
        while True:
            try:
                show()
            except (Unavailable, Unreachable) as exc:
                say(f"{printable(exc.detail)} Asking again.")
            time.sleep(_EVERY_S)


@contextmanager
def watched(state: State) -> Iterator[None]:
    """Have what the block shows shown at each change; Ctrl-C ends it, and is no error."""
    in_place = state.is_table and sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
    state.watcher = _InPlace() if in_place else _Lines(state.output)
    try:
        yield
    except KeyboardInterrupt:
        say("")
    finally:
        state.watcher = None


class _InPlace:
    """The same lines again, over the ones before."""

    def __init__(self) -> None:
        self._drawn = 0

    def list(
        self,
        items: Sequence[Model],  # noqa: ARG002 - ages change though no item does
        lines: Sequence[str],
        ids: Sequence[str],  # noqa: ARG002 - these are for programs
        words: str,
    ) -> None:
        self._draw([*(lines if len(lines) > 1 else ()), words])

    def one(self, item: Model, fields: Sequence[tuple[str, str]], id_text: str) -> None:  # noqa: ARG002 - as above
        self._draw(fields_text(fields))

    def _draw(self, lines: Sequence[str]) -> None:
        # A block that is higher than the window could not be drawn over.
        kept = list(lines)[: shutil.get_terminal_size().lines - 1]
        up = f"\x1b[{self._drawn}A" if self._drawn else ""
        # Nor could a line that wraps, so none does.
        put_whole(f"{up}\x1b[J\x1b[?7l" + "".join(f"{line}\n" for line in kept) + "\x1b[?7h")
        sys.stdout.flush()
        self._drawn = len(kept)


class _Lines:
    """A line for each change."""

    def __init__(self, form: str) -> None:
        self._form = form
        self._seen: dict[str, object] = {}
        self._headed = False
        self._words = ""

    def list(
        self, items: Sequence[Model], lines: Sequence[str], ids: Sequence[str], words: str
    ) -> None:
        now: dict[str, object] = {self._key(item, at): item.raw for at, item in enumerate(items)}
        for at, (key, raw) in enumerate(now.items()):
            if self._seen.get(key) != raw:
                self._put(raw, lines[at + 1] if lines else "", ids[at] if ids else "", lines[:1])
        for key in self._seen.keys() - now.keys():
            say(f"{printable(key)} is not in the list any more.")
        if words != self._words and not self._seen and not now:
            say(words)
        self._seen, self._words = now, words
        sys.stdout.flush()

    def one(self, item: Model, fields: Sequence[tuple[str, str]], id_text: str) -> None:
        texts = {label: _AGE.sub("", text) for label, text in fields if text}
        new = {label: text for label, text in texts.items() if self._seen.get(label) != text}
        if item.raw == self._seen.get(""):
            return
        line = "; ".join(f"{label.strip()}: {printable(text)}" for label, text in new.items())
        self._seen = {**texts, "": item.raw}
        self._put(item.raw, line, id_text, ())
        sys.stdout.flush()

    @staticmethod
    def _key(item: Model, at: int) -> str:
        named = item.raw.get("id") or item.raw.get("name") or item.raw.get("subject")
        return named if isinstance(named, str) else str(at)

    def _put(self, raw: object, line: str, id_text: str, heading: Sequence[str]) -> None:
        if self._form == "yaml":
            put(f"---\n{document_text('yaml', raw)}")
        elif self._form == "json":
            put(document_text("json", raw, indent=None))
        elif self._form == "id":
            put(id_text)
        else:
            for text in () if self._headed else heading:
                put(text)
            self._headed = True
            put(line)
