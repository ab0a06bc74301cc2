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
    items = tuple(map(form.of, found.items))
    return schemas.Page[form](items=items, next=found.next)  # type: ignore[valid-type]  # it is a class


def listing(form: type[S], found: Iterable[Any]) -> schemas.Page[S]:
    """Return a list that is never long, as its only page."""
    items = tuple(map(form.of, found))
    return schemas.Page[form](items=items, next=None)  # type: ignore[valid-type]  # it is a class
