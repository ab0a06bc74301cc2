"""The contract of a kit: what an environment is, and how to open a connection to one.

*Environment*: one account (or host) of one kit with its regions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from mavis_core.contract.cloud import Inventory, Power, Snapshots, Tags
from mavis_core.contract.protection import (
    Blocks,
    Commands,
    Instances,
    Networks,
    SnapshotCopies,
    SnapshotLocks,
    Volumes,
)


@dataclass(frozen=True, slots=True)
class EnvironmentSettings:
    """One account, region set or host of one kit, as the administrator wrote it.

    Parameters
    ----------
    id, name
        Mavis's id and the name that people see.
    account
        The account (or host) that is expected; a connection to another one is refused.
    regions
        Regions to look at, at least one.
    options
        What the kit understands besides: for AWS ``profile``, ``role_arn``, ``external_id``.
    """

    id: str
    name: str
    account: str
    regions: tuple[str, ...]
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OnBehalf:
    """For whom the platform acts: the cloud's own log names the person.

    Parameters
    ----------
    person
        The Hub's user name.
    correlation_id
        Goes into session names and tags.
    """

    person: str
    correlation_id: str


class Waiting(Protocol):
    """Is told that a call waits before it is tried again, so that people see why it takes long.

    What it raises ends the call.
    """

    def __call__(self, seconds: float, reason: str, /) -> None: ...


class Pace(Protocol):
    """Is asked before every call, and answers when the call may begin.

    Calls of one *group* share a quota of the cloud's: ``read``, ``write``, ``snapshot``, ``copy``,
    ``launch``, ``delete``, ``command``, ``block``. What it raises ends the call.
    """

    def __call__(self, region: str, group: str, /) -> None: ...

    def refused(self, region: str, group: str, /) -> None:
        """Be told that the cloud refused such a call for now, so that all of them slow down."""


class Connection(Protocol):
    """An authenticated connection to one environment.

    Safe for threads, so that regions are read in parallel over one connection.
    """

    @property
    def account(self) -> str: ...

    @property
    def inventory(self) -> Inventory: ...

    @property
    def power(self) -> Power: ...

    @property
    def tags(self) -> Tags: ...

    @property
    def snapshots(self) -> Snapshots: ...

    @property
    def copies(self) -> SnapshotCopies: ...

    @property
    def locks(self) -> SnapshotLocks: ...

    @property
    def volumes(self) -> Volumes: ...

    @property
    def instances(self) -> Instances: ...

    @property
    def networks(self) -> Networks: ...

    @property
    def commands(self) -> Commands: ...

    @property
    def blocks(self) -> Blocks: ...

    def close(self) -> None: ...


class Kit(Protocol):
    """An expansion kit for one kind of cloud."""

    @property
    def name(self) -> str:
        """The word in ``environment.kit``: ``aws``."""

    @property
    def key_fields(self) -> Mapping[str, bool]:
        """The parts of a key by name, and whether each is required."""

    def check(self, settings: EnvironmentSettings) -> None:
        """Raise `InvalidInput` where `settings` cannot be right; calls nothing."""

    def endpoints(self, settings: EnvironmentSettings) -> Sequence[str]:
        """Return the URL of everything that `connect` with `settings` would talk to.

        Calls nothing and needs no key: an appliance without isolation looks here before it
        lets a key go out.
        """

    def connect(
        self,
        settings: EnvironmentSettings,
        key: Mapping[str, str] | None,
        on_behalf: OnBehalf,
        *,
        on_wait: Waiting | None = None,
        pace: Pace | None = None,
    ) -> Connection:
        """Open a connection and prove it: account and regions are the expected ones.

        Parameters
        ----------
        settings
            The environment.
        key
            The opened key of the environment, in the kit's own words
            (``access_key_id``, ``secret_access_key``, ``session_token``), or None.
        on_behalf
            The person for whom the platform acts.
        on_wait
            Told whenever a call waits because the cloud refuses it for now, in the thread that
            made the call. None: waits in silence.
        pace
            Asked before every call, in the thread that makes it. None: no budget.

        Raises
        ------
        InvalidInput
            Settings and key do not fit together.
        CloudCredentials
            The key is wrong or expired, or belongs to another account.
        CloudRegion
            One of the regions does not exist or is not enabled.
        """
