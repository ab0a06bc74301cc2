"""A backup with hooks, a lock and copies in two accounts, on AWS as the simulator plays it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import sqlalchemy as sa

from cloud import accounts
from cloud.client import Simulator
from cloud_benches import KIT, AwsBench
from copy_scene import copies, later
from core_double import PLATFORM, Core, Project, call, sqlite_url
from mavis_core.access import Role
from mavis_core.db import tables
from mavis_core.protection.points.model import PointState, RecoveryPoint
from mavis_core.scheduling.execution import LEASE
from mavis_core.scheduling.model import RunState
from mavis_core.testing.cloud import FakeCloud

HOME, AWAY = "eu-central-1", "us-east-1"
HOOKS = {"pre": "echo frozen", "post": "echo thawed", "timeout": "20s"}


@pytest.fixture
def bench(simulator: Simulator, aws_environment: Path) -> Iterator[AwsBench]:
    with ExitStack() as stack:
        yield AwsBench(simulator, stack)


@pytest.fixture
def shop(bench: AwsBench, tmp_path: Path) -> Iterator[Project]:
    """Return a project in two accounts, with one encrypted machine of two volumes."""
    bench.launch(HOME, "web-1", (8, 20), {"app": "shop"}, kms_key=bench.shared_key(HOME))
    core = Core(sqlite_url(tmp_path), FakeCloud(), settle_s=2, kits={"aws": KIT})
    ada = call("ada", PLATFORM)
    core.projects.create(ada, name="shop", title="")
    core.projects.put_member(ada, "shop", "user:olga", Role.OPERATOR)
    keys = {"main": (accounts.MAIN, bench.key), "dr": (accounts.PARTNER, bench.elsewhere_key)}
    for name, (account, key) in keys.items():
        core.vault.store(ada, name=name, kind="aws", value=key, known={"aws": KIT.key_fields})
        core.environments.create(
            ada,
            "shop",
            name=name,
            kit="aws",
            account=account,
            regions=[HOME, AWAY],
            key=name,
            options={},
        )
    project = Project(core)
    project.discover()
    yield project
    core.close()


def back_up(shop: Project, key: str) -> RecoveryPoint:
    place = {"region": AWAY, "kms_key": key}
    shop.plan(
        hooks=HOOKS,
        copies=[{"environment": "main", **place}, {"environment": "dr", **place}],
        lock={"mode": "governance", "for": "2d"},
    )
    assert shop.back_up().state is RunState.SUCCEEDED
    return shop.points()[0]


def test_copies_are_whole_locked_and_read_by_nobody_else(bench: AwsBench, shop: Project) -> None:
    point = back_up(shop, bench.shared_key(AWAY))
    assert point.manifest.configuration["consistency"]["level"] == "application"
    assert [(copy.environment, copy.state) for copy in copies(shop)] == [
        ("main", PointState.COMPLETE),
        ("dr", PointState.COMPLETE),
    ]
    assert point.lock is not None
    with accounts.ec2(bench.simulator.url, accounts.MAIN, HOME) as ec2:
        for member in point.primary.members:
            said = ec2.describe_snapshot_attribute(
                SnapshotId=member.cloud_id or "", Attribute="createVolumePermission"
            )
            assert said["CreateVolumePermissions"] == []
    for account, copy in zip((accounts.MAIN, accounts.PARTNER), copies(shop), strict=True):
        with accounts.ec2(bench.simulator.url, account, AWAY) as ec2:
            ids = [member.cloud_id or "" for member in copy.members]
            locks = ec2.describe_locked_snapshots(SnapshotIds=ids)["Snapshots"]
            assert {each["LockState"] for each in locks} == {"governance"}
            assert len(locks) == len(ids) == 2


def test_the_catalogue_comes_back_from_the_tags_of_two_accounts(
    bench: AwsBench, shop: Project
) -> None:
    before = back_up(shop, bench.shared_key(AWAY))
    with shop.core.database.write() as tx:
        for table in (tables.copy_members, tables.copies, tables.recovery_points, tables.intents):
            tx.execute(sa.delete(table))
    with later(10 * LEASE):
        run = shop.core.runs.start(
            shop.ada,
            "shop",
            action="catalogue.rebuild",
            resource=None,
            arguments={},
        )
        assert shop.core.carry_out() is None
    assert shop.run(run).result["catalogue"]["left_alone"] == []
    (point,) = shop.points()
    assert (point.id, point.state, point.manifest) == (before.id, "complete", before.manifest)
    assert (point.plan, point.description) == ("nightly", before.description)
    assert {c.id: c.members for c in copies(shop)} == {
        copy.id: copy.members for copy in before.copies if copy.role == "copy"
    }
