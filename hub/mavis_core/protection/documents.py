"""JSON objects on their way into a model: read key by key, each fault told with its path."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from difflib import get_close_matches
from enum import StrEnum
from typing import TypeVar

from mavis_core.errors import InvalidInput
from mavis_core.projects.model import check_text
from mavis_core.protection.durations import duration

__all__ = ["Document", "document"]

E = TypeVar("E", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Document:
    """One object of a document. A key that says null is one that is not there.

    Parameters
    ----------
    path
        Where it is: ``rules[1]``; empty for the whole.
    """

    path: str
    values: Mapping[str, object]

    def at(self, key: str) -> str:
        """Return the path of `key`."""
        return f"{self.path}.{key}" if self.path else key

    def has(self, key: str) -> bool:
        """Return whether `key` says something."""
        return self.values.get(key) is not None

    def text(self, key: str, *, default: str | None = None, limit: int = 200) -> str:
        """Return the one line that `key` says; without a default it must be there."""
        if not self.has(key) and default is not None:
            return default
        return check_text(self._text(key), field=self.at(key), limit=limit)

    def raw_text(self, key: str) -> str:
        """Return the text that `key` says, unchanged; empty where it is not there."""
        return self._text(key) if self.has(key) else ""

    def optional_text(self, key: str, *, limit: int = 200) -> str | None:
        """Return the one line that `key` says; None where it is not there or empty."""
        return self.text(key, default="", limit=limit) or None

    def script(self, key: str, *, limit: int) -> str | None:
        """Return the lines that `key` says, unchanged; None where there are none."""
        if not self.has(key):
            return None
        found = self._text(key)
        if len(found) > limit:
            raise self._wrong(key, f"has {len(found)} characters; at most {limit}")
        if any(unicodedata.category(each) in ("Cc", "Cs") and each not in "\n\t" for each in found):
            raise self._wrong(key, "holds control characters", "End lines with \\n alone.")
        return found if found.strip() else None

    def flag(self, key: str, *, default: bool) -> bool:
        """Return what `key` says, true or false."""
        found = self.values.get(key)
        if found is None:
            return default
        if not isinstance(found, bool):
            raise self._wrong(key, f"says {_shown(found)}", "Say true or false.")
        return found

    def whole(self, key: str, *, default: int, most: int) -> int:
        """Return the whole number that `key` says, from 0 to `most`."""
        found = self.values.get(key)
        if found is None:
            return default
        if isinstance(found, bool) or not isinstance(found, int) or not 0 <= found <= most:
            raise self._wrong(
                key, f"says {_shown(found)}", f"Give a whole number from 0 to {most}."
            )
        return found

    def share(self, key: str, *, default: float) -> float:
        """Return the part of a whole that `key` says, from 0 to 1."""
        found = self.values.get(key)
        if found is None:
            return default
        number = not isinstance(found, bool) and isinstance(found, int | float)
        if not number or not 0 <= found <= 1:  # type: ignore[operator]  # a number, see above
            raise self._wrong(key, f"says {_shown(found)}", "Give a number from 0 to 1.")
        return float(found)  # type: ignore[arg-type]  # a number, see above

    def length(self, key: str, *, least: timedelta, most: timedelta) -> timedelta | None:
        """Return the length of time that `key` says; None where it is not there."""
        if not self.has(key):
            return None
        return duration(self._text(key), field=self.at(key), least=least, most=most)

    def word(self, key: str, kind: type[E], *, default: E | None = None) -> E:
        """Return which of the words of `kind` `key` says; without a default it must be there."""
        if not self.has(key) and default is not None:
            return default
        return one_of(self._text(key), kind, self.at(key))

    def part(self, key: str, known: tuple[str, ...]) -> Document | None:
        """Return the object that `key` says, or None."""
        return document(self.values[key], self.at(key), known) if self.has(key) else None

    def items(self, key: str, *, most: int) -> Iterator[tuple[str, object]]:
        """Yield path and value of each entry of the list that `key` says; none is an empty list."""
        found = self.values.get(key)
        if found is None:
            return
        if not isinstance(found, list | tuple):
            raise self._wrong(key, f"says {_shown(found)}", "Give a list, in [ ].")
        if len(found) > most:
            raise self._wrong(key, f"has {len(found)} entries; at most {most}")
        yield from ((f"{self.at(key)}[{index}]", each) for index, each in enumerate(found))

    def texts(self, key: str, *, most: int) -> tuple[str, ...]:
        """Return the texts of the list that `key` says; none of them is empty or there twice."""
        found: list[str] = []
        for path, value in self.items(key, most=most):
            if not isinstance(value, str) or not value.strip():
                raise InvalidInput(f"{path} says {_shown(value)}", mend="Give a text.", field=path)
            text = check_text(value, field=path)
            if text in found:
                raise InvalidInput(f"{path}: {text!r} is there twice", field=path)
            found.append(text)
        return tuple(found)

    def _text(self, key: str) -> str:
        found = self.values.get(key)
        if found is None:
            raise self._wrong(key, "is missing", f"Add {key!r}.")
        if not isinstance(found, str):
            raise self._wrong(key, f"says {_shown(found)}", 'Give a text, in " ".')
        return found

    def _wrong(self, key: str, what: str, mend: str | None = None) -> InvalidInput:
        return InvalidInput(f"{self.at(key)} {what}", mend=mend, field=self.at(key))


def document(value: object, path: str, known: tuple[str, ...]) -> Document:
    """Return `value` for reading, where it is an object with no other keys than `known`.

    Raises
    ------
    InvalidInput
        It is none, or a key is unknown; the mend names the known one that is written alike.
    """
    if not isinstance(value, Mapping):
        raise InvalidInput(
            f"{path or 'the document'} says {_shown(value)}",
            mend=f"Give an object with keys of: {', '.join(known)}.",
            field=path or None,
        )
    for key in value:
        if key not in known:
            name = str(key)[:40]
            near = get_close_matches(name, known, n=1)
            raise InvalidInput(
                f"{path or 'the document'} has no key {name!r}",
                mend=f"Did you mean {near[0]}?" if near else f"It knows {', '.join(known)}.",
                field=f"{path}.{name}" if path else name,
            )
    return Document(path, value)


def one_of(text: str, kind: type[E], field: str) -> E:
    """Return which word of `kind` `text` is.

    Raises
    ------
    InvalidInput
        It is none of them.
    """
    try:
        return kind(text)
    except ValueError as exc:
        raise InvalidInput(
            f"{field} says {_shown(text)}", mend=f"Say {' or '.join(kind)}.", field=field
        ) from exc


def _shown(value: object) -> str:
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, list | tuple):
        return "a list"
    return repr(value)[:60] if value is not None else "nothing"
