"""What this process asks the api process: what to start for a ticket, and which views go on."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from mavis_hub.asking import VIEWS, Asking

__all__ = ["Broker", "Start"]


@dataclass(frozen=True, slots=True)
class Start:
    """What a view's kernel is started with.

    Parameters
    ----------
    view
        The view's id.
    viewer
        Who looks, for people to read.
    """

    view: str
    viewer: str
    project: str
    name: str
    title: str
    notebook: str
    token: str = field(repr=False)


class Broker:
    """The api process, as far as this one may ask it.

    Parameters
    ----------
    url
        Where it answers.
    secret
        What tells it who asks.
    """

    def __init__(self, url: str, secret: str) -> None:
        self._ask = Asking(f"{url}{VIEWS}", secret)

    async def start(self, ticket: str) -> Start:
        """Return what to start for the page that has this ticket; once.

        Raises
        ------
        NotFound
            No page has it, or not any more.
        Conflict
            It was asked for before.
        Unavailable
            The api process does not answer.
        """
        return Start(**await self._ask("start", {"ticket": ticket}))

    async def alive(self, views: Iterable[str], died: Collection[str]) -> frozenset[str]:
        """Return which of some views go on; tell of those whose kernel has died.

        Raises
        ------
        Unavailable
            The api process does not answer.
        """
        told = await self._ask("alive", {"views": sorted(views), "died": sorted(died)})
        return frozenset(told["alive"])

    async def began(self) -> None:
        """Tell that this process has begun, and has none of the kernels that it may have had.

        Raises
        ------
        Unavailable
            The api process does not answer.
        """
        await self._ask("began", {})

    def close(self) -> None:
        """Close the connections."""
        self._ask.close()
