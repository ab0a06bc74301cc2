"""``/projects/{p}/recovery-points/{id}/...``: copies, proof, legal hold and lock of one point.

Deleting it, and a compliance lock, of which there is no undo, begin with a preview.
"""

from __future__ import annotations

from pydantic import Field

from mavis_ext import protection_forms
from mavis_ext.base import ApiHandler
from mavis_ext.bodies import Body
from mavis_ext.handlers.runs import StartBody, StartsRun

__all__ = ["Copies", "Hold", "Lock", "Verifications"]


class CopyBody(StartBody):
    """Where a copy goes: to the region and environment of the instance where nothing is said."""

    environment: str | None = None
    region: str | None = None
    kms_key: str | None = None


class VerificationBody(StartBody):
    """How a recovery point is proven: which copy, where, and with which script.

    `timeout` is in seconds; `blocks` is how many are read of each volume, 0 for all.
    """

    environment: str | None = None
    region: str | None = None
    subnet: str | None = None
    instance_type: str | None = None
    check: str | None = None
    without_agent: str | None = None
    timeout: int | None = None
    blocks: int | None = None


class HoldBody(Body):
    """Why a legal hold is placed, or released."""

    reason: str


class LockBody(StartBody):
    """A lock `until` a moment or `for` a length of time."""

    mode: str = "governance"
    until: str | None = None
    length: str | None = Field(default=None, alias="for")


class UnlockBody(StartBody):
    """Nothing but ``dry_run``: the address says it all."""


class Copies(StartsRun):
    """Copies in other regions and accounts."""

    async def post(self, project: str, point: str) -> None:
        """Make one; with ``dry_run`` show what would happen."""
        body = self.body(CopyBody)
        begin = self.show if body.dry_run else self.start
        await begin(project, "recovery_point.copy", point, body.arguments())


class Verifications(StartsRun):
    """Proofs that it restores."""

    async def post(self, project: str, point: str) -> None:
        """Begin one; with ``dry_run`` show what would happen."""
        body = self.body(VerificationBody)
        begin = self.show if body.dry_run else self.start
        await begin(project, "recovery_point.verify", point, body.arguments())


class Hold(ApiHandler):
    """A legal hold."""

    async def put(self, project: str, point: str) -> None:
        """Place it; one that stands stays as it is."""
        reason = self.body(HoldBody).reason
        held = await self.call(self.app.holds.place, self.ctx, project, point, reason)
        self.answer(protection_forms.recovery_point(held))

    async def delete(self, project: str, point: str) -> None:
        """Release it, for a reason."""
        reason = self.body(HoldBody).reason
        free = await self.call(self.app.holds.release, self.ctx, project, point, reason)
        self.answer(protection_forms.recovery_point(free))


class Lock(StartsRun):
    """A lock in the cloud itself."""

    async def put(self, project: str, point: str) -> None:
        """Lock it for governance; with ``dry_run`` show what would happen, for compliance too."""
        body = self.body(LockBody)
        begin = self.show if body.dry_run else self.start
        await begin(project, "recovery_point.lock", point, body.arguments())

    async def delete(self, project: str, point: str) -> None:
        """Take a governance lock away; with ``dry_run`` show what would happen."""
        body = self.body(UnlockBody)
        begin = self.show if body.dry_run else self.start
        await begin(project, "recovery_point.unlock", point, body.arguments())
