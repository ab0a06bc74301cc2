"""Why something failed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from mavis_kernel.parsing import Model

__all__ = [
    "Failure",
]


@dataclass(frozen=True, kw_only=True)
class Failure(Model):
    """Why something failed, and how to mend it."""

    code: str = ""
    message: str = ""
    mend: str | None = None

    @classmethod
    def from_json(cls, data: object, where: str = "") -> Self:
        """Return the failure that `data`, an object or plain text, describes."""
        if isinstance(data, str):
            return cls(message=data)
        return super().from_json(data, where)
