"""A list of the appliance, page by page, as far as somebody has looked."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Generic, TypeVar

from mavis_kernel.addresses import LARGEST_PAGE
from mavis_kernel.parsing import JsonObject, Model

__all__ = ["Pages"]

M = TypeVar("M", bound=Model)


class Pages(Generic[M]):
    """What a list has shown, and the way to more of it. Safe for threads.

    Parameters
    ----------
    found
        A list of the client, which asks the appliance for a page when it comes to its end.
    most
        More than so many are never read.
    """

    def __init__(self, found: Iterable[M], *, most: int) -> None:
        self._found = iter(found)
        self._most = most
        self._read: list[M] = []
        self._complete = False
        self._reading = threading.Lock()

    def page(self, start: int, size: int) -> dict[str, object]:
        """Return a page, and how many there are as far as is known.

        A page behind the end is the last one.
        """
        with self._reading:
            # The client has read whole pages of the appliance: all of them count as known.
            self._read_to(-(-(start + size) // LARGEST_PAGE) * LARGEST_PAGE)
            if start >= len(self._read):
                start = max(0, (len(self._read) - 1) // size * size)
            rows: list[JsonObject] = [each.raw for each in self._read[start : start + size]]
            return {
                "rows": rows,
                "start": start,
                "known": len(self._read),
                "complete": self._complete,
            }

    def all(self) -> list[M]:
        """Return all there are, but never more than `most`."""
        with self._reading:
            self._read_to(self._most)
            return list(self._read)

    def _read_to(self, count: int) -> None:
        while not self._complete and len(self._read) < min(count, self._most):
            each = next(self._found, None)
            if each is None:
                self._complete = True
                return
            self._read.append(each)
