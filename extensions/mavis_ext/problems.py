"""Errors on the wire: RFC 9457 problem details with our code, the mend and the request id."""

from __future__ import annotations

from collections.abc import Mapping
from http.client import responses
from typing import Any

from pydantic import ValidationError
from tornado.web import HTTPError

from mavis_core.errors import InvalidInput, LoginNotGiven, MavisError

__all__ = ["CONTENT_TYPE", "invalid", "of_exception", "problem"]

CONTENT_TYPE = "application/problem+json"
_BY_STATUS = {
    401: ("unauthenticated", "Log in: `mavis login`."),
    403: ("forbidden", "Log in again; a page of another site may not call this address."),
    404: ("not_found", "Look at the address; the API begins at /services/mavis/api/v1."),
    405: ("method_not_allowed", "Use a method that this address takes."),
}


def problem(error: MavisError, request_id: str) -> dict[str, Any]:
    """Return `error` as problem details."""
    told: dict[str, Any] = {
        "type": f"urn:mavis:error:{error.code}",
        "title": responses.get(error.status, "Error"),
        "status": error.status,
        "detail": error.message,
        "code": error.code,
        "mend": error.mend,
        "request_id": request_id,
    }
    if isinstance(error, LoginNotGiven):
        told["error"] = error.code  # where RFC 6749, section 5.2, has it
    if error.field is not None:
        told["field"] = error.field
    if error.retry_after_s is not None:
        told["retry_after_s"] = error.retry_after_s
    return told


def of_exception(exc: BaseException, status: int, request_id: str) -> dict[str, Any]:
    """Return what a caller is told of `exc`: ours in full, others by status."""
    if isinstance(exc, MavisError):
        return problem(exc, request_id)
    code, mend = _BY_STATUS.get(
        status,
        ("internal", "Report this with the request id.")
        if status >= 500
        else ("bad_request", "Look at the request."),
    )
    said = exc.get_message() if isinstance(exc, HTTPError) and status < 500 else None
    detail = said or responses.get(status, "Error")
    return {
        "type": f"urn:mavis:error:{code}",
        "title": responses.get(status, "Error"),
        "status": status,
        "detail": detail,
        "code": code,
        "mend": mend,
        "request_id": request_id,
    }


def invalid(exc: ValidationError, what: str, *, skip: int = 0) -> InvalidInput:
    """Return what is wrong with `what`: every field at fault, the first one by name.

    Parameters
    ----------
    skip
        Parts of a path that come before the field.
    """
    faults = [
        (_field(fault["loc"][skip:], fault["type"], fault.get("ctx") or {}), fault["msg"])
        for fault in exc.errors(include_url=False, include_input=False)
    ]
    words = "; ".join(f"{field or what.lower()}: {message}" for field, message in faults[:8])
    return InvalidInput(f"{what} does not fit: {words}", field=faults[0][0] or None)


def _field(path: tuple[int | str, ...], kind: str, context: Mapping[str, Any]) -> str:
    """Return where a fault is; names of unknown fields come from the caller.

    Where it fits none of its forms, that is the field which says the form.
    """
    if kind.startswith("union_tag_"):
        return str(context.get("discriminator", "")).strip("'")
    return ".".join(str(part)[:60] for part in path[:8])
