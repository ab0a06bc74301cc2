"""Objects of one kind as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from mavis_kernel.cli.tables import Column, table
from mavis_kernel.display import html
from mavis_kernel.display.kinds import columns_of, is_state, kind_of, label_of, value_of
from mavis_kernel.display.values import html_of as html_of_value
from mavis_kernel.display.values import text_of as text_of_value

if TYPE_CHECKING:
    from mavis_kernel.parsing import Model

__all__ = ["counted", "html_of", "plural", "rows_html", "text_of"]


def plural(kind: type[Model]) -> str:
    """Return what people call many of `kind`."""
    word = kind_of(kind).word
    return word if word.endswith("s") else f"{word[:-1]}ies" if word.endswith("y") else f"{word}s"


def counted(models: Sequence[Model], *, has_more: bool = False) -> str:
    """Return how many these are, in words."""
    kind = type(models[0])
    words = f"1 {kind_of(kind).word}" if len(models) == 1 else f"{len(models)} {plural(kind)}"
    return f"The first {words}; there are more." if has_more else f"{words}."


def html_of(models: Sequence[Model], *, has_more: bool = False) -> str:
    """Return objects as a table with a line below that counts them."""
    below = f"<caption>{html.text(counted(models, has_more=has_more))}</caption>"
    return html.wrapped(rows_html(models, below))


def rows_html(models: Sequence[Model], caption: str = "") -> str:
    """Return objects as a table."""
    columns = columns_of(models[0])
    heads = "".join(f'<th scope="col">{html.text(label_of(name))}</th>' for name in columns)
    rows = "".join(_row(each, columns) for each in models)
    return (
        f'<div class="m-scroll"><table>{caption}'
        f"<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def text_of(models: Sequence[Model], *, has_more: bool = False) -> str:
    """Return objects as lines of text."""
    columns = [_column(name) for name in columns_of(models[0])]
    lines = [click.unstyle(line) for line in table(columns, models)]
    return "\n".join([*lines, counted(models, has_more=has_more)])


def _row(model: Model, columns: Sequence[str]) -> str:
    return f"<tr>{''.join(_cell(model, name) for name in columns)}</tr>"


def _cell(model: Model, name: str) -> str:
    value = value_of(model, name)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    begun = '<td class="m-n">' if is_number else "<td>"
    return f"{begun}{html_of_value(model, name, value)}</td>"


def _column(name: str) -> Column[Any]:
    return Column(
        label_of(name).upper(),
        lambda model: text_of_value(name, value_of(model, name), short=True),
        shrinks=True,
        is_state=is_state(name),
    )
