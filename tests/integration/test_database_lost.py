"""The main database is gone: the catalogue comes back from the cloud, and restores every byte."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from cloud import accounts
from cloud.client import Simulator
from cloud.witness import Witness
from cloud_benches import KIT, AwsBench
from core_double import PLATFORM, Core, Project, call, sqlite_url
from mavis_core.access import Role
from mavis_core.protection.points.model import PointState
from mavis_core.scheduling.model import RunState
from mavis_core.testing.cloud import FakeCloud

HOME, AWAY = "eu-central-1", "us-east-1"
BLOCKS = {0: b"boot", 5: b"what the shop sells", 1999: b"far behind"}


@pytest.fixture
def bench(simulator: Simulator, aws_environment: Path) -> Iterator[AwsBench]:
    with ExitStack() as stack:
        yield AwsBench(simulator, stack)


@contextmanager
def appliance(bench: AwsBench, folder: Path) -> Iterator[Project]:
    """Set an appliance up as an administrator does, over a new database in `folder`."""
    folder.mkdir()
    core = Core(sqlite_url(folder), FakeCloud(), settle_s=2, kits={"aws": KIT})
    ada = call("ada", PLATFORM)
    core.projects.create(ada, name="shop", title="")
    core.projects.put_member(ada, "shop", "user:olga", Role.OPERATOR)
    known = {"aws": KIT.key_fields}
    core.vault.store(ada, name="main", kind="aws", value=bench.key, known=known)
    core.environments.create(
        ada,
        "shop",
        name="main",
        kit="aws",
        account=accounts.MAIN,
        regions=[HOME, AWAY],
        key="main",
        options={},
    )
    try:
        project = Project(core)
        project.discover()
        yield project
    finally:
        core.close()


def test_a_restore_from_a_rebuilt_catalogue_gives_every_byte_back(
    bench: AwsBench, tmp_path: Path
) -> None:
    machine = bench.launch(HOME, "web-1", (8, 20), {"app": "shop"})
    for number, volume in enumerate(machine.volumes):
        bench.simulator.write(volume, {key + number: data for key, data in BLOCKS.items()})
    digests = {volume: bench.simulator.digest(volume) for volume in machine.volumes}
    with appliance(bench, tmp_path / "first") as shop:
        shop.plan(copies=[{"environment": "main", "region": AWAY}])
        assert shop.back_up().state is RunState.SUCCEEDED
        (before,) = shop.points()
        assert {copy.state for copy in before.copies} == {PointState.COMPLETE}
    for file in (tmp_path / "first").iterdir():
        file.unlink()
    for volume in machine.volumes:
        bench.simulator.write(volume, {0: b"a mistake"})

    with appliance(bench, tmp_path / "second") as shop:
        assert shop.points() == []
        shop.core.runs.start(
            shop.ada,
            "shop",
            action="catalogue.rebuild",
            resource=None,
            arguments={},
        )
        assert shop.core.carry_out() is None
        (point,) = shop.points()
        assert (point.id, point.state, point.manifest) == (
            before.id,
            PointState.COMPLETE,
            before.manifest,
        )
        for region in (HOME, AWAY):
            run = shop.start("restore.volumes", point.id, region=region, zone=f"{region}a")
            assert shop.core.carry_out() is None
            assert shop.run(run).state is RunState.SUCCEEDED
            made = _restored(bench, region, run.id)
            assert sorted(bench.simulator.digest(one) for one in made) == sorted(digests.values())


def _restored(bench: AwsBench, region: str, run_id: str) -> list[str]:
    """Return the volumes that a Run made, as a client of its own sees them."""
    seen = Witness(bench.simulator.url).volumes(accounts.MAIN, region)
    return [volume.id for volume in seen if volume.tags.get("mavis:run") == run_id]
