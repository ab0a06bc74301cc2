"""A list of the appliance, page by page, as far as somebody has looked."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from mavis_kernel.addresses import LARGEST_PAGE
from mavis_kernel.parsing import JsonObject, Model
from mavis_kernel.widgets.conversation import Given

__all__ = ["LARGEST_SHOWN", "Lists", "Pages"]

M = TypeVar("M", bound=Model)

LARGEST_SHOWN = 200
_MOST = 10_000


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


class Lists(Generic[M]):
    """The list that a widget shows: read on while the same is asked for. Safe for threads."""

    def __init__(self) -> None:
        self._reading = threading.Lock()
        self._asked: object = None
        self._pages: Pages[M] | None = None

    def of(self, asked: object, find: Callable[[], Iterable[M]], *, fresh: bool) -> Pages[M]:
        """Return the pages of what `asked` names; `find` asks for it, anew where `fresh`."""
        with self._reading:
            if fresh or self._pages is None or self._asked != asked:
                self._asked, self._pages = asked, Pages(find(), most=_MOST)
            return self._pages

    def page(
        self, given: Given, asked: object, find: Callable[[], Iterable[M]]
    ) -> dict[str, object]:
        """Return the page that a question names by ``start``, ``size`` and ``fresh``."""
        start = given.count("start", most=_MOST)
        size = max(1, given.count("size", most=LARGEST_SHOWN))
        return self.of(asked, find, fresh=given.flag("fresh")).page(start, size)
