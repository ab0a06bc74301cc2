"""Bodies of requests: JSON, once, into a model."""

from __future__ import annotations

import json
import math
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from mavis_core.errors import InvalidInput
from mavis_ext import problems

__all__ = ["Body", "parse"]

B = TypeVar("B", bound=BaseModel)


class Body(BaseModel):
    """A request's body: unknown fields are an error, and numbers are no texts."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def parse(content: bytes, form: type[B]) -> B:
    """Return the body `content` as `form`; an empty one is an empty object.

    Raises
    ------
    InvalidInput
        It is not JSON, or does not fit; the message names every field at fault.
    """
    try:
        value = json.loads(content or b"{}", parse_constant=_no_constant, parse_float=_finite)
        text = json.dumps(value)
    except (ValueError, RecursionError) as exc:
        raise InvalidInput(f"The body is not JSON: {exc}") from exc
    try:
        # As JSON again: strict models take an enumeration's text there, and only there.
        return form.model_validate_json(text)
    except ValidationError as exc:
        raise problems.invalid(exc) from exc


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:20]} is too large a number")
    return number


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")
