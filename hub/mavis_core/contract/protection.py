"""The contract of protection: what a cloud offers to copy, lock, read and restore snapshots.

Every call that makes something takes tags, which the thing carries from its first moment, and
where the cloud knows client tokens also a `token`: repeating the call with the same token makes
nothing twice. Calls that end or undo something may be repeated without harm: what is gone
already is no error.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol, runtime_checkable

from mavis_core.contract.cloud import VolumeSnapshot


class LockMode(StrEnum):
    """How firm a lock is: of the first kind it can be taken away by who has the permission."""

    GOVERNANCE = "governance"
    COMPLIANCE = "compliance"


@dataclass(frozen=True, slots=True)
class SnapshotLock:
    """A lock of the cloud's own: until `until` nobody can delete the snapshot."""

    mode: LockMode
    until: datetime

    def with_all_of(self, other: SnapshotLock) -> SnapshotLock:
        """Return the lock that keeps what both promise."""
        firm = LockMode.COMPLIANCE in (self.mode, other.mode)
        return SnapshotLock(
            LockMode.COMPLIANCE if firm else LockMode.GOVERNANCE, max(self.until, other.until)
        )


@runtime_checkable
class SnapshotCopies(Protocol):
    """Brings snapshots to other regions and accounts."""

    def share(self, region: str, cloud_ids: Sequence[str], account: str) -> None:
        """Let `account` read snapshots of this account. Repeating is harmless.

        Raises
        ------
        CloudDenied
            They are encrypted with a key that cannot be shared.
        """

    def unshare(self, region: str, cloud_ids: Sequence[str], account: str) -> None:
        """End what `share` began. Repeating is harmless."""

    def copy(
        self,
        region: str,
        *,
        source_region: str,
        source_id: str,
        description: str,
        tags: Mapping[str, str],
        kms_key: str | None,
    ) -> VolumeSnapshot:
        """Begin to copy one snapshot, this account's or one shared with it, into `region`.

        Not idempotent: ask `Snapshots.find` first. The answer is of the first moment: the copy
        is pending, its size may be 0, and its `volume_id` means nothing, because clouds make one
        up.

        Parameters
        ----------
        kms_key
            Id, ARN or alias of the key in `region` with which the copy is encrypted. None: as
            the source; where that is encrypted, with the destination account's default key.

        Raises
        ------
        CloudVanished
            The source is gone, or is not shared with this account; nothing was made.
        CloudInUse
            The source is not complete yet; nothing was made.
        CloudQuota
            So many copies are under way that the cloud takes no more; nothing was made.
        CloudUnreachable
            The answer was lost: nobody knows whether a copy was begun.
        """


@runtime_checkable
class SnapshotLocks(Protocol):
    """Locks snapshots in the cloud itself."""

    def lock(self, region: str, cloud_id: str, lock: SnapshotLock) -> None:
        """Lock a snapshot. Repeating is harmless; a lock is never made shorter by this."""

    def unlock(self, region: str, cloud_id: str) -> None:
        """Take a governance lock away. Repeating is harmless.

        Raises
        ------
        CloudInUse
            It is a compliance lock.
        """

    def locks(self, region: str, cloud_ids: Sequence[str]) -> Mapping[str, SnapshotLock]:
        """Return the locks in force, by snapshot; those without one are left out."""


class VolumeState(StrEnum):
    """What a volume is doing."""

    CREATING = "creating"
    AVAILABLE = "available"
    IN_USE = "in_use"
    DELETING = "deleting"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Volume:
    """A volume, as the cloud describes it now.

    Parameters
    ----------
    attached_to, device
        Instance and device name while it is attached or being attached, else None.
    """

    cloud_id: str
    region: str
    zone: str
    state: VolumeState
    size_gib: int
    snapshot_id: str | None
    attached_to: str | None
    device: str | None
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class NewVolume:
    """A volume to be made from a snapshot.

    Parameters
    ----------
    volume_type, iops, throughput_mibps
        As the original had them; None: the cloud's default.
    kms_key
        None: as the snapshot.
    """

    snapshot_id: str
    zone: str
    volume_type: str | None = None
    iops: int | None = None
    throughput_mibps: int | None = None
    kms_key: str | None = None


@runtime_checkable
class Volumes(Protocol):
    """Makes volumes from snapshots, attaches and removes them."""

    def create(self, region: str, new: NewVolume, *, tags: Mapping[str, str], token: str) -> Volume:
        """Begin to make a volume. Idempotent by `token`.

        A volume whose key of encryption cannot be used may vanish again without a word.

        Raises
        ------
        CloudVanished
            The snapshot is gone.
        CloudInUse
            The snapshot is not complete yet.
        CloudQuota
            The account may have no more volumes.
        """

    def find(self, region: str, *, tag: str, values: Sequence[str]) -> Sequence[Volume]:
        """Return those that carry `tag` with one of `values` and are not gone."""

    def describe(self, region: str, cloud_ids: Sequence[str]) -> Sequence[Volume]:
        """Return each of `cloud_ids`, in that order; raise `CloudVanished` where one is gone."""

    def attach(self, region: str, cloud_id: str, instance_id: str, device: str) -> None:
        """Begin to attach. It is no error where it hangs at that device already.

        Raises
        ------
        CloudInUse
            It hangs elsewhere, is not there yet, or the device is taken.
        """

    def detach(self, region: str, cloud_id: str) -> None:
        """Begin to detach. It is no error where it hangs nowhere, or is gone.

        Raises
        ------
        CloudInUse
            It is the root volume of an instance that runs.
        """

    def delete(self, region: str, cloud_id: str) -> None:
        """Delete. Harmless when gone; raises `CloudInUse` while it is attached."""


class InstanceState(StrEnum):
    """What an instance is doing; `GONE` also while it is being terminated."""

    PENDING = "pending"
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"
    GONE = "gone"


class Health(StrEnum):
    """What the cloud's own checks say of a running instance."""

    UNKNOWN = "unknown"
    OK = "ok"
    IMPAIRED = "impaired"


@dataclass(frozen=True, slots=True)
class Instance:
    """An instance, as the cloud describes it now; `devices` maps device name to volume."""

    cloud_id: str
    region: str
    zone: str
    state: InstanceState
    health: Health
    devices: Mapping[str, str]
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Disk:
    """A disk of an instance to be launched: its device name and the snapshot it begins with."""

    device: str
    snapshot_id: str
    volume_type: str | None = None
    iops: int | None = None
    throughput_mibps: int | None = None
    delete_on_termination: bool = False


@dataclass(frozen=True, slots=True)
class Launch:
    """An instance to be launched from snapshots.

    Parameters
    ----------
    disks
        The root disk first.
    subnet_id, security_groups
        Where it is put; None and empty: the cloud's defaults.
    profile
        The instance's own identity in the cloud (the ARN of an IAM instance profile), or None.
    options
        What the kit understands besides: for AWS ``tpm_support`` and ``imds_support``.
    """

    instance_type: str
    architecture: str
    disks: tuple[Disk, ...]
    subnet_id: str | None = None
    zone: str | None = None
    security_groups: tuple[str, ...] = ()
    key_name: str | None = None
    profile: str | None = None
    boot_mode: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)


@runtime_checkable
class Instances(Protocol):
    """Launches instances from snapshots."""

    def launch(
        self, region: str, launch: Launch, *, tags: Mapping[str, str], token: str
    ) -> Instance:
        """Launch one instance; volumes carry `tags` too. Idempotent by `token`.

        What a kit needs for it besides (an image) carries `tags` too, bears `token` as its name,
        and goes with `clean`, as soon as the instance is there.

        Raises
        ------
        CloudVanished
            One of the snapshots, or what the launch names besides, is gone; or the instance
            that was launched with this token.
        CloudInUse
            One of the snapshots is not complete yet.
        CloudQuota
            The account may have no more instances, or the cloud no more of this type.
        """

    def clean(self, region: str, token: str) -> None:
        """Remove what `launch` with `token` needed besides the instance; harmless when gone."""

    def find(self, region: str, *, tag: str, values: Sequence[str]) -> Sequence[Instance]:
        """Return those that carry `tag` with one of `values` and are not gone."""

    def describe(self, region: str, cloud_ids: Sequence[str]) -> Sequence[Instance]:
        """Return each of `cloud_ids`, in that order; those that are gone say so."""

    def terminate(self, region: str, cloud_id: str) -> None:
        """Begin to terminate; volumes go with it where they are made to. Harmless when gone.

        Raises
        ------
        CloudInUse
            It is protected against that.
        """


@dataclass(frozen=True, slots=True)
class Isolation:
    """A place without a way in or out, for verification."""

    subnet_id: str
    security_group: str


@runtime_checkable
class Networks(Protocol):
    """Makes, finds and removes places without a way in or out."""

    def isolate(
        self, region: str, *, subnet_id: str | None, name: str, tags: Mapping[str, str]
    ) -> Isolation:
        """Make, or find by `name`, a group in the network of a subnet that lets nothing pass.

        A refusal leaves no group behind.

        Parameters
        ----------
        subnet_id
            None: a subnet of the region's default network.

        Raises
        ------
        CloudVanished
            There is no such subnet, or no default network.
        CloudInUse
            The name is taken by a group that does not have the names of `tags`, so it is not
            ours to close.
        """

    def find(self, region: str, *, tag: str, values: Sequence[str]) -> Sequence[str]:
        """Return the ids of the groups that carry `tag` with one of `values`.

        Clouds show what was just made after some seconds only: nothing found is no proof yet.
        """

    def remove(self, region: str, security_group: str) -> None:
        """Remove a group. Harmless when gone; `CloudInUse` while something is in it."""


class CommandState(StrEnum):
    """How far a command on an instance is."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    UNDELIVERABLE = "undeliverable"


@dataclass(frozen=True, slots=True)
class CommandResult:
    """What became of a command; `output` is the beginning of what it printed, both streams."""

    state: CommandState
    exit_code: int | None
    output: str


@runtime_checkable
class Commands(Protocol):
    """Runs scripts inside instances, through the cloud's own agent."""

    def reachable(self, region: str, instance_ids: Sequence[str]) -> frozenset[str]:
        """Return those whose agent answers."""

    def send(
        self, region: str, instance_id: str, script: str, *, timeout_s: int, comment: str
    ) -> str:
        """Begin a shell script and return the command's id.

        Raises
        ------
        CloudVanished
            The instance has no agent that answers.
        """

    def result(self, region: str, instance_id: str, command_id: str) -> CommandResult:
        """Return what has become of a command.

        Raises
        ------
        CloudVanished
            It is unknown, or was sent so recently that the cloud does not show it yet.
        """


@dataclass(frozen=True, slots=True)
class Block:
    """A block that a snapshot has; `token` opens it."""

    index: int
    token: str


@dataclass(frozen=True, slots=True)
class BlockList:
    """How a snapshot is laid out: bytes of a block, GiB of the volume."""

    block_size: int
    size_gib: int


@runtime_checkable
class Blocks(Protocol):
    """Reads the bytes of snapshots."""

    def layout(self, region: str, snapshot_id: str) -> BlockList:
        """Return how a snapshot is laid out."""

    def blocks(self, region: str, snapshot_id: str) -> Iterator[Sequence[Block]]:
        """Yield pages of the blocks that were ever written, in order of index."""

    def changed(
        self, region: str, first_id: str, second_id: str
    ) -> Iterator[Sequence[tuple[int, Block | None]]]:
        """Yield pages of (index, block in the second) where two snapshots of a volume differ."""

    def read(self, region: str, snapshot_id: str, block: Block) -> bytes:
        """Return a block's bytes, proven against the checksum that came with them.

        Raises
        ------
        CloudUnreachable
            The bytes arrived damaged; reading again is harmless.
        """
