"""``/projects/{p}/devices``: what there is to connect to, and how."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field

from mavis_core.access import Permission
from mavis_core.remote.model import Policy, Protocol, Transfers
from mavis_ext import schemas
from mavis_ext.answers import Created
from mavis_ext.base import ApiHandler
from mavis_ext.bodies import Body
from mavis_ext.described import Line, Name, Word
from mavis_ext.operation import operation
from mavis_ext.pages import listing

__all__ = ["AccessService", "AccessServices", "Device", "Devices", "HostKeys"]

_USUAL = Policy()
Path = Annotated[str, Field(json_schema_extra={"minLength": 1, "maxLength": 1000})]


class NewDevice(Body):
    """A device to be added."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"name": "web-1", "address": "10.0.3.17", "title": "Web server"}]
        }
    )

    name: Name
    address: Word
    """A host name or an IP address, as the appliance reaches it."""
    title: Line = ""
    resource: str | None = None
    """Id of the resource of the project that it is."""


class NewPolicy(Body):
    """What may be done by a way into a device."""

    shell: bool = _USUAL.shell
    """Whether there is a terminal."""
    commands: bool = _USUAL.commands
    """Whether single commands may be run."""
    transfers: Transfers = _USUAL.transfers
    """In which directions files may go."""
    paths: list[Path] = Field(default_factory=list, max_length=20)
    """Absolute folders outside of which no file may be touched by a transfer; empty: everywhere."""
    forwarding: bool = _USUAL.forwarding
    """Whether ports of the device may be reached through the session."""
    record_input: bool = _USUAL.record_input
    """Whether what people type is recorded; what is typed at prompts for passwords is masked."""
    idle_s: Annotated[int, Field(ge=60, le=86400)] = _USUAL.idle_s
    """A session in which nobody types for so many seconds is ended."""
    longest_s: Annotated[int, Field(ge=60, le=604800)] = _USUAL.longest_s
    """A session ends after so many seconds."""
    sessions: Annotated[int, Field(ge=1, le=1000)] = _USUAL.sessions
    """How many there may be at a time."""
    algorithms: list[str] = Field(default_factory=list, max_length=20)
    """Old algorithms that are allowed, by name."""


class NewAccessService(Body):
    """A way into a device to be added."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"login": "admin", "key": "web"},
                {"login": "admin", "port": 2222, "policy": {"transfers": "none"}},
            ]
        }
    )

    name: Name = "ssh"
    protocol: Protocol = Protocol.SSH
    port: Annotated[int, Field(ge=1, le=65535)] = 22
    login: Word
    """Whom the device knows the session as."""
    key: str | None = None
    """Name of the key that opens it; none: a certificate of the appliance's authority."""
    policy: NewPolicy = Field(default_factory=NewPolicy)


class Approval(Body):
    """A host key to be trusted."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"fingerprint": "SHA256:uNiVztksCsDhcc0u9e8BrXQzq6oA1hyxOXbnhV9m4TA"}]
        }
    )

    fingerprint: Word
    """As the device showed it, compared with what its owner says."""


class Devices(ApiHandler):
    """The devices of a project."""

    @operation("list_devices", Permission.DEVICE_READ)
    def get(self, project: str) -> schemas.Page[schemas.Device]:
        """List the devices of a project."""
        return listing(schemas.Device, self.app.devices.list(self.ctx, project))

    @operation("create_device", Permission.DEVICE_WRITE)
    def post(self, project: str, *, body: NewDevice) -> Created[schemas.Device]:
        """Add a device. Nothing is connected to yet."""
        made = self.app.devices.create(self.ctx, project, **body.model_dump())
        return Created(schemas.Device.of(made), f"/projects/{made.project}/devices/{made.name}")


class Device(ApiHandler):
    """One device."""

    @operation("get_device", Permission.DEVICE_READ)
    def get(self, project: str, device: str) -> schemas.Device:
        """Show a device."""
        return schemas.Device.of(self.app.devices.get(self.ctx, project, device))

    @operation("delete_device", Permission.DEVICE_WRITE)
    def delete(self, project: str, device: str) -> None:
        """Forget a device and the ways into it. Its sessions end; their recordings stay."""
        self.app.devices.remove(self.ctx, project, device)


class AccessServices(ApiHandler):
    """The ways into a device."""

    @operation("list_access_services", Permission.DEVICE_READ)
    def get(self, project: str, device: str) -> schemas.Page[schemas.AccessService]:
        """List the ways into a device."""
        return listing(schemas.AccessService, self.app.devices.services(self.ctx, project, device))

    @operation("create_access_service", Permission.DEVICE_WRITE)
    def post(
        self, project: str, device: str, *, body: NewAccessService
    ) -> Created[schemas.AccessService]:
        """Add a way into a device."""
        told = body.policy.model_dump()
        policy = Policy(
            **{**told, "paths": tuple(told["paths"]), "algorithms": tuple(told["algorithms"])}
        )
        made = self.app.devices.allow(
            self.ctx,
            project,
            device,
            name=body.name,
            protocol=body.protocol,
            port=body.port,
            login=body.login,
            key=body.key,
            policy=policy,
        )
        address = f"/projects/{project}/devices/{device}/access-services/{made.name}"
        return Created(schemas.AccessService.of(made), address)


class AccessService(ApiHandler):
    """One way into a device."""

    @operation("get_access_service", Permission.DEVICE_READ)
    def get(self, project: str, device: str, service: str) -> schemas.AccessService:
        """Show a way into a device."""
        found = self.app.devices.service(self.ctx, project, device, service)
        return schemas.AccessService.of(found)

    @operation("delete_access_service", Permission.DEVICE_WRITE)
    def delete(self, project: str, device: str, service: str) -> None:
        """Forget a way into a device. Its sessions end; their recordings stay."""
        self.app.devices.forbid(self.ctx, project, device, service)


class HostKeys(ApiHandler):
    """The host keys that a device has shown."""

    @operation("list_host_keys", Permission.DEVICE_READ)
    def get(self, project: str, device: str, service: str) -> schemas.Page[schemas.HostKey]:
        """List the host keys that a device has shown, approved or not."""
        found = self.app.devices.host_keys(self.ctx, project, device, service)
        return listing(schemas.HostKey, found)

    @operation("approve_host_key", Permission.DEVICE_WRITE)
    def post(self, project: str, device: str, service: str, *, body: Approval) -> schemas.HostKey:
        """Trust a host key that a device has shown; an earlier one of its algorithm ends."""
        approved = self.app.devices.approve(self.ctx, project, device, service, body.fingerprint)
        return schemas.HostKey.of(approved)
