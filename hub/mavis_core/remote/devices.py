"""Devices, the ways into them, and the keys by which they show who they are.

An access service names a key of the vault, and a device the address to which the gateway would
bring it. So both are set by who may name keys: a platform administrator who is an administrator of
the project.
"""

from __future__ import annotations

from dataclasses import replace

import sqlalchemy as sa

from mavis_core import clock, records
from mavis_core.access import CallContext, Permission
from mavis_core.db import Database, tables
from mavis_core.errors import Conflict, InvalidInput, NotFound
from mavis_core.ids import new_id
from mavis_core.projects.model import Project, check_name, check_text
from mavis_core.projects.service import Projects, audit, hold
from mavis_core.remote import rows
from mavis_core.remote.model import (
    KEY_FIELDS,
    AccessService,
    Device,
    HostKey,
    HostKeyState,
    Policy,
    Protocol,
    check_address,
    check_login,
    check_policy,
)

__all__ = ["Devices"]

_MOST_DEVICES = 5000
_MOST_SERVICES = 20
_LAST_PORT = 65535


class Devices:
    """The devices of all projects.

    Parameters
    ----------
    database
        The main database.
    projects
        Guards every call.
    """

    def __init__(self, database: Database, projects: Projects) -> None:
        self._database, self._projects = database, projects

    def list(self, ctx: CallContext, reference: str) -> tuple[Device, ...]:
        """Return the devices of a project, by name."""
        project = self._projects.authorize(ctx, reference, Permission.DEVICE_READ).project
        with self._database.read() as tx:
            return rows.devices_in(tx, project.id)

    def get(self, ctx: CallContext, reference: str, device: str) -> Device:
        """Return one device.

        Raises
        ------
        NotFound
            The project has none of that name or id.
        """
        project = self._projects.authorize(ctx, reference, Permission.DEVICE_READ).project
        with self._database.read() as tx:
            return rows.device_in(tx, project.id, device)

    def create(
        self,
        ctx: CallContext,
        reference: str,
        *,
        name: str,
        address: str,
        title: str = "",
        resource: str | None = None,
    ) -> Device:
        """Add a device. Nothing is connected to yet.

        Parameters
        ----------
        resource
            Id of the resource of the project that it is.

        Raises
        ------
        InvalidInput
            No device can have that name or address.
        Conflict
            There is one of that name.
        """
        project = self._projects.authorize(ctx, reference, Permission.DEVICE_WRITE).project
        made = Device(
            id=new_id("dev"),
            project_id=project.id,
            project=project.name,
            name=check_name(name),
            title=check_text(title, field="title"),
            address=check_address(address),
            resource_id=resource,
            created_at=clock.now(),
            created_by=ctx.principal.name,
        )
        with self._database.write() as tx:
            hold(tx, project.id)
            _check_resource(tx, project, resource)
            there = rows.devices_in(tx, project.id)
            if any(each.name == made.name for each in there):
                raise Conflict(f"{project.name} has a device {name!r} already")
            if len(there) >= _MOST_DEVICES:
                raise Conflict(f"{project.name} has {_MOST_DEVICES} devices, which is the most")
            tx.execute(
                sa.insert(tables.devices).values(
                    id=made.id,
                    project_id=project.id,
                    name=made.name,
                    title=made.title,
                    address=made.address,
                    resource_id=made.resource_id,
                    created_at=made.created_at,
                    created_by=made.created_by,
                )
            )
            summary = f"Device {made.name} at {made.address} added to {project.name}"
            records.write(tx, audit(ctx, "device.create", made.name, summary, project=project.id))
        return made

    def remove(self, ctx: CallContext, reference: str, device: str) -> None:
        """Forget a device and the ways into it. Sessions end, their recordings stay.

        Raises
        ------
        NotFound
            The project has none of that name or id.
        """
        project = self._projects.authorize(ctx, reference, Permission.DEVICE_WRITE).project
        with self._database.write() as tx:
            hold(tx, project.id)
            found = rows.device_in(tx, project.id, device)
            _end_sessions(tx, tables.sessions.c.device_id == found.id, ctx)
            tx.execute(sa.delete(tables.devices).where(tables.devices.c.id == found.id))
            summary = f"Device {found.name} removed from {project.name}"
            records.write(tx, audit(ctx, "device.remove", found.name, summary, project=project.id))

    def services(self, ctx: CallContext, reference: str, device: str) -> tuple[AccessService, ...]:
        """Return the ways into a device, by name."""
        project = self._projects.authorize(ctx, reference, Permission.DEVICE_READ).project
        with self._database.read() as tx:
            return rows.services_of(tx, rows.device_in(tx, project.id, device).id)

    def service(self, ctx: CallContext, reference: str, device: str, name: str) -> AccessService:
        """Return one way into a device.

        Raises
        ------
        NotFound
            The project has no such device, or the device no such access service.
        """
        project = self._projects.authorize(ctx, reference, Permission.DEVICE_READ).project
        with self._database.read() as tx:
            return rows.service_in(tx, rows.device_in(tx, project.id, device), name)

    def allow(
        self,
        ctx: CallContext,
        reference: str,
        device: str,
        *,
        name: str,
        protocol: Protocol,
        port: int,
        login: str,
        key: str | None,
        policy: Policy,
    ) -> AccessService:
        """Add a way into a device.

        Parameters
        ----------
        key
            Name of the key in the vault; None: a certificate of the appliance's authority.

        Raises
        ------
        InvalidInput
            A value makes no sense, or the key is of another kind.
        NotFound
            There is no such device or key.
        Conflict
            The device has an access service of that name.
        """
        project = self._projects.authorize(ctx, reference, Permission.DEVICE_WRITE).project
        if not 1 <= port <= _LAST_PORT:
            raise InvalidInput(f"port is {port}; use 1 to {_LAST_PORT}", field="port")
        made = AccessService(
            id=new_id("acs"),
            device_id="",
            name=check_name(name),
            protocol=protocol,
            port=port,
            login=check_login(login),
            key_id=None,
            key=key,
            policy=check_policy(policy, protocol),
            created_at=clock.now(),
            created_by=ctx.principal.name,
        )
        with self._database.write() as tx:
            hold(tx, project.id)
            found = rows.device_in(tx, project.id, device)
            made = replace(made, device_id=found.id, key_id=_key_id(tx, key))
            there = rows.services_of(tx, found.id)
            if any(each.name == made.name for each in there):
                raise Conflict(f"{found.name} has an access service {name!r} already")
            if len(there) >= _MOST_SERVICES:
                raise Conflict(f"{found.name} has {_MOST_SERVICES} access services already")
            tx.execute(
                sa.insert(tables.access_services).values(
                    id=made.id,
                    device_id=found.id,
                    name=made.name,
                    protocol=protocol,
                    port=port,
                    login=login,
                    key_id=made.key_id,
                    policy=rows.policy_json(made.policy),
                    created_at=made.created_at,
                    created_by=made.created_by,
                )
            )
            means = f"the key {key}" if key else "a certificate"
            summary = f"{found.name} can be reached by {protocol} as {login} with {means}"
            thing = f"{found.name}/{made.name}"
            records.write(
                tx, audit(ctx, "access_service.create", thing, summary, project=project.id)
            )
        return made

    def forbid(self, ctx: CallContext, reference: str, device: str, name: str) -> None:
        """Forget a way into a device. Its sessions end, their recordings stay.

        Raises
        ------
        NotFound
            The project has no such device, or the device no such access service.
        """
        project = self._projects.authorize(ctx, reference, Permission.DEVICE_WRITE).project
        table = tables.access_services
        with self._database.write() as tx:
            hold(tx, project.id)
            found = rows.device_in(tx, project.id, device)
            gone = rows.service_in(tx, found, name)
            _end_sessions(tx, tables.sessions.c.access_service_id == gone.id, ctx)
            tx.execute(sa.delete(table).where(table.c.id == gone.id))
            thing = f"{found.name}/{gone.name}"
            summary = f"{found.name} can be reached by its access service {gone.name} no more"
            records.write(
                tx, audit(ctx, "access_service.remove", thing, summary, project=project.id)
            )

    def host_keys(
        self, ctx: CallContext, reference: str, device: str, name: str
    ) -> tuple[HostKey, ...]:
        """Return the host keys that a device has shown there, the first one first."""
        project = self._projects.authorize(ctx, reference, Permission.DEVICE_READ).project
        with self._database.read() as tx:
            service = rows.service_in(tx, rows.device_in(tx, project.id, device), name)
            return rows.host_keys_of(tx, service.id)

    def approve(
        self, ctx: CallContext, reference: str, device: str, name: str, fingerprint: str
    ) -> HostKey:
        """Trust a host key that a device has shown; an earlier one of its algorithm ends.

        Raises
        ------
        NotFound
            The device has shown no such key there.
        """
        project = self._projects.authorize(ctx, reference, Permission.DEVICE_WRITE).project
        table, now = tables.host_keys, clock.now()
        with self._database.write() as tx:
            hold(tx, project.id)
            found = rows.device_in(tx, project.id, device)
            service = rows.service_in(tx, found, name)
            shown = rows.host_keys_of(tx, service.id)
            key = next((each for each in shown if each.fingerprint == fingerprint), None)
            if key is None:
                raise NotFound(
                    f"{found.name} has not shown a host key {fingerprint[:60]!r}",
                    mend="Try to connect once; then `mavis device host-keys` shows what it has.",
                )
            if key.state is HostKeyState.APPROVED:
                return key
            of_service = table.c.access_service_id == service.id
            tx.execute(
                sa.update(table)
                .where(
                    of_service,
                    table.c.algorithm == key.algorithm,
                    table.c.state == HostKeyState.APPROVED,
                )
                .values(state=HostKeyState.REPLACED, decided_at=now, decided_by=ctx.principal.name)
            )
            tx.execute(
                sa.update(table)
                .where(of_service, table.c.fingerprint == fingerprint)
                .values(state=HostKeyState.APPROVED, decided_at=now, decided_by=ctx.principal.name)
            )
            summary = f"Host key {fingerprint} of {found.name} approved"
            thing = f"{found.name}/{service.name}"
            records.write(tx, audit(ctx, "host_key.approve", thing, summary, project=project.id))
        return replace(
            key, state=HostKeyState.APPROVED, decided_at=now, decided_by=ctx.principal.name
        )


def _check_resource(tx: sa.Connection, project: Project, resource: str | None) -> None:
    if resource is None:
        return
    table = tables.resources
    query = sa.select(table.c.id).where(table.c.project_id == project.id, table.c.id == resource)
    if tx.execute(query).first() is None:
        raise NotFound(
            f"{project.name} has no resource {resource[:60]!r}",
            mend="`mavis resource list` shows them.",
        )


def _key_id(tx: sa.Connection, key: str | None) -> str | None:
    if key is None:
        return None
    table = tables.keys
    row = tx.execute(sa.select(table.c.id, table.c.kind).where(table.c.name == key)).first()
    if row is None:
        raise NotFound(f"No key {key[:60]!r} in the vault", mend="`mavis key add` stores one.")
    if row.kind not in KEY_FIELDS:
        raise InvalidInput(
            f"The key {key} is of kind {row.kind}, with which no device can be reached",
            mend=f"Name one of kind {' or '.join(KEY_FIELDS)}.",
            field="key",
        )
    return str(row.id)


def _end_sessions(tx: sa.Connection, which: sa.ColumnElement[bool], ctx: CallContext) -> None:
    table = tables.sessions
    tx.execute(
        sa.update(table)
        .where(which, table.c.state != "ended", table.c.end_asked_by.is_(None))
        .values(end_asked_by=ctx.principal.name)
    )
