"""What every handler of the REST API has in common.

A call is identified, parsed once into a model, carried out in a bounded pool of threads, and told
as JSON. Whatever goes wrong becomes problem details with a request id. A changing call that is
refused leaves a record.
"""

from __future__ import annotations

import asyncio
import functools
import json
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from tornado.httputil import HTTPServerRequest
from tornado.web import Application, HTTPError, RequestHandler, stream_request_body

from mavis_core import records
from mavis_core.access import CallContext
from mavis_core.bootstrap import ApiApp
from mavis_core.db.paging import PageRequest
from mavis_core.errors import (
    Internal,
    InvalidInput,
    MavisError,
    TooLarge,
    Unauthenticated,
    Unavailable,
)
from mavis_core.ids import new_id
from mavis_ext import problems
from mavis_ext.auth import Identify, identity_of

__all__ = ["MAX_BODY", "ApiHandler", "Body", "Pool", "Services"]

T = TypeVar("T")
B = TypeVar("B", bound=BaseModel)
MAX_BODY = 1024 * 1024
_CHANGING = ("POST", "PUT", "PATCH", "DELETE")
_log = logging.getLogger("mavis.api")


class Body(BaseModel):
    """A request's body: unknown fields are an error, and numbers are no texts."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Pool:
    """A bounded pool of threads for one kind of blocking work.

    Parameters
    ----------
    name
        What the threads talk to.
    threads
        Calls at a time.
    waiting
        Calls that may wait for a thread; one more is refused at once.
    """

    def __init__(self, name: str, *, threads: int, waiting: int) -> None:
        self._name = name
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._room = threads + waiting
        self._inside = 0

    async def run(self, call: Callable[[], T]) -> T:
        """Return what `call` returns in a thread.

        Raises
        ------
        Unavailable
            Too many calls wait already.
        """
        if self._inside >= self._room:
            raise Unavailable(f"Too many calls wait for {self._name}", retry_after_s=1)
        self._inside += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, call)
        finally:
            self._inside -= 1

    def close(self) -> None:
        """Let calls that run end; take no more."""
        self._executor.shutdown(wait=False, cancel_futures=True)


@dataclass(frozen=True, slots=True)
class Services:
    """What handlers work with.

    Parameters
    ----------
    database, logs
        Pools of threads for calls that block on them.
    """

    app: ApiApp
    identify: Identify
    database: Pool
    logs: Pool


@stream_request_body
class ApiHandler(RequestHandler):
    """The base of every handler of the REST API."""

    authenticated: ClassVar[bool] = True
    ctx: CallContext

    def __init__(self, application: Application, request: HTTPServerRequest, **kwargs: Any) -> None:
        self.request_id = new_id("req")
        self._body = bytearray()
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

    def check_xsrf_cookie(self) -> None:
        """Do nothing: this API takes tokens, never cookies, so no other site can borrow them."""

    async def prepare(self) -> None:
        self._check_size(int(self.request.headers.get("Content-Length") or 0))
        if not self.authenticated:
            return
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
        )

    def data_received(self, chunk: bytes) -> None:
        self._check_size(len(self._body) + len(chunk))
        self._body += chunk

    def _check_size(self, size: int) -> None:
        if size > MAX_BODY:
            raise TooLarge(f"The body has over {MAX_BODY} bytes")

    def body(self, form: type[B]) -> B:
        """Return the request's body as `form`.

        Raises
        ------
        InvalidInput
            It is not JSON, or does not fit; the message names every field at fault.
        """
        try:
            value = json.loads(bytes(self._body) or b"{}", parse_constant=_no_constant)
        except (ValueError, RecursionError) as exc:
            raise InvalidInput(f"The body is not JSON: {exc}") from exc
        try:
            return form.model_validate_json(json.dumps(value))
        except ValidationError as exc:
            raise problems.invalid(exc) from exc

    def page(self) -> PageRequest:
        """Return which page the query asks for."""
        text = self.get_query_argument("limit", "50")
        if not text.isdecimal() or len(text) > 6:
            raise InvalidInput(f"limit is no number: {text[:20]!r}", field="limit")
        return PageRequest(int(text), self.get_query_argument("cursor", None))

    def filters(self, *names: str) -> dict[str, str | None]:
        """Return the query's filters by name.

        Raises
        ------
        InvalidInput
            The query holds a name that this address does not know.
        """
        known = {*names, "limit", "cursor"}
        if unknown := sorted(set(self.request.query_arguments) - known):
            raise InvalidInput(
                f"No filter {unknown[0][:40]!r} here; there are {', '.join(sorted(known))}",
                field=unknown[0][:40],
            )
        return {name: self.get_query_argument(name, None) for name in names}

    def idempotency_key(self) -> str | None:
        """Return the request's ``Idempotency-Key``, or None."""
        return self.request.headers.get("Idempotency-Key")

    async def call(self, use_case: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Return what a use case of the database's services returns, in its pool."""
        return await self.services.database.run(functools.partial(use_case, *args, **kwargs))

    def answer(self, value: Mapping[str, Any], *, status: int = 200) -> None:
        """Send `value` as JSON."""
        self.set_status(status)
        self.set_header("Content-Type", "application/json; charset=utf-8")
        self.finish(json.dumps(value, ensure_ascii=False, separators=(",", ":")))

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        exc: BaseException = (kwargs.get("exc_info") or (None, HTTPError(status_code), None))[1]
        if isinstance(exc, MavisError):
            self.set_status(exc.status)
            if exc.retry_after_s is not None:
                self.set_header("Retry-After", str(max(1, round(exc.retry_after_s))))
            if exc.status == 401:
                self.set_header("WWW-Authenticate", 'Bearer realm="mavis"')
        told = problems.of_exception(exc, status_code, self.request_id)
        self.set_header("Content-Type", problems.CONTENT_TYPE)
        self.finish(json.dumps(told, ensure_ascii=False))
        if self.request.method in _CHANGING and hasattr(self, "ctx"):
            self._record_refusal(told)

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

    def _record_refusal(self, told: Mapping[str, Any]) -> None:
        """Leave a record of a changing call that was refused; the caller has the answer already."""
        record = records.Record(
            kind=records.Kind.AUDIT,
            phase=records.Phase.EVENT,
            action="api.refused",
            person=self.ctx.principal.name,
            object=f"{self.request.method} {self.request.path[:200]}",
            outcome=records.Outcome.REFUSED,
            error_code=told["code"],
            summary=f"{self.request.method} {self.request.path[:200]} refused: {told['code']}",
            correlation_id=self.ctx.correlation_id,
            request_id=self.request_id,
            source=self.ctx.source,
            data={"detail": str(told["detail"])[:500]},
        )

        def write() -> None:
            with self.app.database.write() as tx:
                records.write(tx, record)

        task = asyncio.ensure_future(self.services.database.run(write))
        task.add_done_callback(_log_failure)


def _log_failure(task: asyncio.Future[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("the record of a refused call was not written: %s", error)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")
