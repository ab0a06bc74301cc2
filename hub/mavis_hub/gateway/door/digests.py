"""What goes through a file: its size and its digest, while it goes."""

from __future__ import annotations

import hashlib

from mavis_hub.gateway.door.ports import Direction, Transfer

__all__ = ["Passage"]

_MOST_WAITING = 4 * 1024 * 1024


class Passage:
    """The bytes of one file in one direction. Belongs to one thread.

    Blocks may come a little out of order; where too many wait for one before them, there is no
    digest.
    """

    def __init__(self, direction: Direction, path: str) -> None:
        self._direction = direction
        self._path = path
        self._hash = hashlib.sha256()
        self._begin: int | None = None
        self._next = 0
        self._size = 0
        self._waiting: dict[int, bytes] = {}
        self._held = 0
        self._lost = False

    @property
    def empty(self) -> bool:
        """Whether nothing went."""
        return self._begin is None

    def add(self, data: bytes | memoryview) -> None:
        """Take the next bytes."""
        self.add_at(self._next, data)

    def add_at(self, offset: int, data: bytes | memoryview) -> None:
        """Take the bytes at `offset`."""
        if self._begin is None:
            self._begin = self._next = offset
        self._size += len(data)
        if self._lost:
            return
        if offset == self._next:
            self._hash.update(data)
            self._next += len(data)
            while self._waiting and (held := self._waiting.pop(self._next, None)) is not None:
                self._hash.update(held)
                self._next += len(held)
                self._held -= len(held)
            return
        if offset < self._next or self._held + len(data) > _MOST_WAITING:
            self._lose()
            return
        self._waiting[offset] = bytes(data)
        self._held += len(data)

    def transfer(self, *, complete: bool = True) -> Transfer:
        """Return what went, at the end."""
        whole = not self._lost and not self._waiting
        return Transfer(
            self._direction,
            self._path,
            self._size,
            self._hash.hexdigest() if whole else None,
            self._begin or 0,
            complete,
        )

    def _lose(self) -> None:
        self._lost = True
        self._waiting.clear()
