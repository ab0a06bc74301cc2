"""The vault's use cases: store, list, remove for administrators; open for who has an opener.

Keys of clouds are sealed for the platform worker, and keys of devices for the gateway: neither can
open the other's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from mavis_core import clock, records
from mavis_core.access import CallContext, Permission
from mavis_core.db import Database, tables
from mavis_core.errors import Conflict, Forbidden, InvalidInput, NotFound
from mavis_core.ids import new_id
from mavis_core.projects.model import check_name
from mavis_core.projects.service import audit
from mavis_core.vault.sealing import Opener, Sealer

__all__ = ["Key", "Vault"]

_MAX_VALUE = 16_384
_NONE = "No key {name!r} in the vault"


@dataclass(frozen=True, slots=True)
class Key:
    """A credential in the vault, without its value.

    Parameters
    ----------
    kind
        The kit that understands it.
    fields
        The names of its parts.
    """

    id: str
    name: str
    kind: str
    fields: tuple[str, ...]
    created_at: datetime
    created_by: str


class Vault:
    """The keys of this appliance.

    Parameters
    ----------
    database
        The main database.
    sealer
        Seals; every process that stores keys has it.
    opener
        Opens; only the platform worker has it, and the gateway another one.
    sealers
        By kind, what seals keys that not the platform worker opens.
    """

    def __init__(
        self,
        database: Database,
        sealer: Sealer,
        opener: Opener | None = None,
        *,
        sealers: Mapping[str, Sealer] | None = None,
    ) -> None:
        self._database = database
        self._sealer = sealer
        self._opener = opener
        self._sealers = dict(sealers or {})

    def store(
        self,
        ctx: CallContext,
        *,
        name: str,
        kind: str,
        value: Mapping[str, str],
        known: Mapping[str, Mapping[str, bool]],
    ) -> Key:
        """Seal a key under a new name.

        Parameters
        ----------
        value
            Its parts by name.
        known
            By kind, the parts that a kit knows, and whether each is required.

        Raises
        ------
        InvalidInput
            A part is missing, unknown, empty or too long.
        Conflict
            There is a key of that name.
        """
        ctx.require(Permission.KEY_WRITE)
        _check_value(kind, value, known)
        key = Key(
            id=new_id("key"),
            name=check_name(name),
            kind=kind,
            fields=tuple(sorted(value)),
            created_at=clock.now(),
            created_by=ctx.principal.name,
        )
        sealer = self._sealers.get(kind, self._sealer)
        sealed = sealer.seal(json.dumps(dict(value)).encode(), name=key.id)
        table = tables.keys
        with self._database.write() as tx:
            if tx.scalar(sa.select(table.c.id).where(table.c.name == name)):
                raise Conflict(f"There is a key {name!r} already", mend="Choose another name.")
            tx.execute(
                sa.insert(table).values(
                    id=key.id,
                    name=name,
                    kind=kind,
                    fields=list(key.fields),
                    sealed=sealed,
                    created_at=key.created_at,
                    created_by=key.created_by,
                )
            )
            records.write(tx, audit(ctx, "key.store", name, f"Key {name} ({kind}) stored"))
        return key

    def list(self, ctx: CallContext) -> tuple[Key, ...]:
        """Return all keys by name, without values."""
        ctx.require(Permission.KEY_READ)
        table = tables.keys
        with self._database.read() as tx:
            return tuple(_key(row) for row in tx.execute(sa.select(table).order_by(table.c.name)))

    def get(self, ctx: CallContext, name: str) -> Key:
        """Return a key without its value."""
        ctx.require(Permission.KEY_READ)
        table = tables.keys
        with self._database.read() as tx:
            row = tx.execute(sa.select(table).where(table.c.name == name)).one_or_none()
        if row is None:
            raise NotFound(_NONE.format(name=name[:60]))
        return _key(row)

    def remove(self, ctx: CallContext, name: str) -> None:
        """Forget a key.

        Raises
        ------
        Conflict
            An environment or an access service uses it.
        """
        ctx.require(Permission.KEY_WRITE)
        table = tables.keys
        with self._database.write() as tx:
            key_id = tx.scalar(sa.select(table.c.id).where(table.c.name == name))
            if key_id is None:
                raise NotFound(_NONE.format(name=name[:60]))
            if used := _uses(tx, key_id):
                raise Conflict(
                    f"The key {name} is used by {', '.join(used)}",
                    mend="Remove those first, or give them another key.",
                )
            gone = tx.execute(sa.delete(table).where(table.c.id == key_id))
            if not gone.rowcount:  # another one was first
                raise NotFound(_NONE.format(name=name[:60]))
            records.write(tx, audit(ctx, "key.remove", name, f"Key {name} removed"))

    def open(
        self, ctx: CallContext, key_id: str, *, project_id: str, way_id: str | None = None
    ) -> Mapping[str, str]:
        """Return a key's parts; the reading is recorded before they are.

        Parameters
        ----------
        way_id
            The way into a device that they are for: where a rotation that is not over has reached
            it, they are the new ones. None: those of the key itself.

        Raises
        ------
        Forbidden
            This process holds no opener.
        NotFound
            The key was removed.
        """
        if self._opener is None:
            raise Forbidden(
                "This process cannot open keys",
                mend="Only the platform worker opens keys of clouds, and the gateway those of"
                " devices.",
            )
        with self._database.write() as tx:
            row = tx.execute(sa.select(tables.keys).where(tables.keys.c.id == key_id)).one_or_none()
            if row is None:
                raise NotFound(f"The key {key_id} was removed from the vault")
            summary = f"Key {row.name} opened for {ctx.principal.name}"
            records.write(tx, audit(ctx, "key.open", row.name, summary, project=project_id))
            newer = None if way_id is None else tx.execute(_rotated(key_id, way_id)).one_or_none()
        found = row if newer is None else newer
        opened: Mapping[str, str] = json.loads(self._opener.open(found.sealed, name=found.id))
        return opened


def _rotated(key_id: str, way_id: str) -> sa.Select[tuple[str, str]]:
    """Return the query for the value that a rotation that is not over has brought to a way in."""
    rotations, ways = tables.key_rotations, tables.key_rotation_ways
    return (
        sa.select(rotations.c.id, rotations.c.sealed)
        .join(ways, ways.c.rotation_id == rotations.c.id)
        .where(
            rotations.c.key_id == key_id,
            rotations.c.sealed.is_not(None),
            ways.c.access_service_id == way_id,
            ways.c.proved,
        )
    )


def _uses(tx: sa.Connection, key_id: str) -> list[str]:
    environments, services, devices = tables.environments, tables.access_services, tables.devices
    of_clouds = sa.select(environments.c.name).where(environments.c.key_id == key_id)
    of_devices = (
        sa.select(devices.c.name, services.c.name)
        .join(devices, services.c.device_id == devices.c.id)
        .where(services.c.key_id == key_id)
    )
    ways = (f"{device}/{service}" for device, service in tx.execute(of_devices))
    return [*tx.scalars(of_clouds), *ways]


def _key(row: sa.Row[tuple[object, ...]]) -> Key:
    return Key(row.id, row.name, row.kind, tuple(row.fields), row.created_at, row.created_by)


def _check_value(
    kind: str, value: Mapping[str, str], known: Mapping[str, Mapping[str, bool]]
) -> None:
    if kind not in known:
        raise InvalidInput(
            f"No kit takes keys of kind {kind[:60]!r}; known are {', '.join(sorted(known))}",
            field="kind",
        )
    parts = known[kind]
    if missing := [part for part, required in parts.items() if required and part not in value]:
        raise InvalidInput(f"value lacks {', '.join(missing)}", field=f"value.{missing[0]}")
    if unknown := sorted(set(value) - set(parts)):
        raise InvalidInput(
            f"value has {len(unknown)} parts that a key of kind {kind} does not have;"
            f" it takes {', '.join(parts)}",
            field="value",
        )
    for part, text in value.items():
        if not text or len(text) > _MAX_VALUE:
            raise InvalidInput(f"value.{part} is empty or too long", field=f"value.{part}")
