"""What every handler of the REST API has in common.

A call is identified, parsed once into a model, carried out in a bounded pool of threads, and told
as JSON. A short read from a database that is a file is carried out at once: it waits for nobody,
and to hand it to a thread and back costs more than it does. Whatever goes wrong becomes problem
details with a request id. A changing call that is refused leaves a record before its answer goes
out.

Effect and answer of a POST with an ``Idempotency-Key`` are one commit, and so are the look at
``If-Match`` and what it guards.
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import hmac
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time
from email.utils import format_datetime
from typing import Any, ClassVar

from tornado.httputil import HTTPServerRequest
from tornado.web import Application, HTTPError, RequestHandler

from mavis_core import records
from mavis_core.access import CallContext, Permission
from mavis_core.bootstrap import ApiApp
from mavis_core.changes.replies import Reply, check_key
from mavis_core.errors import (
    Internal,
    InvalidInput,
    MavisError,
    PreconditionFailed,
    TooLarge,
    Unauthenticated,
    Unavailable,
)
from mavis_core.ids import check_id, new_id
from mavis_ext import problems
from mavis_ext.answers import Deprecation
from mavis_ext.auth import Identify, Issue, identity_of
from mavis_ext.bodies import parse
from mavis_ext.events import RunEvents
from mavis_ext.limits import Limits
from mavis_ext.operation import Operation, operation_of, operations_of
from mavis_ext.pools import Pool
from mavis_ext.queries import FIELDS, Query, read
from mavis_ext.refusals import refusal
from mavis_ext.seats import Seats
from mavis_ext.sending import Packed, matches, pack, picked, reply_of, tag_of

__all__ = ["API", "CORRELATION", "MAX_BODY", "PREFIX", "ApiHandler", "Services", "methods_of"]

PREFIX = "/services/mavis"
API = f"{PREFIX}/api/v1"
MAX_BODY = 1024 * 1024
CORRELATION = "X-Correlation-Id"
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_CHANGING = _METHODS[1:]
_TEMPORARY = (429, 503)
_LATER_S = 5  # where nobody knows when it will do
_log = logging.getLogger("mavis.api")


@dataclass(frozen=True, slots=True)
class Services:
    """What handlers work with.

    Parameters
    ----------
    issue
        Makes logins that people have allowed.
    database, logs, sql, hub
        Pools of threads for calls that block on them; `sql` for questions to the log process.
    limits
        How often one person may call.
    events
        Tells those who follow Runs.
    record_seats, export_seats
        For those who follow records, and for those who take exports.
    secret
        With it requests are told apart whose answers are kept, since a body may hold a password.
    answering
        Refusals that are recorded now and answered then; the event loop keeps no hold of them.
    """

    app: ApiApp
    identify: Identify
    issue: Issue
    database: Pool
    logs: Pool
    sql: Pool
    hub: Pool
    limits: Limits
    events: RunEvents
    record_seats: Seats
    export_seats: Seats
    secret: bytes
    answering: set[asyncio.Task[None]] = field(default_factory=set)

    def close(self) -> None:
        """Let calls that block end, and take no more."""
        for pool in (self.database, self.logs, self.sql, self.hub):
            pool.close()


class ApiHandler(RequestHandler):
    """The base of every handler of the REST API."""

    authenticated: ClassVar[bool] = True
    recorded = False
    """Whether this call has left a record that says more than that it was refused."""
    ctx: CallContext

    def __init__(self, application: Application, request: HTTPServerRequest, **kwargs: Any) -> None:
        self.request_id = new_id("req")
        super().__init__(application, request, **kwargs)

    def initialize(self, services: Services) -> None:
        """Take what the application hands over."""
        self.services = services
        self.app = services.app

    def set_default_headers(self) -> None:
        self.set_header("X-Request-Id", self.request_id)
        self.set_header("Cache-Control", "no-store")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
        self.clear_header("Server")
        operation = operation_of(type(self), self.request.method)
        if operation is not None and operation.deprecated is not None:
            self._tell_deprecated(operation.deprecated)

    def check_xsrf_cookie(self) -> None:
        """Do nothing: this API takes tokens, never cookies, so no other site can borrow them."""

    async def prepare(self) -> None:
        if self.authenticated:
            await self.identify()
            self.services.limits.take(self.ctx.principal.name)
        # Who asks comes first: the record of a refusal names them.
        if len(self.request.body) > MAX_BODY:
            raise TooLarge(f"The body has over {MAX_BODY} bytes")
        if any(ord(letter) < 32 or ord(letter) == 127 for arg in self.path_args for letter in arg):
            raise InvalidInput("A name in the address holds control characters")

    async def identify(self) -> None:
        """Find out who calls.

        Raises
        ------
        Unauthenticated
            It is nobody, or nobody any more.
        """
        token = identity_of(self.request.headers.get("Authorization"))
        if token is None:
            raise Unauthenticated("This address needs a token")
        caller = await self.services.identify(token)
        if caller is None:
            raise Unauthenticated("The token is unknown, has expired or was revoked")
        self.ctx = CallContext(
            principal=caller.principal,
            scopes=caller.scopes,
            request_id=self.request_id,
            source=self.request.remote_ip or "unknown",
            confined=caller.confined,
            correlation_id=self._story(),
        )

    def _story(self) -> str:
        """Return the correlation id that the caller has begun a story with, or a new one."""
        given = self.request.headers.get(CORRELATION)
        return new_id("cor") if given is None else check_id(given, "cor", field=CORRELATION)

    async def stream(self, operation: Operation, names: tuple[str, ...]) -> None:
        """Carry out an operation that answers with events."""
        await operation.call(self, *names, **self._given(operation))

    async def serve(self, operation: Operation, names: tuple[str, ...]) -> None:
        """Carry out an operation on what the address names, and send its answer."""
        fields = None
        if operation.picks is not None:
            fields = picked(operation, self.get_query_argument(FIELDS, None))
        given = self._given(operation)
        if operation.body is not None:
            given["body"] = parse(self.request.body, operation.body)
        call = functools.partial(operation.call, self, *names, **given)
        query: Query | None = given.get("query")
        short = operation.brief and not (query is not None and query.searches)
        if short and self.app.database.in_file:
            self._send(self._carried_out(operation, names, call, fields))
            return
        pool: Pool = getattr(self.services, operation.pool)
        self._send(await pool.run(lambda: self._carried_out(operation, names, call, fields)))

    def _given(self, operation: Operation) -> dict[str, Any]:
        """Return what the address says besides names."""
        options = {
            name: self.get_query_arguments(name)
            for name in self.request.query_arguments
            if name != FIELDS or operation.picks is None
        }
        query = read(operation.query, options)
        return {} if query is None else {"query": query}

    def _carried_out(
        self,
        operation: Operation,
        names: tuple[str, ...],
        call: Callable[[], object],
        fields: tuple[str, ...] | None,
    ) -> Packed:
        """Return the answer of an operation, ready to go out. Blocks."""
        reply = self._reply(operation, names, call, fields)
        return pack(reply, tagged=operation.tagged, request=self.request.headers)

    def _reply(
        self,
        operation: Operation,
        names: tuple[str, ...],
        call: Callable[[], object],
        fields: tuple[str, ...] | None,
    ) -> Reply:
        headers = self.request.headers
        if operation.once and "Idempotency-Key" in headers:
            check_key(headers["Idempotency-Key"])
        if operation.replies and "Idempotency-Key" in headers:
            key, request = headers["Idempotency-Key"], self._fingerprint()
            reply, again = self.app.replies.once(
                self.ctx, key, request, lambda: reply_of(call(), API)
            )
            if not again:
                return reply
            self._check_still_may(operation, names)
            return Reply(reply.status, {**reply.headers, "Idempotent-Replayed": "true"}, reply.body)
        if operation.method in ("PUT", "DELETE") and "If-Match" in headers:
            with self.app.database.together():
                if self._in_project():
                    self.app.projects.queue(self.ctx, names[0])
                self._check_unchanged(names, headers["If-Match"])
                return self._told(call())
        if operation.method == "PUT":
            return self._told(call())
        return reply_of(call(), API, fields)

    def _told(self, answer: object) -> Reply:
        """Return the reply to a change, with an entity tag where it tells the thing itself."""
        reply, get = reply_of(answer, API), operations_of(type(self)).get("GET")
        if get is None or type(answer) is not get.forms[0].schema:
            return reply
        return Reply(reply.status, {**reply.headers, "ETag": f'"{tag_of(reply)}"'}, reply.body)

    def _check_unchanged(self, names: tuple[str, ...], wanted: str) -> None:
        """Return where the thing at this address is what the caller has read."""
        get = operations_of(type(self)).get("GET")
        if get is None:
            raise InvalidInput("This address has no entity tag", field="If-Match")
        now = reply_of(get.call(self, *names), API)
        if not matches(wanted, tag_of(now)):
            raise PreconditionFailed(
                f"{self.request.path.removeprefix(API)[:200]} is not what you have read:"
                " somebody changed it since"
            )

    def _in_project(self) -> bool:
        """Whether the first name in the address is a project's."""
        return self.request.path.startswith(f"{API}/projects/")

    def _check_still_may(self, operation: Operation, names: tuple[str, ...]) -> None:
        """Return where whoever asks again may still ask: a kept answer tells what is in it."""
        needs = operation.needs
        permission = needs if isinstance(needs, Permission) else Permission.PROJECT_READ
        if self._in_project():
            self.app.projects.authorize(self.ctx, names[0], permission)
        elif isinstance(needs, Permission):
            self.ctx.require(needs)

    def _fingerprint(self) -> str:
        """Return what tells this request from others with the same key, without its secrets."""
        body = json.dumps(json.loads(self.request.body or b"{}"), sort_keys=True)
        text = f"{self.request.method} {self.request.uri}\n{body}"
        return hmac.new(self.services.secret, text.encode(), hashlib.sha256).hexdigest()

    def _send(self, packed: Packed) -> None:
        self.set_status(packed.status)
        self.clear_header("Content-Type")
        for name, value in packed.headers.items():
            self.set_header(name, value)
        self.finish(packed.content or None)

    def _tell_deprecated(self, told: Deprecation) -> None:
        """Say that the operation will go: RFC 9745, and RFC 8594 for its end."""
        since = datetime.combine(told.since, time(tzinfo=UTC))
        self.set_header("Deprecation", f"@{int(since.timestamp())}")
        self.set_header("Link", f'<{PREFIX}/docs#{told.instead}>; rel="successor-version"')
        if told.sunset is not None:
            sunset = datetime.combine(told.sunset, time(tzinfo=UTC))
            self.set_header("Sunset", format_datetime(sunset, usegmt=True))

    def compute_etag(self) -> str | None:
        return None  # `sending` has said it

    def send_error(self, status_code: int = 500, **kwargs: Any) -> None:
        """Answer with an error, and record it before where it ended a changing call.

        A part that is down has changed nothing and could not take the record.
        """
        exc = _error_of(status_code, kwargs)
        changing = self.request.method in _CHANGING and hasattr(self, "ctx")
        if not changing or self.recorded or isinstance(exc, Unavailable):
            super().send_error(status_code, **kwargs)
            return
        answering = self.services.answering
        task = asyncio.ensure_future(self._record_and_answer(exc, status_code, kwargs))
        answering.add(task)
        task.add_done_callback(answering.discard)

    async def _record_and_answer(
        self, exc: BaseException, status_code: int, kwargs: dict[str, Any]
    ) -> None:
        told = problems.of_exception(exc, status_code, self.request_id)
        record = refusal(self.ctx, str(self.request.method), self.request.path, told)

        def write() -> None:
            with self.app.database.write() as tx:
                records.write(tx, record)

        try:
            await self.services.database.run(write)
        except Exception:  # noqa: BLE001  # the outermost edge: the caller gets the answer all the same
            _log.exception("%s was not recorded: %s", record.summary, self.request_id)
        super().send_error(status_code, **kwargs)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        exc = _error_of(status_code, kwargs)
        if status_code == 405:
            self.set_header("Allow", ", ".join(methods_of(type(self))))
        if isinstance(exc, MavisError):
            self.set_status(exc.status)
            if exc.retry_after_s is not None or exc.status in _TEMPORARY:
                self.set_header("Retry-After", str(max(1, round(exc.retry_after_s or _LATER_S))))
            if exc.status == 401:
                self.set_header("WWW-Authenticate", 'Bearer realm="mavis"')
        told = problems.of_exception(exc, status_code, self.request_id)
        self.set_header("Content-Type", problems.CONTENT_TYPE)
        self.finish(json.dumps(told, ensure_ascii=False))

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        if isinstance(value, MavisError) and not isinstance(value, Internal):
            _log.info("%s %s: %s: %s", self.request.method, self.request.path, value.code, value)
        elif isinstance(value, HTTPError) and value.status_code < 500:
            _log.info("%s %s: %d", self.request.method, self.request.path, value.status_code)
        else:
            _log.error(
                "%s %s: bug, request %s",
                self.request.method,
                self.request.path,
                self.request_id,
                exc_info=(typ, value, tb),
            )


def methods_of(handler: type[RequestHandler]) -> tuple[str, ...]:
    """Return the methods that `handler` implements."""
    return tuple(
        name
        for name in _METHODS
        if getattr(handler, name.lower()) is not getattr(RequestHandler, name.lower())
    )


def _error_of(status_code: int, kwargs: Mapping[str, Any]) -> BaseException:
    exc: BaseException | None = (kwargs.get("exc_info") or (None, None, None))[1]
    return exc or HTTPError(status_code)
