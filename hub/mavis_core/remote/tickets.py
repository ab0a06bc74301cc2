"""Tickets: what lets a browser or a notebook in at the gateway, once and within a minute.

The api process gives them out, bound to a session, a person and the address that asked; the gateway
takes them. Only their digests are kept.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

import sqlalchemy as sa

from mavis_core import clock
from mavis_core.db import tables

__all__ = ["LIFETIME", "Purpose", "Ticket", "give_ticket", "take_ticket"]

LIFETIME = timedelta(seconds=60)
_TABLE = tables.session_tickets


class Purpose(StrEnum):
    """What a ticket is good for."""

    OPEN = "open"
    """To open the session, as the person who asked for it."""
    RETURN = "return"
    """To come back to it, after a connection broke."""
    WATCH = "watch"
    """To look on."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a ticket said."""

    session_id: str
    purpose: Purpose
    person: str


def give_ticket(
    tx: sa.Connection, session_id: str, purpose: Purpose, *, person: str, source: str
) -> str:
    """Return a new ticket; those that ran out are forgotten."""
    now, secret = clock.now(), secrets.token_urlsafe(32)
    tx.execute(sa.delete(_TABLE).where(_TABLE.c.expires_at < now))
    tx.execute(
        sa.insert(_TABLE).values(
            hash=_digest(secret),
            session_id=session_id,
            purpose=purpose,
            person=person,
            source=source,
            expires_at=now + LIFETIME,
        )
    )
    return secret


def take_ticket(tx: sa.Connection, secret: str, *, source: str) -> Ticket | None:
    """Return what a ticket says, and end it, whoever brought it; let `tx` be committed.

    None: it was never given, was taken already, has run out, or comes from another address.
    """
    taken = (
        sa.delete(_TABLE)
        .where(_TABLE.c.hash == _digest(secret))
        .returning(
            _TABLE.c.session_id,
            _TABLE.c.purpose,
            _TABLE.c.person,
            _TABLE.c.source,
            _TABLE.c.expires_at,
        )
    )
    row = tx.execute(taken).first()
    if row is None or row.source != source or row.expires_at < clock.now():
        return None
    return Ticket(row.session_id, Purpose(row.purpose), row.person)


def _digest(secret: str) -> str:
    """Return under what a ticket is kept; it has 256 random bits, so no salt is needed."""
    return hashlib.sha256(secret.encode()).hexdigest()
