"""What all answers have in common."""

from __future__ import annotations

from typing import Any, Generic, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Document", "Failure", "Page", "Schema"]


class Schema(BaseModel):
    """A thing as the API tells it. Moments are RFC 3339 in UTC."""

    model_config = ConfigDict(
        frozen=True,
        from_attributes=True,
        use_attribute_docstrings=True,
        serialize_by_alias=True,
        validate_by_name=True,
        json_schema_serialization_defaults_required=True,
    )

    @classmethod
    def of(cls, found: Any) -> Self:
        """Return what is told of `found`, whose attributes have the names of the fields."""
        return cls.model_validate(found)


class Document(Schema):
    """A part of a document: a field that says nothing may be left out."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=False)


S = TypeVar("S", bound=Schema)


class Page(Schema, Generic[S]):
    """One page of a list."""

    items: tuple[S, ...]
    """What is on it."""
    next: str | None = None
    """What to send as `cursor` for the page after it; null at the end."""


class Failure(Schema):
    """Why something failed, as it is kept."""

    code: str
    """The kind of error, for programs."""
    message: str
    """What happened, and to which thing."""
    mend: str = Field(default="")
    """What to do next."""
