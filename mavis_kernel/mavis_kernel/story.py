"""The story that calls belong to: what a cell asks for carries the cell's correlation id.

*Story*: everything that shares a correlation id, here and in the records. Outside of one, each call
begins its own. A thread that a cell starts is outside.
"""

from __future__ import annotations

import secrets
import time
from contextvars import ContextVar

__all__ = ["CURRENT", "headers", "new_story"]

CURRENT: ContextVar[str | None] = ContextVar("mavis_story", default=None)
"""The correlation id of the story at hand; None outside of one."""

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def new_story() -> str:
    """Return a new correlation id: ``cor_`` and a ULID in small letters."""
    number = time.time_ns() // 1_000_000 << 80 | secrets.randbits(80)
    return "cor_" + "".join(_ALPHABET[number >> shift & 31] for shift in range(125, -5, -5))


def headers() -> dict[str, str]:
    """Return what a call of the story at hand carries."""
    story = CURRENT.get()
    return {} if story is None else {"X-Correlation-Id": story}
