"""Certificates of people for the front door: short-lived, listed, revoked one by one.

The door takes only what stands here: a certificate whose row is gone lets nobody in, whoever signed
it. So a certificate that somebody has revoked, and one whose making was not recorded, are nothing.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

import sqlalchemy as sa

from mavis_core import clock, records
from mavis_core.access import CallContext, Permission
from mavis_core.db import Database, tables
from mavis_core.errors import Conflict, Forbidden, NotFound, OverLimit
from mavis_core.ids import new_id
from mavis_core.projects.service import audit
from mavis_core.remote.person_keys import fingerprint_of, read_public_key

__all__ = ["Issued", "PersonCertificate", "PersonCertificates", "Signer", "Wanted"]

USUAL = timedelta(hours=8)
_MOST = 50
_SERIALS = 1 << 53
"""Below this, whatever reads JSON keeps a serial exactly."""
_SEEN_EVERY = timedelta(minutes=5)
_TABLE = tables.person_certificates


@dataclass(frozen=True, slots=True)
class Wanted:
    """A certificate that is to be signed.

    Parameters
    ----------
    public
        The key that it certifies: a line of a file ``.pub``.
    """

    person: str
    serial: int
    public: str
    issued_at: datetime
    expires_at: datetime


class Signer(Protocol):
    """Signs certificates: the gateway, which alone has the authority's key."""

    def sign(self, wanted: Wanted) -> str:
        """Return the line of a file ``-cert.pub``; what it says is nothing before it is listed."""


@dataclass(frozen=True, slots=True)
class PersonCertificate:
    """A certificate of a person that is good.

    Parameters
    ----------
    fingerprint
        Of the key that it certifies, as OpenSSH writes it.
    used_at
        When somebody came with it last, to some minutes; None: never.
    """

    id: str
    person: str
    serial: int
    fingerprint: str
    issued_at: datetime
    expires_at: datetime
    used_at: datetime | None


@dataclass(frozen=True, slots=True)
class Issued:
    """A new certificate, and the line of its file ``-cert.pub``."""

    certificate: PersonCertificate
    line: str


class PersonCertificates:
    """The certificates of all people; everybody rules their own.

    Parameters
    ----------
    database
        The main database.
    longest
        For how long one is good at most.
    signer
        Only the api process has one.
    """

    def __init__(
        self, database: Database, *, longest: timedelta, signer: Signer | None = None
    ) -> None:
        self._database, self._longest, self._signer = database, longest, signer

    def list(self, ctx: CallContext) -> tuple[PersonCertificate, ...]:
        """Return the caller's certificates that are good, the newest first."""
        ctx.require(Permission.PERSON_KEY_WRITE)
        query = sa.select(_TABLE).where(_own(ctx), _good()).order_by(_TABLE.c.id.desc())
        with self._database.read() as tx:
            return tuple(PersonCertificate(**row) for row in tx.execute(query).mappings())

    def get(self, ctx: CallContext, certificate_id: str) -> PersonCertificate:
        """Return one of them.

        Raises
        ------
        NotFound
            The caller has no such certificate that is good.
        """
        for each in self.list(ctx):
            if each.id == certificate_id:
                return each
        raise _none(certificate_id)

    def issue(self, ctx: CallContext, *, public: str, lifetime: timedelta | None = None) -> Issued:
        """Certify a key of the caller's, recorded.

        Parameters
        ----------
        public
            A line of a file ``.pub``.
        lifetime
            None: the usual eight hours, or the longest where that is less.

        Raises
        ------
        InvalidInput
            It is no public key, or too weak a one.
        OverLimit
            Nobody has one for so long.
        Conflict
            The caller has too many.
        Unavailable
            The gateway does not answer.
        """
        ctx.require(Permission.PERSON_KEY_WRITE)
        if self._signer is None:
            raise Forbidden("This process has no certificates made", mend="Ask the api.")
        _, blob = read_public_key(public)
        if lifetime is not None and lifetime > self._longest:
            hours = self._longest // timedelta(hours=1)
            raise OverLimit(
                f"A certificate is good for {hours} hours at most here",
                mend=f"Ask for {hours} hours or fewer.",
                field="hours",
            )
        now = clock.now().replace(microsecond=0)  # as exact as the certificate says it
        made = PersonCertificate(
            id=new_id("pct"),
            person=ctx.principal.name,
            serial=1 + secrets.randbelow(_SERIALS - 1),
            fingerprint=fingerprint_of(blob),
            issued_at=now,
            expires_at=now + (lifetime or min(USUAL, self._longest)),
            used_at=None,
        )
        line = self._signer.sign(
            Wanted(made.person, made.serial, public, made.issued_at, made.expires_at)
        )
        with self._database.write() as tx:
            tx.execute(sa.delete(_TABLE).where(_TABLE.c.expires_at <= now))
            count = sa.select(sa.func.count()).select_from(_TABLE).where(_own(ctx))
            if (tx.scalar(count) or 0) >= _MOST:
                raise Conflict(
                    f"You have {_MOST} certificates that are good, which is the most",
                    mend="Revoke some: `mavis ssh logout --all`.",
                )
            values = {name: getattr(made, name) for name in PersonCertificate.__slots__}
            tx.execute(sa.insert(_TABLE).values(**values))
            summary = (
                f"{made.person} may come with the certificate {made.serial} until"
                f" {made.expires_at:%Y-%m-%d %H:%M} UTC, for the key {made.fingerprint}"
            )
            records.write(tx, audit(ctx, "person_certificate.issue", made.id, summary))
        return Issued(made, line)

    def revoke(self, ctx: CallContext, certificate_id: str) -> None:
        """End one of the caller's certificates: it lets nobody in any more.

        Raises
        ------
        NotFound
            The caller has no such certificate that is good.
        """
        ctx.require(Permission.PERSON_KEY_WRITE)
        which = sa.and_(_TABLE.c.id == certificate_id, _own(ctx), _good())
        with self._database.write() as tx:
            serial = tx.scalar(sa.select(_TABLE.c.serial).where(which))
            if serial is None or not tx.execute(sa.delete(_TABLE).where(which)).rowcount:
                raise _none(certificate_id)
            summary = f"{ctx.principal.name} revoked the certificate {serial}"
            records.write(tx, audit(ctx, "person_certificate.revoke", certificate_id, summary))

    # of the gateway

    def good(self, person: str, serial: int) -> bool:
        """Return whether the certificate is the person's, not revoked, and not over."""
        own = (_TABLE.c.person == person) & (_TABLE.c.serial == serial)
        with self._database.read() as tx:
            return tx.scalar(sa.select(_TABLE.c.id).where(own, _good())) is not None

    def used(self, serial: int) -> None:
        """Note that somebody came with a certificate, where that was not noted within minutes."""
        now = clock.now()
        seldom = (_TABLE.c.used_at.is_(None)) | (_TABLE.c.used_at < now - _SEEN_EVERY)
        which = (_TABLE.c.serial == serial) & seldom
        with self._database.write() as tx:
            tx.execute(sa.update(_TABLE).where(which).values(used_at=now))


def _own(ctx: CallContext) -> sa.ColumnElement[bool]:
    return _TABLE.c.person == ctx.principal.name


def _good() -> sa.ColumnElement[bool]:
    return _TABLE.c.expires_at > clock.now()


def _none(certificate_id: str) -> NotFound:
    return NotFound(f"You have no certificate {certificate_id[:60]!r} that is good")
