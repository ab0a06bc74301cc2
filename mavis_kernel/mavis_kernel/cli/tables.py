"""Text in columns. What comes from elsewhere is made printable first."""

from __future__ import annotations

import os
import shutil
import sys
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import click

from mavis_kernel.tones import BAD, GOOD, OVER, WAITING, tone_of

__all__ = ["Column", "fields_text", "printable", "state_style", "table"]

T = TypeVar("T")

_GAP = "  "
_NARROWEST = 8
_COLOURS = {GOOD: "green", WAITING: "yellow", BAD: "red", OVER: "bright_black"}


@dataclass(frozen=True)
class Column(Generic[T]):
    """One column of a table of `T`.

    Parameters
    ----------
    title
        The heading.
    text
        What a row says here.
    right
        Whether to align to the right, as numbers are.
    shrinks
        Whether it may be cut where the terminal is too narrow.
    is_state
        Whether it holds a state, which has a colour in a terminal.
    """

    title: str
    text: Callable[[T], str]
    right: bool = False
    shrinks: bool = False
    is_state: bool = False


def printable(text: str) -> str:
    """Return `text` on one line, with what could steer a terminal made visible."""
    return "".join(_visible(letter) for letter in text)


def _visible(letter: str) -> str:
    if letter in "\n\t\r":
        return " "
    # Control and format characters: escape sequences, and marks that turn the reading order.
    if unicodedata.category(letter) in ("Cc", "Cf", "Cs", "Zl", "Zp"):
        return f"\\u{ord(letter):04x}"
    return letter


def state_style(text: str) -> str:
    """Return the state `text` in its colour; click takes it off outside of a terminal."""
    colour = _COLOURS.get(tone_of(text.strip().split(" ")[0]) or "")
    if os.environ.get("NO_COLOR"):  # https://no-color.org
        return text
    return click.style(text, fg=colour) if colour else text


def table(columns: Sequence[Column[T]], rows: Sequence[T]) -> list[str]:
    """Return `rows` as lines, a heading first, narrowed to the terminal where there is one."""
    cells = [[printable(column.text(row)) for column in columns] for row in rows]
    widths = [
        max(_width(column.title), *(_width(line[at]) for line in cells), 0)
        for at, column in enumerate(columns)
    ]
    _narrow(columns, widths)
    lines = [_line(columns, widths, [column.title for column in columns], heading=True)]
    return lines + [_line(columns, widths, line, heading=False) for line in cells]


def fields_text(fields: Sequence[tuple[str, str]]) -> list[str]:
    """Return labels and texts as lines; a field without text is left out."""
    shown = [(label, printable(text)) for label, text in fields if text]
    width = max((_width(label) for label, _ in shown), default=0)
    return [
        _fit(label, width) + _GAP + (state_style(text) if label in ("State", "Outcome") else text)
        for label, text in shown
    ]


def _narrow(columns: Sequence[Column[T]], widths: list[int]) -> None:
    """Shorten `widths` of what may shrink until a line fits the terminal."""
    if not sys.stdout.isatty():
        return
    room = shutil.get_terminal_size().columns - len(_GAP) * (len(columns) - 1)
    while sum(widths) > room:
        able = [at for at, column in enumerate(columns) if column.shrinks]
        widest = max(able, key=lambda at: widths[at], default=None)
        if widest is None or widths[widest] <= _NARROWEST:
            return
        widths[widest] -= 1


def _line(
    columns: Sequence[Column[T]], widths: Sequence[int], cells: Sequence[str], *, heading: bool
) -> str:
    parts = []
    for column, width, cell in zip(columns, widths, cells, strict=True):
        text = _fit(_cut(cell, width), width, right=column.right)
        parts.append(state_style(text) if column.is_state and not heading else text)
    return _GAP.join(parts).rstrip()


def _fit(text: str, width: int, *, right: bool = False) -> str:
    space = " " * (width - _width(text))
    return space + text if right else text + space


def _cut(text: str, width: int) -> str:
    if _width(text) <= width:
        return text
    while _width(text) > width - 1:
        text = text[:-1]
    return text + "…"


def _width(text: str) -> int:
    """Return how many cells of a terminal `text` takes."""
    return sum(
        0
        if unicodedata.combining(letter)
        else 2
        if unicodedata.east_asian_width(letter) in "WF"
        else 1
        for letter in text
    )
