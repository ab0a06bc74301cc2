"""The worlds and Runs that meet faults. `prepare` happens once; its last act asks for the Run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from cloud import accounts
from cloud.accounts import MAIN
from cloud.seed import Machine, launch, register_image
from integration.matrix.orders import Facts
from integration.matrix.stage import Stage
from mavis_core.db import tables
from mavis_core.scheduling.model import Run

HOME = "eu-central-1"
_PLAN = "nightly"


@dataclass(frozen=True, slots=True)
class Scenario:
    """A world and a Run.

    Parameters
    ----------
    name
        The job's action, or a little more.
    prepare
        Makes the world and asks for the Run, in a process of its own.
    """

    name: str
    prepare: Callable[[Stage], Facts]


def _machines(stage: Stage, *names: str) -> tuple[list[Machine], dict[str, str]]:
    """Make machines with a root and a data volume; return them and the digests of their bytes."""
    with accounts.ec2(stage.endpoint, MAIN, HOME) as client:
        image = register_image(client, "base")
        made = [launch(client, MAIN, HOME, name, (8, 20), image=image) for name in names]
    content = {
        volume: stage.write(volume, {0: b"boot", number: f"{machine.name} {number}".encode()})
        for machine in made
        for number, volume in enumerate(machine.volume_ids, start=1)
    }
    return made, content


def _shop(stage: Stage, *names: str) -> tuple[list[Machine], dict[str, str]]:
    """Make the project with one environment, and machines that it has discovered."""
    made = _machines(stage, *names)
    stage.shop(("main", MAIN, [HOME]))
    stage.done("inventory.discover")
    return made


def _backup(stage: Stage) -> Facts:
    machines, content = _shop(stage, "web-1", "db-1")
    stage.plan(_PLAN, keep={"last": 3})
    return _facts(stage.ask("backup.run", _PLAN), machines, content)


def _point(stage: Stage) -> Facts:
    machines, content = _shop(stage, "web-1")
    return _facts(stage.ask("recovery_point.create", "web-1"), machines, content)


def _retention(stage: Stage) -> Facts:
    machines, content = _shop(stage, "web-1", "db-1")
    stage.plan(_PLAN, max_delete_share=1.0)
    old = _snapshots_of(stage, stage.done("backup.run", _PLAN).id)
    stage.done("backup.run", _PLAN)
    stage.change_plan(_PLAN, keep={"last": 1}, max_delete_share=1.0)
    run = stage.ask("retention.apply", _PLAN)
    return _facts(run, machines, content, may_go=frozenset(old))


def _facts(
    run: Run,
    machines: Sequence[Machine],
    content: Mapping[str, str],
    *,
    places: tuple[tuple[str, str], ...] = ((MAIN, HOME),),
    may_go: frozenset[str] = frozenset(),
    **words: str,
) -> Facts:
    ids = tuple(machine.instance_id for machine in machines)
    return Facts(run.id, places, ids, content, may_go, words)


def _snapshots_of(stage: Stage, run_id: str) -> Sequence[str]:
    """Return the volume snapshots of the points that a Run made."""
    points, copies, members = tables.recovery_points, tables.copies, tables.copy_members
    query = (
        sa.select(members.c.cloud_id)
        .join(copies, copies.c.id == members.c.copy_id)
        .join(points, points.c.id == copies.c.point_id)
        .where(points.c.run_id == run_id)
    )
    with stage.database.read() as tx:
        return tx.scalars(query).all()


SCENARIOS = {
    each.name: each
    for each in (
        Scenario("backup.run", _backup),
        Scenario("recovery_point.create", _point),
        Scenario("retention.apply", _retention),
    )
}
