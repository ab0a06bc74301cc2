"""From an answer to what goes over the wire: fields, entity tags, compression.

An entity tag (RFC 9110, 8.8.3) is a digest of the content; where the content is compressed the
tag says so, since it names one representation. Short answers are not compressed.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import BaseModel
from tornado.httputil import HTTPHeaders

from mavis_core.changes.replies import Reply
from mavis_core.errors import InvalidInput
from mavis_ext.answers import JSON, PARTIAL, Accepted, Created, File
from mavis_ext.operation import Operation
from mavis_ext.schemas import Page

__all__ = ["Packed", "matches", "pack", "picked", "reply_of", "tag_of"]

_WORTH = 1400  # bytes: what is shorter fits into one packet anyhow
_LEVEL = 5
_GZIP = "-gz"
_MOST_FIELDS = 50


@dataclass(frozen=True, slots=True)
class Packed:
    """What goes over the wire."""

    status: int
    headers: Mapping[str, str]
    content: bytes


def picked(operation: Operation, text: str | None) -> tuple[str, ...] | None:
    """Return which fields a caller wants, by ``fields=id,name``; None for all of them.

    Raises
    ------
    InvalidInput
        What is told has no such field.
    """
    if text is None:
        return None
    known = names_of(operation.picks) if operation.picks is not None else ()
    if not known:
        raise InvalidInput("There are no fields to choose from here", field="fields")
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",", _MOST_FIELDS)))
    if unknown := [name for name in names if name not in known]:
        raise InvalidInput(
            f"No field {unknown[0][:40]!r}; there are {', '.join(known)}", field="fields"
        )
    return names


def names_of(schema: type[BaseModel]) -> tuple[str, ...]:
    """Return the names of a schema's fields, as they are told."""
    return tuple(
        field.serialization_alias or field.alias or name
        for name, field in schema.model_fields.items()
    )


def reply_of(answer: object, base: str, fields: tuple[str, ...] | None = None) -> Reply:
    """Return what an operation answered, in its form.

    Parameters
    ----------
    base
        What addresses of the API begin with.
    fields
        Those that the caller picked; None: all.
    """
    if answer is None:
        return Reply(204, {}, "")
    if isinstance(answer, Created):
        headers = {"Content-Type": JSON, "Location": base + answer.location}
        return Reply(201, headers, answer.value.model_dump_json())
    if isinstance(answer, Accepted):
        headers = {"Content-Type": JSON, "Location": base + answer.location}
        return Reply(202, headers, answer.run.model_dump_json())
    if isinstance(answer, File):
        name = f'attachment; filename="{answer.name}"'
        return Reply(
            200, {"Content-Type": answer.media, "Content-Disposition": name}, answer.content
        )
    assert isinstance(answer, BaseModel)  # noqa: S101  # the annotations of operations say so
    if fields is None:
        return Reply(200, {"Content-Type": JSON}, answer.model_dump_json())
    return Reply(200, {"Content-Type": PARTIAL}, _some(answer, fields))


def _some(answer: BaseModel, fields: tuple[str, ...]) -> str:
    kind = type(answer)
    if isinstance(answer, Page):
        (item,) = kind.__pydantic_generic_metadata__["args"] or (BaseModel,)
        names = _attributes(item, fields)
        return answer.model_dump_json(include={"items": {"__all__": names}, "next": True})
    return answer.model_dump_json(include=_attributes(kind, fields))


def _attributes(schema: type[BaseModel], fields: tuple[str, ...]) -> set[str]:
    told = zip(schema.model_fields, names_of(schema), strict=True)
    return {name for name, told_as in told if told_as in fields}


def tag_of(reply: Reply) -> str:
    """Return the digest by which an entity tag names the content of a reply."""
    return hashlib.sha256(reply.body.encode()).hexdigest()[:32]


def matches(header: str, tag: str) -> bool:
    """Whether one of the entity tags in ``If-Match`` or ``If-None-Match`` is `tag`, or is ``*``."""
    if header.strip() == "*":
        return True
    given = (each.strip().removeprefix("W/").strip('"') for each in header.split(","))
    return any(each.removesuffix(_GZIP) == tag for each in given)


def pack(reply: Reply, *, tagged: bool, request: HTTPHeaders) -> Packed:
    """Return a reply as it goes out, by what the caller takes and has already.

    Parameters
    ----------
    tagged
        Whether it may be kept, and asked for again on a condition.
    """
    headers = dict(reply.headers)
    content = reply.body.encode()
    compressed = len(content) >= _WORTH and takes_gzip(request.get("Accept-Encoding", ""))
    if len(content) >= _WORTH:
        headers["Vary"] = "Accept-Encoding"
    if tagged and reply.status == 200:
        tag = tag_of(reply)
        headers["ETag"] = f'"{tag}{_GZIP if compressed else ""}"'
        headers["Cache-Control"] = "private, no-cache"
        headers["Vary"] = ", ".join(filter(None, (headers.get("Vary"), "Authorization", "Accept")))
        if matches(request.get("If-None-Match", ""), tag):
            del headers["Content-Type"]
            return Packed(304, headers, b"")
    if compressed:
        headers["Content-Encoding"] = "gzip"
        content = gzip.compress(content, _LEVEL, mtime=0)
    return Packed(reply.status, headers, content)


def takes_gzip(accepted: str) -> bool:
    """Whether an ``Accept-Encoding`` takes gzip (RFC 9110, 12.5.3)."""
    for each in accepted.lower().split(","):
        name, _, weight = each.partition(";")
        if name.strip() in ("gzip", "*"):
            return weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False
