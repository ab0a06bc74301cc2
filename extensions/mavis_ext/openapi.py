"""The description of the API (OpenAPI 3.1.1), made from the operations and their models.

What is committed beside this module is what a caller is shown; a test compares it with what the
code says, and ``make openapi`` writes it anew. A change that would break a caller is refused, by
its name, unless it is asked for.

Everything that can be said once is: errors by what an operation can run into, parameters by the
name in braces, permissions by the table of the core.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

from pydantic import BaseModel

from mavis_core.access import PERMISSIONS, Permission
from mavis_ext.answers import JSON, PARTIAL, STREAM, Form, Needs
from mavis_ext.components import COMPONENT, components, models_of
from mavis_ext.described import IN_ADDRESSES, SUBJECT
from mavis_ext.operation import Operation, item_of
from mavis_ext.path_names import NAMES_IN_PATHS
from mavis_ext.queries import FIELDS
from mavis_ext.schemas import Problem
from mavis_ext.sending import names_of

__all__ = ["FILE", "committed", "describe", "text_of"]

FILE = "openapi.json"
_PARAMETER = re.compile(r"\{([a-z]+)\}")
_PROBLEM = "application/problem+json"
_TAGS = {
    "platform": "The platform itself, and who asks.",
    "keys": "Credentials of clouds; their values are never told.",
    "projects": "Projects, and who has which role in them.",
    "environments": "Accounts of clouds, as projects use them.",
    "resources": "What discovery found.",
    "previews": "What an action would do, and letting it.",
    "runs": "Work that goes on, and following it.",
    "backup-plans": "Backups that run by themselves, and what they keep.",
    "recovery-points": "Points in time to which machines can go back.",
    "restores": "What recovery points were brought back as.",
    "reports": "How well a project is protected.",
    "records": "What was done, by whom, and how it ended.",
    "devices": "What there is to connect to, and the ways into it.",
    "sessions": "Connections of people to devices, each recorded.",
}
_TAG_OF = {
    "members": "projects",
    "discoveries": "environments",
    "record-holds": "records",
    "recordings": "sessions",
}
_FORMS = {"subject": SUBJECT, "record": "^rec_[0-7][0-9a-hjkmnp-tv-z]{25}$"}
"""What a name in an address must be, where the core takes no other."""
_ERRORS = {
    400: "What was sent cannot be understood; `field` names what is at fault.",
    401: "There is no token, or it has ended.",
    403: "The token's scopes or the caller's role in the project do not allow it.",
    404: "There is no such thing, or none that the caller may see.",
    409: "It does not fit the state of things, or the idempotency key had another use.",
    412: "Somebody changed it since it was read: `If-Match` does not hold.",
    413: "The body is too large.",
    429: "The caller calls too often.",
    500: "A bug of the appliance; its log has more under the request id.",
    503: "A part of the appliance is down, or has too much to do.",
}
_BESIDE = {401: ("WWW-Authenticate",), 429: ("Retry-After",), 503: ("Retry-After",)}
"""Which headers errors have besides."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where an operation is, and by which one the thing there is read."""

    path: str
    get: Operation | None

    def conditional(self, operation: Operation) -> bool:
        """Whether the operation takes ``If-Match``."""
        return operation.method in ("PUT", "DELETE") and self.get is not None

    def tells_the_new(self, operation: Operation) -> bool:
        """Whether a change answers with the thing as it is now, and with its entity tag."""
        return operation.method == "PUT" and (
            self.get is not None and self.get.forms[0] in operation.forms
        )


def describe(told: Sequence[tuple[str, Operation]], server: str) -> dict[str, Any]:
    """Return the description of some operations.

    Parameters
    ----------
    told
        Operations, each with its address, in which names stand in braces.
    server
        What the addresses begin with.
    """
    schemas = components([operation for _, operation in told])
    gets = {path: operation for path, operation in told if operation.method == "GET"}
    paths: dict[str, Any] = {}
    for path, operation in told:
        place = _Place(path, gets.get(path))
        paths.setdefault(path, {})[operation.method.lower()] = _operation(place, operation, schemas)
    queries = {op.query.__name__ for _, op in told if op.query is not None}
    return {
        "openapi": "3.1.1",
        "info": {
            "title": "Mavis",
            "version": "1",
            "summary": "Operate the infrastructure of projects in several clouds.",
            "description": _INTRODUCTION,
            "contact": {"name": "Whoever runs this appliance"},
            "license": {"name": "Proprietary", "identifier": "LicenseRef-Proprietary"},
        },
        "servers": [{"url": server, "description": "This appliance."}],
        "security": [{"token": []}],
        "tags": [{"name": name, "description": text} for name, text in _TAGS.items()],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A Hub token: `mavis login`, or the Hub's page of tokens.",
                }
            },
            "parameters": _parameters(),
            "headers": _headers(),
            "responses": {str(status): _problem(status, text) for status, text in _ERRORS.items()},
            "schemas": {
                name: schema for name, schema in sorted(schemas.items()) if name not in queries
            },
        },
    }


def text_of(description: Mapping[str, Any]) -> str:
    """Return a description as it is committed."""
    return json.dumps(description, indent=1, ensure_ascii=False) + "\n"


@functools.cache
def committed() -> str:
    """Return the description that callers are shown."""
    return resources.files("mavis_ext").joinpath(FILE).read_text(encoding="utf-8")


def _operation(place: _Place, operation: Operation, schemas: Mapping[str, Any]) -> dict[str, Any]:
    needs = operation.needs
    told: dict[str, Any] = {
        "operationId": operation.id,
        "summary": operation.summary,
        "description": f"{operation.description}\n\n{_asks_for(needs)}",
        "tags": [_tag(place.path)],
        "parameters": list(_parameters_of(place, operation, schemas)),
        "responses": dict(_responses(place, operation)),
        "x-mavis-permission": needs.value,
    }
    if needs is Needs.NOTHING:
        told["security"] = []
    if operation.body_type is not None:
        told["requestBody"] = _body(operation, schemas)
    if operation.deprecated is not None:
        told["deprecated"] = True
        told["x-mavis-instead"] = operation.deprecated.instead
    return told


def _asks_for(needs: Permission | Needs) -> str:
    if isinstance(needs, Needs):
        return f"Needs {needs.value}."
    grant = PERMISSIONS[needs]
    roles = " or ".join(sorted(grant.roles))
    role = f" and the role {roles} in the project" if roles else ""
    return f"Needs the permission `{needs.value}`: the scope `{grant.scope}`{role}."


def _tag(path: str) -> str:
    nouns = [part for part in path.strip("/").split("/") if not part.startswith("{")]
    noun = nouns[1] if nouns[0] == "projects" and len(nouns) > 1 else nouns[0]
    noun = _TAG_OF.get(noun, noun)
    return noun if noun in _TAGS else "platform"


def _parameters_of(
    place: _Place, operation: Operation, schemas: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    for name in _PARAMETER.findall(place.path):
        yield {"$ref": f"#/components/parameters/{name}"}
    if operation.query is not None:
        fields = schemas[operation.query.__name__]["properties"]
        for name, schema in fields.items():
            yield _option(name, dict(schema))
    if operation.picks is not None:
        yield {
            "name": FIELDS,
            "in": "query",
            "description": "Only these fields, separated by commas.",
            "style": "form",
            "explode": False,
            "schema": {
                "type": "array",
                "minItems": 1,
                "items": {"type": "string", "enum": list(names_of(operation.picks))},
            },
        }
    if operation.tagged:
        yield {"$ref": "#/components/parameters/If-None-Match"}
    if operation.streams:
        yield {"$ref": "#/components/parameters/Last-Event-ID"}
    if operation.once:
        yield {"$ref": "#/components/parameters/Idempotency-Key"}
    if place.conditional(operation):
        yield {"$ref": "#/components/parameters/If-Match"}


def _option(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = {"name": name, "in": "query"}
    if (text := schema.pop("description", None)) is not None:
        told["description"] = text
    if schema.get("default") is None:
        schema.pop("default", None)
    choices = [each for each in schema.pop("anyOf", ()) if each != {"type": "null"}]
    if choices:
        (only,) = choices
        schema |= only
    return {**told, "schema": schema}


def _body(operation: Operation, schemas: Mapping[str, Any]) -> dict[str, Any]:
    models = models_of(operation.body_type)
    refs = [{"$ref": COMPONENT.format(model=model.__name__)} for model in models]
    schema: dict[str, Any] = refs[0]
    if len(models) > 1:
        kinds = {
            schemas[model.__name__]["properties"]["kind"]["const"]: ref["$ref"]
            for model, ref in zip(models, refs, strict=True)
        }
        schema = {"oneOf": refs, "discriminator": {"propertyName": "kind", "mapping": kinds}}
    needed = any(schemas[model.__name__].get("required") for model in models)
    told: dict[str, Any] = {"required": needed, "content": {JSON: {"schema": schema}}}
    examples = [each for model in models for each in schemas[model.__name__].get("examples", ())]
    if examples:
        named = {f"example-{at}": {"value": value} for at, value in enumerate(examples, 1)}
        told["content"][JSON]["examples"] = named
    return told


def _responses(place: _Place, operation: Operation) -> Iterator[tuple[str, Any]]:
    by_status: dict[int, list[Form]] = {}
    for form in operation.forms:
        by_status.setdefault(form.status, []).append(form)
    for status, forms in sorted(by_status.items()):
        yield str(status), _good(place, operation, status, forms)
    if operation.tagged:
        headers = _named_headers("X-Request-Id", "ETag") | _farewell(operation)
        yield "304", {"description": "It is as the caller has it already.", "headers": headers}
    for status in _errors(place, operation):
        yield str(status), {"$ref": f"#/components/responses/{status}"}


def _good(place: _Place, operation: Operation, status: int, forms: list[Form]) -> dict[str, Any]:
    names = ["X-Request-Id"]
    if any(form.located for form in forms):
        names.append("Location")
    if status == 200 and operation.tagged:
        names.append("ETag")
    if operation.replies:
        names.append("Idempotent-Replayed")
    headers = _named_headers(*names) | _farewell(operation)
    if status == 200 and place.tells_the_new(operation):
        # Where it is not only shown what would be.
        headers["ETag"] = {**_headers()["ETag"], "required": len(forms) == 1}
    told: dict[str, Any] = {"description": _WORDS[status], "headers": headers}
    by_media: dict[str, list[dict[str, Any]]] = {}
    for form in forms:
        if form.media:
            by_media.setdefault(form.media, []).append(_schema_of(form))
    if operation.picks is not None:
        by_media[PARTIAL] = [_partial(operation)]
    if by_media:
        told["content"] = {
            media: {"schema": each[0] if len(each) == 1 else {"anyOf": each}}
            for media, each in by_media.items()
        }
    return told


def _named_headers(*names: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _schema_of(form: Form) -> dict[str, Any]:
    if form.media == STREAM:
        events: tuple[tuple[str, type[BaseModel]], ...] = (*form.events, ("problem", Problem))
        return {
            "description": "One event of the stream.",
            "oneOf": [_event(name, data) for name, data in events],
        }
    if form.schema is None:
        return {"type": "object" if form.media == JSON else "string"}
    return _ref(form.schema)


def _partial(operation: Operation) -> dict[str, Any]:
    """Return the schema of an answer that has only some fields."""
    picks, usual = operation.picks, operation.forms[0].schema
    ref = {"$ref": COMPONENT.format(model=f"{picks.__name__}Partial" if picks else "")}
    if picks is usual:
        return ref
    return {
        "type": "object",
        "properties": {
            "items": {"type": "array", "items": ref},
            "next": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        },
        "required": ["items", "next"],
    }


def _event(name: str, data: type[BaseModel]) -> dict[str, Any]:
    told = {"contentMediaType": JSON, "contentSchema": _ref(data)}
    return {
        "title": f"{data.__name__}Event",
        "type": "object",
        "properties": {
            "event": {"type": "string", "const": name},
            "id": {"type": "string"},
            "data": {"type": "string", **told},
        },
        "required": ["event", "data"],
    }


_WORDS = {
    200: "All is well.",
    201: "It was made.",
    202: "A Run has begun; follow it.",
    204: "It was done; there is nothing to tell.",
}


def _ref(schema: type[BaseModel]) -> dict[str, str]:
    item = item_of(schema)
    name = schema.__name__ if item is None else f"{item.__name__}Page"
    return {"$ref": COMPONENT.format(model=name)}


def _errors(place: _Place, operation: Operation) -> list[int]:
    changing, named = operation.method != "GET", "{" in place.path
    if operation.needs is Needs.NOTHING:
        return [400, *([413, 429] if changing else []), 500, 503]
    return [
        400,
        401,
        *([403] if operation.needs is not Needs.LOGIN else []),
        *([404] if named or operation.asks else []),
        *([409] if changing else []),
        *([412] if place.conditional(operation) else []),
        *([413] if changing else []),
        429,
        500,
        503,
    ]


def _problem(status: int, text: str) -> dict[str, Any]:
    return {
        "description": text,
        "headers": _named_headers("X-Request-Id", *_BESIDE.get(status, ())),
        "content": {_PROBLEM: {"schema": {"$ref": COMPONENT.format(model="Problem")}}},
    }


def _parameters() -> dict[str, Any]:
    named = {
        name: {
            "name": name,
            "in": "path",
            "required": True,
            "description": text,
            "schema": {"type": "string", "pattern": _FORMS.get(name, IN_ADDRESSES)},
        }
        for name, text in NAMES_IN_PATHS.items()
    }
    return named | {
        "If-Match": {
            "name": "If-Match",
            "in": "header",
            "description": "The `ETag` of what the caller has read; where it is another by now,"
            " nothing is changed.",
            "schema": {"type": "string"},
        },
        "If-None-Match": {
            "name": "If-None-Match",
            "in": "header",
            "description": "The `ETag` of what the caller has; where it is the same still, 304.",
            "schema": {"type": "string"},
        },
        "Last-Event-ID": {
            "name": "Last-Event-ID",
            "in": "header",
            "description": "The id of the last event that came; only what is new is told.",
            "schema": {"type": "string", "pattern": "^[0-9]{1,18}$"},
        },
        "Idempotency-Key": {
            "name": "Idempotency-Key",
            "in": "header",
            "description": "A text that no other request of the caller has. For 24 hours the same"
            " key with the same request has the same answer, and one effect.",
            # HTTP takes blanks away from the ends of a header.
            "schema": {
                "type": "string",
                "minLength": 1,
                "maxLength": 200,
                "pattern": r"^[!-~]([ -~]*[!-~])?$",
            },
        },
    }


def _farewell(operation: Operation) -> dict[str, Any]:
    """Return the headers of an operation that will go (RFC 9745, RFC 8594)."""
    if operation.deprecated is None:
        return {}
    told = {
        "Deprecation": _header("Since when it should not be used any more: `@` and seconds."),
        "Link": _header("What takes its place."),
    }
    if operation.deprecated.sunset is not None:
        told["Sunset"] = _header("The day on which it goes.")
    return told


def _header(text: str, *, required: bool = True, **schema: Any) -> dict[str, Any]:
    return {"description": text, "required": required, "schema": {"type": "string", **schema}}


def _headers() -> dict[str, Any]:
    return {
        "X-Request-Id": _header("Names this request; say it when you report a problem."),
        "Location": _header("The address of what was made or began."),
        "ETag": _header("Names this state of the thing, for `If-Match` and `If-None-Match`."),
        "WWW-Authenticate": _header("How to send a token."),
        "Retry-After": _header(
            "After how many seconds a retry makes sense.", type="integer", minimum=1
        ),
        "Idempotent-Replayed": _header(
            "`true` where the answer is that of an earlier request.",
            required=False,
            const="true",
        ),
    }


_INTRODUCTION = """\
Whatever changes a project goes through this API, is planned before it happens, recorded as it
happens, and can be found afterwards.

- **Who.** `Authorization: Bearer TOKEN` with a token of the Hub. Authority is the token's scopes
  and the role of its owner in the project. A project in which the caller has no role does not
  exist for them: 404.
- **Long work** answers 202 with a Run. Follow it by its events, or by asking again.
- **Pages.** Send `next` back as `cursor` until it is null.
- **Once.** Every POST that changes something takes an `Idempotency-Key`: a repeated call has one
  effect and the first answer, for 24 hours.
- **Stories.** `X-Correlation-Id` with an id of the form `cor_…`, which a caller makes, joins what
  several calls set off; without one each call begins a story of its own.
- **Changes** of what others may change meanwhile: send the `ETag` back as `If-Match`.
- **Errors** are problem details (RFC 9457) with a `code` for programs, and `mend`: what to do.
- **Destructive** actions begin with a preview, whose `hash` and `confirm` go into applying it.
- Fields are added to answers without notice: ignore what you do not know.
"""
