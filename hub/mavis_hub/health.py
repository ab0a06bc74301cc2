"""Is a process well? A check is data in the table of processes; `check` carries it out.

Checks use the standard library only, so that ``mavisctl status`` answers at once.
"""

from __future__ import annotations

import http.client
import json
import socket
import time
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path

from mavis_core.config import Config
from mavis_core.errors import Unavailable

__all__ = ["FreshFile", "Health", "HealthCheck", "HttpCheck", "SocketCheck", "check"]

_TIMEOUT_S = 3.0
_MOST_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class HttpCheck:
    """GET a path on a port of loopback; any answer below 400 is well.

    Parameters
    ----------
    basic_secret
        Process and name of a secret ``user:password`` that is sent as basic authentication.
    """

    port: int
    path: str
    basic_secret: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class SocketCheck:
    """GET a path on a Unix socket with a bearer secret, named by process and name.

    The answer is a JSON object; where its ``error`` is a text, that is what troubles the process.
    """

    socket: Path
    path: str
    bearer_secret: tuple[str, str]


@dataclass(frozen=True, slots=True)
class FreshFile:
    """A file that the process touches; well while it is younger than `max_age_s`."""

    path: Path
    max_age_s: float


HealthCheck = HttpCheck | SocketCheck | FreshFile


@dataclass(frozen=True, slots=True)
class Health:
    """What a check found.

    Parameters
    ----------
    detail
        Why it is not well; empty where it is.
    trouble
        What stands in the way of a process that does its work as far as it can; it can be had in
        spite of it, and is started no better by another start.
    """

    well: bool
    detail: str = ""
    trouble: str = ""


class _SocketConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=_TIMEOUT_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def check(what: HealthCheck, config: Config) -> Health:
    """Carry out one check; never raises for what it finds."""
    try:
        match what:
            case HttpCheck():
                return _get(_loopback(what), what.path, _basic(what, config))
            case SocketCheck():
                secret = config.read_secret(*what.bearer_secret)
                headers = {"Authorization": f"Bearer {secret}"}
                return _get(_SocketConnection(what.socket), what.path, headers)
            case FreshFile():
                return _fresh(what)
    except (OSError, http.client.HTTPException) as exc:
        return Health(False, getattr(exc, "strerror", None) or str(exc) or type(exc).__name__)
    except Unavailable as exc:
        return Health(False, exc.message)


def _loopback(what: HttpCheck) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", what.port, timeout=_TIMEOUT_S)


def _basic(what: HttpCheck, config: Config) -> dict[str, str]:
    if what.basic_secret is None:
        return {}
    secret = config.read_secret(*what.basic_secret).encode()
    return {"Authorization": "Basic " + b64encode(secret).decode("ascii")}


def _get(connection: http.client.HTTPConnection, path: str, headers: dict[str, str]) -> Health:
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        content = answer.read(_MOST_BYTES)
    finally:
        connection.close()
    if answer.status < 400:
        return Health(True, trouble=_trouble(content))
    return Health(False, f"answers {answer.status} {answer.reason}")


def _trouble(content: bytes) -> str:
    try:
        told = json.loads(content)
    except (ValueError, RecursionError):
        return ""
    error = told.get("error") if isinstance(told, dict) else None
    return error if isinstance(error, str) else ""


def _fresh(what: FreshFile) -> Health:
    age_s = time.time() - what.path.stat().st_mtime
    if age_s <= what.max_age_s:
        return Health(True)
    return Health(False, f"last sign of life {age_s:.0f} s ago")
