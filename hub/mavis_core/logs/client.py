"""Asks the log process, and gives it records, over its Unix socket. For the api process.

A connection a question, from the standard library: it costs less than a tenth of a millisecond
here, and no kept connection goes stale when the log process restarts. (httpcore 1.0, below httpx,
also leaves the socket of a failed connection to the garbage collector.)
"""

from __future__ import annotations

import json
import select
import socket
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import closing
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode

from mavis_core.config import Config
from mavis_core.errors import Cancelled, TooLarge, Unavailable
from mavis_core.logs.arrivals import Arrival
from mavis_core.logs.context import Beside, Context
from mavis_core.logs.following import follow
from mavis_core.logs.inbox import MAX_PARCEL_BYTES, Receipt
from mavis_core.logs.query import Health, Page, Query
from mavis_core.logs.questions import SqlAnswer, SqlQuestion
from mavis_core.logs.refusals import error_of, unanswered
from mavis_core.logs.summaries import Summary
from mavis_core.records.model import Record

__all__ = ["LogClient"]

_TIMEOUT_S = 15.0  # more than a query may take there
_SQL_TIMEOUT_S = 45.0  # more than a question may wait, be prepared and take there
_LOOK_MS = 200
_MAX_ANSWER_BYTES = 64 << 20  # more than the largest page


class _Connection(HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("logs", timeout=_TIMEOUT_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(_TIMEOUT_S)
        self.sock.connect(str(self._path))


class LogClient:
    """The log process. Safe for threads; close it at the end.

    Parameters
    ----------
    path
        The log process's socket.
    token
        The secret that it shares with its callers.
    """

    def __init__(self, path: Path, token: str) -> None:
        self._path = path
        self._headers = {"Authorization": f"Bearer {token}"}
        self._closed = False

    @classmethod
    def of(cls, config: Config) -> LogClient:
        """Return the client of the api process.

        Raises
        ------
        Unavailable
            The secret was not made yet, or this process may not read it.
        """
        return cls(config.logs_socket, config.read_secret("api", "logs-token"))

    def search(self, query: Query) -> Page:
        """Return a page of the records that fit `query`, newest first.

        Raises
        ------
        Unavailable
            The log process does not answer, is catching up, or took too long.
        """
        return Page.from_json(self._get("/records", query.to_params()))

    def summarize(self, query: Query, zone: str = "UTC") -> Summary:
        """Return how many records fit `query`, whatever its page is; days are those of `zone`.

        Raises
        ------
        InvalidInput
            There is no such zone.
        Unavailable
            The log process does not answer, is catching up, or took too long.
        """
        return Summary.from_json(self._get("/summary", query.to_params() | {"zone": zone}))

    def context(self, asked: Beside) -> Context:
        """Return a record and those around it.

        Raises
        ------
        NotFound
            There is none with this id in these projects.
        Unavailable
            The log process does not answer, is catching up, or took too long.
        """
        return Context.from_json(self._get("/context", asked.to_params()))

    def append(self, records: Sequence[Record]) -> Receipt:
        """Have `records` kept; all but those that the receipt refuses are durable on return.

        Whoever gets an error sends the same records again: none is kept twice.

        Raises
        ------
        TooLarge
            They are more than the log process takes at a time.
        Unavailable
            It does not answer, has no room, or its disk is full or broken.
        """
        lines = [json.dumps(each.to_json(), separators=(",", ":")) for each in records]
        body = "\n".join(lines).encode("ascii")
        if len(body) > MAX_PARCEL_BYTES:
            raise TooLarge(f"Records of {len(body)} bytes; at most {MAX_PARCEL_BYTES} at a time")
        return Receipt.from_json(self._ask("POST", "/records", body))

    def sql(self, question: SqlQuestion, *, gone: Callable[[], bool] = lambda: False) -> SqlAnswer:
        """Return the answer to a question in SQL.

        Parameters
        ----------
        gone
            Whether nobody waits for it any more; it is ended then.

        Raises
        ------
        InvalidInput
            DuckDB refuses the statement, in its own words.
        OverLimit
            It takes more than a limit allows; the message says which.
        Cancelled
            Nobody waits for it any more.
        Unavailable
            The log process does not answer, is catching up, or has too many questions at hand.
        """

        def wait(connection: HTTPConnection) -> None:
            deadline, poll = time.monotonic() + _SQL_TIMEOUT_S, select.poll()
            poll.register(connection.sock, select.POLLIN)
            while not poll.poll(_LOOK_MS):
                if gone():
                    raise Cancelled("Nobody waits for the answer any more")
                if time.monotonic() > deadline:
                    raise TimeoutError(f"no answer within {_SQL_TIMEOUT_S:g} s")

        body = json.dumps(question.to_json()).encode()
        return SqlAnswer.from_json(self._ask("POST", "/sql", body, wait))

    def follow(self, query: Query, after: int | None = None) -> AsyncGenerator[Arrival, None]:
        """Yield what arrives; see `mavis_core.logs.following.follow`."""
        return follow(self._path, self._headers, query, after)

    def health(self) -> Health:
        """Return how the log process is.

        Raises
        ------
        Unavailable
            It does not answer.
        """
        return Health.from_json(self._get("/health", {}))

    def close(self) -> None:
        """Refuse further questions; those at hand are answered."""
        self._closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _get(self, path: str, params: Mapping[str, str]) -> Any:
        return self._ask("GET", f"{path}?{urlencode(params)}" if params else path)

    def _ask(
        self,
        method: str,
        target: str,
        sent: bytes | None = None,
        wait: Callable[[HTTPConnection], None] = lambda _: None,
    ) -> Any:
        if self._closed:
            raise Unavailable("The client of the log process is closed")
        try:
            with closing(_Connection(self._path)) as connection:
                connection.request(method, target, body=sent, headers=self._headers)
                wait(connection)
                response = connection.getresponse()
                content = response.read(_MAX_ANSWER_BYTES)
            body = json.loads(content, parse_constant=lambda _: None)
        except (OSError, HTTPException) as exc:
            raise unanswered(self._path, exc) from exc
        except ValueError as exc:
            raise Unavailable(f"The log process gave no JSON at {self._path}{target}") from exc
        if response.status == HTTPStatus.OK:
            return body
        raise error_of(response.status, body)
