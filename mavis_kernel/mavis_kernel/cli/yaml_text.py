"""YAML, written and read as version 1.2 has it. Imports PyYAML, so it is loaded late.

PyYAML speaks version 1.1, in which ``18:00`` is a number, ``on`` is true and a date is no text.
What is read here has the types of JSON, by the core schema of version 1.2
(https://yaml.org/spec/1.2.2/, 10.3.2); what is written is read the same by either version.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from mavis_kernel.cli.output import CONTROL

__all__ = ["YAMLError", "read", "written"]

YAMLError = yaml.YAMLError


class _Loader(yaml.SafeLoader):  # type: ignore[misc]  # PyYAML ships no types
    """Reads plain texts by the core schema."""


class _Dumper(yaml.SafeDumper):  # type: ignore[misc]  # as above
    """Writes the parts of lists below their name, and never a reference to another part."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - PyYAML's form
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002 - PyYAML's form
        super().increase_indent(flow, False)


_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern in (
    ("bool", r"true|True|TRUE|false|False|FALSE"),
    ("null", r"~|null|Null|NULL|"),
    ("int", r"0|[-+]?[1-9][0-9]*"),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?=[eE]))([eE][-+]?[0-9]+)?"),
):
    for _kind in (_Loader, _Dumper):  # a text that either version would read as no text is quoted
        _kind.add_implicit_resolver(
            f"tag:yaml.org,2002:{_tag}", re.compile(rf"(?:{_pattern})\Z"), None
        )


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text and not CONTROL.search(text) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def read(text: str) -> Any:
    """Return what `text` holds.

    Raises
    ------
    YAMLError
        It is no YAML, or holds other than JSON can.
    """
    return yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader with fewer types


def written(value: object) -> str:
    """Return `value` as YAML; what would steer a terminal is escaped."""

    def dump(*, allow_unicode: bool) -> str:
        text: str = yaml.dump(
            value,
            Dumper=_Dumper,
            sort_keys=False,
            default_flow_style=False,
            width=100,
            allow_unicode=allow_unicode,
        )
        return text

    text = dump(allow_unicode=True)
    # Escaped by its number, and with it everything else that is not ASCII.
    return dump(allow_unicode=False) if CONTROL.search(text) else text
