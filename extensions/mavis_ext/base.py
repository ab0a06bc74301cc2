"""What every handler of the REST API has in common.

A call is identified, parsed once into a model, carried out in a bounded pool of threads, and told
as JSON. Whatever goes wrong becomes problem details with a request id. A changing call that is
refused leaves a record before its answer goes out.
"""

from __future__ import annotations

import asyncio
import functools
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel
from tornado.httputil import HTTPServerRequest
from tornado.web import Application, HTTPError, RequestHandler

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
from mavis_ext.bodies import parse
from mavis_ext.pools import Pool

__all__ = ["MAX_BODY", "ApiHandler", "Services", "methods_of"]

T = TypeVar("T")
B = TypeVar("B", bound=BaseModel)
MAX_BODY = 1024 * 1024
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_CHANGING = _METHODS[1:]
_log = logging.getLogger("mavis.api")


@dataclass(frozen=True, slots=True)
class Services:
    """What handlers work with.

    Parameters
    ----------
    database, logs
        Pools of threads for calls that block on them.
    answering
        Refusals that are recorded now and answered then; the event loop keeps no hold of them.
    """

    app: ApiApp
    identify: Identify
    database: Pool
    logs: Pool
    answering: set[asyncio.Task[None]] = field(default_factory=set)


class ApiHandler(RequestHandler):
    """The base of every handler of the REST API."""

    authenticated: ClassVar[bool] = True
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

    def check_xsrf_cookie(self) -> None:
        """Do nothing: this API takes tokens, never cookies, so no other site can borrow them."""

    async def prepare(self) -> None:
        if self.authenticated:
            await self._identify()
        # Who asks comes first: the record of a refusal names them.
        if len(self.request.body) > MAX_BODY:
            raise TooLarge(f"The body has over {MAX_BODY} bytes")
        if any(ord(letter) < 32 or ord(letter) == 127 for arg in self.path_args for letter in arg):
            raise InvalidInput("A name in the address holds control characters")

    async def _identify(self) -> None:
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

    def body(self, form: type[B]) -> B:
        """Return the request's body as `form`.

        Raises
        ------
        InvalidInput
            It is not JSON, or does not fit; the message names every field at fault.
        """
        return parse(self.request.body, form)

    def page(self) -> PageRequest:
        """Return which page the query asks for."""
        return PageRequest(self.number("limit", 50), self.get_query_argument("cursor", None))

    def number(self, name: str, default: int) -> int:
        """Return the whole number that the query says under `name`.

        Raises
        ------
        InvalidInput
            It is none, or a very large one.
        """
        text = self.get_query_argument(name, str(default))
        if not text.isdecimal() or len(text) > 6:
            raise InvalidInput(f"{name} is no number: {text[:20]!r}", field=name)
        return int(text)

    def filters(self, *names: str) -> dict[str, str | None]:
        """Return the filters of a list that has pages, by name.

        Raises
        ------
        InvalidInput
            The query holds a name that this address does not know.
        """
        found = self.query(*names, "limit", "cursor")
        return {name: found[name] for name in names}

    def query(self, *names: str) -> dict[str, str | None]:
        """Return what the query says, by name.

        Raises
        ------
        InvalidInput
            It holds a name that this address does not know.
        """
        known = set(names)
        if unknown := sorted(set(self.request.query_arguments) - known):
            raise InvalidInput(
                f"No option {unknown[0][:40]!r} here;"
                f" there are {', '.join(sorted(known)) or 'none'}",
                field=unknown[0][:40],
            )
        return {name: self.get_query_argument(name, None) for name in names}

    def choice(self, name: str, *values: str) -> str:
        """Return which of `values` the query says under `name`; the first where it says nothing.

        Raises
        ------
        InvalidInput
            It says another one.
        """
        found = self.get_query_argument(name, values[0])
        if found not in values:
            raise InvalidInput(f"{name} is {' or '.join(values)}", field=name)
        return found

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

    def done(self) -> None:
        """Answer that it is done; there is nothing to tell."""
        self.set_status(204)
        self.finish()

    def send_error(self, status_code: int = 500, **kwargs: Any) -> None:
        """Answer with an error, and record it before where it ended a changing call.

        A part that is down has changed nothing and could not take the record.
        """
        exc = _error_of(status_code, kwargs)
        changing = self.request.method in _CHANGING and hasattr(self, "ctx")
        if not changing or isinstance(exc, Unavailable):
            super().send_error(status_code, **kwargs)
            return
        answering = self.services.answering
        task = asyncio.ensure_future(self._record_and_answer(exc, status_code, kwargs))
        answering.add(task)
        task.add_done_callback(answering.discard)

    async def _record_and_answer(
        self, exc: BaseException, status_code: int, kwargs: dict[str, Any]
    ) -> None:
        record = self._refusal(problems.of_exception(exc, status_code, self.request_id))

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
            if exc.retry_after_s is not None:
                self.set_header("Retry-After", str(max(1, round(exc.retry_after_s))))
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

    def _refusal(self, told: Mapping[str, Any]) -> records.Record:
        """Return the record of a changing call that was refused, or that a bug of ours ended."""
        outcome = records.Outcome.REFUSED if told["status"] < 500 else records.Outcome.FAILED
        call = f"{self.request.method} {self.request.path[:200]}"
        detail = "".join(
            letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}"
            for letter in str(told["detail"])[:500]
        )
        return records.Record(
            kind=records.Kind.AUDIT,
            phase=records.Phase.EVENT,
            action=f"api.{outcome}",
            person=self.ctx.principal.name,
            object=call,
            outcome=outcome,
            error_code=told["code"],
            summary=f"{call} {outcome}: {told['code']}",
            correlation_id=self.ctx.correlation_id,
            request_id=self.request_id,
            source=self.ctx.source,
            data={"detail": detail},
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
