"""Who may send: clients, their certificates and the project of each, in one file.

`mavisctl syslog` writes it, the receiver reads it again when it has changed. A certificate counts
that is in it and not revoked; that it is signed and has not ended, TLS itself looks at.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path

from mavis_core import clock
from mavis_core.errors import Conflict, InvalidInput, NotFound, Unavailable
from mavis_hub.ownership import Owner, write_private

__all__ = ["Client", "Clients", "Local", "check_name", "read_clients", "writing"]

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?\Z")


@dataclass(frozen=True, slots=True)
class Client:
    """A certificate, and who has it.

    Parameters
    ----------
    project, project_name
        The project whose log it writes to, by id, and by its name when this was written.
    fingerprint
        The certificate's SHA-256, in hexadecimal digits.
    ends_at, revoked_at
        Moments; `revoked_at` is None while it counts.
    """

    name: str
    project: str
    project_name: str
    fingerprint: str
    ends_at: str
    issued_at: str
    revoked_at: str | None = None

    def state(self, now: datetime) -> str:
        """Return a word for whether it counts."""
        if self.revoked_at is not None:
            return "revoked"
        return "ended" if clock.parse(self.ends_at) <= now else "good"


@dataclass(frozen=True, slots=True)
class Local:
    """Where messages of programs on this machine go."""

    name: str
    project: str
    project_name: str


@dataclass(frozen=True, slots=True)
class Clients:
    """All clients, in the order in which they came."""

    clients: tuple[Client, ...] = ()
    local: Local | None = None

    def by_fingerprint(self, fingerprint: str) -> Client | None:
        """Return the client with that certificate, where it counts."""
        found = (each for each in self.clients if each.fingerprint == fingerprint)
        return next((each for each in found if each.revoked_at is None), None)

    def named(self, name: str) -> tuple[Client, ...]:
        """Return the certificates of that name that are not revoked."""
        return tuple(each for each in self.clients if each.name == name and not each.revoked_at)

    def add(self, client: Client, *, again: bool) -> Clients:
        """Return them with one more.

        Parameters
        ----------
        again
            Whether it is a further certificate of a client that has one.

        Raises
        ------
        Conflict
            There is such a client already, or this certificate.
        """
        there = self.named(client.name)
        if there and not again:
            raise Conflict(
                f"There is a client {client.name} already",
                mend="Take another name; or give it a further certificate with --again, and revoke"
                " the old one when the new one is in use.",
            )
        if any(each.project != client.project for each in there):
            raise Conflict(
                f"{client.name} writes to the log of {there[0].project_name}",
                mend="A client has one project: take another name.",
            )
        if any(each.fingerprint == client.fingerprint for each in self.clients):
            raise Conflict("This certificate is known already", mend="Make a new one.")
        return replace(self, clients=(*self.clients, client))

    def revoke(self, name: str, fingerprint: str | None, now: datetime) -> Clients:
        """Return them without the certificates of a client, or the one whose fingerprint begins so.

        Raises
        ------
        NotFound
            There is none that counts.
        """
        wanted = (fingerprint or "").replace(":", "").lower()
        gone = {each for each in self.named(name) if each.fingerprint.startswith(wanted)}
        if not gone:
            raise NotFound(
                f"No certificate of {name} counts" + (f" that begins with {wanted}" * bool(wanted)),
                mend="`mavisctl syslog list` shows them.",
            )
        revoked = clock.iso(now)
        return replace(
            self,
            clients=tuple(
                replace(each, revoked_at=revoked) if each in gone else each for each in self.clients
            ),
        )


def check_name(name: str) -> str:
    """Return `name` where a client may have it.

    Raises
    ------
    InvalidInput
        It has other letters, or is too long.
    """
    if not _NAME.match(name):
        raise InvalidInput(
            f"{name[:80]!r} is no name of a client",
            mend="Use up to 63 small letters, digits, dots, dashes and underscores.",
        )
    return name


def read_clients(path: Path) -> Clients:
    """Return what the file at `path` says; none where there is no file.

    Raises
    ------
    Unavailable
        It cannot be read.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        local = value["local"]
        return Clients(
            tuple(Client(**each) for each in value["clients"]), Local(**local) if local else None
        )
    except FileNotFoundError:
        return Clients()
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise Unavailable(
            f"The clients of the syslog receiver cannot be read at {path}: {exc}",
            mend="Bring the file back from a backup, or remove it and issue certificates anew.",
        ) from exc


@contextmanager
def writing(path: Path, owner: Owner) -> Iterator[list[Clients]]:
    """Yield a list with the clients; what is in it at the end is written. One writer at a time."""
    handle = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        held = [read_clients(path)]
        yield held
        write_private(path, json.dumps(asdict(held[0]), indent=2) + "\n", owner, 0o640)
    finally:
        os.close(handle)
