"""Queries of addresses: what stands behind the question mark, once, into a model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from mavis_core.clock import parse as parse_moment
from mavis_core.db.paging import MAX_CURSOR, MAX_LIMIT, PageRequest
from mavis_core.errors import InvalidInput
from mavis_ext import problems

__all__ = ["FIELDS", "Listing", "Moment", "Query", "read", "sorting"]

_FOUND = {"limit", "cursor", "sort"}
Q = TypeVar("Q", bound="Query")
FIELDS = "fields"
"""The option by which a caller picks fields; the base of handlers knows it, no model does."""


def _moment(text: object) -> object:
    try:
        return parse_moment(text) if isinstance(text, str) else text
    except ValueError as exc:
        raise ValueError("no moment; write RFC 3339 with a zone: 2026-01-31T12:00:00Z") from exc


Moment = Annotated[datetime, BeforeValidator(_moment)]
"""RFC 3339 with a zone; one without is an error, since nobody knows when that would be."""


class Query(BaseModel):
    """The options of an address: unknown ones are an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @property
    def searches(self) -> bool:
        """Whether rows must be looked through, since no index finds what is asked for."""
        return not self.model_fields_set <= _FOUND


class Listing(Query):
    """The options of every list that has pages."""

    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT, description="Items at most.")] = 50
    cursor: Annotated[
        str | None,
        Field(max_length=MAX_CURSOR, description="`next` of the page before, as it is."),
    ] = None

    @property
    def page(self) -> PageRequest:
        """Which page is wanted."""
        return PageRequest(self.limit, self.cursor, getattr(self, "sort", None))


def sorting(sorts: Iterable[str]) -> str | None:
    """Return the field ``sort`` of a list that can be had in other orders.

    Parameters
    ----------
    sorts
        The names that the service knows; each with a minus before it goes the other way round.
    """
    names = [way + name for name in sorts for way in ("", "-")]
    text = "In which order; with a minus the largest first. What has no value comes last."
    field: str | None = Field(default=None, description=text, json_schema_extra={"enum": [*names]})
    return field


def read(form: type[Q] | None, given: Mapping[str, Sequence[str]]) -> Q | None:
    """Return the options `given` as `form`; of one that is repeated the last counts.

    Raises
    ------
    InvalidInput
        There is one that this address does not know, or one does not fit.
    """
    known = sorted(form.model_fields) if form is not None else []
    if unknown := sorted(set(given) - set(known)):
        raise InvalidInput(
            f"No option {unknown[0][:40]!r} here; there are {', '.join(known) or 'none'}",
            field=unknown[0][:40],
        )
    if form is None:
        return None
    try:
        return form.model_validate({name: values[-1] for name, values in given.items()})
    except ValidationError as exc:
        raise problems.invalid(exc, "The query") from exc
