"""Runs and steps.

*Run*: one execution of a job, asked for by a person. *Step*: a named part of a Run; each may be
repeated without harm. *Attempt*: one try at a Run by a worker; after a crash another worker's
attempt goes on where the last one ended.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from mavis_core.access import CallContext, Principal, Scope
from mavis_core.changes.model import Plan, Work

__all__ = [
    "Run",
    "RunChange",
    "RunState",
    "Step",
    "StepState",
]


class RunState(StrEnum):
    """How far a Run is.

    ``refused``: it was not begun, because it may not. ``cancelled``: a person ended it, and what
    it had begun was cleaned up.
    """

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    REFUSED = "refused"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        """Whether it will not change any more."""
        return self not in (RunState.QUEUED, RunState.RUNNING)


class StepState(StrEnum):
    """How far a step is. ``waiting``: for the cloud, which is slow or throttles."""

    PENDING = "pending"
    RUNNING = "running"
    WAITING = "waiting"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Step:
    """A named part of a Run, as a person follows it."""

    name: str
    state: StepState
    detail: str
    progress_percent: int | None
    started_at: datetime | None
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class Run:
    """One execution of a job.

    Parameters
    ----------
    kind
        The job's action.
    subject
        What it works on, for a reader.
    groups, scopes
        Of the person and the token that asked; checked again when work begins.
    attempt
        How many workers took it up.
    flow_run
        The Prefect flow run of the present attempt.
    error
        Code, message and mend, or None.
    last_alive
        The latest moment at which an earlier attempt may have been at work; None for the first.
    not_before
        When it may begin; None: at once.
    slot
        Plan, rule and local time for which it was begun; None where a person asked for it.
    cancelled_by
        Who wants it to end, or None.
    version
        Grows by one with every change of the Run or of one of its steps.
    """

    id: str
    project_id: str
    kind: str
    state: RunState
    subject: str
    plan: Plan
    plan_hash: str
    person: str
    groups: frozenset[str]
    scopes: frozenset[Scope]
    correlation_id: str
    request_id: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    attempt: int
    flow_run: str | None
    result: Mapping[str, Any]
    error: Mapping[str, str] | None
    steps: tuple[Step, ...] = field(default=())
    last_alive: datetime | None = None
    not_before: datetime | None = None
    slot: str | None = None
    cancelled_by: str | None = None
    version: int = 1

    @property
    def work(self) -> Work:
        """The present attempt, as the ledger needs to know it."""
        return Work(self.id, self.project_id, self.attempt, self.last_alive)

    def context(self, source: str) -> CallContext:
        """Return the call that asked for this Run, as `source` carries it on."""
        return CallContext(
            principal=Principal(self.person, self.groups),
            scopes=self.scopes,
            correlation_id=self.correlation_id,
            request_id=self.request_id,
            source=source,
        )


@dataclass(frozen=True, slots=True)
class RunChange:
    """That a Run has changed; its last change alone.

    Parameters
    ----------
    version
        That of the Run since.
    """

    run_id: str
    project_id: str
    version: int
    changed_at: datetime
