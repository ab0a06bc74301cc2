"""The decorator of handlers' methods: what an operation of the API is, told once.

A method is written for one thread and knows no HTTP; one that answers with events is a coroutine::

    @operation("create_project", Permission.PROJECT_CREATE)
    def post(self, *, body: NewProject) -> Created[Project]:
        '''Make a project; the caller becomes its administrator.'''

Its annotations say what comes in (`body`, `query`) and what goes out; its docstring is its
description. `mavis_ext.base` parses, guards and sends by that; `mavis_ext.openapi` describes it.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import (
    TYPE_CHECKING,
    Any,
    Literal,
    TypeAlias,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from pydantic import BaseModel, TypeAdapter

from mavis_core.access import Permission
from mavis_ext.answers import (
    STREAM,
    Accepted,
    Created,
    Deprecation,
    Download,
    File,
    Form,
    Needs,
    RecordStream,
    Stream,
)
from mavis_ext.queries import Query
from mavis_ext.schemas import Page, Record, RecordsMissed, Run, Waiting

if TYPE_CHECKING:
    from mavis_ext.base import ApiHandler

__all__ = ["Operation", "operation", "operation_of", "operations_of"]

Pool: TypeAlias = Literal["database", "logs", "sql", "hub"]
Served: TypeAlias = Callable[..., Awaitable[None]]
_MARK = "mavis_operation"
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one address.

    Parameters
    ----------
    id
        Its name, for ever: ``create_project``.
    needs
        What its caller must have.
    call
        The method as it was written.
    query, body
        What is read from the address and from the body; None where there is nothing.
    forms
        What it may answer with when all is well, the usual form first.
    pool
        Whose threads it blocks.
    brief
        Whether it only reads what an index of the database finds.
    """

    id: str
    method: str
    needs: Permission | Needs
    summary: str
    description: str
    call: Callable[..., Any]
    query: type[Query] | None
    body: TypeAdapter[Any] | None
    body_type: Any
    forms: tuple[Form, ...]
    pool: Pool
    brief: bool
    deprecated: Deprecation | None
    of_now: bool
    kept_by_id: bool
    asks: bool

    @property
    def streams(self) -> bool:
        """Whether it answers with events, as they come."""
        return self.forms[0].media == STREAM

    @property
    def tagged(self) -> bool:
        """Whether what it reads has an entity tag, so that it may be asked for on a condition."""
        return self.method == "GET" and not self.streams and not self.of_now

    @property
    def once(self) -> bool:
        """Whether it takes an ``Idempotency-Key``; whose it would be must be known."""
        return self.method == "POST" and self.needs is not Needs.NOTHING and not self.asks

    @property
    def replies(self) -> bool:
        """Whether its answer is kept under that key, in the transaction of its effect."""
        return self.once and not self.kept_by_id

    @property
    def picks(self) -> type[BaseModel] | None:
        """The schema of whose fields a caller may pick some; None where there is none."""
        usual = self.forms[0].schema
        if self.method != "GET" or usual is None:
            return None
        return item_of(usual) or usual


def operation(
    id: str,
    needs: Permission | Needs,
    *,
    pool: Pool | None = None,
    also: tuple[Form, ...] = (),
    deprecated: Deprecation | None = None,
    of_now: bool = False,
    kept_by_id: bool = False,
    asks: bool = False,
) -> Callable[[Callable[..., Any]], Served]:
    """Return what makes a method of a handler an operation of the API.

    Parameters
    ----------
    pool
        Whose threads it blocks; None: the database's, and where it reads it is brief.
    also
        Forms of the answer that its annotation cannot say.
    of_now
        Whether it tells the moment at which it was asked, so that no answer comes twice.
    kept_by_id
        Whether it has its effect beside the database, where what comes again is known by its id;
        so no transaction may wait for it.
    asks
        Whether it is a POST for its long question only, and changes nothing.
    """

    def decorate(call: Callable[..., Any]) -> Served:
        hints = get_type_hints(call, include_extras=True)
        summary, _, rest = inspect.cleandoc(call.__doc__ or "").partition("\n\n")
        body = hints.get("body")
        method = call.__name__.upper()
        told = Operation(
            id=id,
            method=method,
            needs=needs,
            summary=" ".join(summary.split()).rstrip("."),
            description=" ".join(f"{summary}\n\n{rest}".split()).strip(),
            call=call,
            query=hints.get("query"),
            body=TypeAdapter(body) if body is not None else None,
            body_type=body,
            forms=(*_forms(hints["return"]), *also),
            pool=pool or "database",
            brief=pool is None and method == "GET",
            deprecated=deprecated,
            of_now=of_now,
            kept_by_id=kept_by_id,
            asks=asks,
        )

        async def serve(self: ApiHandler, *args: str) -> None:
            if inspect.iscoroutinefunction(call):
                await self.stream(told, args)
            else:
                await self.serve(told, args)

        serve.__doc__ = call.__doc__
        serve.__name__ = call.__name__
        setattr(serve, _MARK, told)
        return serve

    return decorate


def operations_of(handler: type) -> dict[str, Operation]:
    """Return the operations of a handler by method, in the order of HTTP's methods."""
    return {
        method: told
        for method in _METHODS
        if (told := getattr(getattr(handler, method.lower(), None), _MARK, None)) is not None
    }


def operation_of(handler: type, method: str | None) -> Operation | None:
    """Return the operation of a handler for a method, as a request says it; None: there is none."""
    if method not in _METHODS:
        return None
    told: Operation | None = getattr(getattr(handler, method.lower(), None), _MARK, None)
    return told


def item_of(schema: type[BaseModel]) -> type[BaseModel] | None:
    """Return of what a page is one; None where `schema` is no page."""
    if not issubclass(schema, Page) or schema is Page:
        return None
    (item,) = schema.__pydantic_generic_metadata__["args"]
    return item  # type: ignore[no-any-return]  # pydantic keeps what it was given


_ARRIVALS = (("record", Record), ("missed", RecordsMissed), ("waiting", Waiting))


def _forms(annotation: Any) -> tuple[Form, ...]:
    if get_origin(annotation) in (Union, types.UnionType):
        return tuple(form for each in get_args(annotation) for form in _forms(each))
    if annotation is types.NoneType:
        return (Form(204, media=""),)
    if annotation is Accepted:
        return (Form(202, Run, located=True),)
    if annotation is Stream:
        return (Form(200, media=STREAM, events=(("run", Run),)), Form(204, media=""))
    if annotation is RecordStream:
        return (Form(200, media=STREAM, events=_ARRIVALS),)
    if annotation in (File, Download):
        return ()  # `also` says its media type
    if get_origin(annotation) is Created:
        return (Form(201, get_args(annotation)[0], located=True),)
    return (Form(200, annotation),)
