"""What this process asks the api process: what to start for a ticket, and which views go on."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest

from mavis_core.errors import Conflict, MavisError, NotFound, Unavailable
from mavis_hub.dashboards.addresses import VIEWS

__all__ = ["Broker", "Start"]

_TIMEOUT_S = 10.0
_KNOWN: dict[int, type[MavisError]] = {NotFound.status: NotFound, Conflict.status: Conflict}


@dataclass(frozen=True, slots=True)
class Start:
    """What a view's kernel is started with.

    Parameters
    ----------
    view
        The view's id.
    viewer
        Who looks, for people to read.
    """

    view: str
    viewer: str
    project: str
    name: str
    title: str
    notebook: str
    token: str = field(repr=False)


class Broker:
    """The api process, as far as this one may ask it.

    Parameters
    ----------
    url
        Where it answers.
    secret
        What tells it who asks.
    """

    def __init__(self, url: str, secret: str) -> None:
        self._url = url
        self._headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"}
        self._client = AsyncHTTPClient(force_instance=True, max_clients=20)

    async def start(self, ticket: str) -> Start:
        """Return what to start for the page that has this ticket; once.

        Raises
        ------
        NotFound
            No page has it, or not any more.
        Conflict
            It was asked for before.
        Unavailable
            The api process does not answer.
        """
        return Start(**await self._ask("start", {"ticket": ticket}))

    async def alive(self, views: Iterable[str], died: Collection[str]) -> frozenset[str]:
        """Return which of some views go on; tell of those whose kernel has died.

        Raises
        ------
        Unavailable
            The api process does not answer.
        """
        told = await self._ask("alive", {"views": sorted(views), "died": sorted(died)})
        return frozenset(told["alive"])

    async def began(self) -> None:
        """Tell that this process has begun, and has none of the kernels that it may have had.

        Raises
        ------
        Unavailable
            The api process does not answer.
        """
        await self._ask("began", {})

    async def _ask(self, what: str, body: dict[str, Any]) -> dict[str, Any]:
        request = HTTPRequest(
            f"{self._url}{VIEWS}/{what}",
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
            raise known(*_told(exc.response.body)) from exc
        except (OSError, ValueError) as exc:
            raise _silent() from exc

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


def _told(body: bytes) -> tuple[str]:
    try:
        return (str(json.loads(body)["message"]),)
    except (ValueError, KeyError) as exc:
        raise _silent() from exc


def _silent() -> Unavailable:
    return Unavailable("The api process does not answer", retry_after_s=5)
