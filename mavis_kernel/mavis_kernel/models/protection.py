"""Recovery points, and what they are made of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from mavis_kernel.models.failures import Failure
from mavis_kernel.parsing import JsonObject, Model

__all__ = [
    "POINT_STATES",
    "PointCopy",
    "PointExplanation",
    "PointHold",
    "PointLock",
    "PointMember",
    "PointProof",
    "PointReason",
    "RecoveryPoint",
]

POINT_STATES = ("planned", "running", "complete", "partial", "failed", "expiring", "gone")
"""How far a recovery point, or one copy of it, is. Only a complete one can be restored."""


@dataclass(frozen=True, kw_only=True)
class PointMember(Model):
    """The volume snapshot of one volume in one copy.

    Parameters
    ----------
    device
        Under which name the volume hung at its instance; empty where that is not known.
    cloud_id
        The volume snapshot's id in the cloud; None until it is made.
    state
        ``planned``, ``pending``, ``completed``, ``error``, ``missing`` or ``gone``.
    progress_percent
        0 to 100, or None where the cloud does not say.
    """

    volume_id: str
    state: str
    device: str = ""
    cloud_id: str | None = None
    progress_percent: float | None = None
    size_gib: int | None = None


@dataclass(frozen=True, kw_only=True)
class PointCopy(Model):
    """The volume snapshots of a recovery point in one place.

    Parameters
    ----------
    role
        ``primary``: taken from the volumes; ``copy``: made from another copy.
    state
        One of `POINT_STATES`.
    kms_key
        The key with which it was encrypted anew, or None.
    run_id, expire_run_id
        The Runs that make it and that delete it.
    """

    id: str
    role: str
    environment: str
    region: str
    state: str
    created_at: datetime
    environment_id: str | None = None
    account: str | None = None
    kms_key: str | None = None
    run_id: str | None = None
    expire_run_id: str | None = None
    completed_at: datetime | None = None
    error: Failure | None = None
    members: tuple[PointMember, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PointHold(Model):
    """A legal hold: nobody deletes the recovery point until somebody releases it."""

    by: str
    at: datetime
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class PointLock(Model):
    """A lock in the cloud itself: until then nobody can delete the recovery point.

    Parameters
    ----------
    mode
        ``governance``, which who has the permission can take away, or ``compliance``.
    """

    mode: str
    until: datetime


@dataclass(frozen=True, kw_only=True)
class PointProof(Model):
    """What a verification found; `Model.raw` has its details.

    Parameters
    ----------
    ok
        Whether it was restored and everything was as it should be.
    why
        What was not.
    """

    ok: bool
    at: datetime | None = None
    run: str | None = None
    why: str | None = None


@dataclass(frozen=True, kw_only=True)
class RecoveryPoint(Model):
    """One crash-consistent point in time of all volumes of an instance.

    Parameters
    ----------
    plan, rule, slot
        The backup plan, its rule, and the local time for which it was made; None where a
        person asked for it.
    state
        One of `POINT_STATES`.
    taken_at
        The moment in whose state the volumes are; None before the cloud took them.
    volumes
        How many volumes of the instance it has.
    size_gib
        The size of all these volumes together.
    manifest
        What it takes to build the instance again. Lists leave it out; `RecoveryPoints.get` has it.
    proof
        What the last verification found, or None.
    """

    id: str
    project: str
    environment: str
    region: str
    instance_id: str
    state: str
    created_at: datetime
    volumes: int
    size_gib: int
    instance_name: str | None = None
    environment_id: str | None = None
    account: str | None = None
    plan_id: str | None = None
    plan: str | None = None
    rule: str | None = None
    slot: str | None = None
    description: str | None = None
    created_by: str | None = None
    taken_at: datetime | None = None
    completed_at: datetime | None = None
    run_id: str | None = None
    error: Failure | None = None
    manifest: JsonObject | None = None
    hold: PointHold | None = None
    lock: PointLock | None = None
    proof: PointProof | None = None
    copies: tuple[PointCopy, ...] = ()

    @property
    def members(self) -> tuple[PointMember, ...]:
        """The volume snapshots where the instance is; empty before there are any."""
        primary = (copy.members for copy in self.copies if copy.role == "primary")
        return next(primary, ())


@dataclass(frozen=True, kw_only=True)
class PointReason(Model):
    """One reason why a copy is kept or goes: a code and a sentence."""

    code: str
    sentence: str


@dataclass(frozen=True, kw_only=True)
class PointExplanation(Model):
    """Why one copy of a recovery point is kept or goes, and what is to come.

    Parameters
    ----------
    copy
        Its id.
    fate
        ``keep`` or ``expire``.
    goes_at
        The earliest moment at which it goes if the plan runs as scheduled; None where it was not
        seen to go.
    sentence
        What is to come, in words.
    """

    copy: str
    role: str
    environment: str
    region: str
    state: str
    fate: str
    sentence: str
    reasons: tuple[PointReason, ...] = ()
    goes_at: datetime | None = None
