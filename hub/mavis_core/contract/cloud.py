"""The contract of a cloud: discover, power, tag, snapshot.

*Found*: a resource as the cloud describes it now. Every call may raise a `CloudError`; none
returns half an answer. A call that makes something takes the tags that the thing carries from
its first moment, so that a crashed or repeated call finds it instead of making another.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
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
        JSON values that people look at (``size_gib``, ``instance_type``). Of an instance
        ``volumes`` in attachment order, root first; ``devices``, from device name to volume; and
        what it takes to launch it again: ``image_id``, ``subnet_id``, ``zone``,
        ``security_groups``, ``key_name``, ``profile``, ``architecture``, ``boot_mode``,
        ``root_device``. Of a volume ``type``, ``iops``, ``throughput_mibps``, ``encrypted``,
        ``kms_key``.
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
    """One volume's snapshot in the cloud; `message` says why where its state is ``error``."""

    cloud_id: str
    region: str
    volume_id: str
    state: SnapshotState
    progress_percent: int
    started_at: datetime
    size_gib: int
    tags: Mapping[str, str]
    encrypted: bool = False
    message: str = ""


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
    """Starts and stops instances. Repeating a call is harmless.

    Both raise `CloudInUse` while the instance is on its way to another state.
    """

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
        attached: Sequence[str] | None = None,
    ) -> Sequence[VolumeSnapshot]:
        """Begin one crash-consistent snapshot of exactly `volume_ids` of an instance.

        All volumes are taken at one point in time. Not idempotent: ask `find` first. A volume
        that is attached or detached in the very moment of the call may be in the answer or
        missing from it: compare.

        Parameters
        ----------
        attached
            All volumes that are attached, the root volume first, where the caller has just seen
            them: saves a look, and makes more volumes come into the answer or be missing from
            it where that has changed. None: the kit looks.

        Raises
        ------
        CloudVanished
            The instance or one of the volumes is gone, or is no longer attached; nothing
            was made.
        CloudUnreachable
            The answer was lost: nobody knows whether anything was made; ask `find` after a
            while. With every other error nothing was made.
        """

    def find(self, region: str, *, tag: str, values: Sequence[str]) -> Sequence[VolumeSnapshot]:
        """Return the account's own snapshots that carry `tag` with one of `values`.

        Clouds show what was just made after some seconds only: nothing found is no proof yet.
        """

    def describe(self, region: str, cloud_ids: Sequence[str]) -> Sequence[VolumeSnapshot]:
        """Return the state of each of `cloud_ids`, in that order.

        Raises
        ------
        CloudVanished
            One of them is gone, or was made so recently that the cloud does not show it yet.
        """

    def all(self, region: str, *, tag: str) -> Iterator[Sequence[VolumeSnapshot]]:
        """Yield pages of the account's own snapshots that carry `tag`, with any value."""

    def delete(self, region: str, cloud_id: str) -> None:
        """Delete a snapshot. Repeating is harmless.

        Raises
        ------
        CloudInUse
            It is locked, or something is made from it that the cloud keeps it for.
        """
