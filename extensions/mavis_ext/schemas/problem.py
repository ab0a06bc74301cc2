"""Problems: errors on the wire (RFC 9457)."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from mavis_ext.schemas.base import Document

__all__ = ["Problem"]


class Problem(Document):
    """What went wrong, to which thing, and what to do next."""

    type: Annotated[str, Field(examples=["urn:mavis:error:not_found"])]
    title: str
    status: int
    detail: str
    """What happened, and to which thing."""
    code: str
    """The kind of error, for programs."""
    mend: str
    """What to do next."""
    request_id: str
    """The same as the header `X-Request-Id`; name it when you report a problem."""
    field: str | None = None
    """The field at fault: a path in the body, an option of the address or a header."""
    error: str | None = None
    """The same as `code`, where RFC 8628 and RFC 6749 name the kinds of errors."""
    retry_after_s: float | None = None
    """After how many seconds a retry makes sense."""
