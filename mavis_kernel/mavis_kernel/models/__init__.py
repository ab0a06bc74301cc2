"""The objects of the appliance's contract, version 1.

Frozen dataclasses, read once from JSON (`Model.from_json`). Moments are aware datetimes in UTC.
States are the appliance's words as text: a word that is new to this client is no error.
"""

from __future__ import annotations

from mavis_kernel.models.access import ROLES, Health, Key, Me, Member, OwnProject, Project
from mavis_kernel.models.failures import Failure
from mavis_kernel.models.inventory import Environment, Resource
from mavis_kernel.models.protection import (
    POINT_STATES,
    PointCopy,
    PointHold,
    PointLock,
    PointMember,
    PointProof,
    RecoveryPoint,
)
from mavis_kernel.models.work import RUN_STATES, Effect, Preview, Record, Run, Step

__all__ = [
    "POINT_STATES",
    "ROLES",
    "RUN_STATES",
    "Effect",
    "Environment",
    "Failure",
    "Health",
    "Key",
    "Me",
    "Member",
    "OwnProject",
    "PointCopy",
    "PointHold",
    "PointLock",
    "PointMember",
    "PointProof",
    "Preview",
    "Project",
    "Record",
    "RecoveryPoint",
    "Resource",
    "Run",
    "Step",
]
