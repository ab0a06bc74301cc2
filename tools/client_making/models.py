"""The client's models from the description of the API: one class a schema that is answered.

Enumerations become `Word`, objects frozen dataclasses on `Model`; what people do with one of them
is a mixin of `mavis_kernel.models.behaviour`. Bodies of requests make no classes: the methods of
the nouns are their typed form.
"""

from __future__ import annotations

import json
import keyword
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["made_from", "package_of"]

_BEHAVIOUR = frozenset(
    {"BackupPlan", "ProtectionReport", "RecoveryPoint", "Restore", "Run", "SqlAnswer"},
)
_EXTENDS = {"RecoveryPointDetail": "RecoveryPoint", "MadePoint": "TakenPoint"}
_WIDTH = 96
_HEAD = '''\
"""The objects of the contract. Made from the description of the API by ``make client``.

Do not edit: what people do with an object is in `mavis_kernel.models.behaviour`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field

from mavis_kernel.models import behaviour
from mavis_kernel.parsing import JsonObject, Model
from mavis_kernel.words import Word
'''


@dataclass(frozen=True)
class _Member:
    """A member of an object.

    Parameters
    ----------
    name
        In JSON.
    type
        As an annotation says it.
    default
        As source; None where the member must be there.
    """

    name: str
    type: str
    default: str | None
    text: str

    @property
    def attribute(self) -> str:
        return f"{self.name}_" if keyword.iskeyword(self.name) else self.name

    def source(self) -> str:
        arguments = [] if self.default is None else [self.default]
        if self.attribute != self.name:
            arguments.append(f'metadata={{"name": "{self.name}"}}')
        value = arguments[0].removeprefix("default=") if len(arguments) == 1 else ""
        if len(arguments) == 1 and arguments[0].startswith("default="):
            return f"{self.attribute}: {self.type} = {value}"
        told = f" = field({', '.join(arguments)})" if arguments else ""
        return f"{self.attribute}: {self.type}{told}"


_PACKAGE = '''\
"""The objects of the appliance's contract, version 1. Made by ``make client``.

Frozen dataclasses, read once from JSON (`Model.from_json`). Moments are aware datetimes in UTC.
States are the appliance's words: a word that is new to this client is no error.
"""

from __future__ import annotations
'''


def package_of(description: Path) -> str:
    """Return the source of the package that exports the models."""
    names = _names(json.loads(description.read_text(encoding="utf-8")))
    imported = "".join(f"    {name},\n" for name in names)
    exported = "".join(f'    "{name}",\n' for name in names)
    return (
        f"{_PACKAGE}\nfrom mavis_kernel.models.generated import (\n{imported})\n\n"
        f"__all__ = [\n{exported}]\n"
    )


def made_from(description: Path) -> str:
    """Return the source of the models of the API that `description` tells of."""
    told = json.loads(description.read_text(encoding="utf-8"))
    schemas: dict[str, Any] = told["components"]["schemas"]
    wanted = _names(told)
    names = [name for name in wanted if "enum" in schemas[name]]
    objects = _bases_first([name for name in wanted if "properties" in schemas[name]])
    parts = [_HEAD, "__all__ = [", *(f'    "{name}",' for name in wanted), "]\n"]
    parts += [_word(name, schemas[name]) for name in names]
    parts += [_object(name, schemas) for name in objects]
    return "\n".join(parts)


def _names(told: Mapping[str, Any]) -> list[str]:
    return sorted(_reached(_answered(told), told["components"]["schemas"]))


def _answered(told: Mapping[str, Any]) -> Iterator[str]:
    """Yield the names of what is answered with where all is well; of pages what is on them."""
    for path in told["paths"].values():
        for operation in path.values():
            for status, response in operation["responses"].items():
                for form in response.get("content", {}).values():
                    if status.startswith("2"):
                        yield from _answers_of(form["schema"], told["components"]["schemas"])


def _answers_of(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Iterator[str]:
    for name in _refs(schema):
        if name.endswith("Page"):
            yield from _refs(schemas[name]["properties"]["items"])
        elif not name.endswith("Partial") and not name.endswith("PagePartial"):
            yield name


def _reached(names: Iterable[str], schemas: Mapping[str, Any]) -> set[str]:
    found: set[str] = set()
    left = list(names)
    while left:
        name = left.pop()
        if name not in found and not name.endswith("Partial"):
            found.add(name)
            left += [*_refs(schemas[name]), *([_EXTENDS[name]] if name in _EXTENDS else [])]
    return found


def _refs(schema: object) -> Iterator[str]:
    if isinstance(schema, Mapping):
        if isinstance(ref := schema.get("$ref"), str):
            yield ref.rpartition("/")[2]
        for value in schema.values():
            yield from _refs(value)
    elif isinstance(schema, list):
        for each in schema:
            yield from _refs(each)


def _bases_first(names: list[str]) -> list[str]:
    return sorted(names, key=lambda name: (name in _EXTENDS, name))


def _word(name: str, schema: Mapping[str, Any]) -> str:
    members = [f"    {_constant(value)} = {json.dumps(value)}" for value in schema["enum"]]
    return "\n".join(
        [f"\nclass {name}(Word):", *_docstring(schema.get("description", ""), ()), "", *members, ""]
    )


def _constant(value: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in value).upper()


def _object(name: str, schemas: Mapping[str, Any]) -> str:
    base = _EXTENDS.get(name)
    members = list(_members(schemas[name], schemas))
    if base is not None:
        inherited = {each.name: each for each in _members(schemas[base], schemas)}
        if any(each not in members for each in inherited.values()):
            raise ValueError(f"{name} does not have all that {base} has")
        members = [each for each in members if each.name not in inherited]
    bases = ([f"behaviour.{name}"] if name in _BEHAVIOUR else []) + [base or "Model"]
    lines = [
        "\n@dataclass(frozen=True, kw_only=True)",
        f"class {name}({', '.join(bases)}):",
        *_docstring(schemas[name].get("description", ""), members),
        "",
        *(f"    {each.source()}" for each in members),
        "",
    ]
    return "\n".join(lines)


def _members(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Iterator[_Member]:
    required = schema.get("required", ())
    for name, told in schema["properties"].items():
        kind, nullable = _type(told)
        default = _default(told, schemas) if name not in required else None
        if default is None and nullable:
            default = "default=None"  # an older appliance does not tell it yet
        text = " ".join(told.get("description", "").split())
        yield _Member(name, kind + " | None" * nullable, default, text)


def _type(schema: Mapping[str, Any]) -> tuple[str, bool]:
    """Return the annotation for `schema`, and whether it may be null."""
    if "anyOf" in schema:
        (only,) = (each for each in schema["anyOf"] if each != {"type": "null"})
        return _type(only)[0], len(schema["anyOf"]) > 1
    if "$ref" in schema:
        return schema["$ref"].rpartition("/")[2], False
    kind = schema.get("type")
    if kind == "array":
        return f"tuple[{_type(schema['items'])[0]}, ...]", False
    if kind == "object":
        return _map(schema.get("additionalProperties", True)), False
    if kind == "string":
        forms = {"date-time": "dt.datetime", "date": "dt.date"}
        return forms.get(schema.get("format", ""), "str"), False
    plain = {"integer": "int", "number": "float", "boolean": "bool", None: "object"}
    return plain[kind], False


def _map(values: object) -> str:
    return f"Mapping[str, {_type(values)[0]}]" if isinstance(values, Mapping) else "JsonObject"


def _default(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> str:
    value = schema.get("default")
    if "$ref" in schema and "enum" in schemas[_type(schema)[0]]:
        return f"default={_type(schema)[0]}.{_constant(str(value))}"
    if isinstance(value, list):
        return "default=()"
    if isinstance(value, dict) or (value is None and schema.get("type") == "object"):
        return "default_factory=dict"
    return f"default={value!r}"


def _docstring(text: str, members: Iterable[_Member]) -> list[str]:
    """Return the lines of a docstring, with the members of which there is something to say."""
    text = text.replace("``", "`")
    paragraphs = [" ".join(each.split()) for each in text.split("\n\n")]
    first, _, rest = paragraphs[0].partition(". ")
    blocks = [[f'"""{first.rstrip(".")}.'], *([_wrapped(rest)] if rest else [])]
    blocks += [_wrapped(each) for each in paragraphs[1:]]
    said = [each for each in members if each.text]
    if said:
        lines = ["Parameters", "----------"]
        for each in said:
            lines += [each.attribute, *_wrapped(each.text.replace("``", "`"), "    ")]
        blocks.append(lines)
    lines = [line for at, block in enumerate(blocks) for line in ([""] * bool(at) + block)]
    lines = [*lines[:-1], lines[-1] + '"""'] if len(lines) == 1 else [*lines, '"""']
    return [f"    {line}" if line else "" for line in lines]


def _wrapped(text: str, indent: str = "") -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent=indent, subsequent_indent=indent)
