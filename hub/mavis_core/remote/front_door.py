"""The door for SSH clients, as clients must know it: where it is, and by what they know it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from mavis_core.errors import NotFound

__all__ = ["FrontDoor", "FrontDoors", "Keeper"]


@dataclass(frozen=True, slots=True)
class FrontDoor:
    """Where the door is.

    Parameters
    ----------
    host
        None: where the appliance is.
    host_key
        As in ``known_hosts``, without a host: algorithm and base64.
    """

    host: str | None
    port: int
    host_key: str


class Keeper(Protocol):
    """Has the door: the gateway."""

    def door_key(self) -> str | None:
        """Return the door's host key as in ``known_hosts``, without a host; None: it is closed."""


class FrontDoors:
    """Tells people of the door.

    Parameters
    ----------
    host, port
        Where SSH clients reach it; no host: where the appliance is.
    keeper
        Knows whether it is open.
    """

    def __init__(self, host: str, port: int, keeper: Keeper) -> None:
        self._host, self._port, self._keeper = host, port, keeper

    def get(self) -> FrontDoor:
        """Return where it is.

        Raises
        ------
        NotFound
            It is closed.
        Unavailable
            The gateway does not answer.
        """
        key = self._keeper.door_key()
        if key is None:
            raise NotFound(
                "This appliance has no door for SSH clients",
                mend="Open a terminal in the browser; remote.door = on in the settings opens it.",
            )
        return FrontDoor(self._host or None, self._port, key)
