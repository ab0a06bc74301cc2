"""Recovery points with their copies, and why they are kept."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field

from mavis_core.contract import LockMode
from mavis_core.protection.deletion.outlook import Explanation
from mavis_core.protection.points.model import CopyRole, MemberState, PointState
from mavis_core.protection.points.model import RecoveryPoint as PointModel
from mavis_ext.schemas.base import Document, Failure, Schema

__all__ = ["PointExplanation", "RecoveryPoint", "RecoveryPointDetail"]


Unknown = Field(exclude_if=lambda value: not value)


class PointMember(Schema):
    """The snapshot of one volume."""

    volume_id: str
    device: str
    """Under which name it hung at the instance; empty where that is not known."""
    cloud_id: str | None
    """The cloud's id of the snapshot, once made."""
    state: MemberState
    progress_percent: int
    size_gib: int


class PointCopy(Schema):
    """A recovery point's volume snapshots in one place."""

    id: str
    role: CopyRole
    """`primary`: taken from the volumes; `copy`: made from another copy."""
    environment_id: str
    environment: str
    account: str
    region: str
    kms_key: str | None
    state: PointState
    run_id: str | None
    created_at: datetime
    completed_at: datetime | None
    error: Failure | None
    expire_run_id: str | None
    """The Run that deletes it."""
    members: tuple[PointMember, ...]


class PointHold(Schema):
    """A legal hold: nobody deletes the point until it is released."""

    by: str
    at: datetime
    reason: str


class PointLock(Schema):
    """A lock in the cloud itself."""

    mode: LockMode
    until: datetime


class PointProof(Schema):
    """What the last verification found."""

    ok: bool
    at: datetime
    run: str
    restore: str
    copy_id: Annotated[str, Field(alias="copy")]
    region: str
    volumes: tuple[dict[str, Any], ...]
    """Of each volume, how many blocks were read and their digest."""
    seconds: dict[str, float]
    """How long it took, by stage; `to_restore` until the machine was alive."""
    checks: tuple[dict[str, Any], ...]
    isolated: bool
    left: int
    """How many things of the restore could not be removed again."""
    why: str | None = None
    """Why it is no good one."""
    code: str | None = None


class RecoveryPoint(Schema):
    """One crash-consistent point in time of one instance, with its copies."""

    id: str
    project: str
    plan_id: str | None
    plan: str | None
    """The plan that made it; null for one that a person asked for, like rule and slot."""
    rule: str | None
    slot: str | None
    environment_id: str
    environment: str
    account: str
    region: str
    instance_id: str
    instance_name: str
    state: PointState
    """The best state of its copies."""
    description: str
    created_by: str
    created_at: datetime
    taken_at: datetime | None
    """The moment in whose state the volumes are."""
    completed_at: datetime | None
    run_id: str | None
    error: Failure | None
    hold: PointHold | None
    lock: PointLock | None
    proof: PointProof | None
    copies: tuple[PointCopy, ...]
    volumes: int
    """How many there are."""
    size_gib: int
    """Of all of them together."""

    @classmethod
    def of(cls, found: PointModel) -> RecoveryPoint:
        return cls(**_told(found))


_OF_POINT = tuple(
    name for name in RecoveryPoint.model_fields if name not in ("volumes", "size_gib")
)


def _told(found: PointModel) -> dict[str, Any]:
    told = {name: getattr(found, name) for name in _OF_POINT}
    return {**told, "volumes": len(found.manifest.disks), "size_gib": found.manifest.size_gib}


class PointDisk(Document):
    """A volume of the instance, as it hung there; what is not known is left out."""

    volume_id: str
    device: Annotated[str, Unknown] = ""
    size_gib: Annotated[int, Unknown] = 0
    type: Annotated[str | None, Unknown] = None
    iops: Annotated[int | None, Unknown] = None
    throughput_mibps: Annotated[int | None, Unknown] = None
    encrypted: Annotated[bool, Unknown] = False
    kms_key: Annotated[str | None, Unknown] = None


class PointManifest(Schema):
    """What a recovery point is of: all that it takes to launch the instance again."""

    configuration: dict[str, Any]
    tags: dict[str, str]
    disks: tuple[PointDisk, ...]
    """The root volume first."""
    excluded: tuple[str, ...]
    """Ids of volumes that the plan leaves out."""
    hash: str
    """SHA-256 over the canonical JSON of all the rest, in hex."""


class RecoveryPointDetail(RecoveryPoint):
    """A recovery point with its manifest."""

    manifest: PointManifest

    @classmethod
    def of(cls, found: PointModel) -> RecoveryPointDetail:
        manifest = found.manifest
        return cls(
            **_told(found), manifest=PointManifest.of({**manifest.to_json(), "hash": manifest.hash})
        )


class PointReason(Schema):
    """One reason why a copy is kept or goes."""

    code: str
    sentence: str


class PointExplanation(Schema):
    """Why one copy of a recovery point is kept or goes, and what is to come."""

    copy_id: Annotated[str, Field(alias="copy")]
    role: CopyRole
    environment: str
    region: str
    state: PointState
    fate: str
    reasons: tuple[PointReason, ...]
    goes_at: datetime | None
    """The earliest moment at which it goes if the plan runs as scheduled."""
    sentence: str

    @classmethod
    def of(cls, found: Explanation) -> PointExplanation:
        copy = found.copy
        return cls(
            copy_id=copy.id,
            role=copy.role,
            environment=copy.environment,
            region=copy.region,
            state=copy.state,
            fate=found.fate,
            reasons=tuple(PointReason(code=code, sentence=text) for code, text in found.reasons),
            goes_at=found.goes_at,
            sentence=found.sentence,
        )
