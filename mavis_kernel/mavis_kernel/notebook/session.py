"""What one kernel knows: the client, and the project that its magics are about.

The project is the variable ``MAVIS_PROJECT`` of the kernel's process, so that the magics, the
command line in a cell, programs that a cell starts and links in tables mean the same one. It ends
with the kernel.
"""

from __future__ import annotations

import os
from collections.abc import MutableMapping
from typing import TYPE_CHECKING

from mavis_kernel.errors import BadSettings
from mavis_kernel.notebook.later import Later

if TYPE_CHECKING:  # a kernel starts without them
    from mavis_kernel.aio.client import AsyncMavis
    from mavis_kernel.client import Mavis
    from mavis_kernel.notebook.cells import Cells

__all__ = ["Session"]

_PROJECT = "MAVIS_PROJECT"


class Session:
    """The client and the project of one kernel.

    Parameters
    ----------
    namespace
        Of the cells. A client that somebody puts there as ``mavis`` is the magics' one, too.
    """

    def __init__(self, namespace: MutableMapping[str, object]) -> None:
        self._namespace = namespace
        self._made: Mavis | None = None
        self._made_async: AsyncMavis | None = None
        self._only: str | None = None
        self.cells: Cells | None = None
        """What watches the cells; None: nothing does."""

    def put_clients(self) -> dict[str, Later]:
        """Return what the namespace is given."""
        return {
            "mavis": Later("mavis", self._namespace, _client_class, self._client),
            "amavis": Later("amavis", self._namespace, _async_client_class, self._async_client),
        }

    @property
    def client(self) -> Mavis:
        """The client of the cells.

        Raises
        ------
        NotLoggedIn, BadSettings
            Nobody is logged in, or where to is wrong.
        """
        found = self._namespace.get("mavis")
        if type(found) is not Later and isinstance(found, _client_class()):
            return found
        return self._client()

    @property
    def chosen_project(self) -> str | None:
        """What ``%project`` or the environment has chosen."""
        return os.environ.get(_PROJECT) or None

    def choose(self, project: str) -> None:
        """Let `project` be the one, until the kernel ends."""
        os.environ[_PROJECT] = project

    def project(self) -> str:
        """Return the chosen project, or the only one.

        Raises
        ------
        BadSettings
            None is chosen, and there are several or none.
        """
        return self.chosen_project or self._only_project()

    def put(self, name: str, value: object) -> None:
        """Let cells know `value` as `name`."""
        self._namespace[name] = value

    def close(self) -> None:
        """Close the connections; a client that is used again opens new ones."""
        if self._made is not None:
            self._made.close()

    def _only_project(self) -> str:
        if self._only is None:
            names = [each.name for each in self.client.me().projects]
            if len(names) != 1:
                raise _none_chosen(names)
            self._only = names[0]
        return self._only

    def _client(self) -> Mavis:
        if self._made is None:
            self._made = _client_class()()
        return self._made

    def _async_client(self) -> AsyncMavis:
        if self._made_async is None:
            self._made_async = _async_client_class()()
        return self._made_async


def _client_class() -> type[Mavis]:
    from mavis_kernel.client import Mavis  # noqa: PLC0415 - see the top of `later`

    return Mavis


def _async_client_class() -> type[AsyncMavis]:
    from mavis_kernel.aio.client import AsyncMavis  # noqa: PLC0415 - as above

    return AsyncMavis


def _none_chosen(names: list[str]) -> BadSettings:
    if not names:
        return BadSettings(
            "You are in no project yet.",
            mend="Ask an administrator of the platform to make you a member of one.",
        )
    shown = ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
    return BadSettings(
        f"No project is chosen; you are in {shown}.", mend=f"Choose one: %project {names[0]}"
    )
