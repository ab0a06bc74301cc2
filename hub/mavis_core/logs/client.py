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
from base64 import b64encode
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import closing
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPResponse
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode

from mavis_core.config import Config
from mavis_core.errors import Cancelled, TooLarge, Unavailable
from mavis_core.logs.arrivals import Arrival
from mavis_core.logs.context import Beside, Context
from mavis_core.logs.exports import Export
from mavis_core.logs.following import follow
from mavis_core.logs.inbox import MAX_PARCEL_BYTES, Receipt, Refusal
from mavis_core.logs.query import Health, Page, Query
from mavis_core.logs.questions import SqlAnswer, SqlQuestion
from mavis_core.logs.refusals import error_of, unanswered
from mavis_core.logs.summaries import Summary
from mavis_core.records.model import Record

__all__ = ["LogClient", "SocketConnection", "Taken"]

_TIMEOUT_S = 15.0  # more than a query may take there
_EXPORT_TIMEOUT_S = 75.0  # more than an export may wait for a seat and take to be written
_SQL_TIMEOUT_S = 45.0  # more than a question may wait, be prepared and take there
_LOOK_MS = 200
_MAX_ANSWER_BYTES = 64 << 20  # more than the largest page


class SocketConnection(HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path, *, timeout_s: float = _TIMEOUT_S) -> None:
        super().__init__("logs", timeout=timeout_s)
        self._path, self._timeout_s = path, timeout_s

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self._timeout_s)
        self.sock.connect(str(self._path))


class Taken:
    """An export, to be read; close it at the end.

    Parameters
    ----------
    count
        How many records it has.
    size_bytes
        How long it is.
    """

    def __init__(
        self, count: int, size_bytes: int, connection: HTTPConnection, response: HTTPResponse
    ) -> None:
        self.count, self.size_bytes = count, size_bytes
        self._connection, self._response, self._left = connection, response, size_bytes

    def read(self, size_bytes: int) -> bytes:
        """Return the next so many bytes, fewer at the end, none after it.

        Raises
        ------
        Unavailable
            The log process has ended before.
        """
        try:
            content = self._response.read(min(size_bytes, self._left))
        except (OSError, HTTPException) as exc:
            raise Unavailable(f"The log process broke an export off: {exc}") from exc
        if self._left and not content:
            raise Unavailable("The log process broke an export off")
        self._left -= len(content)
        return content

    def close(self) -> None:
        """Read no more."""
        self._response.close()
        self._connection.close()


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

    def put_aside(self, lines: Sequence[tuple[str, bytes]], sender: str) -> tuple[Refusal, ...]:
        """Have what `sender` has sent and cannot be read kept in the quarantine, durable on return.

        Parameters
        ----------
        lines
            Reason and bytes of each.

        Raises
        ------
        Unavailable
            The log process does not answer, or its disk is full or broken.
        """
        told = [
            {"reason": reason, "data": b64encode(data).decode("ascii")} for reason, data in lines
        ]
        body = json.dumps({"sender": sender, "lines": told}).encode("ascii")
        return Receipt.from_json(self._ask("POST", "/quarantine", body)).refused

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

    def export(self, wanted: Export) -> Taken:
        """Return the whole answer to a question as a file.

        Raises
        ------
        InvalidInput
            Its regular expression is none.
        OverLimit
            There is too much of it.
        Unavailable
            The log process does not answer, is catching up, or writes too many.
        """
        if self._closed:
            raise Unavailable("The client of the log process is closed")
        connection = SocketConnection(self._path, timeout_s=_EXPORT_TIMEOUT_S)
        try:
            return self._taken(connection, json.dumps(wanted.to_json()).encode())
        except (OSError, HTTPException, ValueError) as exc:
            connection.close()
            raise unanswered(self._path, exc) from exc
        except BaseException:
            connection.close()
            raise

    def _taken(self, connection: HTTPConnection, body: bytes) -> Taken:
        connection.request("POST", "/export", body=body, headers=self._headers)
        response = connection.getresponse()
        if response.status != HTTPStatus.OK:
            raise error_of(response.status, json.loads(response.read(_MAX_ANSWER_BYTES)))
        count, size = response.headers["X-Records"], response.headers["Content-Length"]
        return Taken(int(count), int(size), connection, response)

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
            with closing(SocketConnection(self._path)) as connection:
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
