"""What the door asks of the rest of Mavis: who somebody is, and to record what they do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from mavis_core.errors import MavisError
from mavis_core.remote.model import Endpoint, EndReason, Policy, SessionKind

__all__ = [
    "Direction",
    "Ended",
    "Opened",
    "Page",
    "People",
    "Person",
    "Proof",
    "Sessions",
    "Transfer",
    "Wish",
]


class Proof(StrEnum):
    """How somebody has shown who they are."""

    TOKEN = "token"  # noqa: S105  # a word, not a secret
    KEY = "key"
    CERTIFICATE = "certificate"


@dataclass(frozen=True)
class Person:
    """Somebody who has logged in at the door. Whoever implements `People` may add to it.

    Parameters
    ----------
    detail
        Which key or certificate it was, by its fingerprint or serial; nothing for a token.
    """

    name: str
    proof: Proof
    detail: str = ""


class People(Protocol):
    """Who comes in. Each call may block; None means no."""

    def by_token(self, name: str, token: str, source: str) -> Person | None:
        """Return who `token` of the Hub is, where that is `name`."""
        ...

    def by_key(self, name: str, public: str, source: str) -> Person | None:
        """Return the person `name` where they have registered the key `public`, in base64.

        Asked also before the client has shown that it has the private key.
        """
        ...

    def by_certificate(self, name: str, serial: int, identity: str, source: str) -> Person | None:
        """Return the person `name`, for whom the appliance has signed the certificate `serial`.

        The door has checked everything that stands in the certificate.
        """
        ...

    def authorities(self) -> Sequence[str]:
        """Return the public keys, in base64, that sign people's certificates."""
        ...


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants to do on a device. Each channel of a connection is a session of its own.

    Parameters
    ----------
    project
        None where they named none.
    service
        The access service; None where they named none.
    connection
        An id that the sessions of one connection share.
    command
        As the client sent it; None for a terminal and for SFTP.
    terminal
        Whether there is one, of so many `columns` and `rows`.
    """

    person: Person
    project: str | None
    device: str
    service: str | None
    kind: SessionKind
    source: str
    connection: str
    command: str | None = None
    terminal: str | None = None
    columns: int = 80
    rows: int = 24


class Page(Protocol):
    """What a session is recorded on. Called from several threads; raises where it cannot be kept.

    `input` is given all that a person types: what of it is kept is for the page to know.
    """

    def output(self, data: bytes) -> None:
        """Record what the device shows."""
        ...

    def input(self, data: bytes) -> None:
        """Take note of what the person types."""
        ...

    def resize(self, columns: int, rows: int) -> None:
        """Record the size of the terminal."""
        ...

    def marker(self, text: str) -> None:
        """Record something else that happened."""
        ...


@dataclass(frozen=True, slots=True)
class Opened:
    """A session that may begin."""

    session: str
    endpoint: Endpoint
    policy: Policy
    page: Page


class Direction(StrEnum):
    """Which way a file goes."""

    DOWNLOAD = "download"
    UPLOAD = "upload"


@dataclass(frozen=True, slots=True)
class Transfer:
    """A file that went, or a part of it.

    Parameters
    ----------
    path
        On the device.
    offset
        Where the part begins, in bytes.
    size_bytes, sha256
        Of what went. The digest is None where it did not go in order.
    complete
        Whether it came to its end without an error.
    """

    direction: Direction
    path: str
    size_bytes: int
    sha256: str | None
    offset: int = 0
    complete: bool = True


@dataclass(frozen=True, slots=True)
class Ended:
    """How a session has ended, with words for people.

    Parameters
    ----------
    error
        What refused it.
    """

    reason: EndReason
    detail: str = ""
    exit_status: int | None = None
    error: MavisError | None = field(default=None, compare=False)


class Sessions(Protocol):
    """What is done, and recorded. Each call may block."""

    def begin(self, wish: Wish) -> Opened:
        """Return the session, where the person may have it.

        Raises
        ------
        MavisError
            They may not, there is no such device, or it cannot be recorded.
        """
        ...

    def transferred(self, session: str, transfer: Transfer) -> None:
        """Record a file that went."""
        ...

    def end(self, session: str, ended: Ended) -> None:
        """Close the session, and its page."""
        ...
