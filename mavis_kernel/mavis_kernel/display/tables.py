"""Objects of one kind as a table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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
    label = counted(models, has_more=has_more)
    return html.wrapped(rows_html(models, label, caption=f"<caption>{html.text(label)}</caption>"))


def rows_html(models: Sequence[Model], label: str, *, caption: str = "") -> str:
    """Return objects as a table, which is called `label` where it is not seen."""
    columns = columns_of(models[0])
    cells = [[value_of(each, name) for name in columns] for each in models]
    begun = [_begun(line[at] for line in cells) for at in range(len(columns))]
    heads = "".join(
        f'<th scope="col"{each}>{html.text(label_of(name))}</th>'
        for name, each in zip(columns, begun, strict=True)
    )
    rows = "".join(
        "<tr>"
        + "".join(
            f"<td{each}>{html_of_value(model, name, value)}</td>"
            for name, each, value in zip(columns, begun, line, strict=True)
        )
        + "</tr>"
        for model, line in zip(models, cells, strict=True)
    )
    # Whoever has no mouse scrolls a wide table when it has the focus.
    return (
        f'<div class="m-scroll" tabindex="0" role="group" aria-label="{html.text(label)}">'
        f'<table class="m-rows">{caption}<thead><tr>{heads}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def text_of(models: Sequence[Model], *, has_more: bool = False) -> str:
    """Return objects as lines of text."""
    columns = [_column(name) for name in columns_of(models[0])]
    lines = [click.unstyle(line) for line in table(columns, models)]
    return "\n".join([*lines, counted(models, has_more=has_more)])


def _begun(values: Iterable[object]) -> str:
    """Return how cells of a column begin; numbers stand on the right."""
    told = [each for each in values if each is not None]
    are_numbers = all(isinstance(each, int | float) and not isinstance(each, bool) for each in told)
    return ' class="m-n"' if told and are_numbers else ""


def _column(name: str) -> Column[Any]:
    return Column(
        label_of(name).upper(),
        lambda model: text_of_value(name, value_of(model, name), short=True),
        shrinks=True,
        is_state=is_state(name),
    )
