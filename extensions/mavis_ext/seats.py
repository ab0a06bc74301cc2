"""How many may listen at a time, and how many of them one person."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from mavis_core.errors import TooManyRequests, Unavailable

__all__ = ["Seats"]

_LATER_S = 30


class Seats:
    """Seats for those who listen. For one event loop.

    Parameters
    ----------
    what
        What is listened to, for the messages.
    most, most_of_one
        How many may; how many of them one person.
    """

    def __init__(self, what: str, *, most: int, most_of_one: int) -> None:
        self._what = what
        self.most, self.most_of_one = most, most_of_one
        self._people: Counter[str] = Counter()

    @property
    def taken(self) -> int:
        """How many listen now."""
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
                f"{person} follows {self.most_of_one} {self._what} already", retry_after_s=_LATER_S
            )
        if self.taken >= self.most:
            raise Unavailable(f"{self.most} listen already", retry_after_s=_LATER_S)
        self._people[person] += 1
        try:
            yield
        finally:
            self._people[person] -= 1
            if not self._people[person]:
                del self._people[person]
