"""Words of the contract: an enumeration that takes words which are new to this client."""

from __future__ import annotations

from enum import StrEnum
from typing import Self

__all__ = ["Word"]


class Word(StrEnum):
    """One of some words, as text; a word that nobody knew when this was made is no error."""

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, str):
            return None
        new = str.__new__(cls, value)
        new._name_, new._value_ = value, value
        return new

    def __reduce_ex__(self, _protocol: object) -> tuple[type[Self], tuple[str]]:
        return type(self), (self._value_,)  # by its value: a new word is no attribute of the class

    @classmethod
    def known(cls) -> tuple[str, ...]:
        """Return the words that this client knows, as plain text."""
        return tuple(each.value for each in cls)
