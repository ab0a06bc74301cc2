"""Addresses of the API: segments of a path, what stands behind the question mark, and pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from urllib.parse import quote

from mavis_kernel.errors import InvalidInput, UnexpectedAnswer

__all__ = ["LARGEST_PAGE", "Params", "page_of", "segment", "texts"]

Params = Mapping[str, str | int | bool | datetime | None]
"""Query parameters; those that are None or False are left out."""

LARGEST_PAGE = 200


def segment(text: str) -> str:
    """Return `text` as one segment of a path.

    Raises
    ------
    InvalidInput
        `text` is empty or would name a folder.
    """
    if text in ("", ".", ".."):
        raise InvalidInput(f"{text!r} is not a name.", mend="Give the name or the id.")
    return quote(text, safe=":@")


def texts(params: Params, fields: Sequence[str] | None = None) -> dict[str, str]:
    """Return `params` as they are sent; `fields` are those that are wanted, None for all.

    Raises
    ------
    InvalidInput
        A moment has no zone, or `fields` names none.
    """
    if fields is not None and not fields:
        raise InvalidInput("fields names no field.", mend="Name some, or leave it out.")
    sent = {
        name: _text(value)
        for name, value in params.items()
        if value is not None and value is not False
    }
    return sent if fields is None else {**sent, "fields": ",".join(fields)}


def _text(value: str | int | bool | datetime) -> str:
    if value is True:
        return "true"
    if not isinstance(value, datetime):
        return str(value)
    if value.tzinfo is None:
        raise InvalidInput(f"{value} has no time zone.", mend="Give an aware datetime.")
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def page_of(body: object, path: str) -> tuple[list[object], str | None]:
    """Return the items of a page and what asks for the next one; None at the end.

    Raises
    ------
    UnexpectedAnswer
        `body`, the answer to `path`, is no page.
    """
    items = body.get("items") if isinstance(body, dict) else None
    cursor = body.get("next") if isinstance(body, dict) else None
    if not isinstance(items, list) or not (cursor is None or isinstance(cursor, str)):
        raise UnexpectedAnswer(f"The appliance's answer to {path} is no page of a list.")
    return items, cursor
