"""Asks the gateway for what it alone has, over its Unix socket. For the api process."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import closing
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPResponse
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from mavis_core import clock
from mavis_core.config import Config
from mavis_core.errors import InvalidInput, MavisError, NotFound, Unavailable
from mavis_core.logs.client import SocketConnection
from mavis_core.remote.alarms import Alarm
from mavis_core.remote.person_certificates import Wanted

__all__ = ["Cast", "GatewayClient"]

_TIMEOUT_S = 20.0
_GLANCE_S = 2.0  # a page waits for it
_QUICK_S = 5.0
_CHUNK_BYTES = 256 * 1024
_MAX_ANSWER_BYTES = 8 << 20


class Cast:
    """A recording as it comes, asciicast v2; close it at the end."""

    def __init__(self, connection: HTTPConnection, response: HTTPResponse) -> None:
        self._connection, self._response = connection, response

    def chunks(self) -> Iterator[bytes]:
        """Yield it, piece by piece.

        Raises
        ------
        Unavailable
            The gateway has broken it off: what came is not the whole.
        """
        try:
            while content := self._response.read(_CHUNK_BYTES):
                yield content
        except (OSError, HTTPException) as exc:
            raise Unavailable(f"The gateway broke a recording off: {exc}") from exc

    def close(self) -> None:
        """Read no more."""
        self._response.close()
        self._connection.close()


class GatewayClient:
    """The gateway. Safe for threads.

    Parameters
    ----------
    paths
        The sockets of its processes, by their numbers.
    token
        The secret that they share with their callers.
    """

    def __init__(self, paths: Sequence[Path], token: str) -> None:
        self._paths = tuple(paths)
        self._headers = {"Authorization": f"Bearer {token}"}

    @classmethod
    def of(cls, config: Config) -> GatewayClient:
        """Return the client of the api process.

        Raises
        ------
        Unavailable
            The secret was not made yet, or this process may not read it.
        """
        paths = [config.gateway_socket(shard) for shard in range(config.remote.processes)]
        return cls(paths, config.read_secret("api", "gateway-token"))

    def cast(self, project_id: str, session_id: str, shard: int | None = None) -> Cast:
        """Return the recording of a session, running or over.

        Parameters
        ----------
        shard
            The number of the process that has or had the session.

        Raises
        ------
        NotFound
            There is none, or it was erased.
        Unavailable
            The gateway does not answer.
        """
        socket = self._paths[shard if shard and shard < len(self._paths) else 0]
        connection = SocketConnection(socket, timeout_s=_TIMEOUT_S)
        try:
            path = f"/recordings/{project_id}/{session_id}/cast"
            response = self._opened(connection, path)
        except (OSError, HTTPException) as exc:
            connection.close()
            raise _silent(socket, exc) from exc
        except BaseException:
            connection.close()
            raise
        return Cast(connection, response)

    def _opened(self, connection: HTTPConnection, path: str) -> HTTPResponse:
        connection.request("GET", path, headers=self._headers)
        response = connection.getresponse()
        if response.status != HTTPStatus.OK:
            raise _error(response.status, response.read(_MAX_ANSWER_BYTES))
        return response

    def door_key(self) -> str | None:
        """Return the host key of the door for SSH clients; None: it is closed.

        Raises
        ------
        Unavailable
            The gateway does not answer.
        """
        told = self._told("GET", "/door")
        return str(told["host_key"]) if told["open"] else None

    def sign(self, wanted: Wanted) -> str:
        """Have a certificate of a person signed; see `Signer`.

        Raises
        ------
        InvalidInput
            The gateway does not sign that.
        Unavailable
            It does not answer.
        """
        body = {
            "person": wanted.person,
            "serial": wanted.serial,
            "public": wanted.public,
            "issued_at": clock.iso(wanted.issued_at),
            "expires_at": clock.iso(wanted.expires_at),
        }
        return str(self._told("POST", "/person-certificates", body)["certificate"])

    def search(self, project_id: str, words: str, *, limit: int) -> list[dict[str, Any]]:
        """Return lines that screens showed, the newest session first.

        Raises
        ------
        InvalidInput
            Nothing is looked for, or too much.
        Unavailable
            The gateway does not answer.
        """
        query = urlencode({"project": project_id, "words": words, "limit": limit})
        told = self._told("GET", f"/recordings?{query}", timeout_s=_TIMEOUT_S)
        found: list[dict[str, Any]] = told["hits"]
        return found

    def alarms(self) -> tuple[Alarm, ...]:
        """Return what stands in the way of recordings now.

        Raises
        ------
        Unavailable
            The gateway does not answer.
        """
        told = [
            each
            for path in self._paths
            for each in self._told("GET", "/health", socket=path, timeout_s=_GLANCE_S)["alarms"]
        ]
        return tuple(dict.fromkeys(map(Alarm.from_json, told)))

    def _told(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        socket: Path | None = None,
        timeout_s: float = _QUICK_S,
    ) -> dict[str, Any]:
        """Return what one process answers; `socket` None: the first, which knows what all do."""
        content = None if body is None else json.dumps(body).encode()
        socket = socket or self._paths[0]
        try:
            with closing(SocketConnection(socket, timeout_s=timeout_s)) as connection:
                connection.request(method, path, content, headers=self._headers)
                response = connection.getresponse()
                content = response.read(_MAX_ANSWER_BYTES)
        except (OSError, HTTPException) as exc:
            raise _silent(socket, exc) from exc
        if response.status != HTTPStatus.OK:
            raise _error(response.status, content)
        told: dict[str, Any] = json.loads(content)
        return told


def _silent(path: Path, error: Exception) -> Unavailable:
    return Unavailable(
        f"The gateway does not answer at {path}: {type(error).__name__}: {error}",
        mend="Try again in a moment; nothing is lost meanwhile. See `mavisctl status`.",
        retry_after_s=2,
    )


def _error(status: int, content: bytes) -> MavisError:
    try:
        told = json.loads(content)
    except ValueError:
        told = {}
    detail = str(told.get("detail", "no reason given"))
    if status == HTTPStatus.NOT_FOUND:
        return NotFound(detail, mend=told.get("mend"))
    if status == HTTPStatus.BAD_REQUEST:
        return InvalidInput(detail, mend=told.get("mend"), field=told.get("field"))
    return Unavailable(f"The gateway answered {status}: {detail}", mend=told.get("mend"))
