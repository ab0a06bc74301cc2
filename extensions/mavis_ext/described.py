"""Kinds of texts and numbers, as the description tells of them.

The core checks what they must be, since its errors say how to mend it; here callers are told
beforehand. That both agree is tested with what fits and with what does not.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

__all__ = [
    "IN_ADDRESSES",
    "SUBJECT",
    "Account",
    "Arn",
    "Line",
    "Moment",
    "Name",
    "Note",
    "Region",
    "Why",
    "Word",
]

IN_ADDRESSES = r"^[^\u0000-\u001f\u007f]+$"
"""What a name in an address is at least: without control characters."""
SUBJECT = r"^(user|group):[A-Za-z0-9._@+-]{1,100}$"
_READABLE = r"^[^\u0000-\u001f\u007f-\u009f]*$"
"""Without control characters. Others that nobody sees are refused, too: a pattern of JSON Schema
cannot name them so that all who read it understand it."""


def _text(*, most: int, least: int = 1) -> Any:
    return Field(json_schema_extra={"minLength": least, "maxLength": most, "pattern": _READABLE})


Name = Annotated[str, Field(json_schema_extra={"pattern": "^[a-z][a-z0-9-]{1,39}$"})]
"""What addresses and commands call something new."""
Region = Annotated[str, Field(json_schema_extra={"pattern": "^[a-z0-9-]{1,40}$"})]
Line = Annotated[str, _text(least=0, most=200)]
"""A line for people."""
Note = Annotated[str, _text(least=0, most=500)]
"""A few lines for people, on one."""
Why = Annotated[str, _text(most=500)]
Account = Annotated[str, _text(least=0, most=64)]
Word = Annotated[str, _text(most=255)]
"""A name or an id of something that is there already."""
Arn = Annotated[str, _text(most=2048)]
"""An address of a cloud's own, or a name."""
Moment = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
