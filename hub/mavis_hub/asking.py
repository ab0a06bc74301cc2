"""How one process of the appliance asks another on loopback: by a secret that both hold."""

from __future__ import annotations

import json
from typing import Any

from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest

from mavis_core.errors import Conflict, Forbidden, InvalidInput, MavisError, NotFound, Unavailable

__all__ = ["SERVERS", "VIEWS", "Asking"]

_INTERNAL = "/services/mavis/internal"
VIEWS = f"{_INTERNAL}/views"
"""Below it lies what the api process answers to the dashboards process."""
SERVERS = f"{_INTERNAL}/servers"
"""Below it lies what the api process answers to the Hub."""

_TIMEOUT_S = 10.0
_KNOWN: dict[int, type[MavisError]] = {
    each.status: each for each in (InvalidInput, NotFound, Conflict, Forbidden)
}


class Asking:
    """The api process, as far as the holder of a secret may ask it.

    Parameters
    ----------
    url
        Where it answers, with the path of what may be asked.
    secret
        What tells it who asks.
    """

    def __init__(self, url: str, secret: str) -> None:
        self._url = url
        self._headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"}
        self._client = AsyncHTTPClient(force_instance=True, max_clients=20)

    async def __call__(self, what: str, body: dict[str, Any]) -> dict[str, Any]:
        """Return the answer to a question.

        Raises
        ------
        InvalidInput, NotFound, Conflict, Forbidden
            The api process says so.
        Unavailable
            It does not answer.
        """
        request = HTTPRequest(
            f"{self._url}/{what}",
            method="POST",
            headers=self._headers,
            body=json.dumps(body),
            request_timeout=_TIMEOUT_S,
        )
        try:
            answer = await self._client.fetch(request)
            return dict(json.loads(answer.body))
        except HTTPClientError as exc:
            known = _KNOWN.get(exc.code)
            if known is None or exc.response is None:
                raise _silent() from exc
            raise _told(known, exc.response.body) from exc
        except (OSError, ValueError) as exc:
            raise _silent() from exc

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


def _told(known: type[MavisError], body: bytes) -> MavisError:
    try:
        told = json.loads(body)
        return known(str(told["message"]), mend=str(told["mend"]))
    except (ValueError, KeyError, TypeError):
        return _silent()


def _silent() -> Unavailable:
    return Unavailable("The api process does not answer", retry_after_s=5)
