"""What went wrong, as a page is told it: in words, with the mend, and never with a secret."""

from __future__ import annotations

import logging

from mavis_kernel.errors import (
    ApiError,
    BadSettings,
    Conflict,
    Forbidden,
    InvalidInput,
    MavisError,
    NotFound,
    NotLoggedIn,
    Unavailable,
    UnexpectedAnswer,
    Unreachable,
)

__all__ = ["Message", "NoProject", "failure_of"]

Message = dict[str, object]

_log = logging.getLogger("mavis_kernel.widgets")

_KINDS: tuple[tuple[type[MavisError], str], ...] = (
    (Forbidden, "forbidden"),
    (NotFound, "not_found"),
    (NotLoggedIn, "not_logged_in"),
    (BadSettings, "not_logged_in"),
    (InvalidInput, "invalid"),
    (Conflict, "conflict"),
    (Unavailable, "unavailable"),
    (Unreachable, "unavailable"),
    (UnexpectedAnswer, "unavailable"),
)


class NoProject(MavisError):
    """Nobody has said of which project."""

    default_mend = "Name a project, or give the widget a ProjectPicker in which one is chosen."


def failure_of(error: Exception) -> Message:
    """Return what a page is told of `error`; what is no error of ours is logged, and told as a bug.

    The text of a foreign error may hold anything, so its kind alone is told.
    """
    if not isinstance(error, MavisError):
        _log.error("a question of a widget failed", exc_info=error)
        return _told("bug", f"The widget has a bug: {type(error).__name__}.", "Report this.")
    kind = next((kind for cls, kind in _KINDS if isinstance(error, cls)), "failed")
    if isinstance(error, NoProject):
        kind = "no_project"
    if isinstance(error, ApiError):
        return _told(kind, error.detail, error.mend, error.field, error.request_id)
    return _told(kind, error.message, error.mend)


def _told(
    kind: str, message: str, mend: str, field: str | None = None, request_id: str | None = None
) -> Message:
    return {
        "kind": kind,
        "message": message,
        "mend": mend,
        "field": field,
        "request_id": request_id,
    }
