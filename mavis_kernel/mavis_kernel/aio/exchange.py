"""One request and its answer. With `answers` and `certificates` all that talks to httpx.

httpx takes a tenth of a second to import, so this module is loaded at the first request
(`transport`), not with the package.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping

import httpx

from mavis_kernel.answers import Answer, answer_of, no_answer, refusal_of
from mavis_kernel.certificates import context_for
from mavis_kernel.errors import UnexpectedAnswer
from mavis_kernel.masking import Secret
from mavis_kernel.settings import Trust
from mavis_kernel.version import client_version

__all__ = ["Answer", "AsyncExchange"]

_TIMEOUT = httpx.Timeout(30.0, connect=10.0)
_STREAM_TIMEOUT = httpx.Timeout(
    45.0, connect=10.0
)  # the appliance says every 15 s that it is there
_FILE_TIMEOUT = httpx.Timeout(120.0, connect=10.0)  # a large one takes a minute to be written
_STREAM = "text/event-stream"


class AsyncExchange:
    """Sends requests to one server; close it.

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
        self._http = httpx.AsyncClient(
            headers=headers,
            timeout=_TIMEOUT,
            # Plain http needs no authorities, and reading them takes time.
            verify=context_for(trust) if base_url.startswith("https:") else False,
        )

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._base_url}>"

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def send(
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
            response = await self._http.request(
                method,
                self._base_url + path,
                params=dict(params or {}),
                json=body,
                headers=dict(headers or {}),
            )
        except httpx.TransportError as exc:
            raise no_answer(self._base_url, exc) from exc
        if response.is_success:
            return answer_of(response)
        raise refusal_of(self._base_url, response)

    async def download(
        self, path: str, params: Mapping[str, str], begin: Callable[[Mapping[str, str]], object]
    ) -> AsyncGenerator[bytes, None]:
        """Yield the bytes of a file as they come, all of them; `begin` is told its headers before.

        Raises
        ------
        ApiError
            The server said no, did not answer, or broke off.
        """
        url, asked = self._base_url + path, {"Accept": "*/*", "Accept-Encoding": "identity"}
        try:
            async with self._http.stream(
                "GET", url, params=dict(params), headers=asked, timeout=_FILE_TIMEOUT
            ) as response:
                if not response.is_success:
                    await response.aread()
                    raise refusal_of(self._base_url, response)
                begin(response.headers)
                async for content in response.aiter_bytes():
                    yield content
        except httpx.TransportError as exc:
            raise no_answer(self._base_url, exc) from exc

    async def stream(
        self, path: str, headers: Mapping[str, str], params: Mapping[str, str]
    ) -> AsyncGenerator[bytes, None]:
        """Yield the bytes of a stream of events as they come; nothing where there are none now.

        Raises
        ------
        ApiError
            The server said no, did not answer, or the stream broke off.
        UnexpectedAnswer
            What comes back is no stream of events.
        """
        url, asked = self._base_url + path, {**headers, "Accept": _STREAM}
        try:
            async with self._http.stream(
                "GET", url, params=dict(params), headers=asked, timeout=_STREAM_TIMEOUT
            ) as response:
                if not response.is_success:
                    await response.aread()
                    raise refusal_of(self._base_url, response)
                if response.status_code == httpx.codes.NO_CONTENT:
                    return
                if response.headers.get("Content-Type", "").partition(";")[0] != _STREAM:
                    raise UnexpectedAnswer(f"{url} answers with no stream of events.")
                async for content in response.aiter_bytes():
                    yield content
        except httpx.TransportError as exc:
            raise no_answer(self._base_url, exc) from exc
