"""What all restores have in common: a row that tells the truth, and the way back.

A step that fails takes back what was made before the Run ends as failed. The reason is in the
row from that moment, so that an attempt after a crash goes on taking back and does not restore
again. A Run that is cancelled takes back in its step "Clean up".
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from mavis_core.access import Permission
from mavis_core.errors import (
    Cancelled,
    CloudError,
    MavisError,
    Unavailable,
    from_told,
    told,
)
from mavis_core.protection.points import rows as points
from mavis_core.protection.points.manifests import Disk
from mavis_core.protection.points.model import RecoveryPoint
from mavis_core.protection.restore import rows as restores
from mavis_core.protection.restore.model import Disks, Restore, RestoreKind, RestoreState
from mavis_core.protection.restore.removal import remove_all
from mavis_core.protection.restore.request import Part, Source
from mavis_core.protection.restore.site import Means, Site
from mavis_core.scheduling.jobs import BaseJob, JobStep, Progress
from mavis_core.scheduling.model import Run

__all__ = ["RestoreJob", "Work", "order_of", "parts_of", "warnings_of"]

Work = Callable[[Site], Mapping[str, Any] | None]
_S = RestoreState


class RestoreJob(BaseJob, ABC):
    """Restore from one copy of a recovery point.

    Parameters
    ----------
    means
        What it works with.
    """

    action: str
    permission: Permission
    kind: RestoreKind

    def __init__(self, means: Means) -> None:
        self._means = means

    @abstractmethod
    def work(self) -> Sequence[tuple[str, Work]]:
        """Return the steps by name; the last one completes the restore."""

    def take_back(self, site: Site) -> CloudError | None:
        """Remove what was made, from wherever it was left.

        Returns
        -------
        CloudError | None
            What went wrong besides: nothing is left all the same. None: nothing did.

        Raises
        ------
        CloudError
            Something may be left.
        """
        remove_all(site)
        return None

    def accepted(self, tx: sa.Connection, run: Run) -> None:
        arguments = run.plan.arguments
        restores.insert(
            tx, run, self.kind, point_id=arguments["point_id"], copy_id=arguments["copy_id"]
        )

    def steps(self, run: Run) -> Sequence[JobStep]:
        return [JobStep(name, self._guarded(run, work)) for name, work in self.work()]

    def _guarded(self, run: Run, work: Work) -> Callable[[Progress], Mapping[str, Any] | None]:
        def step(progress: Progress) -> Mapping[str, Any] | None:
            restore = self._begun(run)
            if restore.error is not None and restore.state in (_S.TAKING_BACK, _S.FAILED):
                raise self._back(run, from_told(restore.error), progress)
            try:
                with self._means.site(run, restore, progress) as site:
                    return work(site)
            except (Unavailable, Cancelled):
                raise
            except MavisError as exc:
                self._turn(run, exc)
                raise self._back(run, exc, progress) from exc

        return step

    def _begun(self, run: Run) -> Restore:
        """Return the restore of a Run, which has begun."""
        with self._means.database.write() as tx:
            restore = restores.of_run(tx, run.id)
            if restore.state is _S.PLANNED:
                restore = restores.set_state(tx, restore, _S.RUNNING)
            return restore

    def _turn(self, run: Run, error: MavisError) -> None:
        """Write down that from now on what was made is taken back, and why."""
        with self._means.database.write() as tx:
            restore = restores.of_run(tx, run.id)
            if restore.state is _S.RUNNING and restore.disks is not Disks.NEW:
                restores.set_state(tx, restore, _S.TAKING_BACK, error=error)

    def _back(self, run: Run, error: MavisError, progress: Progress) -> MavisError:
        """Take back what was made where that is the direction, and return why."""
        restore = self._means.restore(run)
        if restore.state is not _S.TAKING_BACK:
            return error
        progress.say(f"{error.message}; taking back what was made")
        try:
            with self._means.site(run, restore, progress) as site:
                problem = self.take_back(site)
                if problem is not None:
                    error = from_told(told(error), message=f"{error.message}; {problem.message}")
                site.write(lambda tx, now: _taken_back(tx, now, _S.FAILED, error))
        except CloudError as exc:
            return from_told(
                told(error),
                message=f"{error.message}; what was made could not be taken back: {exc.message}",
            )
        return error

    def clean_up(self, run: Run, progress: Progress) -> None:
        with self._means.database.write() as tx:
            restore = restores.of_run(tx, run.id)
            if restore.state in (_S.RUNNING, _S.COMPLETE):
                restore = restores.set_state(tx, restore, _S.TAKING_BACK)
        if restore.state is _S.TAKING_BACK:
            with self._means.site(run, restore, progress) as site:
                problem = self.take_back(site)
                site.write(lambda tx, now: _taken_back(tx, now, _S.CANCELLED, problem))
            if problem is not None:
                raise problem

    def cancelled(self, tx: sa.Connection, run: Run) -> None:
        restore = restores.of_run(tx, run.id)
        if restore.state is _S.PLANNED:
            restores.set_state(tx, restore, _S.CANCELLED)

    def failed(self, tx: sa.Connection, run: Run, error: MavisError) -> None:
        restore = restores.of_run(tx, run.id)
        if restore.state is _S.PLANNED:
            restores.set_state(tx, restore, _S.FAILED, error=error)
        elif restore.state not in (_S.RUNNING, _S.TAKING_BACK):
            return  # it has come to its end before the Run, and says so
        elif restore.disks is Disks.OLD:
            restores.set_state(tx, restore, _S.LEFT_OVER, error=error)
        elif restore.disks is Disks.NEW:
            restores.set_state(tx, restore, _S.COMPLETE, error=error)
        else:
            mend = f"`mavis restore undo {restore.id}` puts the old volumes back; none is lost."
            stranded = from_told({**told(error), "mend": mend})
            restores.set_state(tx, restore, _S.STRANDED, error=stranded)

    def complete(self, site: Site, *, error: MavisError | None = None) -> Mapping[str, Any]:
        """Write down that the restore is there, and return what a reader should know of it."""

        def change(tx: sa.Connection, restore: Restore) -> None:
            restores.set_state(tx, restore, _S.COMPLETE, error=error)

        restore = site.write(change)
        made = restore.made
        result: dict[str, Any] = {"restore": restore.id}
        if made.volumes:
            result["volumes"] = sorted(made.volumes.values())
        if made.instance_id:
            result["instance"] = made.instance_id
        return result


def _taken_back(
    tx: sa.Connection, restore: Restore, after: RestoreState, error: MavisError | None
) -> None:
    if restore.state is _S.TAKING_BACK:
        restores.set_state(tx, restore, after, error=error)


def order_of(source: Source, parts: Sequence[Part], **more: Any) -> dict[str, Any]:
    """Return the arguments by which a restore is carried out, as JSON values."""
    return {
        "point_id": source.point.id,
        "copy_id": source.copy.id,
        "environment_id": source.environment.id,
        "region": source.region,
        "snapshots": {part.disk.volume_id: part.snapshot_id for part in parts},
        **{name: value for name, value in more.items() if value is not None},
    }


def parts_of(site: Site) -> tuple[RecoveryPoint, tuple[Part, ...]]:
    """Return a restore's recovery point and the parts that were ordered, root first."""
    restore = site.restore
    with site.means.database.read() as tx:
        point = points.load(tx, restore.project_id, restore.point_id)
    members = {m.volume_id: m for copy in point.copies for m in copy.members}
    disks = {disk.volume_id: disk for disk in point.manifest.disks}
    for volume_id, member in members.items():
        disks.setdefault(volume_id, Disk(volume_id, member.device, member.size_gib))
    snapshots: Mapping[str, str] = restore.arguments["snapshots"]
    return point, tuple(
        Part(disk, snapshots[volume]) for volume, disk in disks.items() if volume in snapshots
    )


def warnings_of(source: Source, cost: str, *more: str) -> tuple[str, ...]:
    """Return what a reader should know before a restore begins.

    Parameters
    ----------
    cost
        What is made costs, as a part of a sentence.
    """
    taken = source.point.taken_at or source.point.created_at
    state = (
        f"As of {taken:%Y-%m-%d %H:%M:%S} UTC, after a power cut: what was written later, and what"
        " programs held in memory, is not in it."
    )
    return (state, f"Cost until it is removed: {cost}.", *more)
