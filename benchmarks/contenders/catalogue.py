"""A catalogue of recovery points over two years: every machine has one at each of 100 slots."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from core_double import PLATFORM, call, sqlite_url
from mavis_core import clock
from mavis_core.access import CallContext
from mavis_core.db import Database, migrate, open_database
from mavis_core.projects.service import Projects
from mavis_core.protection.plans.service import BackupPlan, BackupPlans
from mavis_core.protection.points import rows as points
from mavis_core.protection.points.manifests import Disk, Manifest
from mavis_core.protection.points.model import Member, MemberState, PointState, RecoveryPoint

PROJECT, MACHINES = "shop", 1000
FEW = 10  # machines of the second plan
SLOTS = (
    *(timedelta(hours=number) for number in range(24)),
    *(timedelta(days=number) for number in range(1, 31)),
    *(timedelta(weeks=number) for number in range(5, 31)),
    *(timedelta(days=30 * number) for number in range(8, 28)),
)
_DOCUMENT = {
    "selection": {},
    "zone": "Europe/Berlin",
    "rules": [{"name": "hourly", "cron": "5 * * * *"}],
    "keep": {"hourly": 24, "daily": 30, "weekly": 20, "monthly": 12},
}


class Catalogue:
    """The rows, and what reads them."""

    def __init__(self, folder: Path) -> None:
        url = sqlite_url(folder)
        migrate(url)
        self.database: Database = open_database(url)
        self.projects = Projects(self.database)
        self.projects.create(self.admin, name=PROJECT, title="Web shop")
        plans = BackupPlans(self.database, self.projects)
        self.plan = plans.create(self.admin, PROJECT, "hourly", _DOCUMENT)
        self.small = plans.create(self.admin, PROJECT, "small", _DOCUMENT)

    @property
    def admin(self) -> CallContext:
        """A new call by the administrator."""
        return call("ada", PLATFORM)

    def fill(self) -> int:
        """Write the points, the oldest first, and return how many there are."""
        now, made = clock.now(), 0
        for slot, ago in enumerate(sorted(SLOTS, reverse=True)):
            with clock.set_clock(partial(_still, now - ago)):
                some = list(self._slot(slot, now - ago))
            with self.database.write() as tx:
                points.insert(tx, some)
            made += len(some)
        return made

    def _slot(self, slot: int, moment: datetime) -> Iterator[RecoveryPoint]:
        for number in range(MACHINES):
            plan = self.small if number < FEW else self.plan
            yield _ended(_planned(plan, number, moment), _state(slot, number), moment)


def instance_id(number: int) -> str:
    """Return the cloud's id of a machine."""
    return f"i-{number:017x}"


def _state(slot: int, number: int) -> PointState:
    """Return how a point ended: of 100, five were deleted by hand, two are not complete."""
    lot = (slot * 37 + number * 61) % 100
    if lot < 5:
        return PointState.GONE
    return {5: PointState.PARTIAL, 6: PointState.FAILED}.get(lot, PointState.COMPLETE)


def _planned(plan: BackupPlan, number: int, moment: datetime) -> RecoveryPoint:
    disks = tuple(
        Disk(f"vol-{number:016x}{disk}", f"/dev/sd{'af'[disk]}", 8, "gp3", encrypted=True)
        for disk in range(2)
    )
    return points.planned(
        project_id=plan.project_id,
        project=PROJECT,
        environment_id="env_main",
        environment="main",
        account="123456789012",
        region="eu-central-1",
        instance_id=instance_id(number),
        instance_name=f"machine-{number}",
        description=f"Mavis plan {plan.name}",
        created_by="ada",
        run_id=f"run_{moment:%Y%m%d%H%M}",
        manifest=Manifest({"instance_type": "t3.small"}, {"env": "production"}, disks),
        plan_id=plan.id,
        plan=plan.name,
        rule="hourly",
        slot=f"{moment:%Y-%m-%dT%H:%M}",
    )


def _ended(point: RecoveryPoint, state: PointState, moment: datetime) -> RecoveryPoint:
    copy = point.primary
    members = tuple(
        Member(m.volume_id, m.device, f"snap-{copy.id[-16:]}{n}", MemberState.COMPLETED, 100, 8)
        for n, m in enumerate(copy.members)
    )
    done = replace(copy, state=state, completed_at=moment, members=members)
    return replace(point, state=state, taken_at=moment, completed_at=moment, copies=(done,))


def _still(moment: datetime) -> datetime:
    return moment
