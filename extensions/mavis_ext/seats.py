"""How many may do something at a time, and how many of them one person."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from mavis_core.errors import TooManyRequests, Unavailable

__all__ = ["Seats"]

_LATER_S = 30


class Seats:
    """Seats for those who do something that lasts. For one event loop.

    Parameters
    ----------
    doing
        What somebody does who has one, for the messages: ``follows Runs``.
    most, most_of_one
        How many may; how many of them one person.
    """

    def __init__(self, doing: str, *, most: int, most_of_one: int) -> None:
        self._doing = doing
        self.most, self.most_of_one = most, most_of_one
        self._people: Counter[str] = Counter()

    @property
    def taken(self) -> int:
        """How many have one now."""
        return self._people.total()

    @contextmanager
    def take(self, person: str) -> Iterator[None]:
        """Have a seat inside the block.

        Raises
        ------
        TooManyRequests
            The person has too many.
        Unavailable
            All are taken.
        """
        if self._people[person] >= self.most_of_one:
            raise TooManyRequests(
                f"{person} {self._doing} {self.most_of_one} times already", retry_after_s=_LATER_S
            )
        if self.taken >= self.most:
            raise Unavailable(f"All {self.most} seats are taken", retry_after_s=_LATER_S)
        self._people[person] += 1
        try:
            yield
        finally:
            self._people[person] -= 1
            if not self._people[person]:
                del self._people[person]
