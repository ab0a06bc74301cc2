"""The committed description of the API, as answers are held against it.

`rest_service.RestService.ask` does so with every answer of every test.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import jsonschema_rs

from mavis_ext.app import API
from mavis_ext.openapi import committed

__all__ = ["Contract", "Operation", "contract", "media_of"]

Json = Mapping[str, Any]
PROBLEM = "application/problem+json"
_NOWHERE = {400, 401, 404, 405, 413, 429, 500, 503}
"""What an address or a method that is described nowhere may answer with."""


@dataclass(frozen=True)
class Operation:
    """One operation of the description.

    Parameters
    ----------
    path
        Below the API's prefix, with names in braces.
    """

    method: str
    path: str
    told: Json

    @property
    def id(self) -> str:
        return str(self.told["operationId"])


def media_of(headers: Mapping[str, str]) -> str:
    """Return the media type of an answer without its parameters; empty where there is none."""
    return headers.get("Content-Type", "").partition(";")[0].strip()


def events_of(stream: str) -> Iterator[dict[str, str]]:
    """Return the events of a stream; what has no data is none."""
    for block in stream.split("\n\n"):
        lines = (line.partition(": ") for line in block.splitlines() if not line.startswith(":"))
        event = {name: value for name, _, value in lines}
        if "data" in event:
            yield event


def _name_of(event: Json) -> str:
    return str(event["properties"]["event"]["const"])


class Contract:
    """A description, its schemas compiled as they are needed.

    Parameters
    ----------
    seen
        Which answers were met: operation, status and media type.
    """

    def __init__(self, document: Json) -> None:
        self.document = document
        self.seen: set[tuple[str, int, str]] = set()
        self.operations = [
            Operation(method.upper(), path, told)
            for path, methods in document["paths"].items()
            for method, told in methods.items()
        ]
        # A name that stands there goes before one in braces: ``presets`` is no plan.
        by_names = sorted(self.operations, key=lambda each: each.path.count("{"))
        self._addresses = {
            each.path: re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(API + each.path)))
            for each in by_names
        }
        self._validators: dict[str, Any] = {}

    def hold(
        self, method: str, target: str, status: int, headers: Mapping[str, str], content: bytes
    ) -> None:
        """Assert that an answer is one that the description tells of.

        Parameters
        ----------
        target
            Path and query of the request.
        """
        where = f"{method} {target[:200]}: {status}"
        operation = self._at(method, target.partition("?")[0])
        if operation is None:
            assert status in _NOWHERE, f"{where} of an address that is described nowhere"
            assert media_of(headers) == PROBLEM, where
            if method != "HEAD":
                self._fits(where, {"$ref": "#/components/schemas/Problem"}, json.loads(content))
            return
        self.seen.add((operation.id, status, media_of(headers)))
        answers = operation.told["responses"]
        assert str(status) in answers, f"{where} is no answer of {operation.id}"
        told = self.resolved(answers[str(status)])
        for name, header in self._headers(told):
            if header.get("required"):
                assert name in headers, f"{where} has no {name}"
            if name in headers:
                kind = header["schema"].get("type")
                value = int(headers[name]) if kind == "integer" else headers[name]
                self._fits(f"{where} {name}", header["schema"], value)
        if "content" not in told:
            assert not content, f"{where} has content"
            assert "Content-Type" not in headers, where
            return
        media = media_of(headers)
        assert media in told["content"], f"{where} is {media or 'nothing'} and not as described"
        schema = told["content"][media]["schema"]
        if media == "text/event-stream":
            for event in events_of(content.decode()):
                (named,) = (each for each in schema["oneOf"] if _name_of(each) == event["event"])
                self._fits(where, named, event)
                data = named["properties"]["data"]["contentSchema"]
                self._fits(where, data, json.loads(event["data"]))
            return
        # What is no text, as Parquet, becomes some string, too.
        text = content.decode(errors="replace")
        body: Any = json.loads(content) if media.endswith("json") else text
        self._fits(where, schema, body)

    def fits_body(self, operation: Operation, body: Any) -> bool:
        """Whether a body is one that an operation says it takes."""
        schema = operation.told["requestBody"]["content"]["application/json"]["schema"]
        return bool(self._validator(schema).is_valid(body))

    def _at(self, method: str, path: str) -> Operation | None:
        """Return the operation that serves a path."""
        for described, address in self._addresses.items():
            if address.fullmatch(path):
                served = (each for each in self.operations if each.path == described)
                return next((each for each in served if each.method == method), None)
        return None

    def resolved(self, told: Json) -> Json:
        """Return what a reference leads to."""
        while "$ref" in told:
            found: Any = self.document
            for part in told["$ref"].removeprefix("#/").split("/"):
                found = found[part]
            told = found
        return told

    def _headers(self, told: Json) -> Iterator[tuple[str, Json]]:
        for name, header in told.get("headers", {}).items():
            yield name, self.resolved(header)

    def _fits(self, where: str, schema: Json, value: Any) -> None:
        faults = [
            f"{'/'.join(map(str, fault.instance_path))}: {fault.message[:300]}"
            for fault in self._validator(schema).iter_errors(value)
        ]
        assert not faults, f"{where} does not fit: {'; '.join(faults[:5])}"

    def _validator(self, schema: Json) -> Any:
        key = json.dumps(schema, sort_keys=True)
        if key not in self._validators:
            whole = {**schema, "components": self.document["components"]}
            self._validators[key] = jsonschema_rs.Draft202012Validator(whole, validate_formats=True)
        return self._validators[key]


@functools.cache
def contract() -> Contract:
    """Return what callers are shown."""
    return Contract(json.loads(committed()))
