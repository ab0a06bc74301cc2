"""Data goes to stdout in the form that was asked for; everything else goes to stderr."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

import click

from mavis_kernel.cli.state import State
from mavis_kernel.cli.tables import Column, fields_text, table
from mavis_kernel.parsing import Model

__all__ = [
    "CONTROL",
    "Empty",
    "ReaderGone",
    "after",
    "document_text",
    "put",
    "put_whole",
    "say",
    "show_document",
    "show_fields",
    "show_list",
    "show_one",
]

M = TypeVar("M", bound=Model)

_PLURAL = re.compile(r"s\b")
CONTROL = re.compile("[\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


class ReaderGone(Exception):
    """Whoever read our output went away."""


@dataclass(frozen=True)
class Empty:
    """What to say of a list without rows.

    Parameters
    ----------
    none_yet
        There is nothing at all: why, and what to do first.
    no_match
        There may be something; the filters match none of it.
    is_filtered
        Whether filters were given.
    """

    none_yet: str
    no_match: str = ""
    is_filtered: bool = False

    def __str__(self) -> str:
        return self.no_match if self.is_filtered else self.none_yet


def say(text: str) -> None:
    """Tell the person something that is no data."""
    click.echo(text, err=True)


def put(text: str) -> None:
    """Write a line of data to stdout.

    Raises
    ------
    ReaderGone
        Nobody reads it any more, as in ``mavis record list | head``.
    """
    put_whole(f"{text}\n")


def put_whole(text: str) -> None:
    """Write data to stdout that ends its lines itself.

    Raises
    ------
    ReaderGone
        Nobody reads it any more.
    """
    try:
        click.echo(text, nl=False)
    except BrokenPipeError as exc:
        raise ReaderGone from exc


def after(limit: int) -> int | None:
    """Return how many to ask for, so that one knows whether there are more than `limit`."""
    return limit + 1 if limit else None


def show_document(state: State, value: object) -> None:
    """Write `value` as JSON or YAML."""
    put(document_text(state.output, value))


def document_text(form: str, value: object, *, indent: int | None = 2) -> str:
    """Return `value` as ``json`` or ``yaml``; `indent` is JSON's, None for one line."""
    if form == "yaml":
        from mavis_kernel.cli import yaml_text  # noqa: PLC0415 - most calls need no YAML

        return yaml_text.written(value).rstrip("\n")
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    # JSON lets these stand; a terminal would obey them.
    return CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def show_list(
    state: State,
    found: Iterator[M],
    columns: Sequence[Column[M]],
    *,
    id_of: Callable[[M], str],
    nouns: str,
    empty: Empty,
    limit: int = 0,
) -> None:
    """Write the objects of a list.

    Parameters
    ----------
    state
        Says the form.
    found
        The objects; one more than `limit` where there are more.
    columns
        For the table.
    id_of
        What other commands take for the object.
    nouns
        What they are, in the plural, and where: ``resources in project shop``. For the line
        below.
    empty
        What to say where there are none.
    limit
        Show at most so many; 0 for all.
    """
    items = list(islice(found, after(limit)))
    more = bool(limit) and len(items) > limit
    items = items[:limit] if limit else items
    shown = columns if state.fields is None else _columns_of(state.fields)
    if state.watcher is not None:
        lines = table(shown, items) if state.is_table else ()
        ids = [id_of(item) for item in items] if state.output == "id" else ()
        state.watcher.list(items, lines, ids, _counted(len(items), nouns) if items else str(empty))
        return
    if state.is_document:
        show_document(state, [item.raw for item in items])
    elif state.output == "id":
        for item in items:
            put(id_of(item))
    elif not items:
        say(str(empty))
    else:
        for line in table(shown, items):
            put(line)
        say(_counted(len(items), nouns))
    if more:
        say(f"There are more than these {limit}: see them with --limit 0, or narrow the filters.")


def show_fields(state: State, item: Model) -> None:
    """Write the fields of `item` that were asked for."""
    fields = [(name, _plain(item.raw.get(name))) for name in state.fields or ()]
    show_one(state, item, fields, id_text=_plain(item.raw.get("id")))


def _columns_of(fields: Sequence[str]) -> Sequence[Column[Any]]:
    return [
        Column(name.upper(), lambda item, name=name: _plain(item.raw.get(name)))  # type: ignore[misc]  # a lambda's default has no type
        for name in fields
    ]


def _plain(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _counted(number: int, nouns: str) -> str:
    return f"{number} {_PLURAL.sub('', nouns, count=1) if number == 1 else nouns}"


def show_one(state: State, item: Model, fields: Sequence[tuple[str, str]], *, id_text: str) -> None:
    """Write one object: its fields as lines, its document, or its id."""
    if state.watcher is not None:
        state.watcher.one(item, fields, id_text)
    elif state.is_document:
        show_document(state, item.raw)
    elif state.output == "id":
        put(id_text)
    else:
        for line in fields_text(fields):
            put(line)
