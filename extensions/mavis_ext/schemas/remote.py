"""Devices, the ways into them, and sessions."""

from __future__ import annotations

from datetime import datetime
from typing import Self

from mavis_core.remote.model import (
    EndReason,
    HostKeyState,
    Protocol,
    SessionKind,
    SessionState,
    Transfers,
    terminal_path,
)
from mavis_core.remote.person_certificates import Issued
from mavis_core.remote.rotations import RotationState, WayState
from mavis_core.remote.sessions import Asked
from mavis_ext.schemas.base import Schema

__all__ = [
    "AccessPolicy",
    "AccessService",
    "Device",
    "HostKey",
    "IssuedCertificate",
    "KeyRotation",
    "PersonCertificate",
    "PersonKey",
    "RecordingHit",
    "Session",
    "SshDoor",
    "Ticket",
    "WayOfKey",
]


class Device(Schema):
    """Something to connect to."""

    id: str
    project: str
    name: str
    title: str
    address: str
    resource_id: str | None
    """The resource that it is; null where somebody added it by hand."""
    created_at: datetime
    created_by: str


class AccessPolicy(Schema):
    """What may be done by one way into a device."""

    shell: bool
    """Whether there is a terminal."""
    commands: bool
    """Whether single commands may be run."""
    transfers: Transfers
    """In which directions files may go."""
    paths: tuple[str, ...]
    """Folders outside of which no file may be touched by a transfer; empty: everywhere."""
    forwarding: bool
    """Whether ports of the device may be reached through the session."""
    record_input: bool
    """Whether what people type is recorded beside what the device shows."""
    idle_s: int
    """A session in which nobody types for so long is ended."""
    longest_s: int
    """No session is longer."""
    sessions: int
    """How many there may be at a time."""
    algorithms: tuple[str, ...]
    """Old algorithms that are allowed."""


class AccessService(Schema):
    """One way into a device."""

    id: str
    name: str
    protocol: Protocol
    port: int
    login: str
    """Whom the device knows the session as."""
    key: str | None
    """The name of the key that opens it; null: a certificate of the appliance's authority."""
    policy: AccessPolicy
    created_at: datetime
    created_by: str


class HostKey(Schema):
    """A key by which a device shows who it is."""

    algorithm: str
    fingerprint: str
    public: str
    """As in `known_hosts`."""
    state: HostKeyState
    """`seen`: nobody has approved it, and no session is opened to it."""
    seen_at: datetime
    decided_at: datetime | None
    decided_by: str | None


class Session(Schema):
    """One connection of one person to one device, always recorded."""

    id: str
    project: str
    device: str
    access_service: str
    protocol: Protocol
    login: str
    kind: SessionKind
    entrance: str
    """From where: `browser`, `notebook`, or `door` for an SSH client."""
    person: str
    source: str
    """The address that the person came from."""
    correlation_id: str
    state: SessionState
    asked_at: datetime
    opened_at: datetime | None
    ended_at: datetime | None
    reason: EndReason | None
    """Why it ended; null until then."""
    detail: str
    """The same for people."""
    exit_status: int | None
    """Of what ran, where it told one."""
    command: str | None
    recording: bool
    """Whether there is something to replay."""
    end_asked_by: str | None
    """Who has asked for its end."""


class Ticket(Schema):
    """What lets its holder in at the gateway, once and within a minute."""

    session: Session
    ticket: str
    address: str
    """The path of the WebSocket at this host, to which the ticket is sent as the first message."""
    expires_at: datetime

    @classmethod
    def told(cls, asked: Asked) -> Self:
        """Return what is told of a ticket."""
        return cls(
            session=Session.of(asked.session),
            ticket=asked.ticket,
            address=terminal_path(asked.session.shard),
            expires_at=asked.expires_at,
        )


class RecordingHit(Schema):
    """A line that a screen showed."""

    session_id: str
    person: str
    device: str
    at_s: float
    """When, in seconds of the recording."""
    text: str


class PersonKey(Schema):
    """A public key with which its person comes to the door for SSH clients."""

    name: str
    algorithm: str
    fingerprint: str
    created_at: datetime
    used_at: datetime | None
    """When it was used last, to some minutes; null: never."""


class PersonCertificate(Schema):
    """A certificate with which its person comes to the door for SSH clients, until it ends."""

    id: str
    serial: int
    """By this it is known in the certificate itself, and to whoever looks on."""
    fingerprint: str
    """Of the key that it certifies."""
    issued_at: datetime
    expires_at: datetime
    used_at: datetime | None
    """When it was used last, to some minutes; null: never."""


class IssuedCertificate(Schema):
    """A new certificate of a person."""

    certificate: PersonCertificate
    line: str
    """The line of a file that ends in `-cert.pub`, beside the private key."""

    @classmethod
    def told(cls, issued: Issued) -> Self:
        """Return `issued` as it goes out."""
        return cls(certificate=PersonCertificate.of(issued.certificate), line=issued.line)


class SshDoor(Schema):
    """The door for SSH clients."""

    host: str | None
    """Where it is; null: at the host by which one reaches the appliance."""
    port: int
    host_key: str
    """The key by which clients know it, as in `known_hosts`: algorithm and base64."""


class WayOfKey(Schema):
    """A way into a device that a key opens, and how far a rotation of the key is there."""

    id: str
    project: str
    device: str
    access_service: str
    login: str
    state: WayState | None
    """How far the rotation is; null where none is told of."""
    detail: str
    """Why it failed, and which value works now."""
    changed_at: datetime | None


class KeyRotation(Schema):
    """A rotation of a key of devices: a new value at every way in that uses it."""

    id: str
    key: str
    state: RotationState
    person: str
    asked_at: datetime
    ended_at: datetime | None
    ways: tuple[WayOfKey, ...]
