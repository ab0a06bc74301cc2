"""``/projects/{p}/restores``: what recovery points were brought back as."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from pydantic import ConfigDict

from mavis_ext import forms, protection_forms
from mavis_ext.base import ApiHandler
from mavis_ext.bodies import Body
from mavis_ext.handlers.runs import StartBody, StartsRun

__all__ = ["Restore", "Restores"]


class Kind(StrEnum):
    """What a restore that replaces nothing makes. One in place begins with a preview."""

    VOLUMES = "volumes"
    INSTANCE = "instance"


class KindBody(Body):
    """Which kind of restore is wanted; the rest is read when that is known."""

    model_config = ConfigDict(extra="ignore")

    kind: Kind


class RestoreBody(StartBody):
    """What all restores are told: the copy is that in `environment` and `region`."""

    point: str
    kind: Kind
    environment: str | None = None
    region: str | None = None


class VolumesBody(RestoreBody):
    """New volumes beside the old ones."""

    zone: str | None = None
    volumes: list[str] | None = None
    attach_to: str | None = None
    kms_key: str | None = None


class InstanceBody(RestoreBody):
    """The instance as new; what is not said is as it was."""

    instance_type: str | None = None
    subnet: str | None = None
    security_groups: list[str] | None = None
    key_name: str | None = None
    profile: str | None = None
    name: str | None = None


_BODIES: Mapping[Kind, type[RestoreBody]] = {
    Kind.VOLUMES: VolumesBody,
    Kind.INSTANCE: InstanceBody,
}


class Restores(StartsRun):
    """The restores of a project."""

    async def get(self, project: str) -> None:
        """List them by filters, newest first."""
        wanted = self.filters("point", "kind", "state")
        found = await self.call(self.app.restores.list, self.ctx, project, self.page(), **wanted)
        self.answer(forms.page(found, protection_forms.restore))

    async def post(self, project: str) -> None:
        """Begin one that makes new things; with ``dry_run`` show what would happen."""
        kind = self.body(KindBody).kind
        body = self.body(_BODIES[kind])
        begin = self.show if body.dry_run else self.start
        await begin(project, f"restore.{kind}", body.point, body.arguments("point", "kind"))


class Restore(ApiHandler):
    """One restore."""

    async def get(self, project: str, restore: str) -> None:
        """Show it: what it made, and until when it can be undone."""
        found = await self.call(self.app.restores.get, self.ctx, project, restore)
        self.answer(protection_forms.restore(found))
