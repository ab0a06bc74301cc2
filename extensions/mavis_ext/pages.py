"""From what services return to pages of the contract."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

from mavis_core.db.paging import Page
from mavis_ext import schemas

__all__ = ["listing", "page"]

S = TypeVar("S", bound=schemas.Schema)


def page(form: type[S], found: Page[Any]) -> schemas.Page[S]:
    """Return a page of things in their form."""
    return _told(form, found.items, found.next)


def listing(form: type[S], found: Iterable[Any]) -> schemas.Page[S]:
    """Return a list that is never long, as its only page."""
    return _told(form, tuple(found), None)


def _told(form: type[S], found: tuple[Any, ...], next: str | None) -> schemas.Page[S]:
    pages = schemas.Page[form]  # type: ignore[valid-type]  # it is a class
    if "of" in vars(form):
        found = tuple(map(form.of, found))
    # All at once: what a schema reads by its own is read without a call of Python's for each.
    return pages.model_validate({"items": found, "next": next})
