"""Devices, and the ways into them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from mavis_kernel.aio.transport import AsyncTransport, segment
from mavis_kernel.models import AccessService, Device, HostKey

__all__ = ["Devices"]


class Devices:
    """The devices of a project."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    def list(self, project: str, *, fields: Sequence[str] | None = None) -> AsyncIterator[Device]:
        """Yield the devices of `project`."""
        return self._transport.whole_list(Device, _path(project), fields=fields)

    async def get(self, project: str, name: str, *, fields: Sequence[str] | None = None) -> Device:
        """Return the device `name` of `project`."""
        return await self._transport.get(Device, _path(project, name), fields=fields)

    async def add(
        self,
        project: str,
        name: str,
        address: str,
        *,
        title: str = "",
        resource: str | None = None,
        idempotency_key: str | None = None,
    ) -> Device:
        """Add a device to `project`. Nothing is connected to yet.

        Parameters
        ----------
        project, name
            The project's name or id, and what the device shall be called.
        address
            A host name or an IP address, as the appliance reaches it.
        title
            A line for people.
        resource
            Id of the resource that it is.
        idempotency_key
            As in `Projects.create`.
        """
        body = {"name": name, "address": address, "title": title, "resource": resource}
        return await self._transport.post(
            Device, _path(project), body, idempotency_key=idempotency_key
        )

    async def remove(self, project: str, name: str, *, if_match: str | None = None) -> None:
        """Forget a device and the ways into it. Its sessions end; their recordings stay.

        Parameters
        ----------
        if_match
            `Device.etag` as it was read: only where that is still so; None: whatever it is.
        """
        await self._transport.delete(_path(project, name), if_match=if_match)

    def services(
        self, project: str, name: str, *, fields: Sequence[str] | None = None
    ) -> AsyncIterator[AccessService]:
        """Yield the ways into the device `name`."""
        path = _services(project, name)
        return self._transport.whole_list(AccessService, path, fields=fields)

    async def service(
        self, project: str, name: str, service: str, *, fields: Sequence[str] | None = None
    ) -> AccessService:
        """Return one way into the device `name`."""
        path = _services(project, name, service)
        return await self._transport.get(AccessService, path, fields=fields)

    async def allow(
        self,
        project: str,
        name: str,
        login: str,
        *,
        service: str = "ssh",
        port: int = 22,
        key: str | None = None,
        policy: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
    ) -> AccessService:
        """Add a way into the device `name`, by SSH.

        Parameters
        ----------
        project, name
            The project's name or id, and the device's.
        login
            Whom the device knows the session as.
        service
            What the way shall be called.
        port
            Where the device listens.
        key
            The name of a key in the vault; None: a certificate of the appliance's authority.
        policy
            What may be done, by the members of `AccessPolicy`; what is not said is as usual.
        idempotency_key
            As in `Projects.create`.
        """
        body = {
            "name": service,
            "port": port,
            "login": login,
            "key": key,
            "policy": dict(policy or {}),
        }
        return await self._transport.post(
            AccessService, _services(project, name), body, idempotency_key=idempotency_key
        )

    async def forbid(
        self, project: str, name: str, service: str, *, if_match: str | None = None
    ) -> None:
        """Forget a way into the device `name`. Its sessions end; their recordings stay.

        Parameters
        ----------
        if_match
            `AccessService.etag` as it was read: only where that is still so; None: whatever it is.
        """
        await self._transport.delete(_services(project, name, service), if_match=if_match)

    def host_keys(
        self, project: str, name: str, service: str, *, fields: Sequence[str] | None = None
    ) -> AsyncIterator[HostKey]:
        """Yield the host keys that the device `name` has shown, approved or not."""
        path = f"{_services(project, name, service)}/host-keys"
        return self._transport.whole_list(HostKey, path, fields=fields)

    async def approve(
        self,
        project: str,
        name: str,
        service: str,
        fingerprint: str,
        *,
        idempotency_key: str | None = None,
    ) -> HostKey:
        """Trust a host key that the device `name` has shown.

        Parameters
        ----------
        fingerprint
            As OpenSSH writes it, compared with what the device's owner says.
        idempotency_key
            As in `Projects.create`.
        """
        path = f"{_services(project, name, service)}/host-keys"
        body = {"fingerprint": fingerprint}
        return await self._transport.post(HostKey, path, body, idempotency_key=idempotency_key)


def _path(project: str, name: str | None = None) -> str:
    path = f"/projects/{segment(project)}/devices"
    return path if name is None else f"{path}/{segment(name)}"


def _services(project: str, name: str, service: str | None = None) -> str:
    path = f"{_path(project, name)}/access-services"
    return path if service is None else f"{path}/{segment(service)}"
