"""What goes and what stays: retention and deletion touch only what is ours, once, in parts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from core_double import ACCOUNT, REGION, Core, Project, finish
from mavis_core import clock
from mavis_core.contract import LockMode
from mavis_core.db import tables
from mavis_core.errors import CloudDenied, CloudInUse, ConfirmationNeeded, Conflict
from mavis_core.protection.points import rows as points
from mavis_core.protection.points.model import Hold, Lock, PointState, RecoveryPoint
from mavis_core.scheduling.execution import LEASE
from mavis_core.scheduling.model import Run, RunState
from mavis_core.testing.cloud import FakeCloud, Rule, lose_reply, refuse

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


class Hands:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def hands() -> Iterator[Hands]:
    made = Hands()
    with clock.set_clock(made):
        yield made


@pytest.fixture
def shop(hands: Hands, core: Core, cloud: FakeCloud) -> Project:
    """A machine with a recovery point from each of the last six days; two are to stay."""
    cloud.launch(ACCOUNT, REGION, "web-1", sizes=(8, 20))
    project = core.shop()
    project.discover()
    project.plan(keep={"last": 2}, max_delete_share=1.0)
    for _ in range(6):
        hands.now += timedelta(days=1)
        project.start("backup.run", "nightly")
        core.carry_out_only("backup.run")
    core.drop_queued()
    return project


def apply(shop: Project) -> Run:
    """Let retention look, as an administrator who confirms."""
    shown = shop.core.runs.preview(
        shop.ada, "shop", action="retention.apply", resource="nightly", arguments={}
    )
    run = shop.core.runs.apply(shop.ada, "shop", shown.id, hash=shown.hash, confirm="shop")
    shop.core.carry_out()
    return shop.run(run)


def deleted(cloud: FakeCloud) -> Counter[str]:
    """Return how often each snapshot was deleted."""
    calls = [call for call in cloud.calls if call.action == "snapshots.delete"]
    return Counter(str(call.arguments["cloud_id"]) for call in calls)


def change(shop: Project, point: RecoveryPoint, **values: object) -> None:
    with shop.core.database.write() as tx:
        points.update(tx, point.id, **values)


def test_what_is_not_kept_goes_and_the_catalogue_and_the_cloud_agree(
    shop: Project, cloud: FakeCloud
) -> None:
    newest = [point.id for point in shop.points()[:2]]
    run = apply(shop)
    assert run.state is RunState.SUCCEEDED
    assert [point.id for point in shop.points()] == newest
    kept = {m.cloud_id for point in shop.points() for m in point.primary.members}
    assert set(cloud.snapshots) == kept
    assert set(deleted(cloud).values()) == {1}
    gone = shop.core.recovery_points.list(
        shop.olga, "shop", shop.page(), state=PointState.GONE
    ).items
    assert len(gone) == 4


def test_it_asks_for_the_projects_name(shop: Project) -> None:
    shown = shop.core.runs.preview(
        shop.ada, "shop", action="retention.apply", resource="nightly", arguments={}
    )
    assert [effect.verb for effect in shown.plan.effects] == ["delete"] * 4
    with pytest.raises(ConfirmationNeeded):
        shop.core.runs.apply(shop.ada, "shop", shown.id, hash=shown.hash, confirm=None)


@pytest.mark.parametrize("protection", ["hold", "lock"])
def test_what_is_held_or_locked_stays(shop: Project, hands: Hands, protection: str) -> None:
    oldest = shop.points()[-1]
    if protection == "hold":
        change(shop, oldest, hold=Hold("aude", hands.now, "audit 2026"))
    else:
        change(shop, oldest, lock=Lock(LockMode.GOVERNANCE, hands.now + timedelta(days=9)))
    apply(shop)
    assert oldest.id in [point.id for point in shop.points()]


def test_a_hold_that_comes_between_asking_and_doing_is_respected(
    shop: Project, hands: Hands
) -> None:
    oldest = shop.points()[-1]
    shown = shop.core.runs.preview(
        shop.ada, "shop", action="retention.apply", resource="nightly", arguments={}
    )
    run = shop.core.runs.apply(shop.ada, "shop", shown.id, hash=shown.hash, confirm="shop")
    change(shop, oldest, hold=Hold("aude", hands.now, "audit 2026"))
    shop.core.carry_out()
    assert oldest.id in [point.id for point in shop.points()]
    assert shop.run(run).result["spared"] == 1


def test_one_run_deletes_a_part_only(shop: Project) -> None:
    document = shop.core.backup_plans.get(shop.ada, "shop", "nightly").definition
    half = replace(document, max_delete_share=0.34).to_json()
    shop.core.backup_plans.replace(shop.ada, "shop", "nightly", half)
    apply(shop)
    assert len(shop.points()) == 4, "a third of six"
    apply(shop)
    assert len(shop.points()) == 3


def test_the_last_good_one_stays_when_newer_ones_are_broken(
    shop: Project, cloud: FakeCloud, hands: Hands
) -> None:
    good, *_ = shop.points()
    cloud.rules.append(refuse("snapshots.create", CloudInUse("no"), times=5))
    for _ in range(5):
        hands.now += timedelta(days=1)
        shop.start("backup.run", "nightly")
        shop.core.carry_out_only("backup.run")
    shop.core.drop_queued()
    apply(shop)
    left = shop.points()
    assert good.id in [point.id for point in left]
    assert Counter(p.state for p in left)[PointState.COMPLETE] == 2, "broken ones do not count"


def test_a_snapshot_whose_tag_was_taken_away_is_not_ours_to_delete(
    shop: Project, cloud: FakeCloud
) -> None:
    oldest = shop.points()[-1]
    stolen = oldest.primary.members[0].cloud_id
    assert stolen is not None
    kept = cloud.snapshots[stolen]
    tags = {name: text for name, text in kept.what.tags.items() if name != "mavis:intent"}
    kept.what = replace(kept.what, tags=tags)
    run = apply(shop)
    assert run.state is RunState.FAILED
    assert stolen in (run.error or {})["message"]
    assert stolen in cloud.snapshots
    assert oldest.primary.members[1].cloud_id not in cloud.snapshots


def test_what_stands_in_no_line_of_the_ledger_is_not_deleted(
    shop: Project, cloud: FakeCloud
) -> None:
    with shop.core.database.write() as tx:
        tx.execute(sa.update(tables.intents).values(made=[]))
    before = set(cloud.snapshots)
    assert apply(shop).state is RunState.FAILED
    assert set(cloud.snapshots) == before


def test_what_the_cloud_has_lost_already_is_not_deleted_again(
    shop: Project, cloud: FakeCloud
) -> None:
    oldest = shop.points()[-1]
    for member in oldest.primary.members:
        assert member.cloud_id is not None
        del cloud.snapshots[member.cloud_id]
    assert apply(shop).state is RunState.SUCCEEDED
    assert not {m.cloud_id for m in oldest.primary.members} & set(deleted(cloud))


def test_a_lost_answer_deletes_nothing_twice(shop: Project, cloud: FakeCloud) -> None:
    cloud.rules.append(lose_reply("snapshots.delete", times=3))
    assert apply(shop).state is RunState.SUCCEEDED
    assert set(deleted(cloud).values()) == {1}


def test_what_the_cloud_keeps_is_told_and_tried_again_by_the_next_run(
    shop: Project, cloud: FakeCloud
) -> None:
    cloud.rules.append(refuse("snapshots.delete", CloudInUse("an image is made of it")))
    first = apply(shop)
    assert first.state is RunState.FAILED
    assert "an image is made of it" in (first.error or {})["message"]
    (stuck,) = [point for point in shop.points() if point.state is PointState.EXPIRING]
    second = apply(shop)
    assert second.state is RunState.SUCCEEDED
    assert stuck.id not in [point.id for point in shop.points()]


def test_what_one_asked_to_delete_and_the_cloud_kept_goes_by_itself_later(
    core: Core, cloud: FakeCloud, hands: Hands
) -> None:
    """Also in a project without a plan, in which no retention runs."""
    cloud.launch(ACCOUNT, REGION, "web-1", sizes=(8,))
    project = core.shop()
    project.discover()
    project.start("recovery_point.create", "web-1")
    core.carry_out()
    (point,) = project.points()
    cloud.rules.append(refuse("snapshots.delete", CloudDenied("no")))
    shown = core.runs.preview(
        project.ada, "shop", action="recovery_point.delete", resource=point.id, arguments={}
    )
    core.runs.apply(project.ada, "shop", shown.id, hash=shown.hash, confirm="shop")
    assert core.carry_out() is not None
    assert project.points()[0].state is PointState.EXPIRING
    assert core.timetable.tick() == [], "not at once again"

    hands.now += timedelta(minutes=61)
    (again,) = core.timetable.tick()
    assert core.carry_out() is None
    assert project.run_of(again).result["deleted"] == 1
    assert (project.points(), len(cloud.snapshots)) == ([], 0)


def test_a_killed_run_is_finished_by_its_next_attempt(
    shop: Project, cloud: FakeCloud, hands: Hands
) -> None:
    class Killed(BaseException):
        pass

    shown = shop.core.runs.preview(
        shop.ada, "shop", action="retention.apply", resource="nightly", arguments={}
    )
    run = shop.core.runs.apply(shop.ada, "shop", shown.id, hash=shown.hash, confirm="shop")

    def kill(_: object) -> None:
        raise Killed

    rule = lose_reply("snapshots.delete")
    rule.after = kill
    rule.skip = 2
    cloud.rules.append(rule)
    attempt = shop.core.begin(shop.core.worker())
    attempt.perform(0)
    with pytest.raises(Killed):
        attempt.perform(1)
    hands.now += 3 * LEASE
    assert shop.core.carry_out() is None
    assert shop.run(run).state is RunState.SUCCEEDED
    assert len(shop.points()) == 2
    assert set(deleted(cloud).values()) == {1}


def test_what_a_killed_attempt_has_deleted_is_not_waited_for(
    shop: Project, cloud: FakeCloud, hands: Hands
) -> None:
    """However young it was: somebody has seen it before."""

    class Killed(BaseException):
        pass

    shop.start("recovery_point.create", "web-1")
    assert shop.core.carry_out() is None
    young = shop.points()[0]
    shown = shop.core.runs.preview(
        shop.ada, "shop", action="recovery_point.delete", resource=young.id, arguments={}
    )
    run = shop.core.runs.apply(shop.ada, "shop", shown.id, hash=shown.hash, confirm="shop")

    def kill(_: object) -> None:
        raise Killed

    cloud.rules.append(Rule("snapshots.delete", after=kill, times=2))
    attempt = shop.core.begin(shop.core.worker())
    with pytest.raises(Killed):
        finish(attempt)
    assert not {member.cloud_id for member in young.primary.members} & set(cloud.snapshots)
    hands.now += 3 * LEASE
    cloud.rules[:] = [Rule("snapshots.find", after=lambda _: shop.core.stop.set(), skip=3)]
    assert shop.core.carry_out() is None, "it waits no more than three looks"
    assert shop.run(run).state is RunState.SUCCEEDED
    with shop.core.database.read() as tx:
        states = tx.scalars(
            sa.select(tables.intents.c.state).where(tables.intents.c.run_id == run.id)
        )
        assert set(states) == {"done"}


def test_deleting_the_only_good_one_warns(shop: Project) -> None:
    apply(shop)
    last, other = shop.points()
    delete(shop, other)
    shown = shop.core.runs.preview(
        shop.ada, "shop", action="recovery_point.delete", resource=last.id, arguments={}
    )
    assert "only one" in shown.plan.warnings[0]


def delete(shop: Project, point: RecoveryPoint) -> Run:
    shown = shop.core.runs.preview(
        shop.ada, "shop", action="recovery_point.delete", resource=point.id, arguments={}
    )
    run = shop.core.runs.apply(shop.ada, "shop", shown.id, hash=shown.hash, confirm="shop")
    shop.core.carry_out()
    return shop.run(run)


def test_a_held_point_cannot_be_deleted_by_hand(shop: Project, hands: Hands) -> None:
    point = shop.points()[0]
    change(shop, point, hold=Hold("aude", hands.now, "audit 2026"))
    with pytest.raises(Conflict, match="audit 2026"):
        shop.core.runs.preview(
            shop.ada, "shop", action="recovery_point.delete", resource=point.id, arguments={}
        )


def test_explain_says_why_and_when(shop: Project) -> None:
    newest, *_, oldest = shop.points()
    (kept,) = shop.core.outlooks.explain(shop.olga, "shop", newest.id)
    assert kept.fate == "keep"
    assert {code for code, _ in kept.reasons} >= {"last_good", "last"}
    assert kept.goes_at is not None
    (goes,) = shop.core.outlooks.explain(shop.olga, "shop", oldest.id)
    assert goes.fate == "expire"


def test_the_calendar_shows_what_comes_and_goes(shop: Project) -> None:
    calendar = shop.core.outlooks.calendar(shop.olga, "shop", "nightly", days=5)
    assert [len(day.made) for day in calendar.days[1:]] == [1] * 4
    assert [len(day.goes) for day in calendar.days[3:]] == [1] * 2
