"""Whoever follows Runs looks at one number each, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from core_double import ACCOUNT, REGION, Core, Project, at_once, finish
from mavis_core import clock
from mavis_core.errors import InvalidInput
from mavis_core.scheduling import store
from mavis_core.scheduling.model import Run, RunState
from mavis_core.testing.cloud import FakeCloud, during


@pytest.fixture
def shop(shop_core: Core, cloud: FakeCloud) -> Project:
    cloud.launch(ACCOUNT, REGION, "web-1", sizes=(8, 20))
    project = shop_core.shop()
    project.discover()
    return project


def version(shop: Project, run: Run) -> int:
    return shop.core.runs.versions([run.id])[run.id]


@contextmanager
def queries_of(core: Core) -> Iterator[list[str]]:
    """Collect what the database is asked in the block."""
    asked: list[str] = []

    def note(_conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
        asked.append(statement)

    sa.event.listen(core.database.engine, "before_cursor_execute", note)
    try:
        yield asked
    finally:
        sa.event.remove(core.database.engine, "before_cursor_execute", note)


def test_a_version_grows_by_one_with_each_change_of_a_run_or_a_step(shop: Project) -> None:
    run = shop.start("recovery_point.create", "web-1")
    assert (run.version, version(shop, run)) == (1, 1)
    with shop.core.database.write() as tx:
        store.put_steps(tx, run.id, ["one", "two"])
    assert version(shop, run) == 2
    with shop.core.database.write() as tx:
        store.update_step(tx, run.id, 1, detail="half way", progress_percent=50)
    assert version(shop, run) == 3
    with shop.core.database.write() as tx:
        assert store.update(tx, run.id, result={"a": 1})
    assert version(shop, run) == 4
    assert shop.run(run).version == 4


def test_what_changes_nothing_leaves_the_version(shop: Project) -> None:
    run = shop.start("recovery_point.create", "web-1")
    worker = shop.core.worker()
    attempt = shop.core.begin(worker)
    before = version(shop, run)
    names = [step.name for step in attempt.steps]
    worker.renew([run.id])
    with shop.core.database.write() as tx:
        assert not store.update(tx, run.id, sa.false(), result={"a": 1})
        store.put_steps(tx, run.id, names)
    assert version(shop, run) == before


def test_a_change_that_is_rolled_back_is_none(shop: Project) -> None:
    run = shop.start("recovery_point.create", "web-1")

    def half() -> None:
        with shop.core.database.write() as tx:
            store.update(tx, run.id, result={"a": 1})
            raise ValueError("in the middle")

    with pytest.raises(ValueError, match="in the middle"):
        half()
    assert version(shop, run) == 1


def test_changes_at_once_are_all_counted(shop: Project) -> None:
    run = shop.start("recovery_point.create", "web-1")
    with shop.core.database.write() as tx:
        store.put_steps(tx, run.id, ["one"])

    def change() -> None:
        for percent in range(10):
            with shop.core.database.write() as tx:
                store.update_step(tx, run.id, 0, progress_percent=percent)

    assert at_once(*[change] * 4) == [None] * 4
    assert version(shop, run) == 2 + 40


def test_a_follower_sees_every_state_that_a_run_goes_through(
    shop: Project, cloud: FakeCloud
) -> None:
    run = shop.start("recovery_point.create", "web-1")
    seen = {version(shop, run): shop.run(run).state}

    def look(_: object = None) -> None:
        (now,) = shop.core.runs.load_unchecked([run.id])
        seen.setdefault(now.version, now.state)

    cloud.rules.append(during("snapshots.create", look))
    attempt = shop.core.begin(shop.core.worker())
    look()
    assert finish(attempt) is None
    look()
    assert [seen[each] for each in sorted(seen)] == [
        RunState.QUEUED,
        RunState.RUNNING,
        RunState.RUNNING,
        RunState.SUCCEEDED,
    ]


def test_versions_of_many_take_one_question(shop: Project) -> None:
    runs = [shop.start("recovery_point.create", "web-1") for _ in range(5)]
    with queries_of(shop.core) as asked:
        found = shop.core.runs.versions([*(run.id for run in runs), "run_none"])
    assert found == {run.id: 1 for run in runs}
    assert len([each for each in asked if each.startswith("SELECT")]) == 1


def test_many_are_loaded_as_one_by_one_without_a_look_at_who_asks(shop: Project) -> None:
    runs = [shop.start("recovery_point.create", "web-1") for _ in range(3)]
    assert shop.core.carry_out() is None
    found = shop.core.runs.load_unchecked([runs[2].id, "run_none", runs[0].id, runs[1].id])
    assert list(found) == [shop.run(run) for run in runs]
    assert all(len(run.steps) == 3 for run in found)


def test_no_more_than_a_few_hundred_are_followed_at_a_time(shop: Project) -> None:
    ids = [f"run_{number}" for number in range(501)]
    runs = shop.core.runs
    for call in (runs.versions, runs.load_unchecked):
        with pytest.raises(InvalidInput, match="at most 500"):
            call(ids)
        assert len(call(ids[:500])) == 0
    with pytest.raises(InvalidInput, match="at most 500"):
        runs.changes_unchecked(ids, clock.now())


def test_changes_of_projects_are_told_once_each_in_order(shop: Project) -> None:
    runs, later = shop.core.runs, clock.now() + timedelta(minutes=5)
    with clock.set_clock(lambda: later):
        first = shop.start("recovery_point.create", "web-1")
        second = shop.start("recovery_point.create", "web-1")
    one_more = later + timedelta(minutes=1)
    with clock.set_clock(lambda: one_more), shop.core.database.write() as tx:
        store.update(tx, first.id, result={"a": 1})
    told = runs.changes_unchecked([first.project_id], later)
    assert [(each.run_id, each.version) for each in told] == [(second.id, 1), (first.id, 2)]
    assert {each.project_id for each in told} == {first.project_id}
    assert told[-1].changed_at == one_more
    again = runs.changes_unchecked([first.project_id], told[-1].changed_at)
    assert [each.run_id for each in again] == [first.id], "within 30 seconds it is told again"
    assert runs.changes_unchecked(["prj_none"], later) == ()
    assert runs.changes_unchecked([], later) == ()
    with shop.core.database.read() as tx:
        newest = store.changes(tx, [first.project_id], later - timedelta(days=1), limit=1)
    assert newest == told[-1:]
