"""A list of the appliance that is fetched page after page; looking at it uses nothing up."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from mavis_kernel.parsing import Model

__all__ = ["AsyncListing"]

M = TypeVar("M", bound="Model")


class AsyncListing(AsyncIterator[M], Generic[M]):
    """Objects of one kind. An iterator.

    Parameters
    ----------
    items
        Yields them.
    kind
        What they are.
    """

    def __init__(self, items: AsyncIterator[M], kind: type[M]) -> None:
        self.kind = kind
        self._items = items
        self._seen: deque[M] = deque()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.kind.__name__}>"

    async def __anext__(self) -> M:
        if self._seen:
            return self._seen.popleft()
        return await self._items.__anext__()

    async def first(self, number: int) -> tuple[list[M], bool]:
        """Return the next `number` objects, and whether more follow; none is used up."""
        while len(self._seen) <= number:
            try:
                self._seen.append(await self._items.__anext__())
            except StopAsyncIteration:
                break
        return list(self._seen)[:number], len(self._seen) > number

    def _repr_mimebundle_(self, **_asked: Any) -> dict[str, str]:
        from mavis_kernel.display import of_listing  # noqa: PLC0415 - notebooks only

        return of_listing(self)
