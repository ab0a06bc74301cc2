"""The timetable: each slot once, by whoever looks, over outages, edits and clocks that are set."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from core_double import ACCOUNT, REGION, Core, Project, at_once, plan_document
from mavis_core import clock
from mavis_core.access import Role
from mavis_core.db import tables
from mavis_core.protection.points.model import PointState
from mavis_core.scheduling.model import RunState
from mavis_core.testing.cloud import FakeCloud

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)  # a Monday; 13:00 in Berlin
SLOT = datetime(2026, 3, 3, 1, 30, tzinfo=UTC)  # 02:30 in Berlin


class Hands:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now

    def turn(self, **by: float) -> None:
        self.now += timedelta(**by)


@pytest.fixture
def hands() -> Iterator[Hands]:
    made = Hands()
    with clock.set_clock(made):
        yield made


@pytest.fixture
def shop(hands: Hands, core: Core, cloud: FakeCloud) -> Project:
    cloud.launch(ACCOUNT, REGION, "web-1", sizes=(8, 20))
    project = core.shop()
    project.discover()
    return project


def backups(shop: Project) -> list[tuple[str, str, str]]:
    """Return rule, local time and how of every slot that has begun, in their order."""
    table = tables.slots
    with shop.core.database.read() as tx:
        rows = tx.execute(sa.select(table).order_by(table.c.begun_at, table.c.rule)).all()
    return [(row.rule, row.key, row.how) for row in rows]


def tick(shop: Project) -> None:
    """Let the timetable look, and carry out what it began."""
    shop.core.timetable.tick()
    shop.core.carry_out()


def test_a_slot_begins_when_it_is_due_and_once(shop: Project, hands: Hands) -> None:
    shop.plan()
    tick(shop)
    assert backups(shop) == []
    hands.now = SLOT
    tick(shop)
    tick(shop)
    hands.turn(minutes=1)
    tick(shop)
    assert backups(shop) == [("daily", "2026-03-03T02:30", "on time")]
    (point,) = shop.points()
    assert (point.rule, point.slot, point.state) == (
        "daily",
        "2026-03-03T02:30",
        PointState.COMPLETE,
    )
    assert point.created_by == "ada", "it runs with the authority of whoever wrote the plan"


def test_a_slot_that_many_look_at_at_once_begins_once(shop: Project, hands: Hands) -> None:
    shop.plan()
    hands.now = SLOT
    looks = [shop.core.new_timetable().tick for _ in range(4)]
    begun = [run for each in at_once(*looks) if not isinstance(each, Exception) for run in each]
    assert len(backups(shop)) == 1
    assert len(set(begun)) == len(begun)


def test_prefect_and_the_timetable_share_a_slot(shop: Project, hands: Hands) -> None:
    plan = shop.plan()
    hands.now = SLOT
    patience = timedelta(seconds=20)
    shop.core.timetable.tick(patience=patience)
    assert backups(shop) == [], "it is left to Prefect for a while"
    taken = shop.core.timetable.take_slot(plan.id, "daily", reserved=patience)
    assert taken is not None
    worker = shop.core.worker()
    kept_back = [due.run_id for due in worker.due(5)]
    assert taken not in kept_back, "it is for the flow run that asked"
    assert worker.adopt(taken, "flow-1")
    assert not worker.adopt(taken, "flow-2")
    assert shop.core.timetable.take_slot(plan.id, "daily", reserved=patience) is None
    hands.turn(minutes=1)
    shop.core.timetable.tick(patience=patience)
    assert len(backups(shop)) == 1


def test_after_an_outage_a_plan_catches_up_once_and_says_what_it_missed(
    shop: Project, hands: Hands
) -> None:
    shop.plan(rules=[{"name": "hourly", "cron": "0 * * * *"}])
    hands.turn(days=10)
    tick(shop)
    tick(shop)
    assert [how for _, _, how in backups(shop)] == ["catch-up"] or len(backups(shop)) == 1
    report = shop.core.reports.protection(shop.olga, "shop")
    (row,) = [row for row in report.rows if row.finding == "skipped"]
    assert "239 slots of hourly" in row.why


def test_a_clock_that_was_a_year_ahead_does_not_stop_a_plan(shop: Project, hands: Hands) -> None:
    shop.plan(rules=[{"name": "hourly", "cron": "0 * * * *"}])
    hands.turn(days=365)
    tick(shop)
    ahead = len(backups(shop))
    hands.turn(days=-365)
    for _ in range(3):
        hands.turn(hours=1)
        tick(shop)
    assert len(backups(shop)) >= ahead + 3
    keys = [key for _, key, _ in backups(shop)]
    assert len(keys) == len(set(keys))


def test_an_edit_does_not_begin_what_was_not_meant(shop: Project, hands: Hands) -> None:
    shop.plan()
    hands.now = SLOT + timedelta(hours=8)
    tick(shop)
    count = len(backups(shop))
    moved = plan_document(rules=[{"name": "daily", "cron": "0 3 * * *"}])
    shop.core.backup_plans.replace(shop.ada, "shop", "nightly", moved)
    tick(shop)
    assert len(backups(shop)) == count, "03:00 had passed when the plan was edited"
    hands.turn(days=1)
    tick(shop)
    assert backups(shop)[-1][1] == "2026-03-04T03:00"


def test_a_plan_that_is_disabled_or_removed_begins_nothing(shop: Project, hands: Hands) -> None:
    shop.plan(enabled=False)
    shop.plan("other")
    shop.core.backup_plans.remove(shop.ada, "shop", "other")
    hands.turn(days=3)
    tick(shop)
    assert backups(shop) == []


def test_a_plan_whose_owner_lost_the_role_is_refused_and_the_report_says_why(
    shop: Project, hands: Hands
) -> None:
    shop.core.projects.put_member(shop.ada, "shop", "user:bob", Role.ADMIN)
    shop.plan()
    shop.core.projects.put_member(shop.ada, "shop", "user:ada", Role.VIEWER)
    hands.now = SLOT
    tick(shop)
    assert shop.points() == []
    report = shop.core.reports.protection(shop.olga, "shop")
    why = [row.why for row in report.rows if row.finding == "failed"]
    assert any("backup.run" in each and "needs the role" in each for each in why)


def test_retention_looks_once_a_day(shop: Project, hands: Hands) -> None:
    shop.plan(keep={"last": 1})
    tick(shop)
    runs = tables.runs
    query = sa.select(runs.c.slot, runs.c.state).where(runs.c.kind == "retention.apply")
    for _ in range(3):
        hands.turn(hours=3)
        tick(shop)
    with shop.core.database.read() as tx:
        found = [(row.slot or "", row.state) for row in tx.execute(query)]
    daily = [slot for slot, _ in found if slot.count("/") == 2]
    assert len(daily) == len(set(daily)) == 1
    assert {state for _, state in found} == {RunState.SUCCEEDED}
