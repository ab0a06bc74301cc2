"""What the forwarder itself has to say: RFC 9457 problem details, in the form of the api's.

::

    Problem
    ├── InvalidInput       400  an address that is none of the api's
    ├── Unauthenticated    401  nobody is logged in at this server
    ├── Forbidden          403  somebody is, and it is not their server
    ├── TooSlow            408  the body did not come in time
    ├── TooLarge           413
    ├── HeadersTooLarge    431
    └── Unavailable        503  the appliance does not answer, or too much is asked at a time

Codes and statuses that the api has too are the api's; a test compares the two.
"""

from __future__ import annotations

import secrets
import time
from http.client import responses
from typing import Any, ClassVar

from tornado.web import HTTPError

__all__ = [
    "CONTENT_TYPE",
    "Forbidden",
    "HeadersTooLarge",
    "InvalidInput",
    "Problem",
    "TooLarge",
    "TooSlow",
    "Unauthenticated",
    "Unavailable",
    "new_request_id",
    "told",
]

CONTENT_TYPE = "application/problem+json"
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


class Problem(Exception):
    """The root. Raise one of its children.

    Parameters
    ----------
    detail
        What happened, and to which thing.
    mend
        What to do next; the class has a default.
    retry_after_s
        Seconds after which a retry makes sense; None where a retry does not help.
    """

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500
    default_mend: ClassVar[str] = "Report this with the request id."

    def __init__(
        self, detail: str, *, mend: str | None = None, retry_after_s: float | None = None
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.mend = mend or self.default_mend
        self.retry_after_s = retry_after_s

    def __str__(self) -> str:
        return self.detail


class InvalidInput(Problem):
    """The address cannot be one of the api's."""

    code = "invalid_input"
    status = 400
    default_mend = "Correct the address; the API begins at mavis/api/v1 below this server."


class Unauthenticated(Problem):
    """Nobody is logged in at this server."""

    code = "unauthenticated"
    status = 401
    default_mend = (
        "Log in and reload the page; a call of a script sends its XSRF token in X-XSRFToken."
    )


class Forbidden(Problem):
    """Somebody is logged in, and it is not their server."""

    code = "forbidden"
    status = 403
    default_mend = "Open your own server."


class TooSlow(Problem):
    """The request's body did not come in time."""

    code = "too_slow"
    status = 408
    default_mend = "Send the request again."


class TooLarge(Problem):
    """The body is larger than the api takes."""

    code = "too_large"
    status = 413
    default_mend = "Send less in one request."


class HeadersTooLarge(Problem):
    """A header, or the address, is longer than any that is meant."""

    code = "headers_too_large"
    status = 431
    default_mend = "Send shorter headers and a shorter address."


class Unavailable(Problem):
    """The appliance does not answer, or too much is asked of this server at a time."""

    code = "unavailable"
    status = 503
    default_mend = "Wait a moment and retry."


_BY_STATUS = {
    403: ("forbidden", "Open your own server. If it is yours, reload the page."),
    405: ("method_not_allowed", "Use a method that this address takes."),
}
_OTHERS = ("bad_request", "Look at the request.")
_BUG = ("internal", "Report this with the request id.")


def told(exc: BaseException | None, status: int, request_id: str) -> dict[str, Any]:
    """Return what a caller is told of `exc`: problems in full, others by `status`."""
    if isinstance(exc, Problem):
        status, code, detail, mend = exc.status, exc.code, exc.detail, exc.mend
    else:
        code, mend = _BUG if status >= 500 else _BY_STATUS.get(status, _OTHERS)
        said = exc.get_message() if isinstance(exc, HTTPError) and status < 500 else None
        detail = said or responses.get(status, "Error")
    form: dict[str, Any] = {
        "type": f"urn:mavis:error:{code}",
        "title": responses.get(status, "Error"),
        "status": status,
        "detail": detail,
        "code": code,
        "mend": mend,
        "request_id": request_id,
    }
    if isinstance(exc, Problem) and exc.retry_after_s is not None:
        form["retry_after_s"] = exc.retry_after_s
    return form


def new_request_id() -> str:
    """Return ``req_`` and a ULID in lower case, as the api's request ids are.

    48 bits of milliseconds and 80 random bits in Crockford's base 32
    (https://github.com/ulid/spec).
    """
    number = time.time_ns() // 1_000_000 << 80 | secrets.randbits(80)
    return "req_" + "".join(_ALPHABET[number >> shift & 31] for shift in range(125, -5, -5))
