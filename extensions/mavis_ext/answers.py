"""What operations answer with: a thing, something made, a Run that goes on, nothing, or a file."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Generic, TypeVar

from pydantic import BaseModel

from mavis_ext.schemas import Run

__all__ = [
    "JSON",
    "PARTIAL",
    "STREAM",
    "Accepted",
    "Created",
    "Deprecation",
    "Download",
    "File",
    "Form",
    "Needs",
    "RecordStream",
    "Stream",
]

S = TypeVar("S", bound=BaseModel)
JSON = "application/json"
PARTIAL = "application/vnd.mavis.partial+json"
"""The media type of an answer that has only the fields that ``fields`` asked for."""

STREAM = "text/event-stream"


class Stream:
    """Events as they come (200), or nothing any more (204); for annotations only."""


class RecordStream:
    """Records as they arrive, for as long as they are wanted (200); for annotations only."""


class Download:
    """A file that comes in parts (200), in one of the forms that `also` says; for annotations."""


@dataclass(frozen=True, slots=True)
class Created(Generic[S]):
    """Something was made (201).

    Parameters
    ----------
    location
        Its address below the API's prefix.
    """

    value: S
    location: str


@dataclass(frozen=True, slots=True)
class Accepted:
    """A Run has begun, which is to be followed (202)."""

    run: Run

    @property
    def location(self) -> str:
        """The Run's address below the API's prefix."""
        return f"/projects/{self.run.project}/runs/{self.run.id}"


@dataclass(frozen=True, slots=True)
class File:
    """A text that a person may want to keep (200).

    Parameters
    ----------
    media
        Its media type with parameters.
    name
        Under which it is kept.
    """

    content: str
    media: str
    name: str


@dataclass(frozen=True, slots=True)
class Form:
    """One form that the answer of an operation may have, for its description.

    Parameters
    ----------
    schema
        None: no content, or no JSON.
    media
        Empty: no content.
    located
        Whether it comes with a ``Location``.
    events
        Of a stream: what the data of its events are, by their names.
    """

    status: int
    schema: type[BaseModel] | None = None
    media: str = JSON
    located: bool = False
    events: tuple[tuple[str, type[BaseModel]], ...] = ()


class Needs(StrEnum):
    """What an operation asks for that is no permission of its own."""

    NOTHING = "nothing"
    LOGIN = "a token of somebody"
    ACTION = "the permission of the action that is applied"


@dataclass(frozen=True, slots=True)
class Deprecation:
    """An operation that will go (RFC 9745 and, for its end, RFC 8594).

    Parameters
    ----------
    since
        From which day on it should not be used any more.
    sunset
        The day on which it goes; None while that is open.
    instead
        The id of the operation that takes its place.
    """

    since: date
    sunset: date | None
    instead: str
