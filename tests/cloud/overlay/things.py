"""What is in the cloud. A dataclass here is a table there, a field a column.

Times are seconds since 1970. Every thing is seen from `shown` on and no more from `gone` on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from cloud.overlay.context import FOREVER

_JSON = {"json": True}


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    id: str
    account: str
    region: str
    born: float
    shown: float = 0.0
    gone: float = FOREVER


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance(Thing):
    """Until `turns` its state is `sooner`, from then on `later`."""

    reservation: str
    number: int
    image: str
    type: str
    zone: str
    subnet: str
    vpc: str
    groups: tuple[str, ...] = field(metadata=_JSON)
    ip: str
    architecture: str
    root_device: str
    sooner: str
    later: str
    turns: float
    reason: str = ""
    token: str = ""
    key_name: str = ""
    profile: str = ""
    user_data: str = ""
    protected: bool = False
    failed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume(Thing):
    zone: str
    size: int
    type: str
    iops: int
    throughput: int
    encrypted: bool
    key: str
    snapshot: str
    ready: float
    outcome: str = "available"
    last_snapshot: float = 0.0
    modified: dict[str, Any] | None = field(default=None, metadata=_JSON)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment(Thing):
    """The id is the volume's, so that a volume is attached at most once."""

    instance: str
    device: str
    ends_with_instance: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot(Thing):
    """`key` is the ARN of the key; the fields of the lock mean something where `lock_mode` does.

    A snapshot that is written through EBS direct is ready when it is completed. Snapshots of one
    `lineage` can be compared: those of a volume, and their copies.
    """

    volume: str
    lineage: str
    size: int
    description: str
    encrypted: bool
    key: str
    ready: float
    outcome: str = "completed"
    message: str = ""
    copied: bool = False
    direct: bool = False
    parent: str = ""
    lock_mode: str = ""
    locked_at: float = 0.0
    lock_starts: float = 0.0
    lock_ends: float = 0.0
    cool_off_ends: float = 0.0
    cool_off_hours: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Image(Thing):
    name: str
    description: str
    architecture: str
    root_device: str
    virtualization: str
    source_instance: str
    mappings: tuple[dict[str, Any], ...] = field(metadata=_JSON)
    ready: float
    outcome: str = "available"
    boot_mode: str = ""
    ena: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Vpc(Thing):
    cidr: str
    default: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Subnet(Thing):
    vpc: str
    zone: str
    cidr: str
    default: bool
    public_ip: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Group(Thing):
    vpc: str
    name: str
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule(Thing):
    """One rule of a security group; `source` is a CIDR, a group or a prefix list."""

    group: str
    egress: bool
    protocol: str
    from_port: int
    to_port: int
    kind: str
    source: str
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Key(Thing):
    """A KMS key. `manager` is ``CUSTOMER`` or ``AWS``; `delete_at` counts when it is set."""

    description: str
    manager: str
    policy: str
    enabled: bool = True
    delete_at: float = FOREVER


@dataclass(frozen=True, slots=True, kw_only=True)
class Alias(Thing):
    """The id is the name, ``alias/shop``, with account and region before it."""

    name: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant(Thing):
    key: str
    grantee: str
    retiring: str
    name: str
    operations: tuple[str, ...] = field(metadata=_JSON)


@dataclass(frozen=True, slots=True, kw_only=True)
class Command(Thing):
    document: str
    comment: str
    parameters: dict[str, Any] = field(metadata=_JSON)
    timeout: int
    instances: tuple[str, ...] = field(metadata=_JSON)


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation(Thing):
    """A command on one instance; the id is both, with a colon between them."""

    command: str
    instance: str
    status: str
    began: float = 0.0
    ended: float = 0.0
    code: int = -1
    output: str = ""
    error: str = ""
