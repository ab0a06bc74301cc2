"""The jobs of restores, over the same means."""

from __future__ import annotations

from mavis_core.protection.restore.in_place import RestoreInPlaceJob
from mavis_core.protection.restore.instance import RestoreInstanceJob
from mavis_core.protection.restore.leftovers import ClearJob
from mavis_core.protection.restore.site import Means
from mavis_core.protection.restore.undo import ForgetJob, UndoJob
from mavis_core.protection.restore.verification import VerifyJob
from mavis_core.protection.restore.volumes import RestoreVolumesJob
from mavis_core.scheduling.jobs import Job

__all__ = ["restore_jobs"]


def restore_jobs(means: Means, *, agent_s: float = 60.0) -> tuple[Job, ...]:
    """Return every job that restores, undoes or verifies.

    Parameters
    ----------
    agent_s
        See `VerifyJob`.
    """
    return (
        RestoreVolumesJob(means),
        RestoreInstanceJob(means),
        RestoreInPlaceJob(means),
        UndoJob(means),
        ForgetJob(means),
        ClearJob(means),
        VerifyJob(means, agent_s=agent_s),
    )
