"""Rows of devices, access services, host keys and sessions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from mavis_core.db import tables
from mavis_core.errors import NotFound
from mavis_core.remote.model import (
    AccessService,
    Device,
    EndReason,
    HostKey,
    HostKeyState,
    Policy,
    Protocol,
    Session,
    SessionKind,
    SessionState,
    Transfers,
)

__all__ = [
    "SESSIONS",
    "active_sessions",
    "device_in",
    "devices_in",
    "host_keys_of",
    "policy_json",
    "see_host_key",
    "service_in",
    "services_of",
    "session_of",
    "session_query",
    "session_row",
]

_DEVICES, _SERVICES, _HOST_KEYS = tables.devices, tables.access_services, tables.host_keys
SESSIONS = tables.sessions


def devices_in(tx: sa.Connection, project_id: str) -> tuple[Device, ...]:
    """Return the devices of a project, by name."""
    rows = tx.execute(_devices().where(_DEVICES.c.project_id == project_id)).mappings()
    return tuple(Device(**row) for row in rows)


def device_in(tx: sa.Connection, project_id: str, reference: str) -> Device:
    """Return a device by its name or id.

    Raises
    ------
    NotFound
        The project has none.
    """
    which = (_DEVICES.c.name == reference) | (_DEVICES.c.id == reference)
    query = _devices().where(_DEVICES.c.project_id == project_id, which)
    row = tx.execute(query).mappings().first()
    if row is None:
        raise NotFound(
            f"The project has no device {reference[:60]!r}", mend="`mavis device list` shows them."
        )
    return Device(**row)


def services_of(tx: sa.Connection, device_id: str) -> tuple[AccessService, ...]:
    """Return the access services of a device, by name."""
    query = _services().where(_SERVICES.c.device_id == device_id).order_by(_SERVICES.c.name)
    return tuple(_service(dict(row)) for row in tx.execute(query).mappings())


def service_in(tx: sa.Connection, device: Device, reference: str | None) -> AccessService:
    """Return an access service by its name or id; None: the only one, or that of the name ssh.

    Raises
    ------
    NotFound
        The device has none, or several of which none is meant.
    """
    found = services_of(tx, device.id)
    names = ", ".join(each.name for each in found)
    if reference is None:
        usual = [each for each in found if each.name == Protocol.SSH] or list(found)
        if len(usual) == 1:
            return usual[0]
        raise NotFound(
            f"{device.name} has no access service"
            if not found
            else f"{device.name} has several access services: {names}",
            mend="`mavis device allow` adds one." if not found else "Say which one is meant.",
        )
    for each in found:
        if reference in (each.name, each.id):
            return each
    raise NotFound(
        f"{device.name} has no access service {reference[:60]!r}",
        mend=f"It has {names}." if found else "`mavis device allow` adds one.",
    )


def host_keys_of(tx: sa.Connection, service_id: str) -> tuple[HostKey, ...]:
    """Return the host keys that an access service has shown, the first one first."""
    columns = [_HOST_KEYS.c[each.name] for each in fields(HostKey)]
    query = (
        sa.select(*columns)
        .where(_HOST_KEYS.c.access_service_id == service_id)
        .order_by(_HOST_KEYS.c.seen_at, _HOST_KEYS.c.fingerprint)
    )
    rows = tx.execute(query).mappings()
    return tuple(HostKey(**{**row, "state": HostKeyState(row["state"])}) for row in rows)


def active_sessions(tx: sa.Connection, *conditions: sa.ColumnElement[bool]) -> int:
    """Return how many sessions that fit are asked for or open."""
    query = sa.select(sa.func.count()).where(SESSIONS.c.state != SessionState.ENDED, *conditions)
    return tx.execute(query).scalar_one()


def session_query() -> sa.Select[Any]:
    """Return the query for sessions, to be narrowed; `session_of` makes one of a row."""
    projects = tables.projects
    columns = [SESSIONS.c[each.name] for each in fields(Session) if each.name != "project"]
    return sa.select(*columns, projects.c.name.label("project")).join(
        projects, SESSIONS.c.project_id == projects.c.id
    )


def session_of(row: Mapping[str, Any]) -> Session:
    """Return the session that a row is."""
    return Session(
        **{
            **row,
            "protocol": Protocol(row["protocol"]),
            "kind": SessionKind(row["kind"]),
            "state": SessionState(row["state"]),
            "reason": None if row["reason"] is None else EndReason(row["reason"]),
        }
    )


def session_row(session: Session) -> dict[str, Any]:
    """Return a session as the values of its row."""
    return {
        each.name: getattr(session, each.name) for each in fields(session) if each.name != "project"
    }


def policy_json(policy: Policy) -> dict[str, Any]:
    """Return a policy as JSON values."""
    return {**asdict(policy), "paths": list(policy.paths), "algorithms": list(policy.algorithms)}


def see_host_key(tx: sa.Connection, service_id: str, key: HostKey, now: datetime) -> bool:
    """Note a host key that a device has shown; return whether it is new."""
    same = sa.select(_HOST_KEYS.c.state).where(
        _HOST_KEYS.c.access_service_id == service_id, _HOST_KEYS.c.fingerprint == key.fingerprint
    )
    if tx.execute(same).first() is not None:
        return False
    tx.execute(
        sa.insert(_HOST_KEYS).values(
            access_service_id=service_id,
            fingerprint=key.fingerprint,
            algorithm=key.algorithm,
            public=key.public,
            state=HostKeyState.SEEN,
            seen_at=now,
        )
    )
    return True


def _devices() -> sa.Select[Any]:
    projects = tables.projects
    return (
        sa.select(_DEVICES, projects.c.name.label("project"))
        .join(projects, _DEVICES.c.project_id == projects.c.id)
        .order_by(_DEVICES.c.name)
    )


def _services() -> sa.Select[Any]:
    keys = tables.keys
    return sa.select(_SERVICES, keys.c.name.label("key")).outerjoin(
        keys, _SERVICES.c.key_id == keys.c.id
    )


def _service(row: Mapping[str, Any]) -> AccessService:
    return AccessService(
        **{**row, "protocol": Protocol(row["protocol"]), "policy": _policy(row["policy"])}
    )


def _policy(told: Mapping[str, Any]) -> Policy:
    return Policy(
        **{
            **told,
            "transfers": Transfers(told["transfers"]),
            "paths": tuple(told["paths"]),
            "algorithms": tuple(told["algorithms"]),
        }
    )
