"""Expiry: deleting the volume snapshots of copies that nobody keeps.

Only what is ours is deleted: a snapshot must be in the catalogue, carry the tag of its recovery
point, and stand in the ledger as made by the intent that its tag names. Whatever fails one of
these stays, and the copy says why. A copy belongs to the one Run that brought it to *expiring*;
no other Run deletes from it until that one has ended, so nothing is deleted twice.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import sqlalchemy as sa

from mavis_core import clock
from mavis_core.changes import intents
from mavis_core.changes.ledger import TAG, Effects, Ledger
from mavis_core.changes.model import Call, Intent, Outcome
from mavis_core.contract import Connection, Snapshots, VolumeSnapshot
from mavis_core.db import Database, tables
from mavis_core.errors import (
    CloudError,
    CloudUnreachable,
    Conflict,
    Interrupted,
    MavisError,
    NotFound,
    told,
)
from mavis_core.inventory.connections import Clouds
from mavis_core.protection.points import rows as points
from mavis_core.protection.points import victims
from mavis_core.protection.points.model import Copy, PointState, check_step
from mavis_core.protection.points.victims import ACTION, Victim
from mavis_core.scheduling.jobs import Progress
from mavis_core.scheduling.model import Run, RunState

__all__ = ["ACTION", "POINT_TAG", "Expiry", "left_over", "mark", "take_over"]

POINT_TAG = "mavis:recovery-point"
_SHOWS_WITHIN = timedelta(minutes=2)
_LOOK_EVERY_S = 2.0
_COPIES = tables.copies


def mark(tx: sa.Connection, run: Run, copies: Iterable[Copy]) -> list[Copy]:
    """Bring copies to *expiring* for `run`; return those that were not too late for it."""
    marked = []
    for copy in copies:
        check_step(copy.state, PointState.EXPIRING, what=f"The copy {copy.id} of {copy.point_id}")
        mine = tx.execute(
            sa.update(_COPIES)
            .where(_COPIES.c.id == copy.id, _COPIES.c.state == copy.state)
            .values(expire_run_id=run.id)
        )
        if mine.rowcount:
            points.set_copy(tx, copy, PointState.EXPIRING)
            marked.append(copy)
    return marked


def take_over(tx: sa.Connection, run: Run) -> int:
    """Take over the copies of the project that an ended Run left expiring; return how many."""
    table, runs, recovery_points = _COPIES, tables.runs, tables.recovery_points
    ended = sa.select(runs.c.id).where(
        runs.c.project_id == run.project_id,
        runs.c.state.not_in((RunState.QUEUED, RunState.RUNNING)),
    )
    of_project = sa.select(recovery_points.c.id).where(
        recovery_points.c.project_id == run.project_id
    )
    return tx.execute(
        sa.update(table)
        .where(
            table.c.state == PointState.EXPIRING,
            table.c.point_id.in_(of_project),
            table.c.expire_run_id.in_(ended),
        )
        .values(expire_run_id=run.id)
    ).rowcount


def left_over(tx: sa.Connection, *, ended_before: datetime) -> set[str]:
    """Return the projects in which Runs that ended before a moment have left copies expiring."""
    table, runs, recovery_points = _COPIES, tables.runs, tables.recovery_points
    query = (
        sa.select(recovery_points.c.project_id)
        .join(table, table.c.point_id == recovery_points.c.id)
        .join(runs, runs.c.id == table.c.expire_run_id)
        .where(table.c.state == PointState.EXPIRING, runs.c.finished_at < ended_before)
    )
    return set(tx.scalars(query))


class Expiry:
    """Deletes what Runs have brought to *expiring*.

    Parameters
    ----------
    database, clouds, ledger
        Rows, connections, and the line before each effect.
    threads
        Calls at a time in one environment.
    stop
        Set when the process ends.
    """

    def __init__(
        self,
        database: Database,
        clouds: Clouds,
        ledger: Ledger,
        *,
        threads: int,
        stop: threading.Event,
    ) -> None:
        self._database = database
        self._clouds = clouds
        self._ledger = ledger
        self._threads = threads
        self._stop = stop

    def carry_out(self, run: Run, progress: Progress) -> Mapping[str, object]:
        """Delete the members of every copy that is expiring for `run`.

        A copy of which something had to stay remains *expiring* and says why; the next Run that
        deletes tries again.

        Raises
        ------
        CloudError
            Something had to stay; the message says what and why.
        """
        kept: list[str] = []
        by_environment: dict[str, list[Copy]] = defaultdict(list)
        expiring = self._expiring(run)
        self._finish(expiring)  # of what was never begun nothing is to be deleted
        for copy in self._expiring(run):
            by_environment[copy.environment_id].append(copy)
        for environment_id, copies in by_environment.items():
            try:
                kept += self._in(run, environment_id, copies, progress)
            except (CloudError, NotFound) as exc:
                kept.append(f"{copies[0].environment}: {exc.message}")
                self._note_kept(copies, exc)
        left = self._expiring(run)
        total = len(expiring)
        progress.say(f"{total - len(left)} of {total} deleted", percent=100)
        if kept:
            raise Conflict(
                f"{len(left)} of {total} could not be deleted: {'; '.join(kept[:5])}",
                mend="Look at what keeps them; the next run of retention tries again.",
            )
        return {"deleted": total}

    def looking(self, connection: Connection) -> Effects:
        """Return how to find what calls of `ACTION` have deleted, and to write it down.

        While the cloud may not show yet what they were about, they stay open.
        """
        by_id: dict[str, Victim] = {}
        how = self._deleting(connection.snapshots, by_id)

        def find(open_: Sequence[Intent]) -> Mapping[str, Sequence[str]]:
            with self._database.read() as tx:
                found = victims.of(tx, [intent.call.target for intent in open_])
            by_id.update({victim.cloud_id: victim for victim in found})
            gone = how.find([intent for intent in open_ if intent.call.target in by_id])
            with self._database.read() as tx:
                young = intents.made_since(tx, clock.now() - _SHOWS_WITHIN) if gone else set()
            if hidden := young.intersection(one for made in gone.values() for one in made):
                raise CloudUnreachable(f"The cloud may not show {min(hidden)} yet")
            return gone

        return replace(how, find=find, settle=True)

    def _deleting(self, cloud: Snapshots, by_id: Mapping[str, Victim]) -> Effects:
        """Return how victims are deleted; what is there of them no more was."""

        def find(open_: Sequence[Intent]) -> Mapping[str, Sequence[str]]:
            there = _found(cloud, [by_id[intent.call.target].copy for intent in open_])
            return {
                intent.id: [intent.call.target]
                for intent in open_
                if intent.call.target not in there
            }

        def make(call: Call, _intent: str) -> Sequence[str]:
            cloud.delete(call.region, call.target)
            return (call.target,)

        def note(tx: sa.Connection, outcomes: Sequence[Outcome]) -> None:
            victims.gone(tx, [by_id[o.call.target] for o in outcomes if o.error is None])

        return Effects(find, make, note, settle=False, threads=self._threads)

    def _expiring(self, run: Run) -> list[Copy]:
        query = sa.select(_COPIES).where(
            _COPIES.c.state == PointState.EXPIRING, _COPIES.c.expire_run_id == run.id
        )
        with self._database.read() as tx:
            return points.copies_of(tx, tx.execute(query.order_by(_COPIES.c.id)).mappings().all())

    def _in(
        self, run: Run, environment_id: str, copies: Sequence[Copy], progress: Progress
    ) -> list[str]:
        """Delete in one environment; return what had to stay, in words."""
        ctx = run.context("worker")
        with self._clouds.connect(ctx, environment_id, progress) as (_, connection):
            cloud = connection.snapshots
            shown = self._shown(cloud, copies, progress)
            ours, foreign = self._ours(run, copies, shown)
            by_id = {victim.cloud_id: victim for victim in ours}
            calls = [victim.call for victim in ours]
            progress.say(f"{len(calls)} volume snapshots in {copies[0].environment}")
            how = self._deleting(cloud, by_id)
            outcomes = self._ledger.effects(ctx, run.work, calls, how, progress.say)
        kept = [(by_id[o.call.target].copy, o.error) for o in outcomes if o.error is not None]
        for copy, error in [*kept, *foreign]:
            self._note_kept([copy], error)
        self._finish(copies)
        return [error.message for _, error in [*kept, *foreign]]

    def _shown(
        self, cloud: Snapshots, copies: Sequence[Copy], progress: Progress
    ) -> dict[str, VolumeSnapshot]:
        """Return what the cloud shows of the copies, waiting for what was made just now."""
        while True:
            shown = _found(cloud, copies)
            hidden = self._hidden([victim.cloud_id for victim in victims.left(copies)], shown)
            if not hidden:
                return shown
            progress.waiting(f"the cloud does not show {min(hidden)} yet")
            if self._stop.wait(_LOOK_EVERY_S):
                raise Interrupted("Stopped while waiting to see what is to be deleted")

    def _hidden(self, wanted: Iterable[str], shown: Collection[str]) -> set[str]:
        """Return what the cloud does not show and may show yet.

        What somebody has begun to delete was shown before: it is gone.
        """
        missing = {one for one in wanted if one not in shown}
        if not missing:
            return missing
        with self._database.read() as tx:
            missing &= intents.made_since(tx, clock.now() - _SHOWS_WITHIN)
            return missing - victims.begun(tx, missing)

    def _ours(
        self, run: Run, copies: Sequence[Copy], shown: Mapping[str, VolumeSnapshot]
    ) -> tuple[list[Victim], list[tuple[Copy, MavisError]]]:
        """Return what may be deleted, and copies of which something may not, with the reason."""
        ours: list[Victim] = []
        gone: list[Victim] = []
        foreign: list[tuple[Copy, MavisError]] = []
        with self._database.read() as tx:
            ledger = victims.made_by(tx, [each.tags.get(TAG, "") for each in shown.values()])
            open_ = {intent.call for intent in intents.open_of(tx, run.id)}
        for victim in victims.left(copies):
            there = shown.get(victim.cloud_id)
            if there is None and victim.call not in open_:
                gone.append(victim)
            elif there is None or victim.cloud_id in ledger.get(there.tags.get(TAG, ""), ()):
                ours.append(victim)  # what is not there any more the ledger finds, and says so
            else:
                foreign.append((victim.copy, _not_ours(victim)))
        with self._database.write() as tx:
            victims.gone(tx, gone)
        return ours, foreign

    def _note_kept(self, copies: Iterable[Copy], error: MavisError) -> None:
        with self._database.write() as tx:
            for copy in copies:
                tx.execute(
                    sa.update(_COPIES).where(_COPIES.c.id == copy.id).values(error=told(error))
                )

    def _finish(self, copies: Sequence[Copy]) -> None:
        with self._database.write() as tx:
            victims.finish(tx, copies)


def _not_ours(victim: Victim) -> Conflict:
    return Conflict(
        f"{victim.cloud_id} carries no tag of a call in the ledger, so it is not deleted",
        mend="Look whose it is; delete it in the cloud's console if it may go.",
    )


def _found(cloud: Snapshots, copies: Iterable[Copy]) -> dict[str, VolumeSnapshot]:
    """Return what the cloud shows that carries the tag of one of the copies' points."""
    by_region: dict[str, set[str]] = defaultdict(set)
    for copy in copies:
        by_region[copy.region].add(copy.point_id)
    return {
        snapshot.cloud_id: snapshot
        for region, ids in by_region.items()
        for snapshot in cloud.find(region, tag=POINT_TAG, values=sorted(ids))
    }
