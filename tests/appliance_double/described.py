"""An appliance that answers each call by the description of the API, and checks what it is sent."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from appliance_double.server import API, Asked, Reply, arrivals, events

_FILE = Path(__file__).parents[2] / "extensions" / "mavis_ext" / "openapi.json"
_NOW = "2026-07-01T12:00:00.000000Z"
_TOLD = {"RunState": "succeeded", "RestoreState": "complete", "PointState": "complete"}


@cache
def description() -> Mapping[str, Any]:
    """Return the description that is committed."""
    return json.loads(_FILE.read_text())  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Operation:
    """One operation of the description."""

    id: str
    method: str
    path: str
    told: Mapping[str, Any]

    def parameters(self, place: str) -> set[str]:
        """Return the names of the parameters in the ``query`` or in a ``header``."""
        found = (self._resolved(each) for each in self.told.get("parameters", ()))
        return {each["name"] for each in found if each["in"] == place}

    @staticmethod
    def _resolved(parameter: Mapping[str, Any]) -> Mapping[str, Any]:
        ref = parameter.get("$ref", "").rpartition("/")[2]
        return description()["components"]["parameters"][ref] if ref else parameter  # type: ignore[no-any-return]

    def matches(self, method: str, path: str) -> bool:
        pattern = re.sub(r"\{[a-z]+\}", "[^/]+", self.path)
        return method == self.method and re.fullmatch(pattern, path) is not None


@cache
def operations() -> tuple[Operation, ...]:
    """Return every operation; of two addresses that match, the one with fewer names first."""
    found = [
        Operation(told["operationId"], method.upper(), path, told)
        for path, methods in description()["paths"].items()
        for method, told in methods.items()
    ]
    return tuple(sorted(found, key=lambda each: each.path.count("{")))


def operation_of(asked: Asked) -> Operation:
    """Return what was asked for.

    Raises
    ------
    AssertionError
        The description knows no such call.
    """
    path = asked.path.removeprefix(API)
    found = next((each for each in operations() if each.matches(asked.method, path)), None)
    assert found is not None, f"not in the description: {asked.method} {path}"
    return found


def answer(asked: Asked) -> Reply:
    """Return the answer to a call that is as the description has it; a preview to a dry run."""
    operation = operation_of(asked)
    unknown = set(asked.query) - operation.parameters("query")
    assert not unknown, f"{operation.id} takes no {unknown}"
    _check_body(operation, asked.body)
    if operation.id == "follow_run":
        return events(example({"$ref": "#/components/schemas/Run"}))
    if operation.id in ("follow_records", "follow_all_records"):
        return arrivals(example({"$ref": "#/components/schemas/Record"}))
    if operation.id in ("export_records", "export_all_records"):
        return Reply("id\r\nrec_1\r\n", 200, {"Content-Type": "text/csv", "X-Records": "1"})
    if operation.id == "download_recording":
        return Reply('{"version": 2}\n', 200, {"Content-Type": "application/x-asciicast"})
    dry = isinstance(asked.body, dict) and asked.body.get("dry_run") is True
    good = sorted(status for status in operation.told["responses"] if status.startswith("2"))
    status = good[0] if dry else good[-1]
    forms = operation.told["responses"][status].get("content", {})
    wanted = asked.headers.get("Accept", "")
    form = wanted if wanted in forms else next(iter(forms), "")
    headers = {"ETag": '"as-read"'} if asked.method in ("GET", "PUT") else {}
    if form == "text/csv":
        return Reply("finding\r\n", int(status), {"Content-Type": "text/csv"})
    if not form:
        return Reply(None, int(status), headers)
    return Reply(example(forms[form]["schema"], operation.method), int(status), headers)


def _check_body(operation: Operation, body: Any) -> None:
    taken = operation.told.get("requestBody")
    if taken is None:
        assert body is None, f"{operation.id} takes no body"
    elif body is not None or taken["required"]:
        schema = {**taken["content"]["application/json"]["schema"]}
        root = {**schema, "components": description()["components"]}
        Draft202012Validator(root).validate(body)


def example(schema: Mapping[str, Any], method: str = "GET") -> Any:
    """Return a value that fits `schema`; of what may be null, a value."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        found = description()["components"]["schemas"][name]
        return _TOLD.get(name) or example(found, method)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    if "anyOf" in schema or "oneOf" in schema:
        choices = schema.get("anyOf") or schema["oneOf"]
        partial = [each for each in choices if "Partial" not in str(each.get("$ref", ""))]
        return example(partial[0], method)
    return _plain(schema, method)


def _plain(schema: Mapping[str, Any], method: str) -> Any:
    kind = schema.get("type")
    if kind == "object":
        named = {
            name: None if name in ("next", "confirm") else example(each, method)
            for name, each in schema.get("properties", {}).items()
        }
        more = schema.get("additionalProperties")
        return named or ({"a": example(more, method)} if isinstance(more, dict) else {})
    if kind == "array":
        return [example(schema["items"], method)]
    if kind == "string":
        forms = {"date-time": _NOW, "date": _NOW[:10]}
        return forms.get(schema.get("format", ""), (schema.get("examples") or ["text"])[0])
    return {"integer": 1, "number": 0.5, "boolean": True}.get(str(kind))
