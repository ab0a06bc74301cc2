"""An in-memory cloud that keeps the contract, for tests of what stands above it.

*Cloud*: `FakeCloud`, plain attributes that a test fills and reads. *Kit*: `FakeKit`, the door
into it. *Rule*: what happens before or after the effect of the next calls; `refuse`,
`lose_reply`, `during` and `throttle` make the usual ones.

>>> cloud = FakeCloud()
>>> web = cloud.launch("111111111111", "here-1", "web-1", sizes=(8, 20))
>>> cloud.rules.append(lose_reply("snapshots.create"))
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mavis_core.contract import EnvironmentSettings, OnBehalf, Waiting
from mavis_core.errors import CloudCredentials, CloudRegion, InvalidInput
from mavis_core.testing.cloud_parts import (
    Door,
    FakeInventory,
    FakePower,
    FakeSnapshots,
    FakeTags,
)
from mavis_core.testing.cloud_state import (
    Call,
    FakeCloud,
    FakeInstance,
    FakeSnapshot,
    FakeThing,
    FakeVolume,
    Rule,
    during,
    lose_reply,
    refuse,
    throttle,
)

__all__ = [
    "Call",
    "FakeCloud",
    "FakeInstance",
    "FakeKit",
    "FakeSnapshot",
    "FakeThing",
    "FakeVolume",
    "Rule",
    "during",
    "lose_reply",
    "refuse",
    "throttle",
]


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
    ) -> FakeConnection:
        self.check(settings)
        door = Door(self.cloud, settings, on_behalf, on_wait)
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
        return self._door.settings.account

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

    def close(self) -> None:
        self.closed = True
