"""One request and its answer. The only module that talks to httpx.

httpx takes a tenth of a second to import, so this module is loaded at the first request
(`transport`, `cli.login`), not with the package.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

from mavis_kernel.certificates import context_for
from mavis_kernel.errors import (
    ApiError,
    CertificateNotTrusted,
    NotFound,
    UnexpectedAnswer,
    Unreachable,
    from_problem,
)
from mavis_kernel.masking import Secret
from mavis_kernel.settings import Trust
from mavis_kernel.version import client_version

__all__ = ["Answer", "Exchange"]

_TIMEOUT = httpx.Timeout(30.0, connect=10.0)
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
    """

    status: int
    body: object


class Exchange:
    """Sends requests to one server. Safe for threads; close it.

    Parameters
    ----------
    base_url
        What paths are appended to.
    token
        Goes into each request's header; None sends none.
    trust
        Whose certificates are good.
    """

    def __init__(self, base_url: str, token: Secret | None, trust: Trust) -> None:
        headers = {"Accept": "application/json", "User-Agent": f"mavis/{client_version()}"}
        if token:
            headers["Authorization"] = f"token {token.reveal()}"
        self._base_url = base_url
        # Redirects are not followed: the token is for this server.
        self._http = httpx.Client(
            headers=headers,
            timeout=_TIMEOUT,
            # Plain http needs no authorities, and reading them takes time.
            verify=context_for(trust) if base_url.startswith("https:") else False,
        )

    def __repr__(self) -> str:
        return f"<Exchange {self._base_url}>"

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def send(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Return the answer to one request.

        Parameters
        ----------
        method, path, params, headers
            As HTTP has them; `path` begins with a slash and is quoted.
        body
            What JSON can hold; None sends no body.

        Raises
        ------
        ApiError
            The server said no, or did not answer.
        """
        try:
            response = self._http.request(
                method,
                self._base_url + path,
                params=dict(params or {}),
                json=body,
                headers=dict(headers or {}),
            )
        except httpx.TransportError as exc:
            raise _no_answer(self._base_url, exc) from exc
        if response.is_success:
            return Answer(response.status_code, _decoded(response))
        raise _refusal(self._base_url, response)


def _no_answer(base_url: str, exc: httpx.TransportError) -> Unreachable:
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


def _refusal(base_url: str, response: httpx.Response) -> ApiError:
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
