"""The job ``catalogue.rebuild``: the catalogue made anew from what the clouds themselves hold.

Every volume snapshot carries the manifest of its recovery point, so where the database is lost,
or is older than the clouds, each environment is read and compared with the rows. What is lacking
is written: points, copies, members, and the calls in the ledger that made them. What the clouds
show no more becomes missing. Legal holds stand in the database alone and do not come back.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from mavis_core import records
from mavis_core.access import Permission
from mavis_core.changes.model import Plan, Severity
from mavis_core.contract import Connection, SnapshotLock, VolumeSnapshot
from mavis_core.db import Database, tables
from mavis_core.errors import (
    Cancelled,
    CloudError,
    CloudVanished,
    Conflict,
    InvalidInput,
    MavisError,
    Unavailable,
)
from mavis_core.ids import check_id
from mavis_core.inventory.connections import Clouds
from mavis_core.inventory.model import effect_in
from mavis_core.projects.environments import environments_of
from mavis_core.projects.model import Environment
from mavis_core.protection.catalogue import rows as catalogue_rows
from mavis_core.protection.catalogue.found_sets import (
    FoundPoint,
    FoundSet,
    Gathered,
    Seen,
    gather,
)
from mavis_core.protection.catalogue.rows import Change, Place
from mavis_core.protection.points import rows as points
from mavis_core.protection.points.expiry import POINT_TAG
from mavis_core.protection.points.model import MemberState, PointState, RecoveryPoint
from mavis_core.scheduling.attempts import record_of
from mavis_core.scheduling.jobs import BaseJob, Binding, JobStep, PlanRequest, Progress
from mavis_core.scheduling.model import Run

__all__ = ["ACTION", "RebuildJob"]

ACTION = "catalogue.rebuild"
_CHUNK = 500
_TOLD = 200  # reasons that stand in the result of a Run
_THERE = (PointState.EXPIRING, PointState.GONE)


@dataclass(slots=True)
class _Look:
    """What was seen in all environments of a project."""

    seen: list[Seen] = field(default_factory=list)
    places: dict[Place, Environment] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)

    @property
    def shown(self) -> dict[str, VolumeSnapshot]:
        """Every snapshot by its id."""
        return {one.snapshot.cloud_id: one.snapshot for one in self.seen}


@dataclass(slots=True)
class _Tally:
    """What came of comparing."""

    found: int = 0
    added: int = 0
    repaired: int = 0
    left_alone: list[str] = field(default_factory=list)

    def to_json(self, unread: Sequence[str]) -> dict[str, Any]:
        """Return it as the result of a Run."""
        more = len(self.left_alone) - _TOLD
        rest = [f"and {more} more"] if more > 0 else []
        return {
            "found": self.found,
            "added": self.added,
            "repaired": self.repaired,
            "left_alone": [*self.left_alone[:_TOLD], *rest],
            "unread": list(unread),
        }


class RebuildJob(BaseJob):
    """Compare the catalogue of a project with its clouds, and write what it lacks.

    Parameters
    ----------
    database, clouds
        Rows and connections.
    """

    action = ACTION
    permission = Permission.ENVIRONMENT_WRITE
    binding = Binding.REQUEST

    def __init__(self, database: Database, clouds: Clouds) -> None:
        self._database = database
        self._clouds = clouds

    def plan(self, tx: sa.Connection, request: PlanRequest) -> Plan:
        if request.arguments or request.resource:
            raise InvalidInput(f"{ACTION} takes no arguments", field="arguments")
        environments = environments_of(tx, request.project.id)
        return Plan(
            ACTION,
            request.project.id,
            request.project.name,
            "the catalogue",
            Severity.CHANGES,
            tuple(
                effect_in("read", each, region, "every snapshot of a recovery point")
                for each in environments
                for region in each.regions
            ),
        )

    def steps(self, run: Run) -> Sequence[JobStep]:
        return [JobStep("Compare with the clouds", lambda progress: self._rebuild(run, progress))]

    def _rebuild(self, run: Run, progress: Progress) -> Mapping[str, Any]:
        """Do it, from the first look on; repeating it changes nothing.

        Raises
        ------
        CloudError
            An environment could not be read; the others were compared.
        """
        with self._database.read() as tx:
            environments = sorted(environments_of(tx, run.project_id), key=lambda each: each.id)
        look = _Look()
        for environment in environments:
            self._read(run, environment, look, progress)
        gathered = gather(look.seen, run.plan.project_name)
        tally = _Tally(found=len(gathered.points), left_alone=gathered.left_alone)
        rows = self._rows(run, gathered)
        homes = {each.name: each.id for each in environments}
        new = [each for each in gathered.points if each.id not in rows]
        locks = self._locks(run, new, progress)
        for number, found in enumerate(new):
            self._add(run, found, locks, homes, tally)
            _tell(progress, number + 1, len(new), "new")
        self._compare(run, gathered, rows, look, tally, progress)
        words = f"{tally.found} found, {tally.added} added, {tally.repaired} repaired"
        progress.say(words, percent=100)
        if look.unread:
            raise CloudError(f"{words}; not read: {'; '.join(look.unread)}")
        return {"catalogue": tally.to_json(look.unread)}

    def _read(self, run: Run, environment: Environment, look: _Look, progress: Progress) -> None:
        """See every snapshot of a recovery point in an environment."""
        try:
            with self._clouds.connect(run.context("worker"), environment.id, progress) as (
                _,
                connection,
            ):
                for region in environment.regions:
                    for page in connection.snapshots.all(region, tag=POINT_TAG):
                        look.seen += [Seen(environment, snapshot) for snapshot in page]
                        progress.say(f"{environment.name} / {region}: {len(look.seen)} seen")
                    look.places.setdefault((environment.account, region), environment)
        except (Cancelled, Unavailable):
            raise
        except MavisError as exc:
            look.unread.append(f"{environment.name}: {exc.message}")

    def _rows(self, run: Run, gathered: Gathered) -> dict[str, RecoveryPoint]:
        """Return what the catalogue has, of this project and of what was found."""
        table = tables.recovery_points
        with self._database.read() as tx:
            query = sa.select(table).where(table.c.project_id == run.project_id)
            rows = points.points_of(tx, tx.execute(query).mappings().all())
            ids = [each.id for each in gathered.points]
            for start in range(0, len(ids), _CHUNK):
                elsewhere = sa.select(table).where(
                    table.c.project_id != run.project_id,
                    table.c.id.in_(ids[start : start + _CHUNK]),
                )
                rows += points.points_of(tx, tx.execute(elsewhere).mappings().all())
        return {point.id: point for point in rows}

    def _locks(
        self, run: Run, new: Iterable[FoundPoint], progress: Progress
    ) -> dict[str, SnapshotLock]:
        """Return the locks in force of the members of new points."""
        by_place: dict[tuple[str, str], list[str]] = defaultdict(list)
        for each in (each for found in new for each in found.sets):
            by_place[each.environment.id, each.region] += [
                one.cloud_id for one in each.members.values()
            ]
        locks: dict[str, SnapshotLock] = {}
        for (environment_id, region), ids in by_place.items():
            with self._clouds.connect(run.context("worker"), environment_id, progress) as (
                _,
                connection,
            ):
                locks |= connection.locks.locks(region, ids)
        return locks

    def _add(
        self,
        run: Run,
        found: FoundPoint,
        locks: Mapping[str, SnapshotLock],
        homes: Mapping[str, str],
        tally: _Tally,
    ) -> None:
        """Write a point that the catalogue lacks, with its calls in the ledger."""
        if reason := _unfit(found.sets):
            tally.left_alone.append(f"{found.id}: {reason}")
            return
        try:
            with self._database.write() as tx:
                point = catalogue_rows.new_point(found, run, locks, homes)
                points.insert(tx, [point])
                tally.left_alone += catalogue_rows.put_intents(tx, run, found.sets)
                records.write(tx, _record(run, point.id, f"is added: it is {point.state}"))
        except (Conflict, InvalidInput) as exc:
            tally.left_alone.append(f"{found.id}: {exc.message}")
        else:
            tally.added += 1

    def _compare(
        self,
        run: Run,
        gathered: Gathered,
        rows: Mapping[str, RecoveryPoint],
        look: _Look,
        tally: _Tally,
        progress: Progress,
    ) -> None:
        """Bring the points that the catalogue has up to what the clouds show."""
        found = {each.id: each for each in gathered.points}
        shown = look.shown
        with self._database.read() as tx:
            every = [set_ for each in gathered.points for set_ in each.sets]
            settled = catalogue_rows.settled(tx, run.project_id, every)
        for number, point in enumerate(rows.values()):
            there = found.get(point.id)
            if reason := _foreign(run, point, there):
                tally.left_alone.append(f"{point.id}: {reason}")
            else:
                changes = catalogue_rows.changes_of(point, there, shown, look.places)
                sure = self._sure(run, changes, look, tally, progress)
                lacking = _lacking(point, there, tally)
                sets = there.sets if there is not None else ()
                if sure or lacking or not all(settled.issuperset(s.intents) for s in sets):
                    try:
                        self._repair(run, point, there, sure, lacking, tally)
                    except (Conflict, InvalidInput) as exc:
                        tally.left_alone.append(f"{point.id}: {exc.message}")
            _tell(progress, number + 1, len(rows), "known")

    def _sure(
        self,
        run: Run,
        changes: Iterable[Change],
        look: _Look,
        tally: _Tally,
        progress: Progress,
    ) -> list[Change]:
        """Return the changes without those that only lost tags explain."""
        sure = []
        for change in changes:
            copy = change.copy
            lost = [m.cloud_id for m in change.members if m.state is MemberState.MISSING]
            ids = [cloud_id for cloud_id in lost if cloud_id is not None]
            there = self._still_there(
                run, look.places[copy.account, copy.region], copy.region, ids, progress
            )
            if there:
                tally.left_alone.append(f"{', '.join(there)}: there, and without our tags")
            else:
                sure.append(change)
        return sure

    def _still_there(
        self,
        run: Run,
        environment: Environment,
        region: str,
        ids: Sequence[str],
        progress: Progress,
    ) -> list[str]:
        """Return which snapshots are there all the same, under their ids."""
        if not ids:
            return []
        with self._clouds.connect(run.context("worker"), environment.id, progress) as (
            _,
            connection,
        ):
            return [one for one in ids if _is_there(connection, region, one)]

    def _repair(
        self,
        run: Run,
        point: RecoveryPoint,
        found: FoundPoint | None,
        changes: Sequence[Change],
        lacking: Sequence[FoundSet],
        tally: _Tally,
    ) -> None:
        """Write what changed of a point, the copies that it lacks, and its calls."""
        with self._database.write() as tx:
            now = points.load(tx, run.project_id, point.id)
            if now != point:
                return  # somebody works on it; the next time finds it quiet
            for change in changes:
                catalogue_rows.put_change(tx, change)
                words = f"in {change.copy.place} was {change.copy.state} and is {change.state}"
                records.write(tx, _record(run, point.id, words))
            for set_ in lacking:
                copy = catalogue_rows.new_copy(set_, found) if found is not None else None
                if copy is not None:
                    points.insert_copy(tx, [copy])
                    points.set_copy(tx, copy, copy.state, error=copy.error)
                    words = f"has a copy in {copy.place} that is {copy.state}"
                    records.write(tx, _record(run, point.id, words))
            ours = found.sets if found is not None else ()
            tally.left_alone += catalogue_rows.put_intents(tx, run, ours)
        tally.repaired += len(changes) + len(lacking)


def _tell(progress: Progress, number: int, total: int, word: str) -> None:
    if number % 50 == 0 or number == total:
        progress.say(f"{number} of {total} {word} points", percent=min(99, 100 * number // total))


def _unfit(sets: Iterable[FoundSet]) -> str | None:
    """Return why sets are not written, or None."""
    for each in sets:
        if each.pending:
            return f"is still being made in {each.environment.name} / {each.region}"
        if each.copy_id:
            try:
                check_id(each.copy_id, "cop")
            except InvalidInput as exc:
                return exc.message
    return None


def _foreign(run: Run, point: RecoveryPoint, found: FoundPoint | None) -> str | None:
    """Return why a point in the catalogue is not compared with what was found, or None."""
    if point.project_id != run.project_id:
        return "another project has it in the catalogue"
    if found is not None and not catalogue_rows.same(point.manifest, found.manifest):
        return "the manifest in its tags is not the one in the catalogue"
    return None


def _lacking(point: RecoveryPoint, found: FoundPoint | None, tally: _Tally) -> list[FoundSet]:
    """Return the sets of which the catalogue has no copy, and whose place is free."""
    lacking = []
    for each in found.sets if found is not None else ():
        copies = [c for c in point.copies if (c.account, c.region) == each.place]
        mine = [c for c in copies if c.role is each.role and each.copy_id in ("", c.id)]
        if any(c.state not in _THERE for c in mine):
            continue
        where = f"{point.id} in {each.environment.name} / {each.region}"
        if mine:
            if all(copy.state is PointState.GONE for copy in mine):
                tally.left_alone.append(f"{where}: gone in the catalogue, and there in the cloud")
        elif any(copy.state not in _THERE for copy in copies):
            tally.left_alone.append(f"{where}: the catalogue has another copy there")
        elif reason := _unfit([each]):
            tally.left_alone.append(f"{where}: {reason}")
        else:
            lacking.append(each)
    return lacking


def _is_there(connection: Connection, region: str, cloud_id: str) -> bool:
    try:
        connection.snapshots.describe(region, [cloud_id])
    except CloudVanished:
        return False
    return True


def _record(run: Run, point_id: str, words: str) -> records.Record:
    return record_of(
        run, records.Phase.EVENT, f"{point_id} {words}", source="worker", point=point_id
    )
