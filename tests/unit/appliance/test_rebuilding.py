"""`mavisctl catalogue rebuild` asks the appliance once for each project, and tells what it does."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from copy_scene import scene, take
from core_double import Core, Project
from mavis_core.access import PLATFORM
from mavis_core.db import tables
from mavis_core.errors import NotFound
from mavis_core.scheduling.model import RunState
from mavis_core.testing.cloud import FakeCloud
from mavis_hub import rebuilding


@pytest.fixture
def shop(core: Core, cloud: FakeCloud) -> Project:
    made = scene(core, cloud)
    take(made)
    with core.database.write() as tx:
        for table in (tables.copy_members, tables.copies, tables.recovery_points, tables.intents):
            tx.execute(sa.delete(table))
    return made


def test_it_is_a_run_of_the_platform_and_says_what_came_of_it(shop: Project) -> None:
    core, said = shop.core, list[str]()
    (project,) = rebuilding.projects_of(core.database, "shop")
    begun = rebuilding.begin(core.database, core.runs, project)
    core.carry_out()
    ended = rebuilding.follow(core.database, [begun], said.append)
    assert ended["shop"].state is RunState.SUCCEEDED
    assert ended["shop"].person == PLATFORM.name
    assert ended["shop"].result["catalogue"]["added"] == 1
    assert said == ["shop: succeeded"]


def test_asking_while_it_is_at_work_follows_the_same_run(shop: Project) -> None:
    core = shop.core
    (project,) = rebuilding.projects_of(core.database, None)
    first = rebuilding.begin(core.database, core.runs, project)
    assert rebuilding.begin(core.database, core.runs, project) == first
    core.carry_out()
    assert rebuilding.begin(core.database, core.runs, project) != first


def test_a_project_that_is_not_there_is_not_found(shop: Project) -> None:
    with pytest.raises(NotFound, match="bakery"):
        rebuilding.projects_of(shop.core.database, "bakery")
