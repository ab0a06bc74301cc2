"""The jobs ``restore.undo`` and ``restore.forget``: what becomes of the volumes that were replaced.

An undo exchanges the disks as the restore did, the other way round, and deletes the new volumes
when the old ones hang there. Where the cloud refuses, it goes back to the new ones; the reason is
in the row from that moment, so that each attempt knows the direction. Cancelled, it goes back as
long as the old volumes are not all there, and completes after that.

Forgetting deletes the old volumes when the undo has run out. Mavis asks for that itself. One that
somebody has put to use again, or that has lost our tag, stays.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from mavis_core import clock
from mavis_core.access import Permission
from mavis_core.changes.model import Effect, Plan, Severity
from mavis_core.contract import InstanceState, Volume
from mavis_core.errors import (
    Cancelled,
    CloudError,
    CloudVanished,
    Conflict,
    InvalidInput,
    MavisError,
    Unavailable,
    from_told,
    told,
)
from mavis_core.projects.environments import environment_by_id
from mavis_core.protection.restore import disks, machines, starts
from mavis_core.protection.restore import rows as restores
from mavis_core.protection.restore.found import forget_volumes, remember_hanging
from mavis_core.protection.restore.in_place import (
    REPLACED_TAG,
    new_devices,
    put_in_place,
    release,
)
from mavis_core.protection.restore.job import Work
from mavis_core.protection.restore.leftovers import belongs_to_nobody
from mavis_core.protection.restore.model import Disks, Restore, RestoreKind, RestoreState
from mavis_core.protection.restore.removal import remove_all
from mavis_core.protection.restore.request import Arguments
from mavis_core.protection.restore.site import Means, Site
from mavis_core.scheduling.jobs import BaseJob, JobStep, PlanRequest, Progress
from mavis_core.scheduling.model import Run

__all__ = ["ForgetJob", "UndoJob"]

_S = RestoreState


class UndoJob(BaseJob):
    """Put the old volumes back that a restore in place has replaced.

    Parameters
    ----------
    means
        What it works with.
    """

    action = "restore.undo"
    permission = Permission.RESTORE_REPLACE

    def __init__(self, means: Means) -> None:
        self._means = means

    def plan(self, tx: sa.Connection, request: PlanRequest) -> Plan:
        restore = _restore(tx, request, self.action)
        stranded = restore.disks is Disks.BETWEEN
        if restore.state not in (_S.COMPLETE, _S.STRANDED, _S.UNDOING) or restore.before is None:
            raise Conflict(f"The restore {restore.id} is {restore.state}: there is nothing to undo")
        too_late = restore.undo_until is not None and restore.undo_until <= clock.now()
        if too_late and not stranded and restore.state is not _S.UNDOING:
            raise Conflict(
                f"The undo of {restore.id} ended at {restore.undo_until:%Y-%m-%d %H:%M} UTC; old"
                " volumes go or have gone",
                mend="Restore from a recovery point that was taken before.",
            )
        return _plan(tx, self.action, restore, request, _undo_effects(tx, restore))

    def accepted(self, tx: sa.Connection, run: Run) -> None:
        _take(tx, run, (_S.COMPLETE, _S.STRANDED), _S.UNDOING)

    def steps(self, run: Run) -> Sequence[JobStep]:
        work: Sequence[tuple[str, Work]] = [
            ("Look whether all is there", self._look),
            ("Stop the instance", self._stop),
            ("Put the old volumes back", self._exchange),
            ("Start the instance", starts.start_again),
            ("Delete the new volumes", self._delete),
        ]
        return [JobStep(name, self._guarded(run, call)) for name, call in work]

    def _guarded(self, run: Run, work: Work) -> Callable[[Progress], Mapping[str, Any] | None]:
        def step(progress: Progress) -> Mapping[str, Any] | None:
            restore = self._means.restore(run)
            if restore.error is not None and restore.disks is not Disks.OLD:
                self._back(run, from_told(restore.error), progress)
            try:
                with self._means.site(run, restore, progress) as site:
                    return work(site)
            except (Unavailable, Cancelled):
                raise
            except MavisError as exc:
                if self._means.restore(run).disks is not Disks.OLD:
                    with self._means.database.write() as tx:
                        restores.update(tx, restore.id, error=told(exc))
                    self._back(run, exc, progress)
                raise

        return step

    def _back(self, run: Run, error: MavisError, progress: Progress) -> None:
        """Put the new volumes back and raise why."""
        progress.say(f"{error.message}; going back to the new volumes")
        try:
            with self._means.site(run, self._means.restore(run), progress) as site:
                problem = _go_back(site)
        except CloudError as exc:
            raise from_told(
                told(error),
                message=f"{error.message}; nor could the new volumes be kept: {exc.message}",
            ) from exc
        if problem is not None:
            error = from_told(told(error), message=f"{error.message}; {problem.message}")
        raise error

    def _look(self, site: Site) -> None:
        """Look whether the old volumes are all there, before anything is done."""
        before = site.restore.before
        if before is None or before.seen_by == site.run.id:
            return
        instance = machines.described(site, before.instance_id)
        old = [volume for volume in before.devices.values() if volume]
        there = disks.there(site, old)
        if missing := [volume for volume in old if volume not in there]:
            raise CloudVanished(
                f"Of the old volumes {', '.join(missing)} are gone; nothing was changed",
                mend="Restore from a recovery point that was taken before.",
            )
        if instance.state is InstanceState.GONE:
            starts.settle(site, before.instance_id, how=starts.GONE)
            raise CloudVanished(
                f"The instance {before.instance_id} is gone; the old volumes are there:"
                f" {', '.join(old)}"
            )
        running = instance.state in (InstanceState.PENDING, InstanceState.RUNNING)
        ran = running or starts.owed(site, before.instance_id)
        seen = replace(before, ran=ran, seen_by=site.run.id)
        site.write(lambda tx, restore: restores.update(tx, restore.id, before=seen.to_json()))

    def _stop(self, site: Site) -> None:
        if site.restore.before is not None:
            starts.stop(site, site.restore.before)

    def _exchange(self, site: Site) -> None:
        if site.restore.before is not None:
            put_in_place(site, site.restore.before.devices, Disks.OLD)

    def _delete(self, site: Site) -> Mapping[str, Any]:
        _finish(site)
        return {"restore": site.restore.id}

    def clean_up(self, run: Run, progress: Progress) -> None:
        restore = self._means.restore(run)
        before = restore.before
        if restore.state is not _S.UNDOING or before is None or before.seen_by != run.id:
            return
        with self._means.site(run, restore, progress) as site:
            if before.disks is Disks.OLD:
                starts.start_again(site)
                _finish(site)
            elif (problem := _go_back(site)) is not None:
                raise problem

    def cancelled(self, tx: sa.Connection, run: Run) -> None:
        _settle(tx, restores.of_run(tx, run.id), None)

    def failed(self, tx: sa.Connection, run: Run, error: MavisError) -> None:
        _settle(tx, restores.of_run(tx, run.id), error)


class ForgetJob(BaseJob):
    """Delete the volumes that a restore in place has replaced, when the undo has run out.

    Parameters
    ----------
    means
        What it works with.
    """

    action = "restore.forget"
    permission = Permission.RESTORE_REPLACE

    def __init__(self, means: Means) -> None:
        self._means = means

    def plan(self, tx: sa.Connection, request: PlanRequest) -> Plan:
        restore = _restore(tx, request, self.action)
        if restore.state not in (_S.COMPLETE, _S.FORGETTING) or restore.before is None:
            raise Conflict(f"The restore {restore.id} is {restore.state}: it keeps no old volumes")
        if restore.undo_until is None or restore.undo_until > clock.now():
            raise Conflict(
                f"The restore {restore.id} can be undone until"
                f" {restore.undo_until or clock.now():%Y-%m-%d %H:%M} UTC",
                mend="Wait; Mavis lets the old volumes go by itself.",
            )
        effects = [
            _effect(tx, restore, "delete", volume, f"was {device} of {restore.before.instance_id}")
            for device, volume in restore.before.devices.items()
            if volume
        ]
        return _plan(tx, self.action, restore, request, effects)

    def accepted(self, tx: sa.Connection, run: Run) -> None:
        _take(tx, run, (_S.COMPLETE,), _S.FORGETTING)

    def steps(self, run: Run) -> Sequence[JobStep]:
        return [JobStep("Delete the old volumes", lambda progress: self._forget(run, progress))]

    def _forget(self, run: Run, progress: Progress) -> Mapping[str, Any]:
        restore = self._means.restore(run)
        if restore.before is None or restore.state is not _S.FORGETTING:
            return {"restore": restore.id}
        old = [volume for volume in restore.before.devices.values() if volume]
        with self._means.site(run, restore, progress) as site:
            there = disks.there(site, old)
            kept = {one.cloud_id: why for one in there.values() if (why := _kept(restore, one))}
            gone = [volume for volume in old if volume not in kept]
            disks.delete(site, [volume for volume in gone if volume in there])

        def change(tx: sa.Connection, now: Restore) -> None:
            restores.set_state(tx, now, _S.FINAL)
            forget_volumes(tx, site, gone)

        site.write(change)
        for volume, why in kept.items():
            progress.say(f"{volume} stays: {why}")
        return {"restore": restore.id, "deleted": gone, "kept": kept}

    def cancelled(self, tx: sa.Connection, run: Run) -> None:
        self._keep(tx, run)

    def failed(self, tx: sa.Connection, run: Run, error: MavisError) -> None:  # noqa: ARG002
        self._keep(tx, run)

    def _keep(self, tx: sa.Connection, run: Run) -> None:
        restore = restores.of_run(tx, run.id)
        if restore.state is _S.FORGETTING:
            restores.set_state(tx, restore, _S.COMPLETE)


def _restore(tx: sa.Connection, request: PlanRequest, action: str) -> Restore:
    Arguments(request, action, ())
    if not request.resource:
        raise InvalidInput("Name a restore by its id", field="resource")
    restore = restores.load(tx, request.project.id, request.resource)
    if restore.kind is not RestoreKind.IN_PLACE:
        raise Conflict(
            f"The restore {restore.id} of kind {restore.kind} has replaced nothing",
            mend="What it made can be removed by hand.",
        )
    return restore


def _take(tx: sa.Connection, run: Run, before: Sequence[RestoreState], after: RestoreState) -> None:
    """Let a restore belong to `run`, where no other works on it."""
    restore = restores.load(tx, run.project_id, run.plan.arguments["restore_id"])
    if restore.state not in before or not belongs_to_nobody(tx, restore):
        raise Conflict(
            f"The restore {restore.id} is {restore.state}, and a Run works on it",
            mend="Wait for it: `mavis run list`.",
        )
    restores.set_state(tx, restore, after)
    restores.update(tx, restore.id, end_run_id=run.id, error=sa.null())


def _plan(
    tx: sa.Connection,
    action: str,
    restore: Restore,
    request: PlanRequest,
    effects: Sequence[Effect],
) -> Plan:
    instance = restore.before.instance_id if restore.before is not None else ""
    return Plan(
        action,
        request.project.id,
        request.project.name,
        f"{restore.id} of {instance}",
        Severity.DESTROYS,
        tuple(effects),
        {"restore_id": restore.id, "environment_id": restore.arguments["environment_id"]},
        _warnings(tx, action, restore),
    )


def _warnings(tx: sa.Connection, action: str, restore: Restore) -> tuple[str, ...]:
    environment_by_id(tx, restore.arguments["environment_id"])  # says where it was removed
    if action == ForgetJob.action:
        return ()
    words = ["What was written since the restore is lost with the new volumes."]
    if restore.state is _S.UNDOING:
        words.append("It is being undone already.")
    return tuple(words)


def _undo_effects(tx: sa.Connection, restore: Restore) -> list[Effect]:
    if restore.before is None:
        return []
    instance, made = restore.before.instance_id, sorted(restore.made.volumes.values())
    back = [(device, volume) for device, volume in restore.before.devices.items() if volume]
    return [
        _effect(tx, restore, "stop", instance, "where it runs"),
        *[_effect(tx, restore, "detach", volume, f"from {instance}") for volume in made],
        *[_effect(tx, restore, "attach", old, f"to {instance} as {at}") for at, old in back],
        _effect(tx, restore, "start", instance, "where it ran"),
        *[_effect(tx, restore, "delete", volume, "made by the restore") for volume in made],
    ]


def _effect(tx: sa.Connection, restore: Restore, verb: str, id_: str, detail: str) -> Effect:
    environment = environment_by_id(tx, restore.arguments["environment_id"])
    kind = "instance" if verb in ("stop", "start") else "volume"
    region = restore.arguments["region"]
    return Effect(verb, kind, id_, "", environment.name, environment.account, region, detail)


def _go_back(site: Site) -> CloudError | None:
    """Let the new volumes hang at the instance again, and start it where it ran.

    Returns
    -------
    CloudError | None
        Why it does not run; the volumes hang there all the same.
    """
    before = site.restore.before
    if before is None or before.seen_by != site.run.id:
        return None  # nothing was touched
    if before.disks is Disks.BETWEEN:
        put_in_place(site, new_devices(site), Disks.NEW)
    try:
        starts.start_again(site)
    except CloudError as exc:
        return exc
    return None


def _finish(site: Site) -> None:
    """Delete the new volumes when the old ones hang there, and say so."""
    remove_all(site)
    release(site)
    new = list(site.restore.made.volumes.values())

    def change(tx: sa.Connection, restore: Restore) -> None:
        if restore.state is _S.UNDOING:
            restores.set_state(tx, restore, _S.UNDONE)
        forget_volumes(tx, site, new)

    site.write(change)
    remember_hanging(site, site.restore.arguments["instance_id"])


def _settle(tx: sa.Connection, restore: Restore, error: MavisError | None) -> None:
    """Bring a restore that was being undone to the state that its disks are in."""
    if restore.state is not _S.UNDOING:
        return
    after = {Disks.OLD: _S.UNDONE, Disks.NEW: _S.COMPLETE, Disks.BETWEEN: _S.STRANDED}
    restores.set_state(tx, restore, after[restore.disks], error=error)


def _kept(restore: Restore, volume: Volume) -> str:
    """Return why an old volume is not deleted; empty: it may be."""
    if volume.attached_to is not None:
        return f"it hangs at {volume.attached_to}"
    if volume.tags.get(REPLACED_TAG) != restore.id:
        return f"it does not carry the tag {REPLACED_TAG}={restore.id}"
    return ""
