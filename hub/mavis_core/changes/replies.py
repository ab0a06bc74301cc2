"""Replies: a request that is sent again under its key is answered again and not done again.

*Key*: what a caller names a request by, the ``Idempotency-Key`` of a POST
(https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/). *Reply*: the answer
that was given; it is kept for a day in the transaction that had the effect. Whoever got no answer
asks again, and learns what became of it: a crash leaves effect and reply, or neither.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from mavis_core import clock
from mavis_core.access import CallContext
from mavis_core.db import Database, tables
from mavis_core.errors import Conflict, IdempotencyKeyReused, InvalidInput
from mavis_core.ids import new_id

__all__ = ["LIFETIME", "Replies", "Reply", "check_key"]

LIFETIME = timedelta(hours=24)
_FIELD = "Idempotency-Key"
_MAX_KEY = 200
_AT_ONCE = 20
# One that was in the way of an insert a moment ago is still there to be read.
_GRACE = timedelta(hours=1)
_TABLE = tables.replies


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer as it went out.

    Parameters
    ----------
    body
        JSON text; may be empty.
    """

    status: int
    headers: Mapping[str, str]
    body: str


def check_key(key: str) -> None:
    """Refuse what is no idempotency key.

    Raises
    ------
    InvalidInput
        It is too long, empty or not printable.
    """
    if not 1 <= len(key) <= _MAX_KEY or not key.isprintable():
        raise InvalidInput(f"An {_FIELD} is 1 to {_MAX_KEY} printable characters", field=_FIELD)


class Replies:
    """The replies of the last day.

    Parameters
    ----------
    database
        The main database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def once(
        self, ctx: CallContext, key: str, request: str, act: Callable[[], Reply]
    ) -> tuple[Reply, bool]:
        """Return the reply that the caller's request has under `key`, acting only for the first.

        Of two at once one acts, and the other waits for its reply. Where `act` raises, nothing is
        kept and the next one acts.

        Parameters
        ----------
        key
            The caller's own, 1 to 200 printable characters.
        request
            A fingerprint of what is asked for: the same under the same key, or it is refused.
        act
            Has the effect, in blocks of the same database and in this thread: all of them are one
            transaction with the reply (`Database.together`).

        Returns
        -------
        Reply, bool
            The reply, and whether it is one that was kept.

        Raises
        ------
        InvalidInput
            The key is too long, empty or not printable.
        IdempotencyKeyReused
            The key was used for another request within a day.
        """
        check_key(key)
        person = ctx.principal.name
        with self._database.together():
            kept = self._kept(person, key) or self._begin(person, key, request)
            if kept is not None:
                return _same(kept, request), True
            reply = act()
            with self._database.write() as tx:
                tx.execute(
                    sa.update(_TABLE)
                    .where(*_of(person, key))
                    .values(status=reply.status, headers=dict(reply.headers), body=reply.body)
                )
            return reply, False

    def _kept(self, person: str, key: str) -> sa.RowMapping | None:
        with self._database.read() as tx:
            query = sa.select(_TABLE).where(*_of(person, key), _TABLE.c.created_at > _limit())
            return tx.execute(query).mappings().one_or_none()

    def _begin(self, person: str, key: str, request: str) -> sa.RowMapping | None:
        """Take the key before anything is done under it; return the reply of who was first.

        On PostgreSQL a second one waits here until the first has ended; on SQLite it has waited
        already.
        """
        with self._database.write() as tx:
            tx.execute(sa.delete(_TABLE).where(*_of(person, key), _TABLE.c.created_at <= _limit()))
            _forget(tx)
        try:
            with self._database.write() as tx:
                tx.execute(
                    sa.insert(_TABLE).values(
                        id=new_id("rpl"),
                        person=person,
                        key=key,
                        request=request,
                        status=0,  # nobody sees it before the reply stands here
                        headers={},
                        body="",
                        created_at=clock.now(),
                    )
                )
        except Conflict:
            with self._database.read() as tx:
                return tx.execute(sa.select(_TABLE).where(*_of(person, key))).mappings().one()
        return None


def _of(person: str, key: str) -> tuple[sa.ColumnElement[bool], ...]:
    return _TABLE.c.person == person, _TABLE.c.key == key


def _limit() -> datetime:
    return clock.now() - LIFETIME


def _forget(tx: sa.Connection) -> None:
    """Delete some of the oldest replies that nobody gets any more."""
    oldest = (
        sa.select(_TABLE.c.id)
        .where(_TABLE.c.created_at < _limit() - _GRACE)
        .order_by(_TABLE.c.created_at)
        .limit(_AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    tx.execute(sa.delete(_TABLE).where(_TABLE.c.id.in_(oldest)))


def _same(kept: Mapping[str, Any] | sa.RowMapping, request: str) -> Reply:
    """Return a kept reply where it is one to the same request."""
    if kept["request"] != request:
        raise IdempotencyKeyReused(f"This {_FIELD} was used for another request", field=_FIELD)
    return Reply(kept["status"], kept["headers"], kept["body"])
