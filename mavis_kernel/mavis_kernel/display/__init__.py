"""Objects of the client as a notebook shows them: a card, a table, and the same as plain text.

Bundles by media type, as IPython's ``_repr_mimebundle_`` returns them. HTML without a script, with
the colours of Lab where there are some; whatever comes from elsewhere is escaped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mavis_kernel.display import cards, tables

if TYPE_CHECKING:
    from mavis_kernel.models import Run
    from mavis_kernel.parsing import Model

__all__ = ["Bundle", "in_progress", "of_list", "of_listing", "of_model"]

Bundle = Mapping[str, str]
_SHOWN = 20


def of_model(model: Model) -> dict[str, str]:
    """Return one object as a card."""
    return {"text/plain": cards.text_of(model), "text/html": cards.html_of(model)}


def of_list(models: Sequence[Model], *, has_more: bool = False) -> dict[str, str]:
    """Return objects as a table.

    Parameters
    ----------
    has_more
        Whether the appliance has more than these.
    """
    return {
        "text/plain": tables.text_of(models, has_more=has_more),
        "text/html": tables.html_of(models, has_more=has_more),
    }


def of_listing(listing: Any) -> dict[str, str]:
    """Return the first objects of a `mavis_kernel.listing.Listing`; it yields them all still."""
    if not hasattr(listing, "__next__"):
        return {"text/plain": f"{listing!r}: iterate it with `async for`."}
    models, has_more = listing.first(_SHOWN)
    if not models:
        return {"text/plain": f"No {tables.plural(listing.kind)}."}
    return of_list(models, has_more=has_more)


def in_progress(run: Run, trouble: str = "") -> dict[str, str]:
    """Return a Run and its steps as they are; `trouble` is why nothing newer is known."""
    return {
        "text/plain": cards.progress_text_of(run, trouble),
        "text/html": cards.progress_html_of(run, trouble),
    }
