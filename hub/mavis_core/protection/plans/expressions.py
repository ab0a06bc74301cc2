"""Expressions over tags and attributes: which machines a backup plan means.

*Machine*: what an expression sees. *Expression*: a tree of comparisons, each true or not of a
machine; ``str`` of it is its canonical text, whose grammar is in `expression_text`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from operator import attrgetter
from typing import TypeAlias

__all__ = [
    "KEYWORDS",
    "MACHINE_ATTRIBUTES",
    "PLAIN_WORD",
    "VOLUME_ATTRIBUTES",
    "Attribute",
    "Comparison",
    "Either",
    "Every",
    "Expression",
    "HasTag",
    "Machine",
    "Negation",
    "OneOf",
    "Operator",
]

KEYWORDS = frozenset({"and", "or", "not", "in", "has"})
PLAIN_WORD = re.compile(r"[A-Za-z0-9._:/@+*?-]+")


@dataclass(frozen=True, slots=True)
class Machine:
    """What an expression sees of an instance or, where volumes are chosen, of a volume.

    Parameters
    ----------
    id
        The id that Mavis gave it.
    cloud_id
        The cloud's.
    environment
        The environment's name.
    details
        As discovery found them; ``instance_type`` and ``platform`` are looked at.
    """

    id: str
    cloud_id: str
    name: str
    environment: str
    account: str
    region: str
    state: str
    tags: Mapping[str, str]
    details: Mapping[str, object]


_READERS: Mapping[str, Callable[[Machine], object]] = {
    "name": attrgetter("name"),
    "id": attrgetter("cloud_id"),
    "environment": attrgetter("environment"),
    "account": attrgetter("account"),
    "region": attrgetter("region"),
    "state": attrgetter("state"),
    "type": lambda machine: machine.details.get("instance_type"),
    "platform": lambda machine: machine.details.get("platform"),
}
MACHINE_ATTRIBUTES = tuple(_READERS)
VOLUME_ATTRIBUTES = ("name", "id")


class Operator(StrEnum):
    """How a comparison compares."""

    EQUAL = "="
    UNEQUAL = "!="
    LIKE = "~"


@dataclass(frozen=True, slots=True)
class Attribute:
    """What is compared: a tag, by `tag`, or an attribute, by `name`; the other one is empty."""

    name: str = ""
    tag: str = ""

    def of(self, machine: Machine) -> str | None:
        """Return the machine's value, or None where it has none."""
        value = machine.tags.get(self.tag) if self.tag else _READERS[self.name](machine)
        return value if isinstance(value, str) else None

    def __str__(self) -> str:
        return f"tag:{_written_tag(self.tag)}" if self.tag else self.name


@dataclass(frozen=True, slots=True)
class Comparison:
    """An attribute beside one value."""

    attribute: Attribute
    operator: Operator
    value: str

    def matches(self, machine: Machine) -> bool:
        """Return whether this is true of `machine`."""
        found = self.attribute.of(machine)
        if self.operator is Operator.UNEQUAL:
            return found != self.value
        if found is None:
            return False
        return (
            fnmatchcase(found, self.value)
            if self.operator is Operator.LIKE
            else (found == self.value)
        )

    def __str__(self) -> str:
        return f"{self.attribute} {self.operator} {_written(self.value)}"


@dataclass(frozen=True, slots=True)
class OneOf:
    """An attribute that has one of several values."""

    attribute: Attribute
    values: tuple[str, ...]

    def matches(self, machine: Machine) -> bool:
        """Return whether this is true of `machine`."""
        return self.attribute.of(machine) in self.values

    def __str__(self) -> str:
        return f"{self.attribute} in ({', '.join(map(_written, self.values))})"


@dataclass(frozen=True, slots=True)
class HasTag:
    """A tag is there, whatever it says."""

    tag: str

    def matches(self, machine: Machine) -> bool:
        """Return whether this is true of `machine`."""
        return self.tag in machine.tags

    def __str__(self) -> str:
        return f"has tag:{_written_tag(self.tag)}"


@dataclass(frozen=True, slots=True)
class Negation:
    """True where `inner` is false."""

    inner: Expression

    def matches(self, machine: Machine) -> bool:
        """Return whether this is true of `machine`."""
        return not self.inner.matches(machine)

    def __str__(self) -> str:
        return f"not {_bracketed(self.inner, Every, Either)}"


@dataclass(frozen=True, slots=True)
class Every:
    """True where each of `parts`, two or more, is."""

    parts: tuple[Expression, ...]

    def matches(self, machine: Machine) -> bool:
        """Return whether this is true of `machine`."""
        return all(part.matches(machine) for part in self.parts)

    def __str__(self) -> str:
        return " and ".join(_bracketed(part, Every, Either) for part in self.parts)


@dataclass(frozen=True, slots=True)
class Either:
    """True where one of `parts`, two or more, is."""

    parts: tuple[Expression, ...]

    def matches(self, machine: Machine) -> bool:
        """Return whether this is true of `machine`."""
        return any(part.matches(machine) for part in self.parts)

    def __str__(self) -> str:
        return " or ".join(_bracketed(part, Either) for part in self.parts)


Expression: TypeAlias = Comparison | OneOf | HasTag | Negation | Every | Either


def _written(value: str) -> str:
    if value.lower() in KEYWORDS:
        return f'"{value}"'
    return _written_tag(value)


def _written_tag(name: str) -> str:
    if PLAIN_WORD.fullmatch(name):
        return name
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _bracketed(inner: Expression, *kinds: type[Every | Either]) -> str:
    return f"({inner})" if isinstance(inner, kinds) else str(inner)
