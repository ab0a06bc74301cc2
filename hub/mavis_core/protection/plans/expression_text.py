r"""The text of an expression over tags and attributes: which machines a backup plan means.

::

    tag:env = production and not (tag:role in (cache, build) or name ~ "tmp-*")

    expression  = conjunction { "or" conjunction }
    conjunction = term { "and" term }
    term        = "not" term | "(" expression ")" | "has" tag | comparison
    comparison  = attribute ( "=" | "!=" | "~" ) value
                | attribute "in" "(" value { "," value } ")"
    attribute   = tag | "name" | "id" | "environment" | "account" | "region" | "state"
                | "type" | "platform"
    tag         = "tag:" ( word | quoted )
    value       = word | quoted
    word        = one or more of A-Z a-z 0-9 . _ : / @ + * ? -
    quoted      = '"' any characters, with \" and \\ for these two '"'

``id`` is the cloud's id. ``and``, ``or``, ``not``, ``in`` and ``has`` are read in any case; as a
value they are quoted. Values are compared letter by letter; ``~`` takes a pattern with ``*``,
``?`` and ``[abc]``. Where there is no such tag, ``=``, ``~`` and ``in`` are false and ``!=`` is
true. An expression has at most 2,000 characters, and brackets and ``not`` nest at most 20 deep.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from typing import NoReturn

from mavis_core.errors import InvalidInput
from mavis_core.protection.plans.expressions import (
    KEYWORDS,
    MACHINE_ATTRIBUTES,
    PLAIN_WORD,
    Attribute,
    Comparison,
    Either,
    Every,
    Expression,
    HasTag,
    Negation,
    OneOf,
    Operator,
)

__all__ = ["parse"]

_LONGEST = 2_000
_DEEPEST = 20
_EXAMPLE = 'Write it like: tag:env = production and not name ~ "tmp-*"'
_TOKEN = re.compile(
    rf"(?P<space>\s+)|(?P<word>{PLAIN_WORD.pattern})"
    r'|(?P<quoted>"(?:[^"\\]|\\["\\])*")|(?P<mark>!=|[=~(),])'
)


def parse(text: str, *, field: str, attributes: tuple[str, ...] = MACHINE_ATTRIBUTES) -> Expression:
    """Return the expression that `text` says; ``str`` of it gives the canonical text.

    Parameters
    ----------
    field
        The input field that `text` came from, for errors.
    attributes
        What may be compared besides tags.

    Raises
    ------
    InvalidInput
        It is too long or too deep, or does not follow the grammar; the message says where.
    """
    _check_length(len(text), field)
    found = _Parser(text, field, attributes).whole()
    _check_length(len(str(found)), field)  # so that the canonical text can be read again
    return found


def _check_length(length: int, field: str) -> None:
    if length > _LONGEST:
        raise InvalidInput(
            f"the expression has {length} characters; at most {_LONGEST}",
            mend="Give the machines a tag of their own and ask for that.",
            field=field,
        )


class _Kind(StrEnum):
    WORD = "word"
    QUOTED = "quoted"
    MARK = "mark"
    END = "end"


@dataclass(frozen=True, slots=True)
class _Token:
    kind: _Kind
    text: str
    start: int
    end: int

    def says(self, *words: str) -> bool:
        """Return whether this is one of the keywords or marks `words`."""
        return self.kind in (_Kind.WORD, _Kind.MARK) and self.text.lower() in words


class _Parser:
    """Recursive descent, one token ahead."""

    def __init__(self, text: str, field: str, attributes: tuple[str, ...]) -> None:
        self._text = text
        self._field = field
        self._attributes = attributes
        self._tokens = self._read()
        self._next = next(self._tokens)

    def whole(self) -> Expression:
        found = self._either(0)
        if self._next.kind is not _Kind.END:
            self._fail("`and`, `or` or the end")
        return found

    def _read(self) -> Iterator[_Token]:
        place = 0
        while place < len(self._text):
            found = _TOKEN.match(self._text, place)
            if not found or not found.lastgroup:
                self._unreadable(place)
            if found.lastgroup != "space":
                yield _Token(_Kind(found.lastgroup), found[0], place, found.end())
            place = found.end()
        yield _Token(_Kind.END, "", place, place)

    def _take(self) -> _Token:
        taken = self._next
        self._next = next(self._tokens, taken)
        return taken

    def _expect(self, mark: str) -> None:
        if not self._next.says(mark):
            self._fail(f"`{mark}`")
        self._take()

    def _either(self, depth: int) -> Expression:
        parts = [self._every(depth)]
        while self._next.says("or"):
            self._take()
            parts.append(self._every(depth))
        return Either(tuple(parts)) if len(parts) > 1 else parts[0]

    def _every(self, depth: int) -> Expression:
        parts = [self._term(depth)]
        while self._next.says("and"):
            self._take()
            parts.append(self._term(depth))
        return Every(tuple(parts)) if len(parts) > 1 else parts[0]

    def _term(self, depth: int) -> Expression:
        if depth > _DEEPEST:
            self._fail(f"at most {_DEEPEST} brackets and `not` inside each other")
        if self._next.says("not"):
            self._take()
            return Negation(self._term(depth + 1))
        if self._next.says("("):
            self._take()
            inner = self._either(depth + 1)
            self._expect(")")
            return inner
        if self._next.says("has"):
            self._take()
            return HasTag(self._tag())
        return self._comparison()

    def _comparison(self) -> Expression:
        attribute = self._attribute()
        if self._next.says("in"):
            self._take()
            return OneOf(attribute, self._values())
        if not self._next.says(*Operator):
            self._fail("`=`, `!=`, `~` or `in`")
        return Comparison(attribute, Operator(self._take().text), self._value())

    def _attribute(self) -> Attribute:
        if self._next.kind is _Kind.WORD and self._next.text.startswith("tag:"):
            return Attribute(tag=self._tag())
        if self._next.kind is not _Kind.WORD or self._next.text not in self._attributes:
            known = (*self._attributes, "tag:NAME")
            near = get_close_matches(self._next.text, known, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            self._fail(f"one of {', '.join(known)}{hint}")
        return Attribute(name=self._take().text)

    def _peek(self) -> _Token:
        return self._next

    def _tag(self) -> str:
        if self._next.kind is not _Kind.WORD or not self._next.text.startswith("tag:"):
            self._fail("tag:NAME")
        word, following = self._take(), self._peek()
        name = word.text.removeprefix("tag:")
        if not name and following.kind is _Kind.QUOTED and following.start == word.end:
            name = _unquoted(self._take().text)
        if not name:
            self._fail("a tag's name right after `tag:`")
        return name

    def _values(self) -> tuple[str, ...]:
        self._expect("(")
        values = [self._value()]
        while self._next.says(","):
            self._take()
            values.append(self._value())
        if not self._next.says(")"):
            self._fail("`,` or `)`")
        self._take()
        return tuple(values)

    def _value(self) -> str:
        if self._next.kind is _Kind.QUOTED:
            return _unquoted(self._take().text)
        if self._next.kind is not _Kind.WORD:
            self._fail("a value")
        if self._next.text.lower() in KEYWORDS:
            self._fail(f'a value; as one, write "{self._next.text}" in quotes')
        return self._take().text

    def _fail(self, expected: str) -> NoReturn:
        self._refuse(f"expected {expected}", self._next.start)

    def _unreadable(self, place: int) -> NoReturn:
        if self._text[place] == '"':
            self._refuse('a quoted text has no end, or a \\ before neither " nor \\', place)
        self._refuse(f"{self._text[place]!r} has to stand in quotes", place)

    def _refuse(self, what: str, place: int) -> NoReturn:
        rest = self._text[place : place + 24]
        where = f"at character {place + 1}, near {rest!r}" if rest.strip() else "at the end"
        raise InvalidInput(
            f"{self._field}: {what}, {where}", mend=f"{_EXAMPLE}.", field=self._field
        )


def _unquoted(text: str) -> str:
    return re.sub(r'\\(["\\])', r"\1", text[1:-1])
