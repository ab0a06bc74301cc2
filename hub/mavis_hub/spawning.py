"""Notebook servers of people: started by the Hub, and stopped when their owner may have none.

The Hub looks after each server every `LOOK_EVERY_S` seconds. Whoever has lost the last role that
gives one has lost the server within 30 seconds: this look, and the eight that a server that does
not end by itself is given.
"""

from __future__ import annotations

from typing import Any

from jupyterhub.spawner import LocalProcessSpawner, SimpleLocalProcessSpawner

__all__ = ["LOOK_EVERY_S", "SystemSpawner", "TryOutSpawner"]

LOOK_EVERY_S = 15


class _Watched:
    """Mixed into a spawner of the Hub: its server ends when its owner may have none."""

    end_is_told = False
    """Whether the end of the server is recorded, with its reason, before the Hub tells it."""

    async def poll_and_notify(self: Any) -> Any:
        """Look whether the server runs, and whether it still may."""
        if self.ready and not await self.authenticator.server_goes_on(self.user):
            self.log.warning("%s may have no server any more; it is stopped", self.user.name)
            self.end_is_told = True
            await self.stop()  # the Hub then finds it ended, and clears up after it
            await self.authenticator.server_was_ended(self.user)
        return await super().poll_and_notify()  # type: ignore[misc]  # the Hub's


class SystemSpawner(_Watched, LocalProcessSpawner):  # type: ignore[misc]  # untyped package
    """Servers of an appliance with isolation: each a process of its owner's Unix user."""


class TryOutSpawner(_Watched, SimpleLocalProcessSpawner):  # type: ignore[misc]  # untyped package
    """Servers of a try-out: processes of whoever started it."""
