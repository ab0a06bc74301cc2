"""``/projects/{p}/recovery-points/{id}/...``: copies, proof, legal hold and lock of one point.

Deleting it, and a compliance lock, of which there is no undo, begin with a preview.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ConfigDict, Field

from mavis_core.access import Permission
from mavis_core.contract import LockMode
from mavis_ext import schemas
from mavis_ext.answers import Accepted
from mavis_ext.base import ApiHandler
from mavis_ext.bodies import Body
from mavis_ext.described import Arn, Moment, Region, Why, Word
from mavis_ext.operation import operation
from mavis_ext.starting import StartBody, StartsRun

__all__ = ["Copies", "Hold", "Lock", "Verifications"]


def _bounds(**schema: Any) -> Any:
    return Field(json_schema_extra=schema)


class NewCopy(StartBody):
    """Where a copy goes: to the region and environment of the instance where nothing is said."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"environment": "vault", "region": "eu-west-1"}]}
    )

    environment: Word | None = None
    region: Region | None = None
    kms_key: Arn | None = None
    """The key that encrypts the copy; left out: the cloud's choice."""


class NewVerification(StartBody):
    """How a recovery point is proven: which copy, where, and with which script."""

    model_config = ConfigDict(json_schema_extra={"examples": [{}]})

    environment: Word | None = None
    region: Region | None = None
    subnet: Word | None = None
    instance_type: Word | None = None
    check: Annotated[str, _bounds(minLength=1, maxLength=16_000)] | None = None
    """A shell script that runs on the restored machine."""
    without_agent: Annotated[str, _bounds(enum=["tell", "fail"])] | None = None
    """What becomes of a check that nobody can run: `tell` or `fail`."""
    timeout: Annotated[int, _bounds(minimum=60, maximum=86_400)] | None = None
    """Seconds until the machine must be alive."""
    blocks: Annotated[int, _bounds(minimum=0, maximum=2**31)] | None = None
    """How many are read of each volume; 0 for all."""


class Reason(Body):
    """Why a legal hold is placed, or released."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "case 2026-17"}]})

    reason: Why


class NewLock(StartBody):
    """A lock `until` a moment or `for` a length of time."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"for": "48h"}, {"for": "48h", "dry_run": True}]}
    )

    mode: Annotated[str, _bounds(enum=list(LockMode))] = "governance"
    """`governance`, or `compliance`, of which there is no undo."""
    until: Moment | None = None
    """RFC 3339 with a zone."""
    length: Annotated[str | None, Field(alias="for")] = None
    """Whole hours or days: `48h`, `7d`."""


class Unlock(StartBody):
    """Nothing but ``dry_run``: the address says it all."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"dry_run": True}]})


class Copies(StartsRun):
    """Copies in other regions and accounts."""

    @operation("copy_recovery_point", Permission.POINT_COPY)
    def post(self, project: str, point: str, *, body: NewCopy) -> Accepted | schemas.Preview:
        """Copy a recovery point to another region or account."""
        return self.begin(project, "recovery_point.copy", point, body)


class Verifications(StartsRun):
    """Proofs that it restores."""

    @operation("verify_recovery_point", Permission.RESTORE_CREATE)
    def post(
        self, project: str, point: str, *, body: NewVerification
    ) -> Accepted | schemas.Preview:
        """Prove that a recovery point restores: to an isolated place, read, and taken away."""
        return self.begin(project, "recovery_point.verify", point, body)


class Hold(ApiHandler):
    """A legal hold."""

    @operation("hold_recovery_point", Permission.POINT_HOLD)
    def put(self, project: str, point: str, *, body: Reason) -> schemas.RecoveryPointDetail:
        """Place a legal hold; one that stands stays as it is."""
        held = self.app.holds.place(self.ctx, project, point, body.reason)
        return schemas.RecoveryPointDetail.of(held)

    @operation("release_recovery_point", Permission.POINT_HOLD)
    def delete(self, project: str, point: str, *, body: Reason) -> schemas.RecoveryPointDetail:
        """Release a legal hold, for a reason."""
        free = self.app.holds.release(self.ctx, project, point, body.reason)
        return schemas.RecoveryPointDetail.of(free)


class Lock(StartsRun):
    """A lock in the cloud itself."""

    @operation("lock_recovery_point", Permission.POINT_LOCK)
    def put(self, project: str, point: str, *, body: NewLock) -> Accepted | schemas.Preview:
        """Lock a recovery point for governance in the cloud itself.

        A compliance lock is only shown here; applying that preview sets it.
        """
        return self.begin(project, "recovery_point.lock", point, body)

    @operation("unlock_recovery_point", Permission.POINT_LOCK)
    def delete(self, project: str, point: str, *, body: Unlock) -> Accepted | schemas.Preview:
        """Take the governance lock of a recovery point away."""
        return self.begin(project, "recovery_point.unlock", point, body)
