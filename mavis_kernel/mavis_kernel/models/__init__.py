"""The objects of the appliance's contract, version 1.

Frozen dataclasses, read once from JSON (`Model.from_json`). Moments are aware datetimes in UTC.
States are the appliance's words as text: a word that is new to this client is no error.
"""

from __future__ import annotations

from mavis_kernel.models.access import ROLES, Health, Key, Me, Member, OwnProject, Project
from mavis_kernel.models.backup_plans import (
    BackupPlan,
    BegunSlot,
    CalendarDay,
    PlanCalendar,
    PlanCheck,
    PlanPreset,
    PlanSlots,
    PointGone,
    PointMade,
    UpcomingSlot,
)
from mavis_kernel.models.failures import Failure
from mavis_kernel.models.inventory import Environment, Resource
from mavis_kernel.models.protection import (
    POINT_STATES,
    PointCopy,
    PointExplanation,
    PointHold,
    PointLock,
    PointMember,
    PointProof,
    PointReason,
    RecoveryPoint,
)
from mavis_kernel.models.reports import FINDINGS, ProtectionReport, ReportRow
from mavis_kernel.models.restores import (
    RESTORE_KINDS,
    RESTORE_STATES,
    Restore,
    RestoreBefore,
    RestoreMade,
)
from mavis_kernel.models.work import RUN_STATES, Effect, Preview, Record, Run, Step

__all__ = [
    "FINDINGS",
    "POINT_STATES",
    "RESTORE_KINDS",
    "RESTORE_STATES",
    "ROLES",
    "RUN_STATES",
    "BackupPlan",
    "BegunSlot",
    "CalendarDay",
    "Effect",
    "Environment",
    "Failure",
    "Health",
    "Key",
    "Me",
    "Member",
    "OwnProject",
    "PlanCalendar",
    "PlanCheck",
    "PlanPreset",
    "PlanSlots",
    "PointCopy",
    "PointExplanation",
    "PointGone",
    "PointHold",
    "PointLock",
    "PointMade",
    "PointMember",
    "PointProof",
    "PointReason",
    "Preview",
    "Project",
    "ProtectionReport",
    "Record",
    "RecoveryPoint",
    "ReportRow",
    "Resource",
    "Restore",
    "RestoreBefore",
    "RestoreMade",
    "Run",
    "Step",
    "UpcomingSlot",
]
