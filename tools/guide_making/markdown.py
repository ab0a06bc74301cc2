"""Tables in Markdown, and the marks in a document between which they are put."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence

__all__ = ["filled_in", "first_sentence", "table"]

_MARKS = "<!-- {name}: made by `make guide` -->\n", "<!-- end of {name} -->"


def filled_in(text: str, parts: Mapping[str, Callable[[], str]]) -> str:
    """Return the document `text` with its made parts as they follow from the code.

    Parameters
    ----------
    parts
        What makes each part, by the name in its marks.

    Raises
    ------
    ValueError
        A mark is missing.
    """
    for name, make in parts.items():
        first, last = (mark.format(name=name) for mark in _MARKS)
        before, found, rest = text.partition(first)
        _, end, after = rest.partition(last)
        if not (found and end):
            raise ValueError(f"The document has no marks {first.strip()} and {last}")
        text = f"{before}{first}\n{make()}\n{last}{after}"
    return text


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; what divides cells is escaped in them."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(
        f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines
    )


def first_sentence(documented: object) -> str:
    """Return the first sentence of a docstring."""
    return " ".join((inspect.getdoc(documented) or "").partition("\n\n")[0].split())
