"""The wire: EC2's query and XML over botocore's model of the service, and AWS's JSON.

Timestamps are seconds since 1970 on our side. Of JSON nothing needs the model: its times are
numbers as well.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

import botocore.session

from cloud.overlay.context import Ask, Reply
from cloud.overlay.refusals import Refusal, invalid

REQUEST_ID = "00000000-0000-4000-8000-000000000000"
_NAMESPACE = "http://ec2.amazonaws.com/doc/2016-11-15/"
Tree = dict[str, Any]
Shape = Any  # botocore's classes of shapes have their members without types


@cache
def operation(service: str, action: str) -> Any:
    """Return botocore's description of an operation."""
    return _model(service).operation_model(action)


@cache
def _model(service: str) -> Any:
    return botocore.session.get_session().get_service_model(service)


def read_query(action: str, body: str) -> Ask:
    """Return the input of an EC2 operation from its form."""
    tree: Tree = {}
    for name, value in parse_qsl(body, keep_blank_values=True):
        if name in ("Action", "Version"):
            continue
        node, (*path, last) = tree, name.split(".")
        for step in path:
            node = node.setdefault(step, {})
        node[last] = value
    shape = operation("ec2", action).input_shape
    found: Ask = _read(shape, tree) if shape else {}
    return found


def write_xml(action: str, reply: Reply) -> bytes:
    """Return the answer of an EC2 operation."""
    parts = [f'<{action}Response xmlns="{_NAMESPACE}"><requestId>{REQUEST_ID}</requestId>']
    shape = operation("ec2", action).output_shape
    if shape is None:
        parts.append("<return>true</return>")
    else:
        _write_members(shape, reply, parts)
    parts.append(f"</{action}Response>")
    return "".join(parts).encode()


def write_xml_refusal(refusal: Refusal) -> bytes:
    return (
        f"<Response><Errors><Error><Code>{refusal.code}</Code>"
        f"<Message>{escape(refusal.message)}</Message></Error></Errors>"
        f"<RequestID>{REQUEST_ID}</RequestID></Response>"
    ).encode()


def write_json(reply: Mapping[str, Any]) -> bytes:
    return json.dumps(_without_none(reply)).encode()


def write_json_refusal(refusal: Refusal) -> bytes:
    said = {"__type": refusal.code, "message": refusal.message}
    return json.dumps(said | ({"Reason": refusal.reason} if refusal.reason else {})).encode()


@cache
def _wire_names(shape: Shape) -> dict[str, tuple[str, Shape]]:
    """Return member name and shape by the name that EC2's query protocol has for it."""
    found = {}
    for member, inner in shape.members.items():
        said = inner.serialization.get("queryName")
        name = said or inner.serialization.get("name", member)
        found[said or name[0].upper() + name[1:]] = (member, inner)
    return found


def _read(shape: Shape, node: Any) -> Any:
    kind = shape.type_name
    if kind == "structure":
        names = _wire_names(shape)
        return {
            names[name][0]: _read(names[name][1], inner)
            for name, inner in node.items()
            if name in names
        }
    if kind == "list":
        items = sorted(node.items(), key=lambda item: int(item[0])) if node else []
        return [_read(shape.member, inner) for _, inner in items]
    return _scalar(kind, node)


def _scalar(kind: str, text: str) -> Any:
    try:
        if kind in ("integer", "long"):
            return int(text)
        if kind in ("float", "double"):
            return float(text)
        if kind == "timestamp":
            return datetime.fromisoformat(text).timestamp()
    except ValueError as exc:
        raise invalid(f"Invalid value '{text}': a {kind} is expected") from exc
    if kind == "boolean":
        return text.lower() == "true"
    return base64.b64decode(text) if kind == "blob" else text


@cache
def _members(shape: Shape) -> list[tuple[str, str, Shape]]:
    return [
        (member, inner.serialization.get("name", member), inner)
        for member, inner in shape.members.items()
    ]


def _write_members(shape: Shape, value: Mapping[str, Any], parts: list[str]) -> None:
    for member, name, inner in _members(shape):
        found = value.get(member)
        if found is not None:
            _write(inner, found, name, parts)


def _write(shape: Shape, value: Any, name: str, parts: list[str]) -> None:
    kind = shape.type_name
    if kind == "structure":
        parts.append(f"<{name}>")
        _write_members(shape, value, parts)
        parts.append(f"</{name}>")
    elif kind == "list":
        item = shape.member.serialization.get("name", "item")
        parts.append(f"<{name}>")
        for each in value:
            _write(shape.member, each, item, parts)
        parts.append(f"</{name}>")
    else:
        parts.append(f"<{name}>{escape(_text(kind, value))}</{name}>")


def _text(kind: str, value: Any) -> str:
    if kind == "boolean":
        return "true" if value else "false"
    if kind == "timestamp":
        return iso(value)
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)


def iso(moment: float) -> str:
    """Return a time as AWS writes it: milliseconds, UTC."""
    text = datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def _without_none(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_none(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list | tuple):
        return [_without_none(inner) for inner in value]
    return value


def read_json(body: bytes) -> Ask:
    try:
        found: Ask = json.loads(body or b"{}")
    except ValueError as exc:
        raise Refusal("SerializationException", "The body is no JSON") from exc
    return found
