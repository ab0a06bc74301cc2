"""What is to be done, what goes on, and what was done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from mavis_kernel.models.failures import Failure
from mavis_kernel.parsing import JsonObject, Model

__all__ = [
    "RUN_STATES",
    "Effect",
    "Preview",
    "Record",
    "Run",
    "Step",
]

RUN_STATES = ("queued", "running", "succeeded", "failed", "refused", "cancelled")
"""How far a Run is; the last four are final."""

_FINAL = frozenset(RUN_STATES[2:])


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
    not_before
        When it may begin; None: at once.
    slot
        Plan, rule and local time for which it was begun; None where a person asked for it.
    cancelled_by
        Who wants it to end, or None. Until the state says so too, it is being cleaned up.
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
    not_before: datetime | None = None
    slot: str | None = None
    cancelled_by: str | None = None
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
