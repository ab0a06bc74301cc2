"""The schemas of the contract, from the models of bodies, options and answers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, models_json_schema

from mavis_ext.bodies import AS
from mavis_ext.operation import Operation
from mavis_ext.schemas import Problem

__all__ = ["COMPONENT", "components", "models_of"]

COMPONENT = "#/components/schemas/{model}"
"""Where a schema stands in the description."""


class _Schemas(GenerateJsonSchema):
    """Schemas without titles that only repeat names."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002  # pydantic's form
        return False


def components(operations: Sequence[Operation]) -> dict[str, Any]:
    """Return the schemas of everything that operations take and tell, by name."""
    _, told = models_json_schema(
        list(_wanted(operations)), ref_template=COMPONENT, schema_generator=_Schemas
    )
    definitions = _renamed(told["$defs"])
    for schema in definitions.values():
        schema.pop("title", None)
        if "next" in schema.get("properties", {}):
            schema["description"] = "One page of a list."
        for name, field in schema.get("properties", {}).items():
            if AS in field:
                schema["properties"][name] = {"$ref": COMPONENT.format(model=field[AS])}
    return definitions | _partials(operations, definitions)


_TOLD: JsonSchemaMode = "serialization"


def _wanted(operations: Sequence[Operation]) -> dict[tuple[type[BaseModel], JsonSchemaMode], None]:
    wanted: dict[tuple[type[BaseModel], JsonSchemaMode], None] = {(Problem, _TOLD): None}
    for operation in operations:
        for form in operation.forms:
            told = [*filter(None, [form.schema]), *(model for _, model in form.events)]
            wanted |= dict.fromkeys((model, _TOLD) for model in told)
        taken = models_of(operation.body_type) if operation.body_type is not None else ()
        for model in (*taken, *([operation.query] if operation.query is not None else [])):
            wanted[model, "validation"] = None
    return wanted


def _partials(operations: Sequence[Operation], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schemas of things of which only some fields are told."""
    picks = {each.picks.__name__ for each in operations if each.picks is not None}
    return {
        f"{name}Partial": {
            **{key: value for key, value in definitions[name].items() if key != "required"},
            "description": f"Some fields of a {name}.",
        }
        for name in sorted(picks)
    }


def _renamed(definitions: Mapping[str, Any]) -> dict[str, Any]:
    """Return schemas with names that mean something where they stand: ``Page_Run_`` is RunPage."""
    names = {name: _RENAMED.get(name) or _PAGE.sub(r"\1Page", name) for name in definitions}

    def change(value: Any) -> Any:
        if isinstance(value, dict):
            ref = value.get("$ref")
            if isinstance(ref, str):
                return {**value, "$ref": COMPONENT.format(model=names[ref.rpartition("/")[2]])}
            return {key: change(each) for key, each in value.items()}
        return [change(each) for each in value] if isinstance(value, list) else value

    return {names[name]: change(schema) for name, schema in definitions.items()}


_PAGE = re.compile(r"Page_(\w+)_\Z")
_RENAMED = {
    "Disks": "RestoreDisks",
    "Finding": "ReportFinding",
    "Kind": "RecordKind",
    "Origin": "RecordOrigin",
    "Outcome": "RecordOutcome",
    "Phase": "RecordPhase",
}


def models_of(body: Any) -> tuple[type[BaseModel], ...]:
    """Return the models of which a body is one."""
    if isinstance(body, type):
        return (body,)
    union = body.__origin__  # Annotated[A | B, Field(discriminator=...)]
    return tuple(union.__args__)
