"""What the log process says instead of an answer, as our errors."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from mavis_core.errors import (
    InvalidInput,
    MavisError,
    NotFound,
    OverLimit,
    TooLarge,
    Unavailable,
)

__all__ = ["error_of", "unanswered"]


def unanswered(path: object, error: Exception) -> Unavailable:
    """Return our error for a log process that does not answer at `path`."""
    return Unavailable(
        f"The log process does not answer at {path}: {type(error).__name__}: {error}",
        mend="Nothing is lost: records wait in the database. See `mavisctl status`.",
        retry_after_s=2,
    )


def error_of(status: int, problem: Any) -> MavisError:
    """Return our error for the problem details of an answer."""
    told = problem if isinstance(problem, dict) else {}
    detail = str(told.get("detail", "no reason given"))
    if status == HTTPStatus.BAD_REQUEST:
        kind = OverLimit if told.get("code") == OverLimit.code else InvalidInput
        return kind(detail, mend=told.get("mend"), field=told.get("field"))
    if status == HTTPStatus.NOT_FOUND and told.get("code") == NotFound.code:
        return NotFound(detail, mend=told.get("mend"))
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return TooLarge(detail, mend=told.get("mend"))
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        return Unavailable(detail, mend=told.get("mend"), retry_after_s=told.get("retry_after_s"))
    return Unavailable(
        f"The log process answered {status}: {detail}",
        mend="Restart the appliance, so that all processes hold the same secrets.",
    )
