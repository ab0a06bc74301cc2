"""The kit that leads into the in-memory cloud, and its connections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mavis_core.contract import EnvironmentSettings, OnBehalf, Pace, Waiting
from mavis_core.errors import CloudCredentials, CloudRegion, InvalidInput
from mavis_core.testing.cloud.blocks import FakeBlocks
from mavis_core.testing.cloud.commands import FakeCommands
from mavis_core.testing.cloud.copies import FakeCopies, FakeLocks
from mavis_core.testing.cloud.door import Door
from mavis_core.testing.cloud.instances import FakeInstances, FakeNetworks
from mavis_core.testing.cloud.inventory import FakeInventory, FakePower, FakeTags
from mavis_core.testing.cloud.snapshots import FakeSnapshots
from mavis_core.testing.cloud.state import FakeCloud
from mavis_core.testing.cloud.volumes import FakeVolumes

__all__ = ["FakeConnection", "FakeKit"]


class FakeKit:
    """Fulfils `mavis_core.contract.Kit`.

    Parameters
    ----------
    cloud
        Where it leads.
    name
        The word in ``environment.kit``.
    """

    def __init__(self, cloud: FakeCloud, name: str = "fake") -> None:
        self.cloud = cloud
        self._name = name

    @property
    def name(self) -> str:
        return self._name

    @property
    def key_fields(self) -> Mapping[str, bool]:
        return {"access_key_id": True, "secret_access_key": True, "session_token": False}

    def check(self, settings: EnvironmentSettings) -> None:
        if not settings.account:
            raise InvalidInput("An environment needs an account", field="account")
        if not settings.regions:
            raise InvalidInput("An environment needs at least one region", field="regions")

    def endpoints(self, settings: EnvironmentSettings) -> Sequence[str]:
        self.check(settings)
        return tuple(self.cloud.endpoints)

    def connect(
        self,
        settings: EnvironmentSettings,
        key: Mapping[str, str] | None,
        on_behalf: OnBehalf,
        *,
        on_wait: Waiting | None = None,
        pace: Pace | None = None,
    ) -> FakeConnection:
        self.check(settings)
        door = Door(self.cloud, settings, on_behalf, on_wait, pace)
        door.call("connect", "", {}, lambda: self._prove(settings, key))
        return FakeConnection(door)

    def _prove(self, settings: EnvironmentSettings, key: Mapping[str, str] | None) -> None:
        if self.cloud.keys is not None:
            account = self.cloud.keys.get((key or {}).get("access_key_id", ""))
            if account != settings.account:
                raise CloudCredentials(
                    f"The key of the environment {settings.name} belongs to account {account},"
                    f" and the environment is account {settings.account}"
                )
        for region in settings.regions:
            if region not in self.cloud.regions:
                raise CloudRegion(f"There is no region {region}")


class FakeConnection:
    """Fulfils `mavis_core.contract.Connection`."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self.closed = False

    @property
    def account(self) -> str:
        return self._door.account

    @property
    def inventory(self) -> FakeInventory:
        return FakeInventory(self._door)

    @property
    def power(self) -> FakePower:
        return FakePower(self._door)

    @property
    def tags(self) -> FakeTags:
        return FakeTags(self._door)

    @property
    def snapshots(self) -> FakeSnapshots:
        return FakeSnapshots(self._door)

    @property
    def copies(self) -> FakeCopies:
        return FakeCopies(self._door)

    @property
    def locks(self) -> FakeLocks:
        return FakeLocks(self._door)

    @property
    def volumes(self) -> FakeVolumes:
        return FakeVolumes(self._door)

    @property
    def instances(self) -> FakeInstances:
        return FakeInstances(self._door)

    @property
    def networks(self) -> FakeNetworks:
        return FakeNetworks(self._door)

    @property
    def commands(self) -> FakeCommands:
        return FakeCommands(self._door)

    @property
    def blocks(self) -> FakeBlocks:
        return FakeBlocks(self._door)

    def close(self) -> None:
        self.closed = True
