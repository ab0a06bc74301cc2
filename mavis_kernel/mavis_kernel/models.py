"""The objects of the appliance's contract, version 1.

Frozen dataclasses, read once from JSON (`Model.from_json`). Moments are aware datetimes in UTC.
States are the appliance's words as text: a word that is new to this client is no error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Self

from mavis_kernel.parsing import JsonObject, Model

__all__ = [
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
    "Preview",
    "Project",
    "Record",
    "Resource",
    "Run",
    "Snapshot",
    "SnapshotMember",
    "Step",
]

ROLES = ("enduser", "viewer", "operator", "approver", "auditor", "admin")
"""What somebody can be in a project."""

RUN_STATES = ("queued", "running", "succeeded", "failed", "refused")
"""How far a Run is; the last three are final."""

_FINAL = frozenset(RUN_STATES[2:])


@dataclass(frozen=True, kw_only=True)
class Health(Model):
    """The appliance's answer to anybody."""

    status: str
    version: str


@dataclass(frozen=True, kw_only=True)
class OwnProject(Model):
    """A project of the asker, and what they are in it."""

    name: str
    title: str
    role: str


@dataclass(frozen=True, kw_only=True)
class Me(Model):
    """Who asks, as the appliance sees them."""

    name: str
    groups: tuple[str, ...]
    scopes: tuple[str, ...]
    platform_admin: bool
    projects: tuple[OwnProject, ...]


@dataclass(frozen=True, kw_only=True)
class Project(Model):
    """The infrastructure that runs one application.

    Parameters
    ----------
    role
        What the asker is in it; None for a platform administrator who is no member.
    """

    id: str
    name: str
    title: str
    created_at: datetime
    created_by: str | None = None
    role: str | None = None


@dataclass(frozen=True, kw_only=True)
class Member(Model):
    """A person (``user:alice``) or Hub group (``group:ops``) with a role in a project."""

    subject: str
    role: str
    added_at: datetime | None = None
    added_by: str | None = None


@dataclass(frozen=True, kw_only=True)
class Key(Model):
    """A credential in the vault. Its value never leaves the appliance.

    Parameters
    ----------
    fields
        The names of the value's parts.
    """

    id: str
    name: str
    kind: str
    fields: tuple[str, ...]
    created_at: datetime
    created_by: str | None = None


@dataclass(frozen=True, kw_only=True)
class Failure(Model):
    """Why something failed, and how to mend it."""

    code: str = ""
    message: str = ""
    mend: str | None = None

    @classmethod
    def from_json(cls, data: object, where: str = "") -> Self:
        """Return the failure that `data`, an object or plain text, describes."""
        if isinstance(data, str):
            return cls(message=data)
        return super().from_json(data, where)


@dataclass(frozen=True, kw_only=True)
class Environment(Model):
    """One account of one cloud, with its regions, in a project.

    Parameters
    ----------
    key
        The name of the key in the vault; None where the appliance uses its own credentials.
    state
        ``new`` (never tried), ``ok`` or ``failed``.
    """

    id: str
    project: str
    name: str
    kit: str
    account: str
    regions: tuple[str, ...]
    state: str
    created_at: datetime
    key: str | None = None
    options: Mapping[str, object] = field(default_factory=dict)
    checked_at: datetime | None = None
    error: Failure | None = None
    created_by: str | None = None


@dataclass(frozen=True, kw_only=True)
class Resource(Model):
    """Something discovered in an environment.

    Parameters
    ----------
    kind
        ``instance``, ``volume``, ``volume_snapshot``, ``image`` or ``network``.
    cloud_id
        The cloud's own id.
    state
        The cloud's own word.
    seen_at
        When a discovery last met it.
    gone
        The last discovery did not meet it any more.
    """

    id: str
    kind: str
    environment: str
    region: str
    cloud_id: str
    name: str
    state: str
    seen_at: datetime
    account: str | None = None
    gone: bool = False
    tags: Mapping[str, str] = field(default_factory=dict)
    details: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Effect(Model):
    """One thing that an action would do to one resource."""

    verb: str
    kind: str
    cloud_id: str | None = None
    name: str | None = None
    environment: str | None = None
    account: str | None = None
    region: str | None = None
    detail: str | None = None


@dataclass(frozen=True, kw_only=True)
class Preview(Model):
    """What an action would do, before anybody does it.

    Parameters
    ----------
    severity
        ``creates``, ``changes``, ``interrupts`` or ``destroys``.
    resource
        What it works on, in words.
    hash
        Stands for exactly these effects; `Previews.apply` sends it back.
    confirm
        What somebody has to type to apply it, the project's name; None for nothing.
    expires_at
        After this the preview cannot be applied.
    """

    id: str
    action: str
    project: str
    severity: str
    effects: tuple[Effect, ...]
    hash: str
    created_at: datetime
    expires_at: datetime
    resource: str | None = None
    warnings: tuple[str, ...] = ()
    confirm: str | None = None


@dataclass(frozen=True, kw_only=True)
class SnapshotMember(Model):
    """One volume of a snapshot.

    Parameters
    ----------
    cloud_id
        The volume snapshot's id in the cloud; None until it is made.
    progress_percent
        0 to 100, or None where the cloud does not say.
    """

    volume_id: str
    state: str
    cloud_id: str | None = None
    progress_percent: float | None = None
    size_gib: int | None = None


@dataclass(frozen=True, kw_only=True)
class Snapshot(Model):
    """One point in time of all volumes of an instance.

    Parameters
    ----------
    state
        ``planned``, ``running``, ``complete`` or ``failed``.
    """

    id: str
    project: str
    environment: str
    region: str
    instance_id: str
    state: str
    created_at: datetime
    account: str | None = None
    instance_name: str | None = None
    description: str | None = None
    created_by: str | None = None
    completed_at: datetime | None = None
    run_id: str | None = None
    members: tuple[SnapshotMember, ...] = ()
    error: Failure | None = None


@dataclass(frozen=True, kw_only=True)
class Step(Model):
    """One named part of a Run: ``pending``, ``running``, ``waiting``, ``done`` or ``failed``."""

    name: str
    state: str
    detail: str | None = None
    progress_percent: float | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Run(Model):
    """One execution of a job.

    Parameters
    ----------
    state
        One of `RUN_STATES`.
    subject
        What it works on, in words.
    person
        On whose behalf.
    attempt
        Counts up where the platform began again after a crash.
    """

    id: str
    project: str | None
    kind: str
    state: str
    created_at: datetime
    subject: str | None = None
    person: str | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    attempt: int | None = None
    steps: tuple[Step, ...] = ()
    result: Mapping[str, object] | None = None
    error: Failure | None = None
    correlation_id: str | None = None

    @property
    def is_final(self) -> bool:
        """Whether nothing more will change."""
        return self.state in _FINAL

    @property
    def succeeded(self) -> bool:
        """Whether the work was done."""
        return self.state == "succeeded"


@dataclass(frozen=True, kw_only=True)
class Record(Model):
    """What was done, or begun, or refused.

    Parameters
    ----------
    kind
        ``audit`` (a call) or ``operation`` (a command and its effect).
    phase
        ``intent``, ``outcome`` or ``event``.
    outcome
        ``ok``, ``failed`` or ``refused``; None for an intent.
    """

    id: str
    time: datetime
    kind: str
    action: str
    phase: str | None = None
    project: str | None = None
    person: str | None = None
    object: str | None = None
    outcome: str | None = None
    error_code: str | None = None
    summary: str | None = None
    correlation_id: str | None = None
    request_id: str | None = None
    source: str | None = None
    data: JsonObject | None = None
