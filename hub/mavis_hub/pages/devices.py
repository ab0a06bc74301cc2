"""Devices of a project: what there is to connect to, and a terminal at each."""

from __future__ import annotations

from mavis_core.access import Permission
from mavis_core.errors import Conflict, Forbidden, InvalidInput, TooManyRequests
from mavis_core.remote.model import AccessService, Device, HostKey
from mavis_ext.app import PREFIX
from mavis_hub.pages.handlers import PersonPage
from mavis_hub.pages.seen import SeenProject, see

__all__ = ["DevicesPage"]

_PURPOSE = "terminal at a device"


class DevicesPage(PersonPage):
    """The devices of a project, with the ways into them."""

    async def get(self, project: str) -> None:
        """Show them."""
        await self._show(project)

    async def post(self, project: str) -> None:
        """Ask for a terminal, and lead there."""
        try:
            await self.recorded(self._open(project))
        except (Conflict, Forbidden, InvalidInput, TooManyRequests) as exc:
            self.set_status(exc.status)
            await self._show(project, fault=f"{exc.message}. {exc.mend}")

    async def _open(self, project: str) -> None:
        self.check_form(_PURPOSE)
        device = self.get_body_argument("device", "")
        service = self.get_body_argument("service", "") or None
        asked = await self.ask(
            lambda: self.app.sessions.ask(self.ctx, project, device, service=service)
        )
        place = f"{PREFIX}/projects/{asked.session.project}/sessions/{asked.session.id}/terminal"
        self.redirect(place, status=303)

    async def _show(self, project: str, *, fault: str = "") -> None:
        where, found = await self.ask(lambda: self._look(project))
        opens = self.ctx.may(Permission.SESSION_OPEN, where.roles)
        self.show(
            "devices.html",
            **where.values,
            found=found,
            opens=opens,
            writes=self.ctx.may(Permission.DEVICE_WRITE, where.roles),
            fault=fault,
            ticket=self.ticket(_PURPOSE) if opens else None,
            xsrf=self.xsrf,
        )

    def _look(
        self, project: str
    ) -> tuple[SeenProject, list[tuple[Device, list[tuple[AccessService, tuple[HostKey, ...]]]]]]:
        where = see(self.app, self.ctx, project, Permission.DEVICE_READ)
        devices, found = self.app.devices, []
        for device in devices.list(self.ctx, where.project.id):
            ways = [
                (way, devices.host_keys(self.ctx, where.project.id, device.id, way.id))
                for way in devices.services(self.ctx, where.project.id, device.id)
            ]
            found.append((device, ways))
        return where, found
