"""The objects of the contract. Made from the description of the API by ``make client``.

Do not edit: what people do with an object is in `mavis_kernel.models.behaviour`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field

from mavis_kernel.models import behaviour
from mavis_kernel.parsing import JsonObject, Model
from mavis_kernel.words import Word

__all__ = [
    "AccessPolicy",
    "AccessService",
    "BackupPlan",
    "BackupPlanCalendar",
    "BackupPlanCheck",
    "BackupPlanDefinition",
    "BackupPlanPreset",
    "BackupPlanSlots",
    "BegunSlot",
    "CalendarDay",
    "CopyRole",
    "Dashboard",
    "DashboardVersion",
    "DashboardVersionDetail",
    "Device",
    "DeviceLogin",
    "DeviceToken",
    "Effect",
    "EndReason",
    "Environment",
    "EnvironmentState",
    "Failure",
    "Health",
    "HostKey",
    "HostKeyState",
    "IssuedCertificate",
    "Key",
    "KeyRotation",
    "LockMode",
    "MadePoint",
    "Me",
    "Member",
    "MemberState",
    "MyProject",
    "OnFailure",
    "PersonCertificate",
    "PersonKey",
    "PlanBlackout",
    "PlanCopy",
    "PlanHooks",
    "PlanKeep",
    "PlanLock",
    "PlanRule",
    "PlanSelection",
    "PlanVerification",
    "PointCopy",
    "PointDisk",
    "PointExplanation",
    "PointHold",
    "PointLock",
    "PointManifest",
    "PointMember",
    "PointProof",
    "PointReason",
    "PointState",
    "Preview",
    "Problem",
    "Project",
    "ProtectionReport",
    "Protocol",
    "Record",
    "RecordBucket",
    "RecordContext",
    "RecordFacet",
    "RecordHold",
    "RecordKind",
    "RecordOrigin",
    "RecordOutcome",
    "RecordPhase",
    "RecordSummary",
    "RecordValue",
    "RecordingHit",
    "RecordsMissed",
    "RecoveryPoint",
    "RecoveryPointDetail",
    "ReportFinding",
    "ReportRow",
    "Reported",
    "ReportedCells",
    "Resource",
    "ResourceKind",
    "Restore",
    "RestoreBefore",
    "RestoreDisks",
    "RestoreKind",
    "RestoreMade",
    "RestoreState",
    "Role",
    "RotationState",
    "Run",
    "RunState",
    "Scope",
    "Session",
    "SessionKind",
    "SessionState",
    "Severity",
    "SqlAnswer",
    "SqlColumn",
    "SshDoor",
    "Step",
    "StepState",
    "TakenPoint",
    "Ticket",
    "Transfers",
    "UpcomingSlot",
    "Waiting",
    "WayOfKey",
    "WayState",
    "Weekday",
]


class CopyRole(Word):
    """Whether a copy was taken from the volumes or made from another copy."""

    PRIMARY = "primary"
    COPY = "copy"


class EndReason(Word):
    """Why a session ended."""

    EXITED = "exited"
    CLOSED = "closed"
    IDLE = "idle"
    TOO_LONG = "too_long"
    TERMINATED = "terminated"
    LOST = "lost"
    REFUSED = "refused"
    UNRECORDED = "unrecorded"
    INTERRUPTED = "interrupted"
    NOT_OPENED = "not_opened"


class EnvironmentState(Word):
    """What the last look at an environment said."""

    NEW = "new"
    OK = "ok"
    FAILED = "failed"


class HostKeyState(Word):
    """What people said of a host key."""

    SEEN = "seen"
    APPROVED = "approved"
    REPLACED = "replaced"


class LockMode(Word):
    """How firm a lock is: of the first kind it can be taken away by who has the permission."""

    GOVERNANCE = "governance"
    COMPLIANCE = "compliance"


class MemberState(Word):
    """What is known of one member.

    `planned` before the call; then the cloud's word; `missing` where the cloud took no snapshot of
    the volume or shows it no longer; `gone` when we have deleted it.
    """

    PLANNED = "planned"
    PENDING = "pending"
    COMPLETED = "completed"
    ERROR = "error"
    MISSING = "missing"
    GONE = "gone"


class OnFailure(Word):
    """What becomes of a backup whose `pre` hook failed."""

    CONTINUE = "continue"
    SKIP = "skip"


class PointState(Word):
    """How far a recovery point, or one copy of it, is."""

    PLANNED = "planned"
    RUNNING = "running"
    COMPLETE = "complete"
    PARTIAL = "partial"
    FAILED = "failed"
    EXPIRING = "expiring"
    GONE = "gone"


class Protocol(Word):
    """What is spoken with a device."""

    SSH = "ssh"
    RDP = "rdp"


class RecordKind(Word):
    """What a record is about."""

    AUDIT = "audit"
    OPERATION = "operation"


class RecordOrigin(Word):
    """Who says so."""

    OBSERVED = "observed"
    REPORTED = "reported"


class RecordOutcome(Word):
    """How it ended."""

    OK = "ok"
    FAILED = "failed"
    REFUSED = "refused"


class RecordPhase(Word):
    """Where in the life of an effect a record stands."""

    INTENT = "intent"
    OUTCOME = "outcome"
    EVENT = "event"


class ReportFinding(Word):
    """What is the matter with a machine or a plan; `ok` where nothing is."""

    OK = "ok"
    UNPROTECTED = "unprotected"
    NEVER_BACKED_UP = "never_backed_up"
    RPO_MISSED = "rpo_missed"
    FAILED = "failed"
    SKIPPED = "skipped"


class ResourceKind(Word):
    """What is discovered."""

    INSTANCE = "instance"
    VOLUME = "volume"
    VOLUME_SNAPSHOT = "volume_snapshot"
    IMAGE = "image"
    NETWORK = "network"


class RestoreDisks(Word):
    """Which volumes hang at the instance of a restore in place, as far as is known.

    `old` and `new` are sure; `between` from before the first call that may change it until after
    the last.
    """

    OLD = "old"
    BETWEEN = "between"
    NEW = "new"


class RestoreKind(Word):
    """What comes of a restore."""

    VOLUMES = "volumes"
    INSTANCE = "instance"
    IN_PLACE = "in_place"
    VERIFICATION = "verification"


class RestoreState(Word):
    """How far a restore is."""

    PLANNED = "planned"
    RUNNING = "running"
    TAKING_BACK = "taking_back"
    COMPLETE = "complete"
    FAILED = "failed"
    CANCELLED = "cancelled"
    LEFT_OVER = "left_over"
    STRANDED = "stranded"
    UNDOING = "undoing"
    UNDONE = "undone"
    FORGETTING = "forgetting"
    FINAL = "final"


class Role(Word):
    """What a person is in one project."""

    ENDUSER = "enduser"
    VIEWER = "viewer"
    OPERATOR = "operator"
    APPROVER = "approver"
    AUDITOR = "auditor"
    ADMIN = "admin"


class RotationState(Word):
    """How far a rotation is."""

    ASKED = "asked"
    RUNNING = "running"
    FAILED = "failed"
    DONE = "done"


class RunState(Word):
    """How far a Run is.

    `refused`: it was not begun, because it may not. `cancelled`: a person ended it, and what it had
    begun was cleaned up.
    """

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    REFUSED = "refused"
    CANCELLED = "cancelled"


class Scope(Word):
    """What a token may be used for.

    Custom scopes of the Hub.

    A kernel's token has `READ` and `OPERATE`. `DESTROY`, which also gives roles to people, comes
    only with a login; `ADMIN` only with the Hub group of the platform's administrators.
    """

    CUSTOM_MAVIS_READ = "custom:mavis:read"
    CUSTOM_MAVIS_OPERATE = "custom:mavis:operate"
    CUSTOM_MAVIS_DESTROY = "custom:mavis:destroy"
    CUSTOM_MAVIS_ADMIN = "custom:mavis:admin"


class SessionKind(Word):
    """What somebody does in a session."""

    TERMINAL = "terminal"
    COMMAND = "command"
    TRANSFER = "transfer"
    FORWARDING = "forwarding"
    CONNECTION = "connection"


class SessionState(Word):
    """How far a session is."""

    ASKED = "asked"
    OPEN = "open"
    ENDED = "ended"


class Severity(Word):
    """The worst that a plan does.

    What interrupts or destroys asks for the project's name.
    """

    CREATES = "creates"
    CHANGES = "changes"
    INTERRUPTS = "interrupts"
    DESTROYS = "destroys"


class StepState(Word):
    """How far a step is.

    `waiting`: for the cloud, which is slow or throttles.
    """

    PENDING = "pending"
    RUNNING = "running"
    WAITING = "waiting"
    DONE = "done"
    FAILED = "failed"


class Transfers(Word):
    """In which directions files may go."""

    NONE = "none"
    DOWNLOAD = "download"
    UPLOAD = "upload"
    BOTH = "both"


class WayState(Word):
    """How far a rotation is at one way into a device."""

    WAITING = "waiting"
    BEGUN = "begun"
    PROVED = "proved"
    DONE = "done"
    FAILED = "failed"


class Weekday(Word):
    """The days of a week, in their order."""

    MON = "mon"
    TUE = "tue"
    WED = "wed"
    THU = "thu"
    FRI = "fri"
    SAT = "sat"
    SUN = "sun"


@dataclass(frozen=True, kw_only=True)
class AccessPolicy(Model):
    """What may be done by one way into a device.

    Parameters
    ----------
    shell
        Whether there is a terminal.
    commands
        Whether single commands may be run.
    paths
        Folders outside of which no file may be touched by a transfer; empty: everywhere.
    forwarding
        Whether ports of the device may be reached through the session.
    record_input
        Whether what people type is recorded beside what the device shows.
    idle_s
        A session in which nobody types for so long is ended.
    longest_s
        No session is longer.
    sessions
        How many there may be at a time.
    algorithms
        Old algorithms that are allowed.
    """

    shell: bool
    commands: bool
    transfers: Transfers
    paths: tuple[str, ...]
    forwarding: bool
    record_input: bool
    idle_s: int
    longest_s: int
    sessions: int
    algorithms: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class AccessService(Model):
    """One way into a device.

    Parameters
    ----------
    login
        Whom the device knows the session as.
    key
        The name of the key that opens it; null: a certificate of the appliance's authority.
    """

    id: str
    name: str
    protocol: Protocol
    port: int
    login: str
    key: str | None = None
    policy: AccessPolicy
    created_at: dt.datetime
    created_by: str


@dataclass(frozen=True, kw_only=True)
class BackupPlan(behaviour.BackupPlan, Model):
    """A definition under a name.

    Parameters
    ----------
    version
        Grows with every edit.
    owner
        With whose authority it runs.
    removed_at
        Since when it runs no more; its recovery points stay.
    """

    id: str
    project: str
    name: str
    version: int
    definition: BackupPlanDefinition
    owner: str
    created_at: dt.datetime
    created_by: str
    updated_at: dt.datetime
    updated_by: str
    removed_at: dt.datetime | None = None


@dataclass(frozen=True, kw_only=True)
class BackupPlanCalendar(Model):
    """What a plan will make and lose, of one machine.

    Parameters
    ----------
    instance
        The machine's cloud id; null: a new one.
    """

    plan: str
    instance: str | None = None
    zone: str
    keep: PlanKeep
    days: tuple[CalendarDay, ...]


@dataclass(frozen=True, kw_only=True)
class BackupPlanCheck(Model):
    """What a definition would protect now; nothing was kept.

    Parameters
    ----------
    left_out
        Machines that match and are left out, each with the reason.
    upcoming
        Its first slots, the next one first; none where it is not enabled.
    """

    definition: BackupPlanDefinition
    effects: tuple[Effect, ...]
    left_out: tuple[str, ...]
    upcoming: tuple[UpcomingSlot, ...]


@dataclass(frozen=True, kw_only=True)
class BackupPlanDefinition(Model):
    """What a plan says.

    Only `selection` and `rules` are needed.

    Parameters
    ----------
    zone
        An IANA zone, in which cron and blackouts are read.
    catch_up
        Whether a slot that was missed is caught up, once.
    rpo
        The recovery point objective: how old the newest good recovery point may be.
    max_delete_share
        The largest part of a plan's points that one run of retention deletes.
    """

    title: str = ""
    zone: str = "UTC"
    enabled: bool = True
    selection: PlanSelection
    rules: tuple[PlanRule, ...]
    keep: PlanKeep | None = None
    blackouts: tuple[PlanBlackout, ...] = ()
    jitter: str = "0s"
    catch_up: bool = True
    grace: str = "15m"
    rpo: str | None = None
    hooks: PlanHooks | None = None
    copies: tuple[PlanCopy, ...] = ()
    copy_tags: bool = True
    lock: PlanLock | None = None
    verification: PlanVerification | None = None
    max_delete_share: float = 0.25


@dataclass(frozen=True, kw_only=True)
class BackupPlanPreset(Model):
    """A plan to begin with."""

    name: str
    definition: BackupPlanDefinition


@dataclass(frozen=True, kw_only=True)
class BackupPlanSlots(Model):
    """The slots of a plan.

    Parameters
    ----------
    upcoming
        The next first.
    begun
        The newest first.
    """

    upcoming: tuple[UpcomingSlot, ...]
    begun: tuple[BegunSlot, ...]


@dataclass(frozen=True, kw_only=True)
class BegunSlot(Model):
    """A slot that has begun.

    Parameters
    ----------
    how
        On time, or caught up.
    """

    rule: str
    slot: str
    due_at: dt.datetime
    begun_at: dt.datetime
    how: str
    run: str


@dataclass(frozen=True, kw_only=True)
class CalendarDay(Model):
    """What a plan makes and loses on one day of its zone."""

    date: dt.date
    made: tuple[MadePoint, ...]
    goes: tuple[TakenPoint, ...]
    left: int


@dataclass(frozen=True, kw_only=True)
class Dashboard(Model):
    """A notebook that is published for exactly one project, as a page.

    Parameters
    ----------
    project
        The project's name.
    name
        What addresses and commands call it.
    title
        What people read.
    version
        The number of the version that viewers see; null where it is not published now.
    changed_at
        When it was published, set to another version, or taken away.
    """

    id: str
    project: str
    name: str
    title: str
    description: str
    version: int | None = None
    created_at: dt.datetime
    created_by: str
    changed_at: dt.datetime
    changed_by: str


@dataclass(frozen=True, kw_only=True)
class DashboardVersion(Model):
    """One notebook that was published; it never changes.

    Parameters
    ----------
    hash
        SHA-256 of the notebook as it was published, in hexadecimal digits.
    note
        What is new in it, as its publisher says.
    shipped
        The name under which Mavis brought it; null where it is somebody's own.
    current
        Whether viewers see it.
    """

    number: int
    hash: str
    size_bytes: int
    note: str
    shipped: str | None = None
    published_at: dt.datetime
    published_by: str
    current: bool


@dataclass(frozen=True, kw_only=True)
class DashboardVersionDetail(Model):
    """A version with its notebook.

    Parameters
    ----------
    hash
        SHA-256 of the notebook as it was published, in hexadecimal digits.
    note
        What is new in it, as its publisher says.
    shipped
        The name under which Mavis brought it; null where it is somebody's own.
    current
        Whether viewers see it.
    notebook
        The notebook without outputs, as nbformat 4.
    """

    number: int
    hash: str
    size_bytes: int
    note: str
    shipped: str | None = None
    published_at: dt.datetime
    published_by: str
    current: bool
    notebook: JsonObject


@dataclass(frozen=True, kw_only=True)
class Device(Model):
    """Something to connect to.

    Parameters
    ----------
    resource_id
        The resource that it is; null where somebody added it by hand.
    """

    id: str
    project: str
    name: str
    title: str
    address: str
    resource_id: str | None = None
    created_at: dt.datetime
    created_by: str


@dataclass(frozen=True, kw_only=True)
class DeviceLogin(Model):
    """A login that waits for a person with a browser (RFC 8628, section 3.2).

    Parameters
    ----------
    device_code
        With it the login is fetched. A secret of whoever began it.
    user_code
        What the person compares.
    verification_uri
        Where the person enters the code.
    verification_uri_complete
        The same address with the code in it.
    expires_in
        For how many seconds it waits.
    interval
        How many seconds to wait between two questions.
    """

    device_code: str
    user_code: str
    verification_uri: str
    verification_uri_complete: str
    expires_in: int
    interval: int


@dataclass(frozen=True, kw_only=True)
class DeviceToken(Model):
    """A login that a person has allowed (RFC 8628, section 3.5).

    Parameters
    ----------
    access_token
        A Hub token of that person.
    expires_in
        For how many seconds it is good.
    username
        Whose it is.
    """

    access_token: str
    token_type: str
    expires_in: int
    username: str


@dataclass(frozen=True, kw_only=True)
class Effect(Model):
    """One thing that would happen to one resource.

    Parameters
    ----------
    cloud_id
        Empty for what does not exist yet.
    detail
        What a reader needs besides.
    """

    verb: str
    kind: str
    cloud_id: str
    name: str
    environment: str
    account: str
    region: str
    detail: str


@dataclass(frozen=True, kw_only=True)
class Environment(Model):
    """One account of one kit with its regions, as a project uses it.

    Parameters
    ----------
    key
        The name of the key that opens it.
    state
        What the last look at it said.
    """

    id: str
    project: str
    name: str
    kit: str
    account: str
    regions: tuple[str, ...]
    options: Mapping[str, str]
    key: str | None = None
    state: EnvironmentState
    checked_at: dt.datetime | None = None
    error: Failure | None = None
    created_at: dt.datetime
    created_by: str


@dataclass(frozen=True, kw_only=True)
class Failure(Model):
    """Why something failed, as it is kept.

    Parameters
    ----------
    code
        The kind of error, for programs.
    message
        What happened, and to which thing.
    mend
        What to do next.
    """

    code: str
    message: str
    mend: str


@dataclass(frozen=True, kw_only=True)
class Health(Model):
    """Says that the process answers."""

    status: str
    version: str


@dataclass(frozen=True, kw_only=True)
class HostKey(Model):
    """A key by which a device shows who it is.

    Parameters
    ----------
    public
        As in `known_hosts`.
    state
        `seen`: nobody has approved it, and no session is opened to it.
    """

    algorithm: str
    fingerprint: str
    public: str
    state: HostKeyState
    seen_at: dt.datetime
    decided_at: dt.datetime | None = None
    decided_by: str | None = None


@dataclass(frozen=True, kw_only=True)
class IssuedCertificate(Model):
    """A new certificate of a person.

    Parameters
    ----------
    line
        The line of a file that ends in `-cert.pub`, beside the private key.
    """

    certificate: PersonCertificate
    line: str


@dataclass(frozen=True, kw_only=True)
class Key(Model):
    """A credential in the vault.

    Its value is never told.

    Parameters
    ----------
    kind
        The kit that understands it.
    fields
        The names of the value's parts.
    """

    id: str
    name: str
    kind: str
    fields: tuple[str, ...]
    created_at: dt.datetime
    created_by: str


@dataclass(frozen=True, kw_only=True)
class KeyRotation(Model):
    """A rotation of a key of devices: a new value at every way in that uses it."""

    id: str
    key: str
    state: RotationState
    person: str
    asked_at: dt.datetime
    ended_at: dt.datetime | None = None
    ways: tuple[WayOfKey, ...]


@dataclass(frozen=True, kw_only=True)
class Me(Model):
    """Who the caller is, as the platform sees them.

    Parameters
    ----------
    groups
        Groups of the Hub.
    scopes
        What the token may be used for.
    projects
        The first 200.
    """

    name: str
    groups: tuple[str, ...]
    scopes: tuple[Scope, ...]
    platform_admin: bool
    projects: tuple[MyProject, ...]


@dataclass(frozen=True, kw_only=True)
class Member(Model):
    """A person (`user:alice`) or a Hub group (`group:ops`) with a role in a project."""

    subject: str
    role: Role
    added_at: dt.datetime
    added_by: str


@dataclass(frozen=True, kw_only=True)
class MyProject(Model):
    """A project of the caller, in short."""

    name: str
    title: str
    role: Role


@dataclass(frozen=True, kw_only=True)
class PersonCertificate(Model):
    """A certificate with which its person comes to the door for SSH clients, until it ends.

    Parameters
    ----------
    serial
        By this it is known in the certificate itself, and to whoever looks on.
    fingerprint
        Of the key that it certifies.
    used_at
        When it was used last, to some minutes; null: never.
    """

    id: str
    serial: int
    fingerprint: str
    issued_at: dt.datetime
    expires_at: dt.datetime
    used_at: dt.datetime | None = None


@dataclass(frozen=True, kw_only=True)
class PersonKey(Model):
    """A public key with which its person comes to the door for SSH clients.

    Parameters
    ----------
    used_at
        When it was used last, to some minutes; null: never.
    """

    name: str
    algorithm: str
    fingerprint: str
    created_at: dt.datetime
    used_at: dt.datetime | None = None


@dataclass(frozen=True, kw_only=True)
class PlanBlackout(Model):
    """When no backup begins: on days of the week between two times, or between two moments."""

    days: tuple[Weekday, ...] | None = None
    from_: str = field(metadata={"name": "from"})
    to: str


@dataclass(frozen=True, kw_only=True)
class PlanCopy(Model):
    """A second place for recovery points.

    Parameters
    ----------
    environment
        Whose account it is; left out: that of the machine.
    rules
        Of which rules; left out: of all.
    """

    environment: str | None = None
    region: str
    kms_key: str | None = None
    keep: PlanKeep | None = None
    rules: tuple[str, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class PlanHooks(Model):
    """Shell scripts that run on the machine before and after its volumes are taken."""

    pre: str | None = None
    post: str | None = None
    timeout: str = "1m"
    on_failure: OnFailure = OnFailure.CONTINUE


@dataclass(frozen=True, kw_only=True)
class PlanKeep(Model):
    """How many recovery points stay; empty keeps all.

    Parameters
    ----------
    within
        Everything that is younger stays.
    """

    last: int = 0
    hourly: int = 0
    daily: int = 0
    weekly: int = 0
    monthly: int = 0
    yearly: int = 0
    within: str | None = None


@dataclass(frozen=True, kw_only=True)
class PlanLock(Model):
    """A lock on each recovery point in the cloud itself."""

    mode: LockMode
    for_: str = field(metadata={"name": "for"})


@dataclass(frozen=True, kw_only=True)
class PlanRule(Model):
    """When a plan takes recovery points.

    Parameters
    ----------
    cron
        Five fields, in the plan's zone.
    keep
        Instead of the plan's own.
    """

    name: str
    cron: str
    keep: PlanKeep | None = None


@dataclass(frozen=True, kw_only=True)
class PlanSelection(Model):
    """What a plan protects; every condition that is named must hold.

    Parameters
    ----------
    match
        An expression over tags and attributes: `tag:backup = gold and environment != lab`.
    resources
        Names or cloud ids of instances, beside those that match.
    """

    match: str = ""
    resources: tuple[str, ...] = ()
    environments: tuple[str, ...] = ()
    exclude: str = ""
    exclude_volumes: str = ""


@dataclass(frozen=True, kw_only=True)
class PlanVerification(Model):
    """When the newest recovery point is proven to restore."""

    cron: str
    environment: str | None = None
    region: str | None = None
    subnet: str | None = None
    check: str | None = None
    timeout: str = "30m"


@dataclass(frozen=True, kw_only=True)
class PointCopy(Model):
    """A recovery point's volume snapshots in one place.

    Parameters
    ----------
    role
        `primary`: taken from the volumes; `copy`: made from another copy.
    expire_run_id
        The Run that deletes it.
    """

    id: str
    role: CopyRole
    environment_id: str
    environment: str
    account: str
    region: str
    kms_key: str | None = None
    state: PointState
    run_id: str | None = None
    created_at: dt.datetime
    completed_at: dt.datetime | None = None
    error: Failure | None = None
    expire_run_id: str | None = None
    members: tuple[PointMember, ...]


@dataclass(frozen=True, kw_only=True)
class PointDisk(Model):
    """A volume of the instance, as it hung there; what is not known is left out."""

    volume_id: str
    device: str = ""
    size_gib: int = 0
    type: str | None = None
    iops: int | None = None
    throughput_mibps: int | None = None
    encrypted: bool = False
    kms_key: str | None = None


@dataclass(frozen=True, kw_only=True)
class PointExplanation(Model):
    """Why one copy of a recovery point is kept or goes, and what is to come.

    Parameters
    ----------
    goes_at
        The earliest moment at which it goes if the plan runs as scheduled.
    """

    copy: str
    role: CopyRole
    environment: str
    region: str
    state: PointState
    fate: str
    reasons: tuple[PointReason, ...]
    goes_at: dt.datetime | None = None
    sentence: str


@dataclass(frozen=True, kw_only=True)
class PointHold(Model):
    """A legal hold: nobody deletes the point until it is released."""

    by: str
    at: dt.datetime
    reason: str


@dataclass(frozen=True, kw_only=True)
class PointLock(Model):
    """A lock in the cloud itself."""

    mode: LockMode
    until: dt.datetime


@dataclass(frozen=True, kw_only=True)
class PointManifest(Model):
    """What a recovery point is of: all that it takes to launch the instance again.

    Parameters
    ----------
    disks
        The root volume first.
    excluded
        Ids of volumes that the plan leaves out.
    hash
        SHA-256 over the canonical JSON of all the rest, in hex.
    """

    configuration: JsonObject
    tags: Mapping[str, str]
    disks: tuple[PointDisk, ...]
    excluded: tuple[str, ...]
    hash: str


@dataclass(frozen=True, kw_only=True)
class PointMember(Model):
    """The snapshot of one volume.

    Parameters
    ----------
    device
        Under which name it hung at the instance; empty where that is not known.
    cloud_id
        The cloud's id of the snapshot, once made.
    """

    volume_id: str
    device: str
    cloud_id: str | None = None
    state: MemberState
    progress_percent: int
    size_gib: int


@dataclass(frozen=True, kw_only=True)
class PointProof(Model):
    """What the last verification found.

    Parameters
    ----------
    volumes
        Of each volume, how many blocks were read and their digest.
    seconds
        How long it took, by stage; `to_restore` until the machine was alive.
    left
        How many things of the restore could not be removed again.
    why
        Why it is no good one.
    """

    ok: bool
    at: dt.datetime
    run: str
    restore: str
    copy: str
    region: str
    volumes: tuple[JsonObject, ...]
    seconds: Mapping[str, float]
    checks: tuple[JsonObject, ...]
    isolated: bool
    left: int
    why: str | None = None
    code: str | None = None


@dataclass(frozen=True, kw_only=True)
class PointReason(Model):
    """One reason why a copy is kept or goes."""

    code: str
    sentence: str


@dataclass(frozen=True, kw_only=True)
class Preview(Model):
    """What an action would do, and what it takes to let it.

    Parameters
    ----------
    resource
        What it works on, for a reader.
    severity
        The worst that it does; `interrupts` and `destroys` ask for a confirmation.
    hash
        Over everything that would happen; whoever applies it sends it back.
    confirm
        The text that must be sent as `confirm` to apply it, or null.
    run
        The id of the Run that carries it out; null until somebody applies it.
    group
        The id under which it is confirmed together with others, or null.
    error
        Why it was not applied when its group was, or null.
    """

    id: str
    action: str
    project: str
    resource: str
    severity: Severity
    effects: tuple[Effect, ...]
    warnings: tuple[str, ...]
    hash: str
    confirm: str | None = None
    created_at: dt.datetime
    expires_at: dt.datetime
    run: str | None = None
    group: str | None = None
    error: Failure | None = None


@dataclass(frozen=True, kw_only=True)
class Problem(Model):
    """What went wrong, to which thing, and what to do next.

    Parameters
    ----------
    detail
        What happened, and to which thing.
    code
        The kind of error, for programs.
    mend
        What to do next.
    request_id
        The same as the header `X-Request-Id`; name it when you report a problem.
    field
        The field at fault: a path in the body, an option of the address or a header.
    error
        The same as `code`, where RFC 8628 and RFC 6749 name the kinds of errors.
    retry_after_s
        After how many seconds a retry makes sense.
    """

    type: str
    title: str
    status: int
    detail: str
    code: str
    mend: str
    request_id: str
    field: str | None = None
    error: str | None = None
    retry_after_s: float | None = None


@dataclass(frozen=True, kw_only=True)
class Project(Model):
    """The infrastructure that runs one application.

    Parameters
    ----------
    name
        What addresses and commands call it.
    title
        What people read.
    role
        The caller's highest role in it.
    production
        Whether people depend on it; everything that shows it says so.
    """

    id: str
    name: str
    title: str
    role: Role
    created_at: dt.datetime
    created_by: str
    production: bool


@dataclass(frozen=True, kw_only=True)
class ProtectionReport(behaviour.ProtectionReport, Model):
    """How well a project is protected at a moment.

    Parameters
    ----------
    rows
        The gravest first.
    """

    project: str
    at: dt.datetime
    machines: int
    protected: int
    rows: tuple[ReportRow, ...]


@dataclass(frozen=True, kw_only=True)
class Record(Model):
    """One thing that was asked for, done or refused.

    Parameters
    ----------
    kind
        `audit`: about a call of the API; `operation`: about a command or a call to a cloud.
    phase
        An `intent` is written before an effect, its `outcome` after it; an `event` stands alone.
    action
        What, as `noun.verb`.
    project
        The project's name; its id where the caller sees the records of all projects.
    object
        Which thing: an id, a name, a path of the API.
    outcome
        Null for an intent.
    summary
        One sentence for a reader.
    source
        From where: an address or a process.
    origin
        `observed`: Mavis saw it; `reported`: a person's own process, or another system, says so.
    stream
        What numbers such records one after the other; null where nothing does.
    sequence
        The record's number in its stream, from 1 on: a missing one shows.
    """

    id: str
    time: dt.datetime
    kind: RecordKind
    phase: RecordPhase
    action: str
    project: str | None = None
    person: str
    object: str
    outcome: RecordOutcome | None = None
    error_code: str | None = None
    summary: str
    correlation_id: str
    request_id: str | None = None
    source: str
    origin: RecordOrigin
    stream: str | None = None
    sequence: int | None = None
    data: JsonObject


@dataclass(frozen=True, kw_only=True)
class RecordBucket(Model):
    """How many records a stretch of time has."""

    begin: dt.datetime
    count: int


@dataclass(frozen=True, kw_only=True)
class RecordContext(Model):
    """A record and those around it, each in the order of time."""

    record: Record
    earlier: tuple[Record, ...]
    later: tuple[Record, ...]


@dataclass(frozen=True, kw_only=True)
class RecordFacet(Model):
    """How often each value of a field comes.

    Parameters
    ----------
    field
        `kind`, `action`, `person`, `outcome`, `project`, `origin` or `source`.
    values
        The 20 most frequent.
    other
        How often all others come together.
    """

    field: str
    values: tuple[RecordValue, ...]
    other: int


@dataclass(frozen=True, kw_only=True)
class RecordHold(Model):
    """A legal hold on records: what it is about is kept until it is released.

    Parameters
    ----------
    person
        Only what this person did; null: what anybody did.
    correlation_id
        Only this story.
    released_by
        Null while it stands.
    """

    id: str
    reason: str
    person: str | None = None
    correlation_id: str | None = None
    since: dt.datetime | None = None
    until: dt.datetime | None = None
    placed_by: str
    placed_at: dt.datetime
    released_by: str | None = None
    released_at: dt.datetime | None = None
    release_reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class RecordSummary(Model):
    """How many records fit, of what kind, and when they were made.

    Parameters
    ----------
    first
        When the first of them was made; null where there are none.
    step
        How long a bucket is: `30s`, `5m`, `6h`, `1d`, `1w`, `1mo`, `1y`.
    zone
        By whose clock days begin.
    buckets
        At most 121, one after the other without a gap; those without records are there, too.
    until
        When the last bucket ends.
    """

    total: int
    first: dt.datetime | None = None
    last: dt.datetime | None = None
    facets: tuple[RecordFacet, ...]
    step: str
    zone: str
    buckets: tuple[RecordBucket, ...]
    until: dt.datetime


@dataclass(frozen=True, kw_only=True)
class RecordValue(Model):
    """How often a value comes.

    Parameters
    ----------
    value
        Null where the field is empty.
    """

    value: str | None = None
    count: int


@dataclass(frozen=True, kw_only=True)
class RecordingHit(Model):
    """A line that a screen showed.

    Parameters
    ----------
    at_s
        When, in seconds of the recording.
    """

    session_id: str
    person: str
    device: str
    at_s: float
    text: str


@dataclass(frozen=True, kw_only=True)
class RecordsMissed(Model):
    """Records arrived that are not told."""

    count: int


@dataclass(frozen=True, kw_only=True)
class RecoveryPoint(behaviour.RecoveryPoint, Model):
    """One crash-consistent point in time of one instance, with its copies.

    Parameters
    ----------
    plan
        The plan that made it; null for one that a person asked for, like rule and slot.
    state
        The best state of its copies.
    taken_at
        The moment in whose state the volumes are.
    volumes
        How many there are.
    size_gib
        Of all of them together.
    """

    id: str
    project: str
    plan_id: str | None = None
    plan: str | None = None
    rule: str | None = None
    slot: str | None = None
    environment_id: str
    environment: str
    account: str
    region: str
    instance_id: str
    instance_name: str
    state: PointState
    description: str
    created_by: str
    created_at: dt.datetime
    taken_at: dt.datetime | None = None
    completed_at: dt.datetime | None = None
    run_id: str | None = None
    error: Failure | None = None
    hold: PointHold | None = None
    lock: PointLock | None = None
    proof: PointProof | None = None
    copies: tuple[PointCopy, ...]
    volumes: int
    size_gib: int


@dataclass(frozen=True, kw_only=True)
class ReportRow(Model):
    """One thing that somebody should know.

    Parameters
    ----------
    machine
        Name and cloud id; empty where a whole plan is meant.
    newest_at
        When the newest good recovery point was taken.
    """

    finding: ReportFinding
    machine: str
    environment: str
    region: str
    plan: str
    newest_at: dt.datetime | None = None
    why: str
    mend: str


@dataclass(frozen=True, kw_only=True)
class Reported(Model):
    """What became of a report.

    Parameters
    ----------
    accepted
        How many records are kept, on disk for certain.
    """

    accepted: int


@dataclass(frozen=True, kw_only=True)
class ReportedCells(Model):
    """What became of a report of cells.

    Parameters
    ----------
    accepted
        How many records are kept, on disk for certain.
    wanted
        Whether this appliance keeps cells; where it does not, none was kept and none is to come.
    """

    accepted: int
    wanted: bool


@dataclass(frozen=True, kw_only=True)
class Resource(Model):
    """What discovery found in an environment, as it was when last seen.

    Parameters
    ----------
    name
        Empty where it has none.
    state
        The cloud's own word.
    details
        What else the cloud said, by kind.
    gone
        Discovery did not see it again.
    """

    id: str
    environment: str
    account: str
    kind: ResourceKind
    region: str
    cloud_id: str
    name: str
    state: str
    tags: Mapping[str, str]
    details: JsonObject
    seen_at: dt.datetime
    gone: bool


@dataclass(frozen=True, kw_only=True)
class Restore(behaviour.Restore, Model):
    """One use of one copy of a recovery point.

    Parameters
    ----------
    run_id
        The Run that restores.
    end_run_id
        The Run that undoes it or lets the old volumes go.
    arguments
        What was asked for.
    before
        Of a restore in place, from the moment at which it touches the instance.
    proof
        What a verification found, as far as it has come.
    """

    id: str
    point_id: str
    copy_id: str
    kind: RestoreKind
    state: RestoreState
    run_id: str
    end_run_id: str | None = None
    arguments: JsonObject
    made: RestoreMade
    before: RestoreBefore | None = None
    undo_until: dt.datetime | None = None
    created_by: str
    created_at: dt.datetime
    finished_at: dt.datetime | None = None
    error: Failure | None = None
    proof: JsonObject | None = None


@dataclass(frozen=True, kw_only=True)
class RestoreBefore(Model):
    """What an instance had before its volumes were replaced.

    Parameters
    ----------
    devices
        By device name the volume that hung there.
    disks
        Which volumes hang there now, as far as is known.
    """

    instance_id: str
    devices: Mapping[str, str]
    ran: bool
    disks: RestoreDisks


@dataclass(frozen=True, kw_only=True)
class RestoreMade(Model):
    """What a restore has made and not taken away again.

    Parameters
    ----------
    volumes
        By the original's id the new volume's.
    """

    volumes: Mapping[str, str]
    instance_id: str | None = None
    group_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class Run(behaviour.Run, Model):
    """One execution of a job, whatever it does.

    Parameters
    ----------
    kind
        The action: `recovery_point.create`.
    state
        `succeeded`, `failed`, `refused` and `cancelled` are final.
    subject
        What it works on, for a reader.
    person
        Who asked for it.
    not_before
        When it may begin; null: at once.
    slot
        Plan, rule and local time for which it was begun; null where a person asked.
    attempt
        How many workers took it up.
    steps
        Empty in lists.
    version
        Grows by one with each change of the Run or of one of its steps.
    correlation_id
        Runs through everything that belongs to one request.
    """

    id: str
    project: str
    kind: str
    state: RunState
    subject: str
    person: str
    created_at: dt.datetime
    started_at: dt.datetime | None = None
    finished_at: dt.datetime | None = None
    not_before: dt.datetime | None = None
    slot: str | None = None
    cancelled_by: str | None = None
    attempt: int
    steps: tuple[Step, ...]
    result: JsonObject
    error: Failure | None = None
    version: int
    correlation_id: str


@dataclass(frozen=True, kw_only=True)
class Session(Model):
    """One connection of one person to one device, always recorded.

    Parameters
    ----------
    entrance
        From where: `browser`, `notebook`, or `door` for an SSH client.
    source
        The address that the person came from.
    reason
        Why it ended; null until then.
    detail
        The same for people.
    exit_status
        Of what ran, where it told one.
    recording
        Whether there is something to replay.
    end_asked_by
        Who has asked for its end.
    """

    id: str
    project: str
    device: str
    access_service: str
    protocol: Protocol
    login: str
    kind: SessionKind
    entrance: str
    person: str
    source: str
    correlation_id: str
    state: SessionState
    asked_at: dt.datetime
    opened_at: dt.datetime | None = None
    ended_at: dt.datetime | None = None
    reason: EndReason | None = None
    detail: str
    exit_status: int | None = None
    command: str | None = None
    recording: bool
    end_asked_by: str | None = None


@dataclass(frozen=True, kw_only=True)
class SqlAnswer(behaviour.SqlAnswer, Model):
    """What a question in SQL gave.

    Parameters
    ----------
    rows
        A value for each column. Moments, days, intervals and bytes are DuckDB's text; what is no
        number or infinite is null.
    records
        Of how many records it was asked.
    """

    columns: tuple[SqlColumn, ...]
    rows: tuple[tuple[object, ...], ...]
    records: int


@dataclass(frozen=True, kw_only=True)
class SqlColumn(Model):
    """A column of an answer.

    Parameters
    ----------
    name
        No other column has it.
    type
        DuckDB's word for it, such as `VARCHAR` or `TIMESTAMP WITH TIME ZONE`.
    """

    name: str
    type: str


@dataclass(frozen=True, kw_only=True)
class SshDoor(Model):
    """The door for SSH clients.

    Parameters
    ----------
    host
        Where it is; null: at the host by which one reaches the appliance.
    host_key
        The key by which clients know it, as in `known_hosts`: algorithm and base64.
    """

    host: str | None = None
    port: int
    host_key: str


@dataclass(frozen=True, kw_only=True)
class Step(Model):
    """A named part of a Run.

    Parameters
    ----------
    detail
        What it is at, for a reader.
    """

    name: str
    state: StepState
    detail: str
    progress_percent: int | None = None
    started_at: dt.datetime | None = None
    finished_at: dt.datetime | None = None


@dataclass(frozen=True, kw_only=True)
class TakenPoint(Model):
    """A recovery point that a calendar tells of.

    Parameters
    ----------
    local
        In the plan's zone.
    """

    taken_at: dt.datetime
    local: str


@dataclass(frozen=True, kw_only=True)
class Ticket(Model):
    """What lets its holder in at the gateway, once and within a minute.

    Parameters
    ----------
    address
        The path of the WebSocket at this host, to which the ticket is sent as the first message.
    """

    session: Session
    ticket: str
    address: str
    expires_at: dt.datetime


@dataclass(frozen=True, kw_only=True)
class UpcomingSlot(Model):
    """A slot to come.

    Parameters
    ----------
    slot
        The local time that it is for.
    """

    rule: str
    slot: str
    due_at: dt.datetime


@dataclass(frozen=True, kw_only=True)
class Waiting(Model):
    """Nothing has arrived.

    Parameters
    ----------
    time
        Now, by the appliance's clock.
    """

    time: dt.datetime


@dataclass(frozen=True, kw_only=True)
class WayOfKey(Model):
    """A way into a device that a key opens, and how far a rotation of the key is there.

    Parameters
    ----------
    state
        How far the rotation is; null where none is told of.
    detail
        Why it failed, and which value works now.
    """

    id: str
    project: str
    device: str
    access_service: str
    login: str
    state: WayState | None = None
    detail: str
    changed_at: dt.datetime | None = None


@dataclass(frozen=True, kw_only=True)
class MadePoint(TakenPoint):
    """A recovery point that a rule will make."""

    rule: str


@dataclass(frozen=True, kw_only=True)
class RecoveryPointDetail(RecoveryPoint):
    """A recovery point with its manifest."""

    manifest: PointManifest
