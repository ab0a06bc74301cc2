"""What the API tells, one model a thing: the schemas of the contract."""

from mavis_ext.schemas.access import Health, Key, Me, Member, MyProject, Project
from mavis_ext.schemas.base import Failure, Page, Schema
from mavis_ext.schemas.dashboards import Dashboard, DashboardVersion, DashboardVersionDetail
from mavis_ext.schemas.inventory import Environment, Resource
from mavis_ext.schemas.logins import DeviceLogin, DeviceToken
from mavis_ext.schemas.plans import (
    BackupPlan,
    BackupPlanCalendar,
    BackupPlanCheck,
    BackupPlanDefinition,
    BackupPlanPreset,
    BackupPlanSlots,
)
from mavis_ext.schemas.points import PointExplanation, RecoveryPoint, RecoveryPointDetail
from mavis_ext.schemas.problem import Problem
from mavis_ext.schemas.records import (
    Record,
    RecordBucket,
    RecordContext,
    RecordFacet,
    RecordHold,
    RecordsMissed,
    RecordSummary,
    RecordValue,
    Reported,
    ReportedCells,
    SqlAnswer,
    SqlColumn,
    Waiting,
)
from mavis_ext.schemas.remote import (
    AccessPolicy,
    AccessService,
    Device,
    HostKey,
    IssuedCertificate,
    PersonCertificate,
    PersonKey,
    RecordingHit,
    Session,
    SshDoor,
    Ticket,
)
from mavis_ext.schemas.reports import ProtectionReport
from mavis_ext.schemas.restores import Restore
from mavis_ext.schemas.work import Effect, Preview, Run, Step

__all__ = [
    "AccessPolicy",
    "AccessService",
    "BackupPlan",
    "BackupPlanCalendar",
    "BackupPlanCheck",
    "BackupPlanDefinition",
    "BackupPlanPreset",
    "BackupPlanSlots",
    "Dashboard",
    "DashboardVersion",
    "DashboardVersionDetail",
    "Device",
    "DeviceLogin",
    "DeviceToken",
    "Effect",
    "Environment",
    "Failure",
    "Health",
    "HostKey",
    "IssuedCertificate",
    "Key",
    "Me",
    "Member",
    "MyProject",
    "Page",
    "PersonCertificate",
    "PersonKey",
    "PointExplanation",
    "Preview",
    "Problem",
    "Project",
    "ProtectionReport",
    "Record",
    "RecordBucket",
    "RecordContext",
    "RecordFacet",
    "RecordHold",
    "RecordSummary",
    "RecordValue",
    "RecordingHit",
    "RecordsMissed",
    "RecoveryPoint",
    "RecoveryPointDetail",
    "Reported",
    "ReportedCells",
    "Resource",
    "Restore",
    "Run",
    "Schema",
    "Session",
    "SqlAnswer",
    "SqlColumn",
    "SshDoor",
    "Step",
    "Ticket",
    "Waiting",
]
