"""One value of an object, as HTML and as text."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from mavis_kernel.cli.times import both, relative
from mavis_kernel.display import html
from mavis_kernel.display.kinds import is_id, is_state, members_of
from mavis_kernel.display.links import page_of_member

if TYPE_CHECKING:
    from mavis_kernel.parsing import Model

__all__ = ["html_of", "is_model", "is_nothing", "lines_of", "text_of"]

_NOTHING = "-"
_LONG = 40


def is_nothing(value: object) -> bool:
    """Return whether there is nothing to show of `value`."""
    return value is None or (not isinstance(value, bool | int | float) and not value)


def is_model(value: object) -> bool:
    """Return whether `value` is an object of the contract."""
    return hasattr(value, "__dataclass_fields__")


def html_of(owner: Model, name: str, value: Any) -> str:
    """Return the member `name` of `owner`, which is `value`, as HTML."""
    if is_nothing(value):
        return _NOTHING
    if isinstance(value, datetime):
        return html.moment(value)
    if isinstance(value, str):
        return _html_of_text(owner, name, value)
    if isinstance(value, tuple | list):
        return html.items([html_of(owner, name, each) for each in value], _are_long(value))
    if is_model(value):
        return _html_of_part(value)
    if isinstance(value, Mapping):
        return _html_of_mapping(owner, value)
    return html.prose(_plain(value))


def text_of(name: str, value: Any, *, short: bool = False) -> str:
    """Return the member `name`, which is `value`, as text; `short` where a table shows it."""
    if is_nothing(value):
        return _NOTHING
    if isinstance(value, datetime):
        return relative(value) if short else both(value)
    if isinstance(value, tuple | list):
        return ", ".join(text_of(name, each, short=short) for each in value)
    if is_model(value):
        return "; ".join(
            text_of(each, part, short=True)
            for each, part in members_of(value)
            if not is_nothing(part)
        )
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={_plain(each)}" for key, each in value.items())
    return _plain(value)


def lines_of(name: str, value: Any) -> list[str]:
    """Return the member `name`, which is `value`, as lines: one for each sentence of a list."""
    if isinstance(value, tuple | list) and value and _are_long(value):
        return [text_of(name, each) for each in value]
    return [text_of(name, value)]


def _are_long(values: Sequence[Any]) -> bool:
    return any(isinstance(each, str) and len(each) > _LONG for each in values)


def _html_of_text(owner: Model, name: str, value: str) -> str:
    if is_state(name):
        return html.state(value)
    page = page_of_member(owner, name, value)
    return html.code(value, page) if is_id(name) else html.link(html.prose(value), page)


def _html_of_part(part: Model) -> str:
    """Return an object within another: a failure's message and mend, say."""
    said = [html_of(part, name, value) for name, value in members_of(part) if not is_nothing(value)]
    return "; ".join(said) or _NOTHING


def _html_of_mapping(owner: Model, values: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{html.prose(key)}: "
        + (html_of(owner, key, each) if is_id(key) else html.prose(_plain(each)))
        for key, each in values.items()
    )


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)
