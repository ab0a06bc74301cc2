"""What came back: read, or told as the error that it stands for. Imports httpx."""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

from mavis_kernel.errors import (
    ApiError,
    CertificateNotTrusted,
    NotFound,
    UnexpectedAnswer,
    Unreachable,
    from_problem,
)

__all__ = ["Answer", "answer_of", "no_answer", "refusal_of"]

_LONGEST_MESSAGE = 200


@dataclass(frozen=True)
class Answer:
    """What came back.

    Parameters
    ----------
    status
        200 to 299.
    body
        The decoded JSON, or text where it is CSV; None where the answer has no body.
    etag
        Names what was told as it is now; None where the answer has none.
    replayed
        Whether it is the kept answer to an earlier call with the same idempotency key.
    """

    status: int
    body: object
    etag: str | None = None
    replayed: bool = False


def answer_of(response: httpx.Response) -> Answer:
    """Return a good answer, whose body was read.

    Raises
    ------
    UnexpectedAnswer
        Its body is not what Mavis answers with.
    """
    headers = response.headers
    return Answer(
        response.status_code,
        _decoded(response),
        headers.get("ETag"),
        headers.get("Idempotent-Replayed") == "true",
    )


def _decoded(response: httpx.Response) -> object:
    if not response.content:
        return None
    if response.headers.get("Content-Type", "").partition(";")[0] == "text/csv":
        return response.text
    try:
        return json.loads(response.content)
    except ValueError as exc:
        raise UnexpectedAnswer(
            f"{response.url.copy_with(query=None)} answers with something that is not JSON"
            f" ({response.headers.get('content-type', 'no content type')}).",
            status=response.status_code,
            request_id=response.headers.get("X-Request-Id"),
        ) from exc


def no_answer(base_url: str, exc: httpx.TransportError) -> Unreachable:
    """Return the error where there was no answer, or it broke off."""
    problem = _tls_problem(exc)
    if problem is not None:
        return CertificateNotTrusted(f"The certificate of {base_url} is not trusted: {problem}.")
    words = str(exc).strip().rstrip(".") or "no words"
    return Unreachable(f"{base_url} does not answer: {words} ({type(exc).__name__}).")


def _tls_problem(exc: BaseException | None) -> str | None:
    while exc is not None:
        if isinstance(exc, ssl.SSLCertVerificationError):
            return exc.verify_message
        exc = exc.__cause__ or exc.__context__
    return None


def refusal_of(base_url: str, response: httpx.Response) -> ApiError:
    """Return the error that an answer of another kind stands for; its body was read."""
    problem = _problem(response)
    request_id = response.headers.get("X-Request-Id")
    if response.is_redirect or response.is_informational:
        return UnexpectedAnswer(
            f"{base_url} answers with status {response.status_code}, as a page would.",
            status=response.status_code,
            request_id=request_id,
        )
    if problem is None and response.status_code == httpx.codes.NOT_FOUND:
        # Mavis says what is not found; a bare 404 is another server's.
        return NotFound(
            f"There is no Mavis at {base_url}.",
            status=response.status_code,
            mend="Check the address; mavis whoami shows it.",
            request_id=request_id,
        )
    return from_problem(
        response.status_code,
        problem or {},
        request_id=request_id,
        retry_after_s=_seconds(response.headers.get("Retry-After")),
    )


def _problem(response: httpx.Response) -> Mapping[str, object] | None:
    """Return the members of a problem+json body, or of the Hub's ``{status, message}``."""
    try:
        body = json.loads(response.content)
    except ValueError:
        return None
    if not isinstance(body, dict):
        return None
    if isinstance(body.get("message"), str) and "detail" not in body:
        return {"detail": body["message"][:_LONGEST_MESSAGE]}
    return body


def _seconds(retry_after: str | None) -> float | None:
    """Return the seconds that a Retry-After header means (RFC 9110, section 10.2.3)."""
    if not retry_after:
        return None
    if retry_after.strip().isdigit():
        return float(retry_after)
    try:
        moment = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
