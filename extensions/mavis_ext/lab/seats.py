"""A bounded number of things at a time."""

from __future__ import annotations

from mavis_ext.lab.problems import Unavailable

__all__ = ["Room", "Seat"]


class Room:
    """Seats for one kind of work.

    Parameters
    ----------
    what
        What sits there, in words.
    seats
        How many at a time.
    """

    def __init__(self, what: str, seats: int) -> None:
        self._what = what
        self._free = seats

    def take(self) -> Seat:
        """Return a seat, to be left when the work is done.

        Raises
        ------
        Unavailable
            All are taken.
        """
        if self._free < 1:
            raise Unavailable(f"Too many {self._what} at a time", retry_after_s=1)
        self._free -= 1
        return Seat(self)

    def _leave(self) -> None:
        self._free += 1


class Seat:
    """One seat of a `Room`."""

    def __init__(self, room: Room) -> None:
        self._room: Room | None = room

    def leave(self) -> None:
        """Free the seat; a second time, this does nothing."""
        if self._room is not None:
            self._room._leave()  # noqa: SLF001 - a seat is part of its room
            self._room = None
