"""The job ``restore.clear``: removing what a restore has left in the cloud.

A restore that fails takes back what it made. Where the cloud does not allow even that, it is
*left over*, and Mavis asks for this job until nothing is left: an hour after the last try.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from mavis_core.access import Permission
from mavis_core.changes.model import Effect, Plan, Severity
from mavis_core.db import tables
from mavis_core.errors import CloudError, Conflict, InvalidInput
from mavis_core.projects.environments import environment_by_id
from mavis_core.protection.restore import rows as restores
from mavis_core.protection.restore.model import Restore, RestoreState
from mavis_core.protection.restore.removal import left, remove_all
from mavis_core.protection.restore.request import Arguments
from mavis_core.protection.restore.site import Means
from mavis_core.scheduling.jobs import BaseJob, JobStep, PlanRequest, Progress
from mavis_core.scheduling.model import Run, RunState

__all__ = ["ClearJob", "belongs_to_nobody"]

_S = RestoreState


class ClearJob(BaseJob):
    """Remove what a restore has left in the cloud.

    Parameters
    ----------
    means
        What it works with.
    """

    action = "restore.clear"
    permission = Permission.RESTORE_REPLACE

    def __init__(self, means: Means) -> None:
        self._means = means

    def plan(self, tx: sa.Connection, request: PlanRequest) -> Plan:
        Arguments(request, self.action, ())
        if not request.resource:
            raise InvalidInput("Name a restore by its id", field="resource")
        restore = restores.load(tx, request.project.id, request.resource)
        if not _may_have_left(restore):
            raise Conflict(f"The restore {restore.id} is {restore.state} and has left nothing")
        return Plan(
            self.action,
            request.project.id,
            request.project.name,
            restore.id,
            Severity.DESTROYS,
            _effects(tx, restore),
            {"restore_id": restore.id},
        )

    def accepted(self, tx: sa.Connection, run: Run) -> None:
        restore = restores.load(tx, run.project_id, run.plan.arguments["restore_id"])
        if not _may_have_left(restore) or not belongs_to_nobody(tx, restore):
            raise Conflict(
                f"The restore {restore.id} is {restore.state}, and a Run works on it",
                mend="Wait for it: `mavis run list`.",
            )
        restores.update(tx, restore.id, end_run_id=run.id)

    def steps(self, run: Run) -> Sequence[JobStep]:
        return [JobStep("Remove what is left", lambda progress: self._clear(run, progress))]

    def _clear(self, run: Run, progress: Progress) -> Mapping[str, Any]:
        restore = self._means.restore(run)
        with self._means.site(run, restore, progress) as site:
            remove_all(site, restore.arguments.get("machine", {}).get("subnet_id"))
            if still := left(site):
                raise CloudError(
                    f"{', '.join(still)} of the restore {restore.id} is still there",
                    mend="Delete it in the cloud's console; it carries the tag mavis:restore.",
                )
            site.write(_cleared)
        return {"restore": restore.id}


def belongs_to_nobody(tx: sa.Connection, restore: Restore) -> bool:
    """Whether every Run that has worked on a restore has ended."""
    runs = tables.runs
    ids = [one for one in (restore.run_id, restore.end_run_id) if one]
    states = tx.scalars(sa.select(runs.c.state).where(runs.c.id.in_(ids)))
    return all(RunState(state).final for state in states)


def _may_have_left(restore: Restore) -> bool:
    return restore.state is _S.LEFT_OVER or (
        restore.state is _S.UNDONE and restore.error is not None
    )


def _cleared(tx: sa.Connection, restore: Restore) -> None:
    if restore.state is _S.LEFT_OVER:
        restores.set_state(tx, restore, _S.FAILED)
    else:
        restores.update(tx, restore.id, error=None)


def _effects(tx: sa.Connection, restore: Restore) -> tuple[Effect, ...]:
    environment = environment_by_id(tx, restore.arguments["environment_id"])
    region, made = restore.arguments["region"], restore.made
    known = [
        *[("instance", made.instance_id)] * (made.instance_id is not None),
        *[("volume", volume) for volume in sorted(made.volumes.values())],
        *[("network", made.group_id)] * (made.group_id is not None),
    ]
    place = (environment.name, environment.account, region)
    detail = f"made by {restore.id}"
    everything = Effect("delete", "restore", "", restore.id, *place, "whatever carries its tag")
    return (
        *[Effect("delete", kind, id_ or "", "", *place, detail) for kind, id_ in known],
        everything,
    )
