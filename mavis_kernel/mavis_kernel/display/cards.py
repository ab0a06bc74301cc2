"""One object as a card: what it is, its members, and tables of what it is made of."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from mavis_kernel.cli.tables import fields_text
from mavis_kernel.cli.times import duration
from mavis_kernel.display import html, tables
from mavis_kernel.display.kinds import is_id, kind_of, label_of, members_of, value_of
from mavis_kernel.display.links import page_of
from mavis_kernel.display.values import html_of as html_of_value
from mavis_kernel.display.values import is_model, is_nothing, lines_of

if TYPE_CHECKING:
    from mavis_kernel.models import Run
    from mavis_kernel.parsing import Model

__all__ = ["html_of", "progress_html_of", "progress_text_of", "text_of"]

_OPEN_ROWS = 12


def html_of(model: Model) -> str:
    """Return `model` as a card."""
    return html.wrapped(_card(model))


def text_of(model: Model) -> str:
    """Return `model` as lines of text."""
    kind = kind_of(type(model))
    lines = fields_text(
        [
            (kind.word[:1].upper() + kind.word[1:], _text_heading(model)),
            *_text_fields(model),
        ]
    )
    for name, parts in _tables(model):
        lines += ["", f"{label_of(name)}:", *tables.text_of(parts).splitlines()[:-1]]
    for name, part in _large(model):
        lines += ["", f"{label_of(name)}:", *fields_text(_text_fields(part))]
    return click.unstyle("\n".join(lines))


def _text_fields(model: Model) -> list[tuple[str, str]]:
    return [
        (label_of(name) if at == 0 else " ", line)
        for name, value in _scalars(model)
        for at, line in enumerate(lines_of(name, value))
    ]


def progress_html_of(run: Run, trouble: str) -> str:
    """Return a Run as it goes on."""
    steps = tables.rows_html(run.steps, "Steps") if run.steps else ""
    said = f"<p>{html.text(trouble)}</p>" if trouble else ""
    failure = ""
    if run.error is not None:
        failure = f"<p>{html.text(run.error.message)} {html.text(run.error.mend)}</p>"
    head = _heading(run, extra=f"<span>{html.text(_elapsed(run))}</span>")
    what = f"<p>{html.text(run.kind)} {html.prose(run.subject)}</p>"
    return html.wrapped(f"{head}{what}{steps}{failure}{said}")


def progress_text_of(run: Run, trouble: str) -> str:
    """Return the same as text."""
    lines = [f"{run.kind} {run.subject} ({run.id}): {run.state}, {_elapsed(run)}"]
    for step in run.steps:
        percent = "" if step.progress_percent is None else f" {step.progress_percent} %"
        detail = f" ({step.detail})" if step.detail else ""
        lines.append(f"  {step.name}: {step.state}{percent}{detail}")
    if run.error is not None:
        lines.append(f"{run.error.message} {run.error.mend}")
    return "\n".join([*lines, *([trouble] if trouble else [])])


def _elapsed(run: Run) -> str:
    until = run.finished_at or datetime.now(UTC)
    return duration((until - run.created_at).total_seconds())


def _card(model: Model) -> str:
    rows = "".join(
        f'<tr><th scope="row">{html.text(label_of(name))}</th>'
        f"<td>{html_of_value(model, name, value)}</td></tr>"
        for name, value in _scalars(model)
    )
    card = f'<div class="m-scroll"><table class="m-card"><tbody>{rows}</tbody></table></div>'
    return _heading(model) + (card if rows else "") + _below(model)


def _heading(model: Model, extra: str = "") -> str:
    kind = kind_of(type(model))
    said = "".join(
        f"<span>{_heading_part(model, name)}</span>"
        for name in kind.heading
        if not is_nothing(value_of(model, name))
    )
    page = page_of(model)
    opened = html.link("Open its page", page) if page else ""
    return f'<div class="m-head"><span class="m-kind">{kind.word}</span>{said}{extra}{opened}</div>'


def _heading_part(model: Model, name: str) -> str:
    value = value_of(model, name)
    return html.code(value) if is_id(name) else html_of_value(model, name, value)


def _text_heading(model: Model) -> str:
    values = (value_of(model, name) for name in kind_of(type(model)).heading)
    return " ".join(str(value) for value in values if not is_nothing(value))


def _scalars(model: Model) -> Iterator[tuple[str, Any]]:
    """Yield the members that a line says: all but those that are tables, or in the heading."""
    kind = kind_of(type(model))
    for name, value in members_of(model):
        if name in kind.heading or name in kind.left_out or is_nothing(value):
            continue
        if not _is_table(value) and not _is_large(value):
            yield name, value


def _tables(model: Model) -> Iterator[tuple[str, tuple[Model, ...]]]:
    return ((name, value) for name, value in members_of(model) if _is_table(value))


def _large(model: Model) -> Iterator[tuple[str, Model]]:
    return ((name, value) for name, value in members_of(model) if _is_large(value))


def _below(model: Model) -> str:
    """Return what a card has below its lines: tables, and large parts that can be opened."""
    opened = "".join(_table(*each) for each in _tables(model))
    return opened + "".join(
        f"<details><summary>{html.text(label_of(name))}</summary>{_card(part)}</details>"
        for name, part in _large(model)
    )


def _table(name: str, parts: tuple[Model, ...]) -> str:
    label = html.text(label_of(name))
    opened = " open" if len(parts) <= _OPEN_ROWS else ""
    inner = _below(parts[0]) if len(parts) == 1 else ""
    return (
        f"<details{opened}><summary>{label} ({len(parts)})</summary>"
        f"{tables.rows_html(parts, label_of(name))}{inner}</details>"
    )


def _is_table(value: object) -> bool:
    return isinstance(value, tuple) and bool(value) and is_model(value[0])


def _is_large(value: object) -> bool:
    """Return whether `value` is an object that is made of objects."""
    return is_model(value) and len(list(members_of(value))) > 4  # type: ignore[arg-type]  # asked first
