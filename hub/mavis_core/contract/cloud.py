"""The contract of a cloud: connect, discover, power, tag, snapshot.

*Found*: a resource as the cloud describes it now. *Environment*: one account (or host) of one
kit with its regions. Every call may raise a `CloudError`; none returns half an answer. A call
that makes something takes the tags that the thing carries from its first moment, so that a
crashed or repeated call finds it instead of making another.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol, runtime_checkable


class ResourceKind(StrEnum):
    """What is discovered."""

    INSTANCE = "instance"
    VOLUME = "volume"
    VOLUME_SNAPSHOT = "volume_snapshot"
    IMAGE = "image"
    NETWORK = "network"


class SnapshotState(StrEnum):
    """How far the cloud is with a volume snapshot."""

    PENDING = "pending"
    COMPLETED = "completed"
    ERROR = "error"


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


@dataclass(frozen=True, slots=True)
class Found:
    """A resource as the cloud describes it now.

    Parameters
    ----------
    kind, region, cloud_id
        Together unique in an environment.
    name
        The tag ``Name``, or empty.
    state
        The cloud's own word: ``running``, ``in-use``, ``completed``.
    tags
        All tags.
    details
        JSON scalars and lists that people look at (``size_gib``, ``instance_type``,
        ``volumes`` of an instance in attachment order, root first).
    """

    kind: ResourceKind
    region: str
    cloud_id: str
    name: str
    state: str
    tags: Mapping[str, str]
    details: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class VolumeSnapshot:
    """One volume's snapshot in the cloud."""

    cloud_id: str
    region: str
    volume_id: str
    state: SnapshotState
    progress_percent: int
    started_at: datetime
    size_gib: int
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class PowerChange:
    """What a power call did: the states before and after, in the cloud's words."""

    cloud_id: str
    before: str
    after: str


@runtime_checkable
class Inventory(Protocol):
    """Reads what there is."""

    def discover(self, region: str, kind: ResourceKind) -> Iterator[Sequence[Found]]:
        """Yield pages of the resources of `kind` that this account owns in `region`."""


@runtime_checkable
class Power(Protocol):
    """Starts and stops instances. Repeating a call is harmless."""

    def start(self, region: str, instance_id: str) -> PowerChange: ...

    def stop(self, region: str, instance_id: str) -> PowerChange: ...


@runtime_checkable
class Tags(Protocol):
    """Writes tags. Repeating a call is harmless."""

    def put(self, region: str, cloud_id: str, tags: Mapping[str, str]) -> None:
        """Set `tags`; others stay."""


@runtime_checkable
class Snapshots(Protocol):
    """Makes and finds snapshots of volumes."""

    def create(
        self,
        region: str,
        instance_id: str,
        *,
        volume_ids: Sequence[str],
        description: str,
        tags: Mapping[str, str],
    ) -> Sequence[VolumeSnapshot]:
        """Begin one crash-consistent snapshot of exactly `volume_ids` of an instance.

        All volumes are taken at one point in time. Not idempotent: ask `find` first. A volume
        that is attached or detached in the very moment of the call may be in the answer or
        missing from it: compare.

        Raises
        ------
        CloudVanished
            The instance or one of the volumes is gone, or is no longer attached; nothing
            was made.
        CloudUnreachable
            The answer was lost: nobody knows whether anything was made; ask `find` after a
            while. With every other error nothing was made.
        """

    def find(self, region: str, *, tag: str, value: str) -> Sequence[VolumeSnapshot]:
        """Return the account's own snapshots that carry `tag` with `value`.

        Clouds show what was just made after some seconds only: nothing found is no proof yet.
        """

    def describe(self, region: str, cloud_ids: Sequence[str]) -> Sequence[VolumeSnapshot]:
        """Return the state of each of `cloud_ids`, in that order.

        Raises
        ------
        CloudVanished
            One of them is gone, or was made so recently that the cloud does not show it yet.
        """


class Waiting(Protocol):
    """Is told that a call waits before it is tried again, so that people see why it takes long.

    What it raises ends the call.
    """

    def __call__(self, seconds: float, reason: str, /) -> None: ...


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

        Raises
        ------
        InvalidInput
            Settings and key do not fit together.
        CloudCredentials
            The key is wrong or expired, or belongs to another account.
        CloudRegion
            One of the regions does not exist or is not enabled.
        """
