"""A scene for restores: one instance with bytes, one recovery point of it, and what came after.

The scene is made once and then copied, database and cloud alike, so that a test of one call among
many costs milliseconds.
"""

from __future__ import annotations

import copy
import itertools
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from core_double import ACCOUNT, PLATFORM, REGION, Core, Project, call, finish, sqlite_url
from mavis_core import clock
from mavis_core.changes.budget import Budget
from mavis_core.changes.ledger import Ledger
from mavis_core.changes.model import IntentState
from mavis_core.db import tables
from mavis_core.db.paging import PageRequest
from mavis_core.errors import MavisError
from mavis_core.ids import new_id
from mavis_core.inventory.connections import Clouds
from mavis_core.protection.points import rows as points
from mavis_core.protection.points.model import Copy, CopyRole, Member, RecoveryPoint
from mavis_core.protection.prices import load_prices
from mavis_core.protection.restore.jobs import restore_jobs
from mavis_core.protection.restore.model import Restore
from mavis_core.protection.restore.site import Means
from mavis_core.scheduling.execution import LEASE
from mavis_core.scheduling.model import Run
from mavis_core.testing.cloud import Call, FakeCloud, FakeInstance, FakeKit, FakeSnapshot, Rule

TAKEN = ({0: b"boot", 7: b"root data"}, {0: b"table", 5: b"row", 9: b"index"})
LATER = ({0: b"boot", 7: b"broken!"}, {0: b"dropped"})
OTHER = "222222222222"
THERE = "there-1"
_STATE = ("instances", "volumes", "snapshots", "images", "groups", "subnets", "tokens", "made")
_PRICES = load_prices()


class Killed(BaseException):
    """Stands for kill -9: nothing catches it, nothing after it is written."""


def kill(_: object) -> None:
    raise Killed


@dataclass
class Scene:
    """What a test of a restore has at hand.

    Parameters
    ----------
    point
        The recovery point, whose volumes hold `TAKEN`; the instance holds `LATER` now.
    """

    core: Core
    cloud: FakeCloud
    project: Project
    point: RecoveryPoint
    folder: Path
    _late: timedelta = field(default=timedelta(0))

    @property
    def web(self) -> FakeInstance:
        """The instance."""
        return self.cloud.instances[self.point.instance_id]

    @property
    def old(self) -> tuple[str, ...]:
        """The volumes that the instance had when the point was taken."""
        return tuple(disk.volume_id for disk in self.point.manifest.disks)

    def ask(self, action: str, resource: str | None = None, **arguments: Any) -> Run:
        """Ask for a Run as the operator, with a preview where one is needed."""
        olga, runs = self.project.olga, self.core.runs
        shown = runs.preview(
            olga, "shop", action=action, resource=resource or self.point.id, arguments=arguments
        )
        return runs.apply(olga, "shop", shown.id, hash=shown.hash, confirm=shown.confirm)

    def warnings(self, action: str, resource: str | None = None, **arguments: Any) -> str:
        """Return what a preview warns of."""
        shown = self.core.runs.preview(
            self.project.olga,
            "shop",
            action=action,
            resource=resource or self.point.id,
            arguments=arguments,
        )
        return "\n".join(shown.plan.warnings)

    def carry_out(self) -> MavisError | None:
        """Do every due Run to its end; return the last error."""
        return self.core.carry_out()

    def done(self, action: str, resource: str | None = None, **arguments: Any) -> Restore:
        """Carry something out, and return the restore that it left."""
        self.ask(action, resource, **arguments)
        error = self.carry_out()
        assert error is None, error
        return self.restore

    def dies(self) -> bool:
        """Do the due Run until the worker is killed; return whether it was."""
        try:
            finish(self.core.begin(self.core.worker()))
        except Killed:
            self._late += 3 * LEASE
            return True
        return False

    def pass_time(self, more: timedelta) -> None:
        """Let `more` time have passed, within `later`."""
        self._late += more

    def newest_run(self) -> Run:
        """Return the Run that was asked for last."""
        page = self.core.runs.list(self.project.olga, "shop", PageRequest())
        return page.items[0]

    @contextmanager
    def later(self, more: timedelta = timedelta(0)) -> Iterator[None]:
        """Let the claims of workers that were killed be over, and `more` time have passed."""
        begun, start = time.monotonic(), clock.now() + more
        with clock.set_clock(
            lambda: start + self._late + timedelta(seconds=time.monotonic() - begun)
        ):
            yield

    def restores(self) -> list[Restore]:
        """Return the restores, the newest first."""
        return list(self.core.restores.list(self.project.olga, "shop", PageRequest()).items)

    @property
    def restore(self) -> Restore:
        """The newest restore."""
        return self.restores()[0]

    def proof(self) -> dict[str, Any]:
        """What stands on the recovery point as its proof."""
        return dict(self.project.points()[0].proof or {})

    def bytes_at(self, instance: FakeInstance) -> list[dict[int, bytes]]:
        """Return the bytes of an instance's volumes, root first."""
        return [self.cloud.volumes[volume].blocks for volume in instance.volumes]

    def connect(self, name: str, account: str, region: str) -> None:
        """Add an environment."""
        self.core.environments.create(
            call("ada", PLATFORM),
            "shop",
            name=name,
            kit="fake",
            account=account,
            regions=[region],
            key=None,
            options={},
        )

    def copy_to(self, name: str, account: str, region: str) -> Copy:
        """Add an environment with a complete copy of the point in it."""
        self.connect(name, account, region)
        environment = self.core.environments.get(self.project.olga, "shop", name)
        members = tuple(self._copied(m, account, region) for m in self.point.primary.members)
        copied = replace(
            self.point.primary,
            id=new_id("cop"),
            role=CopyRole.COPY,
            environment_id=environment.id,
            environment=name,
            account=account,
            region=region,
            members=members,
        )
        with self.core.database.write() as tx:
            points.insert_copy(tx, [copied])
        return copied

    def _copied(self, member: Member, account: str, region: str) -> Member:
        source = self.cloud.snapshots[member.cloud_id or ""]
        made = self.cloud.new_id("snap")
        what = replace(source.what, cloud_id=made, region=region, volume_id="vol-ffffffff")
        self.cloud.snapshots[made] = FakeSnapshot(
            made, account, region, "", "", what, blocks=dict(source.blocks), copied=True
        )
        return replace(member, cloud_id=made)

    def made_by(self, restore: Restore) -> list[str]:
        """Return everything in the cloud that carries a restore's tag."""
        return self.cloud.tagged("mavis:restore", restore.id)

    def open_lines(self) -> list[tuple[str, str]]:
        """Return action and target of each line of the ledger that is open, the oldest first."""
        table = tables.intents
        query = (
            sa.select(table.c.action, table.c.target)
            .where(table.c.state == IntentState.OPEN)
            .order_by(table.c.id)
        )
        with self.core.database.read() as tx:
            return [(action, target) for action, target in tx.execute(query)]

    def ever_made(self, prefix: str) -> int:
        """Return how many things of a kind were ever made after the scene was set."""
        return sum(made.startswith(prefix) and number_of(made) > 100 for made in self.cloud.made)


def number_of(cloud_id: str) -> int:
    """Return the number in an id of the fake cloud; 0 where it is none of its own."""
    return int(cloud_id.rpartition("-")[2], 16)


@dataclass(frozen=True)
class Template:
    """The scene as it was made once: a database and the state of a cloud."""

    database: Path
    state: dict[str, Any]

    def copy(self, folder: Path, **means: Any) -> Scene:
        """Return a scene of its own in `folder`.

        Parameters
        ----------
        means
            Other values of `Means`, and ``agent_s``.
        """
        folder.mkdir(parents=True, exist_ok=True)
        cloud = FakeCloud()
        for name, value in copy.deepcopy(self.state).items():
            setattr(cloud, name, value)
        cloud._numbers = itertools.count(1 + max(100, *map(number_of, cloud.made)))
        shutil.copy(self.database, folder / "mavis.sqlite")
        core = Core(sqlite_url(folder), cloud)
        quick(core, cloud, **means)
        project = Project(core)
        return Scene(core, cloud, project, project.points()[0], folder)


def quick(core: Core, cloud: FakeCloud, *, agent_s: float = 0.0, **means: Any) -> None:
    """Let restores wait for nothing that does not come."""
    budget = Budget(stop=core.stop)
    clouds = Clouds(
        core.database, core.vault, {"fake": FakeKit(cloud)}, isolated=True, budget=budget
    )
    ledger = Ledger(core.database, settle_s=0.0, stop=core.stop)
    values: dict[str, Any] = {"threads": 2, "timeout_s": 0.2, "shows_within_s": 0.0, **means}
    made = Means(core.database, clouds, ledger, _PRICES, core.stop, **values)
    assert isinstance(core.jobs, dict)
    core.jobs.update({job.action: job for job in restore_jobs(made, agent_s=agent_s)})


def freeze(scene: Scene) -> Template:
    """Return what a scene has come to, to go on from there many times; the scene is over."""
    scene.core.close()
    state = {name: copy.deepcopy(getattr(scene.cloud, name)) for name in _STATE}
    return Template(scene.folder / "mavis.sqlite", state)


def make_template(folder: Path) -> Template:
    """Make the scene."""
    cloud = FakeCloud()
    core = Core(sqlite_url(folder), cloud)
    web = cloud.launch(ACCOUNT, REGION, "web-1", sizes=(8, 20), tags={"team": "shop"})
    web.details |= {"key_name": "ops", "profile": f"arn:fake:iam::{ACCOUNT}:web"}
    write(cloud, web, TAKEN)
    shop = core.shop()
    shop.discover()
    shop.start("recovery_point.create", "web-1")
    assert core.carry_out() is None
    write(cloud, web, LATER)
    core.close()
    state = {name: copy.deepcopy(getattr(cloud, name)) for name in _STATE}
    return Template(folder / "mavis.sqlite", state)


def write(cloud: FakeCloud, instance: FakeInstance, content: tuple[dict[int, bytes], ...]) -> None:
    """Let an instance's volumes hold exactly `content`, root first."""
    for volume, blocks in zip(instance.volumes, content, strict=True):
        cloud.volumes[volume].blocks = dict(blocks)


def nth(calls: list[Call], position: int, **what: Any) -> Rule:
    """Return a rule for the call that came at `position`, when the same is done once more."""
    action = calls[position].action
    before = sum(call.action == action for call in calls[:position])
    return Rule(action, skip=before, **what)
