"""A project whose recovery points are copied: three environments, two accounts, two regions."""

from __future__ import annotations

import copy
import itertools
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from core_double import ACCOUNT, REGION, Core, Project, finish, sqlite_url
from mavis_core import clock
from mavis_core.protection.points.model import Copy, CopyRole, RecoveryPoint
from mavis_core.scheduling.model import Run
from mavis_core.testing.cloud import ACTIONS, Call, FakeCloud, Rule

OTHER, AWAY = "222222222222", "there-1"
_STATE = ("instances", "volumes", "snapshots", "subnets", "tokens", "commands", "made")


class Killed(BaseException):
    """Stands for kill -9: nothing catches it, nothing after it is written."""


def kill(_: Call) -> None:
    raise Killed


def die(call: Call) -> None:
    """Kill the worker for good: nothing that it does from now on reaches the cloud."""
    call.cloud.rules[:] = [Rule(action, before=kill, times=10_000) for action in ACTIONS]
    raise Killed


def scene(core: Core, cloud: FakeCloud) -> Project:
    """Return the project, with one machine of two volumes."""
    cloud.launch(ACCOUNT, REGION, "web-1", sizes=(8, 20), tags={"app": "shop"})
    shop = core.shop()
    add_environment(shop, "away", ACCOUNT, AWAY)
    add_environment(shop, "dr", OTHER, AWAY)
    shop.discover()
    return shop


def add_environment(shop: Project, name: str, account: str, *regions: str) -> None:
    """Connect the project with one more account."""
    shop.core.environments.create(
        shop.ada,
        "shop",
        name=name,
        kit="fake",
        account=account,
        regions=list(regions),
        key=None,
        options={},
    )


def take(shop: Project, machine: str = "web-1") -> RecoveryPoint:
    """Take a recovery point of a machine."""
    shop.start("recovery_point.create", machine)
    assert shop.core.carry_out() is None
    return shop.points()[0]


def copy_to(shop: Project, point: RecoveryPoint, environment: str, **more: Any) -> Run:
    """Copy a point, to its end."""
    run = shop.start("recovery_point.copy", point.id, environment=environment, region=AWAY, **more)
    shop.core.carry_out()
    return shop.run(run)


def copies(shop: Project) -> list[Copy]:
    """Return the copies that are not the primary ones, the oldest first."""
    found = [copy for point in shop.points() for copy in point.copies]
    return sorted((c for c in found if c.role is CopyRole.COPY), key=lambda copy: copy.id)


def shared(cloud: FakeCloud) -> list[str]:
    """Return the snapshots that another account may read."""
    return [one.id for one in cloud.snapshots.values() if one.shared_with]


def made_in(cloud: FakeCloud, account: str, region: str = AWAY) -> list[str]:
    """Return the snapshots of an account in a region."""
    return [
        one.id for one in cloud.snapshots.values() if (one.account, one.region) == (account, region)
    ]


@dataclass(frozen=True)
class Template:
    """A project as it was at one moment: its database and the state of its cloud."""

    database: Path
    state: dict[str, Any]

    def copy(self, folder: Path) -> Project:
        """Return a project of its own in `folder` that goes on from there."""
        folder.mkdir(parents=True, exist_ok=True)
        cloud = FakeCloud()
        for name, value in copy.deepcopy(self.state).items():
            setattr(cloud, name, value)
        cloud._numbers = itertools.count(1001)
        shutil.copy(self.database, folder / "mavis.sqlite")
        return Project(Core(sqlite_url(folder), cloud))


def freeze(folder: Path, prepare: Callable[[Core, FakeCloud], object]) -> Template:
    """Return what `prepare` has come to, to go on from there many times."""
    cloud = FakeCloud()
    core = Core(sqlite_url(folder), cloud)
    prepare(core, cloud)
    core.close()
    state = {name: copy.deepcopy(getattr(cloud, name)) for name in _STATE}
    return Template(folder / "mavis.sqlite", state)


def calls_of(template: Template, folder: Path) -> list[Call]:
    """Return the calls that come to the cloud when all that is due is done once."""
    shop = template.copy(folder)
    shop.core.carry_out()
    shop.core.close()
    return shop.core.cloud.calls


def nth(calls: list[Call], position: int, **what: Any) -> Rule:
    """Return a rule for the call that came at `position`, when the same is done once more."""
    action = calls[position].action
    return Rule(action, skip=sum(call.action == action for call in calls[:position]), **what)


def carry_on(shop: Project) -> int:
    """Do what is due, with a new worker after each that was killed; return how many were."""
    killed = 0
    start = clock.now()
    while killed < 5:
        with clock.set_clock(lambda killed=killed: start + killed * timedelta(minutes=3)):
            worker = shop.core.worker()
            if not worker.due(1):
                break
            try:
                finish(shop.core.begin(worker))
            except Killed:
                killed += 1
                shop.core.cloud.rules.clear()
    return killed


@contextmanager
def later(more: timedelta) -> Iterator[None]:
    """Let `more` time have passed inside the block."""
    start = clock.now() + more
    with clock.set_clock(lambda: start):
        yield
