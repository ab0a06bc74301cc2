"""Text that is never shown by accident."""

from __future__ import annotations

__all__ = ["Secret"]


class Secret:
    """A token or password. Its repr, its text and its format are a mask.

    Parameters
    ----------
    value
        The text; `reveal` gives it back.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the text. Call this only where it goes on the wire or into its file."""
        return self._value

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __repr__(self) -> str:
        return "Secret('***')"

    __str__ = __repr__

    def __reduce__(self) -> str:
        raise TypeError("a secret is not pickled: pass its text on purpose")
