"""Jobs: what a component offers so that it can be asked for, previewed and carried out.

*Job*: something that Mavis can do, named by its action. A component writes one class for each and
`mavis_core.bootstrap` puts them into one table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Protocol

import sqlalchemy as sa

from mavis_core.access import Permission
from mavis_core.changes.model import Plan
from mavis_core.errors import MavisError
from mavis_core.projects.model import Project
from mavis_core.scheduling.model import Run

__all__ = ["BaseJob", "Binding", "Job", "JobStep", "Load", "PlanRequest", "Progress", "bind"]


@dataclass(frozen=True, slots=True)
class PlanRequest:
    """What somebody would like a job to do.

    Parameters
    ----------
    resource
        A resource's id, cloud id or name; None where the job needs none.
    arguments
        What the job understands besides; not yet checked.
    """

    project: Project
    resource: str | None
    arguments: Mapping[str, Any]


class Progress(Protocol):
    """Where a step says how far it is."""

    def say(self, detail: str, *, percent: int | None = None) -> None:
        """Tell the person what goes on."""

    def waiting(self, reason: str) -> None:
        """Tell the person that the cloud is waited for."""

    def check(self) -> None:
        """Return where the step may go on; a step that waits asks every few seconds.

        Raises
        ------
        Cancelled
            A person has ended the Run.
        Interrupted
            Another attempt has taken over.
        """


class Load(Enum):
    """What a step is for the cloud."""

    CALLS = "calls"
    WAITS = "waits"


@dataclass(frozen=True, slots=True)
class JobStep:
    """A named part of a job. What it returns is merged into the Run's result.

    Parameters
    ----------
    load
        What it is for the cloud: of steps that `CALLS` a limited number runs at a time in each
        account and region; those that only `WAITS` are not limited.
    """

    name: str
    call: Callable[[Progress], Mapping[str, Any] | None]
    load: Load = Load.WAITS


class Binding(Enum):
    """To what a Run is bound by its being asked for.

    ``EFFECTS``: exactly those of the plan; where they would be others when work begins, the Run
    is refused. ``REQUEST``: to what was asked for; what it comes to is found out when work
    begins, as in a backup plan's selection.
    """

    EFFECTS = "effects"
    REQUEST = "request"


class Job(Protocol):
    """Something that Mavis can do. `BaseJob` fulfils all of it that most jobs do not need."""

    @property
    def action(self) -> str: ...

    @property
    def permission(self) -> Permission: ...

    @property
    def binding(self) -> Binding: ...

    def plan(self, tx: sa.Connection, request: PlanRequest) -> Plan:
        """Return every effect of `request`, from what is known; calls no cloud."""

    def accepted(self, tx: sa.Connection, run: Run) -> None:
        """Write the rows that come into being with `run`."""

    def steps(self, run: Run) -> Sequence[JobStep]:
        """Return the steps; each may be called again after a crash."""

    def failed(self, tx: sa.Connection, run: Run, error: MavisError) -> None:
        """Let the rows of `run` tell the truth after it failed."""

    def clean_up(self, run: Run, progress: Progress) -> None:
        """Undo what a cancelled Run had begun and cannot be left as it is. May be repeated."""

    def cancelled(self, tx: sa.Connection, run: Run) -> None:
        """Let the rows of `run` tell the truth after it was cancelled and cleaned up."""


class BaseJob:
    """A job without rows of its own, that leaves nothing half done when it is cancelled."""

    binding = Binding.EFFECTS

    def accepted(self, tx: sa.Connection, run: Run) -> None:
        """Do nothing."""

    def failed(self, tx: sa.Connection, run: Run, error: MavisError) -> None:
        """Do nothing."""

    def clean_up(self, run: Run, progress: Progress) -> None:
        """Do nothing."""

    def cancelled(self, tx: sa.Connection, run: Run) -> None:
        """Do nothing."""


def bind(plan: Plan, request: PlanRequest) -> Plan:
    """Return `plan` with what was asked for in it, so that it can be made again and compared."""
    asked = {"resource": request.resource, "arguments": dict(request.arguments)}
    return replace(plan, arguments={**plan.arguments, "request": asked})
