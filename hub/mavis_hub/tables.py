"""Plain tables for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

__all__ = ["columns"]


def columns(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """Return `lines` in columns below `head`; the last column is as long as it is."""
    every = [tuple(head), *(tuple(line) for line in lines)]
    widths = [max(len(line[column]) for line in every) for column in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in every
    )
