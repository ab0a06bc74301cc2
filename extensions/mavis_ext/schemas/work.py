"""Previews, and Runs with their steps."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from mavis_core.changes.model import Preview as PreviewModel
from mavis_core.changes.model import Severity
from mavis_core.scheduling.model import Run as RunModel
from mavis_core.scheduling.model import RunState, StepState
from mavis_ext.schemas.base import Failure, Schema

__all__ = ["Effect", "Preview", "Run", "Step"]


class Effect(Schema):
    """One thing that would happen to one resource."""

    verb: str
    kind: str
    cloud_id: str
    """Empty for what does not exist yet."""
    name: str
    environment: str
    account: str
    region: str
    detail: str
    """What a reader needs besides."""


class Preview(Schema):
    """What an action would do, and what it takes to let it."""

    id: str
    action: str
    project: str
    resource: str
    """What it works on, for a reader."""
    severity: Severity
    """The worst that it does; `interrupts` and `destroys` ask for a confirmation."""
    effects: tuple[Effect, ...]
    warnings: tuple[str, ...]
    hash: str
    """Over everything that would happen; whoever applies it sends it back."""
    confirm: str | None
    """The text that must be sent as `confirm` to apply it, or null."""
    created_at: datetime
    expires_at: datetime
    run: str | None
    """The id of the Run that carries it out; null until somebody applies it."""
    group: str | None
    """The id under which it is confirmed together with others, or null."""
    error: Failure | None
    """Why it was not applied when its group was, or null."""

    @classmethod
    def of(cls, found: PreviewModel) -> Preview:
        plan = found.plan
        return cls(
            id=found.id,
            action=plan.action,
            project=plan.project_name,
            resource=plan.subject,
            severity=plan.severity,
            effects=tuple(Effect.of(effect) for effect in plan.effects),
            warnings=plan.warnings,
            hash=found.hash,
            confirm=found.confirm,
            created_at=found.created_at,
            expires_at=found.expires_at,
            run=found.run_id,
            group=found.group,
            error=None if found.error is None else Failure(**found.error),
        )


class Step(Schema):
    """A named part of a Run."""

    name: str
    state: StepState
    detail: str
    """What it is at, for a reader."""
    progress_percent: int | None
    started_at: datetime | None
    finished_at: datetime | None


class Run(Schema):
    """One execution of a job, whatever it does."""

    id: str
    project: str
    kind: str
    """The action: `recovery_point.create`."""
    state: RunState
    """`succeeded`, `failed`, `refused` and `cancelled` are final."""
    subject: str
    """What it works on, for a reader."""
    person: str
    """Who asked for it."""
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    not_before: datetime | None
    """When it may begin; null: at once."""
    slot: str | None
    """Plan, rule and local time for which it was begun; null where a person asked."""
    cancelled_by: str | None
    attempt: int
    """How many workers took it up."""
    steps: tuple[Step, ...]
    """Empty in lists."""
    result: dict[str, Any]
    error: Failure | None
    version: int
    """Grows by one with each change of the Run or of one of its steps."""
    correlation_id: str
    """Runs through everything that belongs to one request."""

    @classmethod
    def of(cls, found: RunModel) -> Run:
        told = {name: getattr(found, name) for name in _OF_RUN}
        return cls(project=found.plan.project_name, **told)


_OF_RUN = tuple(name for name in Run.model_fields if name != "project")
