# Made from aio/transport.py by `make client`: edit that.
"""How nouns talk to the API: objects, pages and events, and a second try where it does no harm."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from mavis_kernel import story
from mavis_kernel.addresses import LARGEST_PAGE, Params, page_of, segment, texts
from mavis_kernel.errors import Unavailable, UnexpectedAnswer, Unreachable
from mavis_kernel.events import Event, EventReader
from mavis_kernel.listing import Listing
from mavis_kernel.parsing import JsonObject, Model
from mavis_kernel.retries import RetryPolicy, may_repeat
from mavis_kernel.settings import Settings

if TYPE_CHECKING:  # loaded at the first request: it brings httpx along
    from mavis_kernel.exchange import Answer, Exchange

__all__ = ["RetryPolicy", "Transport", "segment"]

M = TypeVar("M", bound=Model)

_log = logging.getLogger("mavis_kernel")


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
        self._opening = threading.Lock()  # two threads may come first at once

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._settings.url}>"

    @property
    def settings(self) -> Settings:
        """Where and as whom."""
        return self._settings

    def close(self) -> None:
        """Close the connections; the next request opens new ones."""
        if self._exchange is not None:
            exchange, self._exchange = self._exchange, None
            exchange.close()

    def get(
        self,
        kind: type[M],
        path: str,
        params: Params | None = None,
        *,
        fields: Sequence[str] | None = None,
    ) -> M:
        """Return the object at `path`, which is quoted; of `fields` only those, None for all."""
        answer = self._tried("GET", path, params=texts(params or {}, fields))
        if fields is not None:
            return kind.picked_from_json(answer.body)
        return _tagged(kind, answer)

    def document(self, path: str) -> JsonObject:
        """Return the JSON object at `path` as it is."""
        body = (self._tried("GET", path)).body
        if not isinstance(body, dict):
            raise UnexpectedAnswer(f"The appliance's answer to {path} is no object.")
        return body

    def csv(self, path: str, params: Params) -> str:
        """Return the answer to a GET of `path` as CSV.

        Raises
        ------
        UnexpectedAnswer
            What comes back is something else.
        """
        headers = {"Accept": "text/csv"}
        body = (self._tried("GET", path, params=texts(params), headers=headers)).body
        if not isinstance(body, str):
            raise UnexpectedAnswer(f"The appliance's answer to {path} is no CSV.")
        return body

    def post(
        self, kind: type[M], path: str, body: object, *, idempotency_key: str | None = None
    ) -> M:
        """Return the answer to a POST of `body`; it carries a key of its own unless given one."""
        headers = {"Idempotency-Key": idempotency_key or uuid.uuid4().hex}
        answer = self._tried("POST", path, body=body, headers=headers)
        if answer.replayed:
            _log.info("POST %s was done before; this is its first answer", path)
        return kind.from_json(answer.body)

    def ask(self, kind: type[M], path: str, body: object) -> M:
        """Return the answer to a question that is too long for an address; it changes nothing."""
        return kind.from_json((self._tried("POST", path, body=body)).body)

    def put(self, kind: type[M], path: str, body: object, *, if_match: str | None = None) -> M:
        """Return the answer to a PUT of `body`; with `if_match` only where that is still so."""
        return _tagged(kind, self._tried("PUT", path, body=body, headers=_match(if_match)))

    def delete(self, path: str, *, if_match: str | None = None) -> None:
        """Delete what `path` names; with `if_match` only where that is still so."""
        self._tried("DELETE", path, headers=_match(if_match))

    def take_away(self, kind: type[M], path: str, body: object = None) -> M:
        """Delete what `path` names, and return what is told of it."""
        return kind.from_json((self._tried("DELETE", path, body=body)).body)

    def list(
        self,
        kind: type[M],
        path: str,
        params: Params | None = None,
        *,
        limit: int | None = None,
        fields: Sequence[str] | None = None,
    ) -> Listing[M]:
        """Return the objects of the list at `path`, which come page after page.

        Parameters
        ----------
        kind
            What they are.
        path
            The list, quoted.
        params
            Filters.
        limit
            At most so many; None for all.
        fields
            Of each only those; None for all.
        """
        return Listing(self._paged(kind, path, params or {}, limit, fields), kind)

    def whole_list(
        self,
        kind: type[M],
        path: str,
        params: Params | None = None,
        *,
        fields: Sequence[str] | None = None,
    ) -> Listing[M]:
        """Return the objects of the list at `path`, which has no pages."""
        return Listing(self._whole(kind, path, params or {}, fields), kind)

    def _paged(
        self,
        kind: type[M],
        path: str,
        params: Params,
        limit: int | None,
        fields: Sequence[str] | None,
    ) -> Iterator[M]:
        query = texts(params, fields)
        read = kind.from_json if fields is None else kind.picked_from_json
        left = limit
        while left is None or left > 0:
            query["limit"] = str(LARGEST_PAGE if left is None else min(left, LARGEST_PAGE))
            body = (self._tried("GET", path, params=query)).body
            items, cursor = page_of(body, path)
            for item in items if left is None else items[:left]:
                yield read(item)
            if cursor is None:
                return
            left = None if left is None else left - len(items)
            query["cursor"] = cursor

    def _whole(
        self, kind: type[M], path: str, params: Params, fields: Sequence[str] | None
    ) -> Iterator[M]:
        body = (self._tried("GET", path, params=texts(params, fields))).body
        read = kind.from_json if fields is None else kind.picked_from_json
        for item in page_of(body, path)[0]:
            yield read(item)

    def download(
        self, path: str, params: Params, begin: Callable[[Mapping[str, str]], object]
    ) -> Generator[bytes, None, None]:
        """Yield the bytes of the file at `path`; `begin` is told its headers before."""
        exchange = self._opened()
        with closing(exchange.download(path, texts(params), begin)) as parts:
            yield from parts

    def events(
        self, path: str, last_id: str, params: Params | None = None
    ) -> Generator[Event, None, None]:
        """Yield the events at `path` that come after the one with `last_id`; empty for all."""
        exchange, reader = self._opened(), EventReader()
        headers = story.headers() | ({"Last-Event-ID": last_id} if last_id else {})
        with closing(exchange.stream(path, headers, texts(params or {}))) as stream:
            for content in stream:
                yield from reader.feed(content)

    def _tried(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        exchange, sent, attempt = self._opened(), {**story.headers(), **(headers or {})}, 1
        while True:
            try:
                return exchange.send(method, path, params=params, body=body, headers=sent)
            except (Unavailable, Unreachable) as exc:
                repeats = may_repeat(method, sent, exc)
                wait_s = self._retry.wait_s(attempt, exc) if repeats else None
                if wait_s is None:
                    raise
                _log.info("retry %s %s in %.1f s: %s", method, path, wait_s, exc.code)
            self._sleep(wait_s)
            attempt += 1

    def _opened(self) -> Exchange:
        from mavis_kernel.exchange import Exchange  # noqa: PLC0415 - see the top

        with self._opening:
            if self._exchange is None:
                settings = self._settings
                url = settings.url + "/api/v1"
                self._exchange = Exchange(url, settings.token, settings.trust)
            return self._exchange


def _match(etag: str | None) -> dict[str, str]:
    return {} if etag is None else {"If-Match": etag}


def _tagged(kind: type[M], answer: Answer) -> M:
    return replace(kind.from_json(answer.body), etag=answer.etag)
