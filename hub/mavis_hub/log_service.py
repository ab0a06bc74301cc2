"""The log process: ``python -m mavis_hub.log_service``.

Drains the outbox into journal and index and answers queries, as HTTP over a Unix socket:

* ``GET /health``: `mavis_core.logs.Health`; always 200 while the process runs.
* ``GET /records``: a page of records; the parameters are those of `mavis_core.logs.Query`.
* ``GET /summary``: how many records fit, as `mavis_core.logs.Summary`; the parameters are those of
  ``/records`` and ``zone``, the name of a time zone.
* ``GET /context``: a record and those around it, as `mavis_core.logs.context.Context`; the
  parameters are those of `mavis_core.logs.context.Beside`.
* ``POST /records``: takes JSON lines, a record each, and answers with `mavis_core.logs.Receipt`
  once they are durable. 503 with ``Retry-After`` where it has no room; whoever hears that, or
  nothing, sends the same records again: none is kept twice.
* ``POST /sql``: the answer to a `mavis_core.logs.questions.SqlQuestion`, carried out by a process
  of its own (`mavis_hub.opslog`), which ends when the caller goes away.

Which projects a person may see is decided by the api process; this process answers whoever it
trusts. That is: a caller whose Unix user is root, this process's own or ``mavis-api``, *and* who
sends the secret as a bearer token, on every route.
"""

from __future__ import annotations

import asyncio
import hmac
import http
import json
import logging
import os
import pwd
import signal
import socket
import struct
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

from tornado.http1connection import HTTP1Connection
from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPHeaders
from tornado.netutil import bind_unix_socket
from tornado.web import Application, HTTPError, RequestHandler, stream_request_body

from mavis_core import clock
from mavis_core import config as settings
from mavis_core.config import Config
from mavis_core.db import open_database
from mavis_core.errors import (
    Forbidden,
    Internal,
    InvalidInput,
    MavisError,
    NotFound,
    TooLarge,
    Unauthenticated,
    Unavailable,
)
from mavis_core.ids import new_id
from mavis_core.logs import Drain, Health, Page, Query, RecordSource, Summary
from mavis_core.logs.anchoring import SealCopies
from mavis_core.logs.buckets import zone_of
from mavis_core.logs.context import Beside, Context
from mavis_core.logs.duckdb_file import EXTRACTS
from mavis_core.logs.inbox import MAX_PARCEL_BYTES, Inbox, Receipt, read_lines
from mavis_core.logs.loop import Loop
from mavis_core.logs.opening import Log, anchor_stores, archive_store, open_log, rule_of
from mavis_core.logs.questions import SqlQuestion
from mavis_core.logs.sealing import private_key
from mavis_core.records import Outbox
from mavis_hub.opslog import Limits, SqlDesk, walls_for

__all__ = ["LogService", "main", "serve"]

logger = logging.getLogger(__name__)

T = TypeVar("T")
_API_USER = "mavis-api"
_QUERY_THREADS = 4
_COPY_EVERY_S = 30.0
_MAX_WAITING = 32
_MAX_BODY_BYTES = 1024  # of what is no record, and no question
_MAX_QUESTION_BYTES = 512 * 1024  # the names of a thousand projects, and a question
_TAKING_S = 10.0  # a sender waits no longer, and sends again
_UCRED = struct.Struct("3i")  # struct ucred of unix(7): process, user, group


@dataclass(frozen=True, slots=True)
class LogService:
    """The parts of the log process, open."""

    source: RecordSource
    log: Log
    drain: Drain
    inbox: Inbox
    copies: tuple[Loop, ...]

    @classmethod
    def open(
        cls,
        config: Config,
        source: RecordSource,
        closers: ExitStack,
        on_fatal: Callable[[], None] = lambda: None,
    ) -> LogService:
        """Open the log of an appliance; `closers` closes it.

        Raises
        ------
        Conflict
            Another process has it open.
        Unavailable
            A secret or the object store is missing.
        """
        keep = timedelta(days=config.logs.lock_days)
        log = open_log(
            config.journal,
            archive_store(config),
            private_key(config.read_secret("logs", "seal-key")),
            closers,
            rule=rule_of(config),
            cache_bytes=config.logs.cache_mb << 20,
            keep=keep,
        )
        inbox = Inbox()
        drain = Drain(
            source, log.journal, log.index, log.quarantine, inbox=inbox, on_fatal=on_fatal
        )
        copies = tuple(
            Loop("seal-copies", SealCopies(config.journal, store, keep).step, every_s=_COPY_EVERY_S)
            for store in anchor_stores(config)
        )
        for loop in (log.archiver.loop, *copies):
            closers.callback(loop.stop)
        closers.callback(log.sealer.stop)  # after the drain, so that it seals the last ones
        closers.callback(_stop, drain)
        return cls(source, log, drain, inbox, copies)

    def start(self) -> None:
        """Begin to move records, to seal and to archive them."""
        self.drain.start()
        self.log.sealer.start()
        for loop in (self.log.archiver.loop, *self.copies):
            loop.start()

    def take(self, body: bytes, sender: str) -> tuple[Future[None], Receipt]:
        """Put the records of `body` into the inbox and what is none into the quarantine.

        The receipt holds when the future is done.
        """
        payloads, refused = read_lines(body)
        if refused:
            self.log.quarantine.refuse_lines(
                ((told.line, told.reason, line) for told, line in refused), sender
            )
        receipt = Receipt(len(payloads), tuple(told for told, _ in refused))
        return self.inbox.put(payloads), receipt

    def health(self) -> Health:
        """Return how the process is."""
        log = self.log
        loops: list[Loop] = [log.archiver.loop, *self.copies]
        errors = (self.drain.error, log.sealer.error, *[loop.error for loop in loops])
        error = next(filter(None, errors), None)
        try:
            backlog = self.source.backlog()
        except Unavailable as exc:
            backlog, error = None, exc.message
        state, last, segments = log.index.state, log.sealer.last, log.archive.segments
        archived = sum(span.count for segment in segments for span in segment.projects)
        times = [span.until for segment in segments for span in segment.projects]
        status = "ok" if log.index.ready else "starting"
        return Health(
            status="degraded" if error else status,
            backlog=backlog,
            indexed=state.records + archived,
            journal_bytes=log.journal.size_bytes,
            last_record_time=max(filter(None, (state.last_time, *times)), default=None),
            damaged_lines=state.damaged,
            quarantined=log.quarantine.count,
            sealed_until=None if last is None else clock.parse(last.time),
            archived=archived,
            archive_bytes=sum(segment.size_bytes for segment in segments),
            error=error,
        )


def _stop(drain: Drain) -> None:
    if not drain.stop():
        # It hangs in the database. Closing the journal under it could harm; ending does not:
        # everything here bears a kill.
        logger.warning("logs.killed_itself")
        os._exit(0)


class _Pool:
    """Threads for one kind of work, with a bound on those who wait."""

    def __init__(self, work: str, threads: int) -> None:
        self._work = work
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix=f"log-{work}")
        self._waiting = 0

    async def run(self, work: Callable[[], T]) -> T:
        if self._waiting >= _MAX_WAITING:
            raise Unavailable(f"The log process has too many {self._work} at hand", retry_after_s=1)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._waiting -= 1

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


class _Handler(RequestHandler):
    """Lets nobody through whom the process does not trust; tells errors as problem+json."""

    def initialize(
        self,
        *,
        service: LogService,
        pool: _Pool,
        taking: _Pool,
        desk: SqlDesk,
        token: str,
        users: frozenset[int],
    ) -> None:
        self._service = service
        self._pool = pool
        self._taking = taking
        self._desk = desk
        self._token = token
        self._users = users
        self._request_id = self.request.headers.get("X-Request-Id") or new_id("req")

    def prepare(self) -> None:
        user = _peer(self.request.connection)
        if user not in self._users:
            raise Forbidden(f"Unix user {user} may not ask the log process", mend="Ask the api.")
        sent = self.request.headers.get("Authorization", "").encode("utf-8", "replace")
        if not hmac.compare_digest(sent, f"Bearer {self._token}".encode()):
            raise Unauthenticated(
                "The log process wants its secret", mend="Send `Authorization: Bearer …`."
            )

    async def answer(self, work: Callable[[], Page | Health | Summary | Context]) -> None:
        """Send what `work` returns; it runs, and becomes text, outside the loop."""
        text = await self._pool.run(
            lambda: json.dumps(work().to_json(), ensure_ascii=False, separators=(",", ":"))
        )
        self.set_header("Content-Type", "application/json")
        self.finish(text)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        raised = kwargs.get("exc_info", (None, None, None))[1]
        error = self._ours(raised)
        status = error.status if isinstance(raised, MavisError) else status_code
        self.set_status(status)
        self.set_header("Content-Type", "application/problem+json")
        self.set_header("X-Request-Id", self._request_id)
        if error.retry_after_s is not None:
            self.set_header("Retry-After", str(max(1, round(error.retry_after_s))))
        self.finish(
            json.dumps(
                {
                    "type": f"urn:mavis:error:{error.code}",
                    "title": type(error).__name__,
                    "status": status,
                    "detail": error.message,
                    "code": error.code,
                    "mend": error.mend,
                    "field": error.field,
                    "request_id": self._request_id,
                    "retry_after_s": error.retry_after_s,
                }
            )
        )

    def _ours(self, raised: object) -> MavisError:
        """Return our error for what a handler, or Tornado itself, raised."""
        if isinstance(raised, MavisError):
            return raised
        if not isinstance(raised, HTTPError):
            return Internal("The log process failed")
        if raised.status_code == http.HTTPStatus.BAD_REQUEST:
            return InvalidInput("The request cannot be read")
        return NotFound(f"There is no {self.request.method} {self.request.path}")

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        if not isinstance(value, MavisError | HTTPError):
            logger.error("request.failed id=%s", self._request_id, exc_info=(typ, value, tb))


class _HealthHandler(_Handler):
    async def get(self) -> None:
        await self.answer(self._service.health)


class _SummaryHandler(_Handler):
    async def get(self) -> None:
        params = _params(self.request.query_arguments)
        zone = zone_of(params.pop("zone", "UTC"))
        query = Query.from_params(params)
        await self.answer(lambda: self._service.log.library.summarize(query, zone))


class _ContextHandler(_Handler):
    async def get(self) -> None:
        asked = Beside.from_params(_params(self.request.query_arguments))
        await self.answer(lambda: self._service.log.library.context(asked))


@stream_request_body
class _RecordsHandler(_Handler):
    """Room is taken before the body is read: what comes beyond it is thrown away as it comes."""

    def prepare(self) -> None:
        self._body = bytearray()
        self._room: int | None = None
        self._held = False  # a parcel has the room, whether or not its sender still waits
        super().prepare()
        if self.request.method != "POST":
            return
        size = _length(self.request.headers)
        if size > MAX_PARCEL_BYTES:
            raise TooLarge(f"Records of {size} bytes; at most {MAX_PARCEL_BYTES} at a time")
        _http1(self.request.connection).set_max_body_size(size)
        if self._service.inbox.reserve(size):
            self._room = size

    def data_received(self, chunk: bytes) -> None:
        if self._room is not None:
            self._body += chunk

    async def get(self) -> None:
        query = Query.from_params(_params(self.request.query_arguments))
        await self.answer(lambda: self._service.log.library.search(query))

    async def post(self) -> None:
        if self._room is None:
            raise Unavailable(
                "The log process has no room for more records now",
                mend="Send them again after the seconds of Retry-After.",
                retry_after_s=1,
            )
        self._held = True
        try:
            receipt = await self._take(bytes(self._body))
        finally:
            self._held = False
            self._give_back()
        self.set_header("Content-Type", "application/json")
        self.finish(json.dumps(receipt.to_json()))

    async def _take(self, body: bytes) -> Receipt:
        sender = f"unix user {_peer(self.request.connection)}"
        durable, receipt = await self._taking.run(lambda: self._service.take(body, sender))
        try:
            await asyncio.wait_for(asyncio.wrap_future(durable), _TAKING_S)
        except TimeoutError as exc:
            raise Unavailable(
                "The log process did not get to these records in time",
                mend="Send them again; none is kept twice.",
                retry_after_s=5,
            ) from exc
        return receipt

    def on_finish(self) -> None:
        self._give_back()

    def on_connection_close(self) -> None:
        self._give_back()

    def _give_back(self) -> None:
        if self._room is not None and not self._held:
            self._service.inbox.release(self._room)
            self._room = None


def _length(headers: HTTPHeaders) -> int:
    length = headers.get("Content-Length", "")
    if not (length.isascii() and length.isdigit()):
        raise InvalidInput("Records are sent with their Content-Length")
    return int(length)


@stream_request_body
class _SqlHandler(_Handler):
    def prepare(self) -> None:
        self._body, self._gone = bytearray(), asyncio.Event()
        super().prepare()
        _http1(self.request.connection).set_max_body_size(_MAX_QUESTION_BYTES)

    def data_received(self, chunk: bytes) -> None:
        self._body += chunk

    async def post(self) -> None:
        try:
            question = SqlQuestion.from_json(json.loads(self._body))
        except (ValueError, RecursionError) as exc:
            raise InvalidInput("The question is not JSON") from exc
        content = await self._desk.answer(question, self._gone)
        if not self._gone.is_set():
            self.set_header("Content-Type", "application/json")
            self.finish(content)

    def on_connection_close(self) -> None:
        self._gone.set()


class _UnknownHandler(_Handler):
    def prepare(self) -> None:
        super().prepare()
        raise HTTPError(404)


def _params(given: Mapping[str, Sequence[bytes]]) -> dict[str, str]:
    """Return the address's parameters as sent; Tornado's own getter drops control characters."""
    params = {}
    for name, values in given.items():
        if len(values) > 1:
            raise InvalidInput(f"{name[:60]} was given more than once", field=name)
        try:
            params[name] = values[0].decode("utf-8")
        except UnicodeDecodeError as exc:
            raise InvalidInput(f"{name[:60]} is not UTF-8", field=name) from exc
    return params


def _http1(connection: object) -> HTTP1Connection:
    if not isinstance(connection, HTTP1Connection):
        raise Unauthenticated("The log process speaks HTTP/1.1 only")
    return connection


def _peer(connection: object) -> int:
    """Return the Unix user at the other end, as the kernel knows it."""
    own_end = _http1(connection).stream.socket
    packed = own_end.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    user: int = _UCRED.unpack(packed)[1]
    return user


def _trusted_users() -> frozenset[int]:
    users = {os.geteuid(), 0}
    with suppress(KeyError):  # not isolated, or not yet
        users.add(pwd.getpwnam(_API_USER).pw_uid)
    return frozenset(users)


def _bind(path: Path) -> socket.socket:
    """Return a socket that listens at `path`, for the group of its folder.

    The journal's lock is held, so that a file at `path` is what a killed process left.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
    try:
        bound = bind_unix_socket(str(path), mode=0o600)
        os.chown(path, -1, path.parent.stat().st_gid)
        path.chmod(0o660)
    except (OSError, ValueError) as exc:
        raise Unavailable(
            f"The socket {path} cannot be made: {exc}",
            mend="Set MAVIS_HOME to a folder with a path of at most 80 characters, for this user.",
        ) from exc
    return bound


async def serve(config: Config, source: RecordSource) -> bool:
    """Run until SIGTERM or SIGINT; return False where a failure ended it."""
    token = config.read_secret("logs", "logs-token")
    loop, ended, failed = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()

    def fail() -> None:
        loop.call_soon_threadsafe(failed.set)
        loop.call_soon_threadsafe(ended.set)

    with ExitStack() as closers:
        service = LogService.open(config, source, closers, fail)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, ended.set)
        pool = closers.enter_context(closing(_Pool("queries", _QUERY_THREADS)))
        parts = {
            "service": service,
            "pool": pool,
            "taking": closers.enter_context(closing(_Pool("records", 1))),
            "desk": _desk(config, service, pool),
            "token": token,
            "users": _trusted_users(),
        }
        server = HTTPServer(
            _application(parts),
            idle_connection_timeout=60,
            body_timeout=5,
            max_body_size=_MAX_BODY_BYTES,
        )
        server.add_socket(_bind(config.logs_socket))
        closers.callback(config.logs_socket.unlink, missing_ok=True)
        service.start()
        logger.info("logs.started socket=%s", config.logs_socket)
        await ended.wait()
        server.stop()
    logger.info("logs.stopped")
    return not failed.is_set()


def _desk(config: Config, service: LogService, pool: _Pool) -> SqlDesk:
    limits = Limits(
        seconds=config.logs.sql_seconds,
        memory_mb=config.logs.sql_memory_mb,
        records=config.logs.sql_records,
    )
    folder = config.journal / EXTRACTS
    walls = walls_for(config.home, folder, limits)
    return SqlDesk(service.log.library, folder, walls, limits, pool.run)


def _application(parts: dict[str, Any]) -> Application:
    return Application(
        [
            ("/context", _ContextHandler, parts),
            ("/health", _HealthHandler, parts),
            ("/records", _RecordsHandler, parts),
            ("/summary", _SummaryHandler, parts),
            ("/sql", _SqlHandler, parts),
        ],
        default_handler_class=_UnknownHandler,
        default_handler_args=parts,
        log_function=_log_request,
    )


def _log_request(handler: RequestHandler) -> None:
    logger.debug("request.done path=%s status=%d", handler.request.path, handler.get_status())


def main() -> int:
    """Run the log process; return its exit code."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        config = settings.load()
        with closing(open_database(config.database_url, pool_size=2)) as database:
            return 0 if asyncio.run(serve(config, Outbox(database))) else 1
    except MavisError as exc:
        print(f"mavis log process: {exc.message}. {exc.mend}", file=sys.stderr)  # noqa: T201 - a line for who started it
        return 1


if __name__ == "__main__":
    sys.exit(main())
