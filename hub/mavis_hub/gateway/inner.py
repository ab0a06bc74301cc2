"""What the gateway answers the api process, as HTTP over a Unix socket.

* ``GET /health``: how many sessions are open, how recording goes, and what stands in its way; it is
  always 200 while the gateway runs.
* ``GET /recordings/{project}/{session}/cast``: a recording, asciicast v2, of a session that runs or
  is over; it is compared with what was signed while it is sent, and broken off where it differs.
* ``GET /recordings?project=&words=&limit=``: lines that screens showed, the newest session first.
* ``GET /door``: whether the door for SSH clients is open, and its host key.
* ``POST /person-certificates``: a certificate of a person for the door, signed. It asks no
  database, since the api process may be in the middle of a transaction of it.

Who may read what is decided by the api process.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from concurrent.futures import Executor
from dataclasses import asdict, dataclass
from itertools import islice

from tornado.iostream import StreamClosedError
from tornado.web import Application

from mavis_core import clock
from mavis_core.errors import InvalidInput, MavisError, NotFound
from mavis_core.remote.alarms import Alarm
from mavis_core.remote.person_authority import PersonAuthority
from mavis_core.remote.person_certificates import Wanted
from mavis_core.remote.recording import Library, Recordings, ScreenTexts
from mavis_hub.gateway.alarms import Alarms
from mavis_hub.gateway.floor import Floor
from mavis_hub.inner_http import InnerHandler, Trust, http1

__all__ = ["Archive", "Gate", "make_inner"]

_PIECE_BYTES = 256 * 1024
_PATIENCE_S = 60.0
_MOST = 200


@dataclass(frozen=True, slots=True)
class Archive:
    """What is asked.

    Parameters
    ----------
    pool
        Threads that read.
    """

    recordings: Recordings
    library: Library
    texts: ScreenTexts
    floor: Floor
    alarms: Alarms
    pool: Executor


@dataclass(frozen=True, slots=True)
class Gate:
    """What the door is known by, and whom it takes.

    Parameters
    ----------
    host_key
        As in ``known_hosts``, without a host; None: the door is closed.
    """

    host_key: str | None
    authority: PersonAuthority


class _Inner(InnerHandler):
    def initialize(self, trust: Trust, archive: Archive) -> None:
        super().initialize()
        self.trust, self.archive = trust, archive


class _Health(_Inner):
    def get(self) -> None:
        """Tell how it goes."""
        recording = asdict(self.archive.recordings.health)
        standing = self.archive.alarms.standing
        told = {
            "sessions": len(self.archive.floor.all()),
            "recording": recording,
            "alarms": [each.to_json() for each in standing],
            "error": " ".join(map(_sentences, standing)) or None,
        }
        self.set_header("Content-Type", "application/json")
        self.finish(json.dumps(told))


class _Cast(_Inner):
    async def get(self, project: str, session: str) -> None:
        """Send it."""
        loop, pool = asyncio.get_running_loop(), self.archive.pool
        pieces = _pieces(await loop.run_in_executor(pool, self._lines, project, session))
        self.set_header("Content-Type", "application/x-asciicast")
        try:
            while piece := await loop.run_in_executor(pool, next, pieces, b""):
                self.write(piece)
                await asyncio.wait_for(self.flush(), _PATIENCE_S)
        except (StreamClosedError, TimeoutError, MavisError):
            if not self._headers_written:
                raise
            http1(self.request.connection).close()  # so that nobody takes it for the whole

    def _lines(self, project: str, session: str) -> Iterator[bytes]:
        try:
            found = self.archive.recordings.running(session)
        except NotFound:
            lines = self.archive.library.lines(project, session)
        else:
            if found.header.project_id != project:
                raise NotFound(f"The project has no session {session}")
            lines = found.lines()
        first = next(lines, b"")  # what is not there is told before anything is sent
        return _chained(first, lines)


class _Search(_Inner):
    async def get(self) -> None:
        """Tell what was found."""
        project, words = self.get_query_argument("project"), self.get_query_argument("words", "")
        try:
            limit = min(int(self.get_query_argument("limit", "50")), _MOST)
        except ValueError as exc:
            raise InvalidInput("limit is a whole number", field="limit") from exc

        def look() -> list[dict[str, object]]:
            found = self.archive.texts.search(words, projects={project})
            return [
                {"session": hit.session_id, "at_s": hit.line.at_us / 1e6, "text": hit.line.text}
                for hit in islice(found, limit)
            ]

        hits = await asyncio.get_running_loop().run_in_executor(self.archive.pool, look)
        self.set_header("Content-Type", "application/json")
        self.finish(json.dumps({"hits": hits}))


def _sentences(alarm: Alarm) -> str:
    return f"{alarm.text}. {alarm.mend}" + (f" ({alarm.why})" if alarm.why else "")


class _Gate(InnerHandler):
    def initialize(self, trust: Trust, gate: Gate) -> None:
        super().initialize()
        self.trust, self.gate = trust, gate

    def tell(self, told: dict[str, object]) -> None:
        self.set_header("Content-Type", "application/json")
        self.finish(json.dumps(told))


class _Door(_Gate):
    def get(self) -> None:
        """Tell by what clients know it."""
        key = self.gate.host_key
        self.tell({"open": key is not None, "host_key": key})


class _Certificates(_Gate):
    def post(self) -> None:
        """Sign one."""
        try:
            told = json.loads(self.request.body)
            wanted = Wanted(
                person=str(told["person"]),
                serial=int(told["serial"]),
                public=str(told["public"]),
                issued_at=clock.parse(told["issued_at"]),
                expires_at=clock.parse(told["expires_at"]),
            )
        except (ValueError, TypeError, KeyError) as exc:
            raise InvalidInput("The certificate that is wanted cannot be read") from exc
        self.tell({"certificate": self.gate.authority.sign(wanted)})


def make_inner(trust: Trust, archive: Archive, gate: Gate) -> Application:
    """Return the application."""
    parts, of_gate = {"trust": trust, "archive": archive}, {"trust": trust, "gate": gate}
    name = "([a-z]+_[0-9a-z]+)"
    return Application(
        [
            ("/health", _Health, parts),
            ("/recordings", _Search, parts),
            (f"/recordings/{name}/{name}/cast", _Cast, parts),
            ("/door", _Door, of_gate),
            ("/person-certificates", _Certificates, of_gate),
        ],
        log_function=lambda _: None,
    )


def _chained(first: bytes, lines: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from lines


def _pieces(lines: Iterator[bytes]) -> Iterator[bytes]:
    piece = bytearray()
    for line in lines:
        piece += line
        if len(piece) >= _PIECE_BYTES:
            yield bytes(piece)
            piece.clear()
    if piece:
        yield bytes(piece)
