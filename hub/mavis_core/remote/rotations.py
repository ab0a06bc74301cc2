"""Rotations of keys of devices, as people ask for them and see them go.

*Rotation*: a new value for a key of the vault, at every way in that uses it. The api process writes
down that somebody asked; the gateway, which alone opens keys of devices, carries it out
(`rotating`). A rotation that did not reach every way stays open: the ways that it reached have the
new value, the others the old one, and asking again goes on with the same new one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from mavis_core import clock, records
from mavis_core.access import CallContext, Permission
from mavis_core.db import Database, tables
from mavis_core.errors import ConfirmationNeeded, Conflict, InvalidInput, NotFound
from mavis_core.ids import new_id
from mavis_core.projects.service import audit
from mavis_core.remote.model import KEY_FIELDS

__all__ = [
    "ROTATIONS",
    "WAYS",
    "KeyRotations",
    "Rotation",
    "RotationState",
    "WayOfKey",
    "WayState",
    "ways_of",
]

ROTATIONS, WAYS = tables.key_rotations, tables.key_rotation_ways


class RotationState(StrEnum):
    """How far a rotation is."""

    ASKED = "asked"
    RUNNING = "running"
    FAILED = "failed"
    """It did not reach every way; asking again goes on."""
    DONE = "done"


class WayState(StrEnum):
    """How far a rotation is at one way into a device."""

    WAITING = "waiting"
    BEGUN = "begun"
    """The device is getting the new value, beside the old one where there can be two."""
    PROVED = "proved"
    """A login with the new value has worked: it is the one that sessions use."""
    DONE = "done"
    """The old value is gone from the device."""
    FAILED = "failed"
    """`detail` says why, and which value works. Asking again goes on."""


@dataclass(frozen=True, slots=True)
class WayOfKey:
    """A way into a device that a key opens.

    Parameters
    ----------
    state, detail, changed_at
        How far a rotation is there; None: there is none.
    """

    id: str
    project: str
    device: str
    access_service: str
    login: str
    state: WayState | None = None
    detail: str = ""
    changed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Rotation:
    """One rotation of a key."""

    id: str
    key: str
    state: RotationState
    person: str
    asked_at: datetime
    ended_at: datetime | None
    ways: tuple[WayOfKey, ...]


class KeyRotations:
    """The api process's side of rotations; for platform administrators.

    Parameters
    ----------
    database
        The main database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def ways(self, ctx: CallContext, key: str) -> tuple[WayOfKey, ...]:
        """Return the ways into devices that a key opens: what a rotation would change.

        Raises
        ------
        NotFound
            There is no such key.
        """
        ctx.require(Permission.KEY_READ)
        with self._database.read() as tx:
            return ways_of(tx, _key(tx, key).id)

    def get(self, ctx: CallContext, key: str) -> Rotation:
        """Return the last rotation of a key.

        Raises
        ------
        NotFound
            There is no such key, or it was never rotated.
        """
        ctx.require(Permission.KEY_READ)
        with self._database.read() as tx:
            found = _last(tx, _key(tx, key).id)
            if found is None:
                raise NotFound(f"The key {key[:60]} was never rotated")
            return _rotation(tx, key, found)

    def ask(self, ctx: CallContext, key: str, *, confirm: str) -> Rotation:
        """Have a key rotated at every way in that uses it, recorded; the gateway begins at once.

        Parameters
        ----------
        confirm
            The key's name, typed.

        Raises
        ------
        NotFound
            There is no such key.
        InvalidInput
            It is no key of devices.
        ConfirmationNeeded
            The name is another one.
        Conflict
            It is being rotated, or nothing uses it.
        """
        ctx.require(Permission.KEY_WRITE)
        now = clock.now()
        with self._database.write() as tx:
            row = _key(tx, key)
            _check(row, confirm)
            ways = ways_of(tx, row.id)
            if not ways:
                raise Conflict(
                    f"No way into a device uses the key {key}",
                    mend="Store a new value under another name: `mavis key add`.",
                )
            last = _last(tx, row.id)
            if last is not None and last.state in (RotationState.ASKED, RotationState.RUNNING):
                raise Conflict(
                    f"The key {key} is being rotated, since {last.asked_at:%H:%M} UTC",
                    mend=f"Look on: `mavis key rotation {key}`.",
                )
            asked = {
                "state": RotationState.ASKED,
                "person": ctx.principal.name,
                "correlation_id": ctx.correlation_id,
                "request_id": ctx.request_id,
                "source": ctx.source,
                "asked_at": now,
                "ended_at": None,
            }
            if last is not None and last.state == RotationState.FAILED:
                rotation_id = last.id
                tx.execute(
                    sa.update(ROTATIONS).where(ROTATIONS.c.id == rotation_id).values(**asked)
                )
            else:
                rotation_id = new_id("rot")
                tx.execute(sa.insert(ROTATIONS).values(id=rotation_id, key_id=row.id, **asked))
            summary = f"{ctx.principal.name} has the key {key} rotated at {len(ways)} ways in"
            records.write(tx, audit(ctx, "key.rotate", key, summary))
            _wait(tx, rotation_id, now)
            found = _last(tx, row.id)
            assert found is not None  # noqa: S101  # it was just written
            return _rotation(tx, key, found)


def ways_of(tx: sa.Connection, key_id: str) -> tuple[WayOfKey, ...]:
    """Return the ways in that use a key, by project and device."""
    services, devices, projects = tables.access_services, tables.devices, tables.projects
    query = (
        sa.select(
            services.c.id,
            projects.c.name.label("project"),
            devices.c.name.label("device"),
            services.c.name.label("access_service"),
            services.c.login,
        )
        .join(devices, services.c.device_id == devices.c.id)
        .join(projects, devices.c.project_id == projects.c.id)
        .where(services.c.key_id == key_id)
        .order_by(projects.c.name, devices.c.name, services.c.name)
    )
    return tuple(WayOfKey(**row) for row in tx.execute(query).mappings())


def _wait(tx: sa.Connection, rotation_id: str, now: datetime) -> None:
    """Let the ways that were not reached wait for another try."""
    again = (WAYS.c.rotation_id == rotation_id) & (WAYS.c.state == WayState.FAILED)
    tx.execute(
        sa.update(WAYS).where(again).values(state=WayState.WAITING, detail="", changed_at=now)
    )


def _rotation(tx: sa.Connection, key: str, row: sa.RowMapping) -> Rotation:
    told: Mapping[str, Any] = {
        each["access_service_id"]: each
        for each in tx.execute(sa.select(WAYS).where(WAYS.c.rotation_id == row.id)).mappings()
    }
    ways = []
    for each in ways_of(tx, row.key_id):
        there = told.get(each.id)
        state = WayState(there["state"]) if there else WayState.WAITING
        detail, at = (there["detail"], there["changed_at"]) if there else ("", None)
        ways.append(
            WayOfKey(
                each.id,
                each.project,
                each.device,
                each.access_service,
                each.login,
                state,
                detail,
                at,
            )
        )
    return Rotation(
        row.id, key, RotationState(row.state), row.person, row.asked_at, row.ended_at, tuple(ways)
    )


def _last(tx: sa.Connection, key_id: str) -> Any:
    query = sa.select(ROTATIONS).where(ROTATIONS.c.key_id == key_id)
    return tx.execute(query.order_by(ROTATIONS.c.id.desc()).limit(1)).one_or_none()


def _key(tx: sa.Connection, name: str) -> Any:
    query = sa.select(tables.keys.c.id, tables.keys.c.name, tables.keys.c.kind)
    row = tx.execute(query.where(tables.keys.c.name == name)).one_or_none()
    if row is None:
        raise NotFound(f"No key {name[:60]!r} in the vault")
    return row


def _check(row: Any, confirm: str) -> None:
    if row.kind not in KEY_FIELDS:
        raise InvalidInput(
            f"The key {row.name} is of the kind {row.kind}, and none of devices",
            mend="Keys of clouds are changed at the cloud, and stored under a new name.",
            field="key",
        )
    if confirm != row.name:
        raise ConfirmationNeeded(
            f"Rotating the key {row.name} changes it on devices",
            mend="Look at its ways in, then confirm with the key's name.",
        )
