"""How nouns talk to the API: paths, pages, and a second try where it does no harm.

Retried are GET, PUT, and POST, which always carries an Idempotency-Key that stays the same over
its tries. A DELETE is not: its second try would find nothing and say so.
"""

from __future__ import annotations

import logging
import random
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import quote

from mavis_kernel.errors import (
    ApiError,
    CertificateNotTrusted,
    InvalidInput,
    Unavailable,
    UnexpectedAnswer,
    Unreachable,
)
from mavis_kernel.settings import Settings

if TYPE_CHECKING:  # loaded at the first request: it brings httpx along
    from mavis_kernel.exchange import Answer, Exchange

__all__ = ["CSV", "Params", "RetryPolicy", "Transport", "segment"]

Params = Mapping[str, str | datetime | None]
"""Query parameters; those that are None are left out."""

CSV = "text/csv"
_log = logging.getLogger("mavis_kernel")
_REPEATABLE = frozenset({"GET", "POST", "PUT"})
_LARGEST_PAGE = 200


@dataclass(frozen=True)
class RetryPolicy:
    """How often and how long to try.

    Parameters
    ----------
    attempts
        Tries in all, at least one.
    first_wait_s, longest_wait_s
        The wait before the second try, and what doubling it ends at. Each wait is shortened by
        a random part. A longer Retry-After than `longest_wait_s` is not waited for.
    """

    attempts: int = 4
    first_wait_s: float = 0.5
    longest_wait_s: float = 20.0

    def wait_s(self, attempt: int, error: ApiError) -> float | None:
        """Return the seconds to wait after try number `attempt` (from 1); None to give up."""
        if attempt >= self.attempts:
            return None
        asked = error.retry_after_s
        if asked is not None and asked > self.longest_wait_s:
            return None
        spread = random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret
        own = min(self.longest_wait_s, self.first_wait_s * 2.0 ** (attempt - 1)) * spread
        return max(own, asked or 0.0)


def segment(text: str) -> str:
    """Return `text` as one segment of a path.

    Raises
    ------
    InvalidInput
        `text` is empty or would name a folder.
    """
    if text in ("", ".", ".."):
        raise InvalidInput(f"{text!r} is not a name.", mend="Give the name or the id.")
    return quote(text, safe=":@")


class Transport:
    """Asks one appliance's API as one person.

    Parameters
    ----------
    settings
        Where, as whom, and whom to trust.
    retry
        How often to try.
    sleep
        Waits so many seconds; tests replace it.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        retry: RetryPolicy | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._settings = settings
        self._retry = retry or RetryPolicy()
        self._sleep = sleep
        self._exchange: Exchange | None = None

    def __repr__(self) -> str:
        return f"<Transport {self._settings.url}>"

    @property
    def settings(self) -> Settings:
        """Where and as whom."""
        return self._settings

    def close(self) -> None:
        """Close the connections; the next request opens new ones."""
        if self._exchange is not None:
            self._exchange.close()
            self._exchange = None

    def get(self, path: str, params: Params | None = None) -> object:
        """Return the body of the answer to a GET of `path`, which is quoted."""
        return self._tried("GET", path, params=_texts(params or {})).body

    def post(self, path: str, body: object, *, idempotency_key: str | None = None) -> Answer:
        """Return the answer to a POST of `body`; it carries a key of its own unless given one."""
        key = idempotency_key or uuid.uuid4().hex
        return self._tried("POST", path, body=body, headers={"Idempotency-Key": key})

    def put(self, path: str, body: object) -> object:
        """Return the body of the answer to a PUT of `body`."""
        return self._tried("PUT", path, body=body).body

    def delete(self, path: str, body: object = None) -> object:
        """Delete what `path` names, and return the body of the answer; None where it has none."""
        return self._tried("DELETE", path, body=body).body

    def csv(self, path: str, params: Params) -> str:
        """Return the answer to a GET of `path` as CSV.

        Raises
        ------
        UnexpectedAnswer
            What comes back is something else.
        """
        body = self._tried("GET", path, params=_texts(params), headers={"Accept": CSV}).body
        if not isinstance(body, str):
            raise UnexpectedAnswer(f"The appliance's answer to {path} is no CSV.")
        return body

    def pages(self, path: str, params: Params, *, limit: int | None) -> Iterator[object]:
        """Yield the items of the list at `path`, page after page.

        Parameters
        ----------
        path
            The list, quoted.
        params
            Filters.
        limit
            Yield at most so many; None for all.
        """
        query = _texts(params)
        left = limit
        while left is None or left > 0:
            query["limit"] = str(_LARGEST_PAGE if left is None else min(left, _LARGEST_PAGE))
            items, cursor = _page(self._tried("GET", path, params=query).body, path)
            yield from items if left is None else items[:left]
            if cursor is None:
                return
            left = None if left is None else left - len(items)
            query["cursor"] = cursor

    def _tried(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        attempt = 1
        while True:
            try:
                return self._opened().send(method, path, params=params, body=body, headers=headers)
            except (Unavailable, Unreachable) as exc:
                wait_s = self._retry.wait_s(attempt, exc) if _repeats(method, exc) else None
                if wait_s is None:
                    raise
                _log.info("retry %s %s in %.1f s: %s", method, path, wait_s, exc.code)
            self._sleep(wait_s)
            attempt += 1

    def _opened(self) -> Exchange:
        if self._exchange is None:
            from mavis_kernel.exchange import Exchange  # noqa: PLC0415 - see the top

            settings = self._settings
            self._exchange = Exchange(settings.url + "/api/v1", settings.token, settings.trust)
        return self._exchange


def _repeats(method: str, error: ApiError) -> bool:
    """Return whether a second try is harmless and may help."""
    if method not in _REPEATABLE or isinstance(error, CertificateNotTrusted):
        return False
    return not error.code.startswith("cloud_")  # the appliance has waited for the cloud already


def _texts(params: Params) -> dict[str, str]:
    return {name: _text(value) for name, value in params.items() if value is not None}


def _text(value: str | datetime) -> str:
    if isinstance(value, str):
        return value
    if value.tzinfo is None:
        raise InvalidInput(f"{value} has no time zone.", mend="Give an aware datetime.")
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _page(body: object, path: str) -> tuple[list[object], str | None]:
    items = body.get("items") if isinstance(body, dict) else None
    cursor = body.get("next") if isinstance(body, dict) else None
    if not isinstance(items, list) or not (cursor is None or isinstance(cursor, str)):
        raise UnexpectedAnswer(f"The appliance's answer to {path} is no page of a list.")
    return items, cursor
