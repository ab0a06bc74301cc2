"""What there is in the in-memory cloud: plain values that a test may read and change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from mavis_core.contract import (
    CommandResult,
    CommandState,
    Found,
    Health,
    SnapshotLock,
    VolumeSnapshot,
    VolumeState,
)

__all__ = [
    "DEFAULT_KEY",
    "FakeCommand",
    "FakeGroup",
    "FakeImage",
    "FakeInstance",
    "FakeSnapshot",
    "FakeSubnet",
    "FakeThing",
    "FakeVolume",
    "Owned",
    "Tagged",
]

DEFAULT_KEY = "alias/default"
"""The account's own key, which cannot be shared."""


_SUCCESS = CommandResult(CommandState.SUCCEEDED, 0, "")


@dataclass(slots=True)
class FakeInstance:
    """An instance.

    Parameters
    ----------
    state
        ``pending``, ``running``, ``stopping`` or ``stopped``.
    devices
        Volume by device name, in attachment order, the root volume first.
    details
        What discovery shows besides: ``instance_type``, ``zone``, ``security_groups``.
    token
        The token of the launch that made it, or None.
    agent
        Whether the agent inside answers while the instance runs.
    runs
        What becomes of a command that is sent to it. None: it succeeds and prints nothing.
    """

    id: str
    account: str
    region: str
    state: str
    devices: dict[str, str]
    tags: dict[str, str]
    details: dict[str, object] = field(default_factory=dict)
    health: Health = Health.OK
    token: str | None = None
    agent: bool = True
    runs: Callable[[FakeCommand], CommandResult] | None = None

    @property
    def volumes(self) -> tuple[str, ...]:
        """The volumes in attachment order, the root volume first."""
        return tuple(self.devices.values())


@dataclass(slots=True)
class FakeVolume:
    """A volume; it is attached where an instance lists it.

    Parameters
    ----------
    blocks
        The bytes that were ever written, by index of the block.
    kms_key
        None: it is not encrypted.
    state
        ``creating``, ``available`` or ``error``; whether it is in use the instances say.
    ends_with_instance
        Whether it goes when its instance is terminated.
    """

    id: str
    account: str
    region: str
    size_gib: int
    tags: dict[str, str]
    blocks: dict[int, bytes] = field(default_factory=dict)
    zone: str = ""
    volume_type: str = "gp3"
    iops: int | None = None
    throughput_mibps: int | None = None
    kms_key: str | None = None
    snapshot_id: str | None = None
    state: VolumeState = VolumeState.AVAILABLE
    ends_with_instance: bool = False


@dataclass(slots=True)
class FakeSnapshot:
    """A snapshot of a volume, or a copy of one.

    Parameters
    ----------
    instance_id
        Empty for a copy.
    shared_with
        Accounts that may read it.
    copied
        Whether it is a copy, and so counts against the quota of copies while it is pending.
    """

    id: str
    account: str
    region: str
    instance_id: str
    description: str
    what: VolumeSnapshot
    blocks: dict[int, bytes] = field(default_factory=dict)
    kms_key: str | None = None
    shared_with: set[str] = field(default_factory=set)
    lock: SnapshotLock | None = None
    copied: bool = False

    @property
    def tags(self) -> dict[str, str]:
        return dict(self.what.tags)


@dataclass(slots=True)
class FakeImage:
    """What a launch needs besides the instance; `name` is its token."""

    id: str
    account: str
    region: str
    name: str
    snapshot_ids: tuple[str, ...]
    tags: dict[str, str]


@dataclass(slots=True)
class FakeGroup:
    """A group that lets nothing pass."""

    id: str
    account: str
    region: str
    name: str
    network: str
    tags: dict[str, str]


@dataclass(slots=True)
class FakeSubnet:
    """A subnet of a network."""

    id: str
    account: str
    region: str
    network: str
    zone: str
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class FakeCommand:
    """A script that was sent to an instance, and what became of it."""

    id: str
    instance_id: str
    script: str
    timeout_s: int
    comment: str
    result: CommandResult = _SUCCESS


@dataclass(slots=True)
class FakeThing:
    """An image or a network: described, never changed."""

    account: str
    found: Found


Tagged = FakeInstance | FakeVolume | FakeSnapshot | FakeImage | FakeGroup
Owned = Tagged | FakeSubnet
