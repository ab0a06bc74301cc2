"""People's own public keys, with which they come to the front door from an SSH client."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization as coding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from mavis_core import clock, records
from mavis_core.access import CallContext, Permission
from mavis_core.db import Database, tables
from mavis_core.errors import Conflict, InvalidInput, NotFound
from mavis_core.ids import new_id
from mavis_core.projects.model import check_name
from mavis_core.projects.service import audit

__all__ = ["PersonKey", "PersonKeys", "fingerprint_of", "read_public_key"]

_KINDS = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521")
_RSA, _RSA_BITS = "ssh-rsa", 2048
_MOST = 20
_LONGEST = 16_384
_SEEN_EVERY = timedelta(minutes=5)
_TABLE = tables.person_keys


@dataclass(frozen=True, slots=True)
class PersonKey:
    """A public key of a person.

    Parameters
    ----------
    fingerprint
        As OpenSSH writes it: ``SHA256:…``.
    public
        In base64, as in ``authorized_keys``.
    used_at
        When it was used last, to some minutes; None: never.
    """

    id: str
    person: str
    name: str
    algorithm: str
    fingerprint: str
    public: str
    created_at: datetime
    used_at: datetime | None


class PersonKeys:
    """The keys of all people; everybody rules their own.

    Parameters
    ----------
    database
        The main database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def list(self, ctx: CallContext) -> tuple[PersonKey, ...]:
        """Return the caller's keys, by name."""
        ctx.require(Permission.PERSON_KEY_WRITE)
        query = sa.select(_TABLE).where(_TABLE.c.person == ctx.principal.name)
        with self._database.read() as tx:
            rows = tx.execute(query.order_by(_TABLE.c.name)).mappings()
            return tuple(PersonKey(**row) for row in rows)

    def get(self, ctx: CallContext, name: str) -> PersonKey:
        """Return one of the caller's keys.

        Raises
        ------
        NotFound
            The caller has none of that name.
        """
        for key in self.list(ctx):
            if name == key.name:
                return key
        raise NotFound(f"You have no key {name[:60]!r}")

    def add(self, ctx: CallContext, *, name: str, public: str) -> PersonKey:
        """Let the caller come in with the private half of a key.

        Parameters
        ----------
        public
            A line of a file ``.pub``.

        Raises
        ------
        InvalidInput
            It is no public key, or too weak a one.
        Conflict
            There is a key of that name, the key is somebody's, or there are too many.
        """
        ctx.require(Permission.PERSON_KEY_WRITE)
        algorithm, blob = read_public_key(public)
        made = PersonKey(
            id=new_id("pky"),
            person=ctx.principal.name,
            name=check_name(name),
            algorithm=algorithm,
            fingerprint=fingerprint_of(blob),
            public=base64.b64encode(blob).decode(),
            created_at=clock.now(),
            used_at=None,
        )
        with self._database.write() as tx:
            own = tx.scalars(sa.select(_TABLE.c.name).where(_TABLE.c.person == made.person)).all()
            if made.name in own:
                raise Conflict(f"You have a key {made.name!r} already", mend="Choose another name.")
            if len(own) >= _MOST:
                raise Conflict(f"You have {_MOST} keys, which is the most", mend="Remove one.")
            taken = sa.select(_TABLE.c.id).where(_TABLE.c.fingerprint == made.fingerprint)
            if tx.execute(taken).first() is not None:
                raise Conflict(
                    f"The key {made.fingerprint} is registered already",
                    mend="Everybody needs a key of their own: `ssh-keygen -t ed25519`.",
                )
            values = {name: getattr(made, name) for name in PersonKey.__slots__}
            tx.execute(sa.insert(_TABLE).values(**values))
            summary = f"{made.person} may come with the key {made.fingerprint}"
            records.write(tx, audit(ctx, "person_key.add", made.name, summary))
        return made

    def remove(self, ctx: CallContext, name: str) -> None:
        """Forget one of the caller's keys; it lets nobody in any more.

        Raises
        ------
        NotFound
            The caller has none of that name.
        """
        ctx.require(Permission.PERSON_KEY_WRITE)
        own = (_TABLE.c.person == ctx.principal.name) & (_TABLE.c.name == name)
        with self._database.write() as tx:
            if not tx.execute(sa.delete(_TABLE).where(own)).rowcount:
                raise NotFound(f"You have no key {name[:60]!r}")
            summary = f"{ctx.principal.name} may not come with the key {name} any more"
            records.write(tx, audit(ctx, "person_key.remove", name, summary))

    def whose(self, blob: bytes) -> str | None:
        """Return the name of the person whose key it is."""
        query = sa.select(_TABLE.c.person).where(_TABLE.c.fingerprint == fingerprint_of(blob))
        with self._database.read() as tx:
            found: str | None = tx.scalar(query)
        return found

    def used(self, fingerprint: str) -> None:
        """Note that somebody came with a key, where that was not noted within minutes."""
        now = clock.now()
        seldom = (_TABLE.c.used_at.is_(None)) | (_TABLE.c.used_at < now - _SEEN_EVERY)
        which = (_TABLE.c.fingerprint == fingerprint) & seldom
        with self._database.write() as tx:
            tx.execute(sa.update(_TABLE).where(which).values(used_at=now))


def fingerprint_of(blob: bytes) -> str:
    """Return the fingerprint of a public key in SSH's form, as OpenSSH writes it."""
    digest = base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
    return f"SHA256:{digest}"


def read_public_key(line: str) -> tuple[str, bytes]:
    """Return algorithm and blob of a line as in ``authorized_keys``, without options.

    Raises
    ------
    InvalidInput
        It is none, a private key, or of an algorithm that is weak.
    """
    if "PRIVATE KEY" in line:
        raise InvalidInput(
            "This is a private key, which is nobody else's business",
            mend="Give the file that ends in .pub.",
            field="public",
        )
    parts = line.split()
    if len(line) > _LONGEST or len(parts) < 2:
        raise InvalidInput("public is no line of a file .pub", field="public")
    algorithm, text = parts[:2]
    if algorithm not in (*_KINDS, _RSA):
        raise InvalidInput(
            f"A key of the kind {algorithm[:40]!r} is not taken",
            mend="`ssh-keygen -t ed25519` makes a good one.",
            field="public",
        )
    try:
        key = coding.load_ssh_public_key(f"{algorithm} {text}".encode())
        blob = base64.b64decode(text, validate=True)
    except (ValueError, UnsupportedAlgorithm) as exc:
        raise InvalidInput(f"public is no {algorithm} key: {exc}", field="public") from exc
    if isinstance(key, RSAPublicKey) and key.key_size < _RSA_BITS:
        raise InvalidInput(
            f"An RSA key of {key.key_size} bits is too weak",
            mend="`ssh-keygen -t ed25519` makes a good one.",
            field="public",
        )
    return algorithm, blob
