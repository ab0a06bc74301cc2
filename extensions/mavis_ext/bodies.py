"""Bodies of requests: JSON, once, into a model."""

from __future__ import annotations

import json
import math
from typing import Any

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from mavis_core.errors import InvalidInput
from mavis_ext import problems

__all__ = ["AS", "Body", "parse"]

_EXACT = 2**53  # up to here a float names every whole number
AS = "x-mavis-schema"
"""In the schema of a field that another part reads: the name of the schema that describes it."""


class Body(BaseModel):
    """A request's body: unknown fields are an error, and numbers are no texts."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, use_attribute_docstrings=True
    )


def parse(content: bytes, form: TypeAdapter[Any]) -> Any:
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
        return form.validate_json(text)
    except ValidationError as exc:
        # Of a body of several forms pydantic tells the form before the field.
        forms = form.core_schema["type"] == "tagged-union"
        raise problems.invalid(exc, "The body", skip=int(forms)) from exc


def _finite(text: str) -> float | int:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:20]} is too large a number")
    # To JSON Schema 7.0 is a whole number.
    return int(number) if number.is_integer() and abs(number) <= _EXACT else number


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")
