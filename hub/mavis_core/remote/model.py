"""What remote sessions are made of: devices, access services, credentials, sessions.

*Device*: something to connect to, a host or a network device, by hand or from a discovered
resource. *Access service*: one way in: a device, protocol, port, login, key and policy. *Policy*:
what may be done by that way. *Session*: one connection of one person by one access service,
recorded from its first byte. *Endpoint*: what the gateway needs to reach a device, with the
*credential* that the vault opened; neither ever leaves the gateway.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from posixpath import normpath
from typing import TypeAlias

from mavis_core.errors import InvalidInput

__all__ = [
    "KEY_FIELDS",
    "LEGACY_ALGORITHMS",
    "TERMINALS",
    "AccessService",
    "Certificate",
    "Credential",
    "Device",
    "EndReason",
    "Endpoint",
    "HostKey",
    "HostKeyState",
    "Password",
    "Policy",
    "PrivateKey",
    "Protocol",
    "Session",
    "SessionKind",
    "SessionState",
    "Transfers",
    "check_address",
    "check_login",
    "check_policy",
    "credential_of",
    "terminal_path",
]

TERMINALS = "/services/mavis-gateway"
"""Below it browsers find the gateway: it is no address for which they send a login."""

_HOST = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9-]{1,63}(?<!-))*\.?\Z")
_LONGEST_HOST = 253
_LOGIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._@\\$+-]{0,63}\Z")
_MOST_PATHS = 20

LEGACY_ALGORITHMS: Mapping[str, str] = {
    "diffie-hellman-group14-sha1": "key exchange",
    "diffie-hellman-group1-sha1": "key exchange",
    "ssh-rsa": "host key, and signatures of people's RSA keys",
    "aes128-cbc": "cipher",
    "aes192-cbc": "cipher",
    "aes256-cbc": "cipher",
    "3des-cbc": "cipher",
    "hmac-sha1": "message authentication",
    "hmac-md5": "message authentication",
}
"""Algorithms that are off unless an access service allows them by name, and what each is."""


KEY_FIELDS: Mapping[str, Mapping[str, bool]] = {
    "device-password": {"password": True},
    "ssh-key": {"private_key": True, "passphrase": False},
}
"""The kinds of keys with which devices are reached, their parts, and whether each is required."""


class Protocol(StrEnum):
    """What is spoken with a device."""

    SSH = "ssh"
    RDP = "rdp"


class Transfers(StrEnum):
    """In which directions files may go."""

    NONE = "none"
    DOWNLOAD = "download"
    UPLOAD = "upload"
    BOTH = "both"

    @property
    def download(self) -> bool:
        """Whether files may be taken from the device."""
        return self in (Transfers.DOWNLOAD, Transfers.BOTH)

    @property
    def upload(self) -> bool:
        """Whether files may be brought to the device."""
        return self in (Transfers.UPLOAD, Transfers.BOTH)


@dataclass(frozen=True, slots=True)
class Policy:
    """What may be done by one access service. All of it is recorded.

    Parameters
    ----------
    shell
        Whether there is a terminal.
    commands
        Whether single commands may be run.
    transfers
        In which directions files may go, by SFTP, scp and rsync.
    paths
        Absolute folders, outside of which SFTP and scp show and take nothing; empty: everywhere.
    forwarding
        Whether ports of the device may be reached through the session.
    record_input
        Whether what people type is in the recording, beside what the device shows. What is typed
        at a prompt for a password is masked all the same.
    idle_s
        A session in which nobody types for so many seconds is ended.
    longest_s
        A session ends after so many seconds.
    sessions
        How many sessions there may be at a time.
    algorithms
        Old algorithms that are allowed here, of `LEGACY_ALGORITHMS`.
    """

    shell: bool = True
    commands: bool = True
    transfers: Transfers = Transfers.BOTH
    paths: tuple[str, ...] = ()
    forwarding: bool = False
    record_input: bool = False
    idle_s: int = 1800
    longest_s: int = 12 * 3600
    sessions: int = 20
    algorithms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Device:
    """Something to connect to.

    Parameters
    ----------
    project
        The project's name.
    address
        A host name or an IP address, as the gateway reaches it.
    resource_id
        The resource that it is, or None where somebody added it by hand.
    """

    id: str
    project_id: str
    project: str
    name: str
    title: str
    address: str
    resource_id: str | None
    created_at: datetime
    created_by: str


@dataclass(frozen=True, slots=True)
class AccessService:
    """One way into a device.

    Parameters
    ----------
    name
        Unique for the device; ``ssh`` for most.
    login
        Whom the device knows the session as.
    key
        Name of the key in the vault; None: the gateway makes a certificate for each session, which
        the device accepts where it trusts the appliance's authority.
    """

    id: str
    device_id: str
    name: str
    protocol: Protocol
    port: int
    login: str
    key_id: str | None
    key: str | None
    policy: Policy
    created_at: datetime
    created_by: str


class HostKeyState(StrEnum):
    """What people said of a host key."""

    SEEN = "seen"
    APPROVED = "approved"
    REPLACED = "replaced"


@dataclass(frozen=True, slots=True)
class HostKey:
    """A key by which a device shows who it is.

    Parameters
    ----------
    algorithm
        As in SSH: ``ssh-ed25519``.
    fingerprint
        ``SHA256:`` and base64 without padding, as OpenSSH writes it.
    public
        The key in base64, as in ``known_hosts``.
    seen_at
        When the gateway saw it first.
    decided_at, decided_by
        When it was approved or replaced, and by whom.
    """

    algorithm: str
    fingerprint: str
    public: str
    state: HostKeyState = HostKeyState.APPROVED
    seen_at: datetime | None = None
    decided_at: datetime | None = None
    decided_by: str | None = None


@dataclass(frozen=True, slots=True)
class Password:
    """A password, which is not shown."""

    value: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """A private key in PEM or OpenSSH's form, and its passphrase, which are not shown."""

    pem: str = field(repr=False)
    passphrase: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Certificate:
    """A private key with the OpenSSH certificate over it, as in a file ``-cert.pub``."""

    pem: str = field(repr=False)
    certificate: str = field(repr=False)


Credential: TypeAlias = Password | PrivateKey | Certificate


def credential_of(parts: Mapping[str, str]) -> Password | PrivateKey:
    """Return the credential that a key of the vault is, by its parts (`KEY_FIELDS`)."""
    if "password" in parts:
        return Password(parts["password"])
    return PrivateKey(parts["private_key"], parts.get("passphrase"))


@dataclass(frozen=True, slots=True)
class Endpoint:
    """How to reach a device, for the gateway alone.

    Parameters
    ----------
    host_keys
        Those that were approved; empty: none was yet.
    algorithms
        Old algorithms that are allowed.
    """

    name: str
    address: str
    port: int
    login: str
    credential: Credential
    host_keys: tuple[HostKey, ...] = ()
    algorithms: tuple[str, ...] = ()


class SessionKind(StrEnum):
    """What somebody does in a session."""

    TERMINAL = "terminal"
    COMMAND = "command"
    TRANSFER = "transfer"
    FORWARDING = "forwarding"
    CONNECTION = "connection"
    """A client's connection through the front door, with any of the others in it."""


class SessionState(StrEnum):
    """How far a session is."""

    ASKED = "asked"
    OPEN = "open"
    ENDED = "ended"


class EndReason(StrEnum):
    """Why a session ended."""

    EXITED = "exited"
    """What ran on the device ended."""
    CLOSED = "closed"
    """The person closed it, or stayed away for too long after their connection broke."""
    IDLE = "idle"
    TOO_LONG = "too_long"
    TERMINATED = "terminated"
    """Somebody else, or a right that was taken, ended it."""
    LOST = "lost"
    """The device or the way to it was lost."""
    REFUSED = "refused"
    """It never began: the device, its host key or the policy refused."""
    UNRECORDED = "unrecorded"
    """It could not be recorded any more."""
    INTERRUPTED = "interrupted"
    """The gateway was killed."""
    NOT_OPENED = "not_opened"
    """Nobody came with its ticket."""


@dataclass(frozen=True, slots=True)
class Session:
    """One connection of one person, always recorded.

    Parameters
    ----------
    device, access_service, login
        As they were named when the session was asked for.
    source
        The address that the person came from.
    entrance
        ``browser``, ``door`` (an SSH client) or ``notebook``.
    exit_status
        Of what ran, where it told one.
    detail
        Why it ended, for people.
    recording
        Whether there is something to replay.
    end_asked_by
        Who asked for its end, or None.
    shard
        The number of the gateway process that has it.
    """

    id: str
    project_id: str
    project: str
    device_id: str | None
    device: str
    access_service_id: str | None
    access_service: str
    protocol: Protocol
    login: str
    kind: SessionKind
    entrance: str
    person: str
    source: str
    correlation_id: str
    state: SessionState
    asked_at: datetime
    opened_at: datetime | None
    ended_at: datetime | None
    reason: EndReason | None
    detail: str
    exit_status: int | None
    command: str | None
    recording: bool
    end_asked_by: str | None
    shard: int | None


def terminal_path(shard: int | None) -> str:
    """Return the path at which browsers find the gateway process of a number."""
    return f"{TERMINALS}/{shard}/terminal" if shard else f"{TERMINALS}/terminal"


def check_address(value: str, *, field: str = "address") -> str:
    """Return `value` where it is a host name or an IP address that a device can have.

    Raises
    ------
    InvalidInput
        It is neither; or it is an address of nobody, of many, or of a cloud's metadata.
    """
    try:
        found = ipaddress.ip_address(value)
    except ValueError:
        if len(value) <= _LONGEST_HOST and _HOST.match(value) and not value[-1].isdigit():
            return value.lower()
        raise InvalidInput(
            f"{field} is neither a host name nor an IP address: {value[:60]!r}", field=field
        ) from None
    if found.is_unspecified or found.is_multicast or found.is_link_local:
        raise InvalidInput(
            f"No device can have the address {found}",
            mend="Give the address at which the appliance reaches the device.",
            field=field,
        )
    return str(found)


def check_login(value: str, *, field: str = "login") -> str:
    """Return `value` where it can be a login name of a device.

    Raises
    ------
    InvalidInput
        It is empty, too long, begins with a dash or holds other characters.
    """
    if not _LOGIN.match(value):
        raise InvalidInput(f"{field} is no login name: {value[:60]!r}", field=field)
    return value


def check_policy(policy: Policy, protocol: Protocol) -> Policy:
    """Return `policy`, with its paths in one form, where it makes sense for `protocol`.

    Raises
    ------
    InvalidInput
        A path is not absolute, an algorithm is none that could be allowed, or nothing is allowed.
    """
    if len(policy.paths) > _MOST_PATHS:
        raise InvalidInput(f"A policy has at most {_MOST_PATHS} paths", field="policy.paths")
    for path in policy.paths:
        if not path.startswith("/") or "\0" in path or normpath(path) != path:
            raise InvalidInput(
                f"policy.paths has {path[:60]!r}, which is no absolute folder in its plain form",
                field="policy.paths",
            )
    _check_algorithms(policy.algorithms)
    if protocol is Protocol.SSH and not (
        policy.shell
        or policy.commands
        or policy.forwarding
        or policy.transfers.download
        or policy.transfers.upload
    ):
        raise InvalidInput("The policy allows nothing at all", field="policy")
    return policy


def _check_algorithms(names: Collection[str]) -> None:
    if unknown := sorted(set(names) - set(LEGACY_ALGORITHMS)):
        raise InvalidInput(
            f"policy.algorithms has {unknown[0][:60]!r}",
            mend=f"Old algorithms that can be allowed are {', '.join(LEGACY_ALGORITHMS)}.",
            field="policy.algorithms",
        )
