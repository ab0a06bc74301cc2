"""Rows of logins by browser, and of wrong codes."""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from mavis_core.db import tables
from mavis_core.logins.model import DeviceLogin, State

__all__ = [
    "TABLE",
    "find",
    "forget",
    "held",
    "insert",
    "number",
    "sealed",
    "set_login",
    "set_polled",
    "set_wrong",
    "wrong",
]

TABLE = tables.device_logins
_WRONG = tables.wrong_codes
_COLUMNS = [TABLE.c[each.name] for each in fields(DeviceLogin)]


def insert(
    tx: sa.Connection, login: DeviceLogin, *, code_hash: str, seal: str, network: str
) -> None:
    """Write a new login."""
    values = {each.name: getattr(login, each.name) for each in fields(login)}
    tx.execute(sa.insert(TABLE).values(**values, code_hash=code_hash, seal=seal, network=network))


def find(tx: sa.Connection, which: sa.ColumnElement[bool], now: datetime) -> DeviceLogin | None:
    """Return a login as it is at `now`."""
    return _login(tx, sa.select(*_COLUMNS).where(which), now)


def held(tx: sa.Connection, which: sa.ColumnElement[bool], now: datetime) -> DeviceLogin | None:
    """Return a login as it is at `now`; others who would change it wait until `tx` ends."""
    return _login(tx, sa.select(*_COLUMNS).where(which).with_for_update(), now)


def _login(tx: sa.Connection, query: sa.Select[Any], now: datetime) -> DeviceLogin | None:
    row = tx.execute(query).mappings().one_or_none()
    if row is None:
        return None
    state = State(row["state"])
    over = state in (State.WAITING, State.ALLOWED) and row["expires_at"] <= now
    return DeviceLogin(**{**row, "state": State.EXPIRED if over else state})


def set_login(tx: sa.Connection, login_id: str, **values: Any) -> None:
    """Change a login."""
    tx.execute(sa.update(TABLE).where(TABLE.c.id == login_id).values(**values))


def set_polled(tx: sa.Connection, which: sa.ColumnElement[bool], now: datetime) -> None:
    """Write when a login was asked about."""
    tx.execute(sa.update(TABLE).where(which).values(polled_at=now))


def sealed(tx: sa.Connection, login_id: str) -> tuple[str, str | None]:
    """Return with what is sealed for a login, and what was."""
    query = sa.select(TABLE.c.seal, TABLE.c.authority).where(TABLE.c.id == login_id)
    seal, authority = tx.execute(query).one()
    return seal, authority


def number(tx: sa.Connection, *which: sa.ColumnElement[bool]) -> int:
    """Return how many logins are so."""
    return tx.execute(sa.select(sa.func.count()).select_from(TABLE).where(*which)).scalar_one()


def forget(tx: sa.Connection, before: datetime) -> None:
    """Delete the logins that had ended by then, and the wrong codes of those who had begun."""
    # In the order in which whoever looks at a login holds the two.
    tx.execute(sa.delete(_WRONG).where(_WRONG.c.since < before))
    tx.execute(sa.delete(TABLE).where(TABLE.c.expires_at < before))


def wrong(tx: sa.Connection, person: str, now: datetime, within: timedelta) -> int:
    """Return how many wrong codes a person has entered lately; their next one waits for `tx`."""
    query = sa.select(_WRONG).where(_WRONG.c.person == person).with_for_update()
    row = tx.execute(query).mappings().one_or_none()
    if row is None:
        tx.execute(sa.insert(_WRONG).values(person=person, count=0, since=now))
        return 0
    return int(row["count"]) if now - row["since"] < within else 0


def set_wrong(tx: sa.Connection, person: str, count: int, now: datetime) -> None:
    """Write how many wrong codes a person has entered; the first one begins their time anew."""
    begun = {"since": now} if count == 1 else {}
    change = sa.update(_WRONG).where(_WRONG.c.person == person)
    tx.execute(change.values(count=count, **begun))
