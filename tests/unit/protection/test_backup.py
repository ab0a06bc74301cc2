"""A run of a backup plan: what is selected is taken, once, and what goes wrong is told truly."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from copy_scene import Killed, kill
from core_double import ACCOUNT, REGION, Core, Project, finish
from mavis_core import clock
from mavis_core.db import tables
from mavis_core.errors import CloudDenied, CloudQuota, CloudUnreachable
from mavis_core.protection.points.manifests import unpack
from mavis_core.protection.points.model import MemberState, PointState
from mavis_core.scheduling.execution import LEASE
from mavis_core.scheduling.model import RunState
from mavis_core.testing.cloud import (
    Call,
    FakeCloud,
    FakeVolume,
    Rule,
    during,
    invisible,
    lose_reply,
    refuse,
    vanishing,
)

HOUR = timedelta(hours=1)


@pytest.fixture
def shop(core: Core, cloud: FakeCloud) -> Project:
    for number in range(1, 4):
        cloud.launch(
            ACCOUNT, REGION, f"web-{number}", sizes=(8, 20), tags={"env": "production", "app": "s"}
        )
    cloud.launch(ACCOUNT, REGION, "build-1", tags={"env": "test"})
    project = core.shop()
    project.discover()
    return project


def sets(cloud: FakeCloud) -> Counter[str]:
    """Return how many snapshots there are of each volume."""
    return Counter(one.what.volume_id for one in cloud.snapshots.values())


def test_a_run_takes_every_machine_that_is_selected(shop: Project, cloud: FakeCloud) -> None:
    plan = shop.plan(selection={"match": "tag:env = production"})
    run = shop.back_up()
    assert (run.state, run.error) == (RunState.SUCCEEDED, None)
    points = shop.points()
    assert sorted(point.instance_name for point in points) == ["web-1", "web-2", "web-3"]
    assert {point.state for point in points} == {PointState.COMPLETE}
    assert {(p.plan, p.plan_id, p.run_id) for p in points} == {("nightly", plan.id, run.id)}
    assert sets(cloud) == dict.fromkeys(sets(cloud), 1)
    assert len(cloud.snapshots) == 6
    assert run.result["recovery_points"] == {"complete": 3, "failed": 0}


def test_a_set_tells_by_its_own_tags_what_it_is(shop: Project, cloud: FakeCloud) -> None:
    shop.plan(selection={"resources": ["web-1"]})
    shop.back_up()
    (point,) = shop.points()
    for made in cloud.snapshots.values():
        assert unpack(made.what.tags) == point.manifest
        assert made.what.tags["mavis:recovery-point"] == point.id
        assert made.what.tags["mavis:plan"] == "nightly"
        assert made.what.tags["app"] == "s", "the machine's own tags are copied"


def test_a_plan_may_leave_the_machines_tags_away(shop: Project, cloud: FakeCloud) -> None:
    shop.plan(selection={"resources": ["web-1"]}, copy_tags=False)
    shop.back_up()
    assert all("app" not in made.what.tags for made in cloud.snapshots.values())


def test_the_selection_is_evaluated_when_the_run_begins(shop: Project, cloud: FakeCloud) -> None:
    shop.plan(selection={"match": "tag:env = production"})
    run = shop.start("backup.run", "nightly")
    cloud.launch(ACCOUNT, REGION, "web-4", tags={"env": "production"})
    assert shop.core.carry_out() is None
    assert shop.run(run).state is RunState.SUCCEEDED
    assert len(shop.points()) == 4


def test_excluded_volumes_are_left_out_and_remembered(shop: Project, cloud: FakeCloud) -> None:
    machine = cloud.launch(ACCOUNT, REGION, "db-1", sizes=(8, 100))
    cloud.volumes[machine.volumes[1]].tags["backup"] = "no"
    shop.plan(selection={"resources": ["db-1"], "exclude_volumes": "tag:backup = no"})
    shop.back_up()
    (point,) = shop.points()
    assert point.state is PointState.COMPLETE
    assert [disk.volume_id for disk in point.manifest.disks] == [machine.volumes[0]]
    assert point.manifest.excluded == (machine.volumes[1],)


def test_one_machine_that_fails_does_not_keep_the_others(shop: Project, cloud: FakeCloud) -> None:
    cloud.rules.append(refuse("snapshots.create", CloudQuota("no more snapshots")))
    shop.plan(selection={"match": "tag:env = production"})
    run = shop.back_up()
    assert run.state is RunState.FAILED
    assert run.error is not None
    assert "1 of 3 machines" in run.error["message"]
    states = Counter(point.state for point in shop.points())
    assert states == {PointState.COMPLETE: 2, PointState.FAILED: 1}
    (failed,) = [point for point in shop.points() if point.state is PointState.FAILED]
    assert failed.error == {
        "code": "cloud_quota",
        "message": "no more snapshots",
        "mend": CloudQuota.default_mend,
    }


def test_lost_answers_make_neither_orphan_nor_double(shop: Project, cloud: FakeCloud) -> None:
    cloud.rules.append(lose_reply("snapshots.create", times=3))
    shop.plan(selection={"match": "tag:env = production"})
    assert shop.back_up().state is RunState.SUCCEEDED
    assert set(sets(cloud).values()) == {1}


def test_an_environment_that_cannot_be_opened_fails_its_machines_and_says_why(
    shop: Project, cloud: FakeCloud
) -> None:
    shop.plan()
    cloud.rules.append(refuse("connect", CloudDenied("may not"), times=9))
    run = shop.back_up()
    assert run.state is RunState.FAILED
    assert {point.state for point in shop.points()} == {PointState.FAILED}
    assert cloud.snapshots == {}


def test_a_plan_that_selects_nothing_fails_and_says_so(shop: Project) -> None:
    shop.plan(selection={"match": "tag:env = staging"})
    run = shop.back_up()
    assert run.state is RunState.FAILED
    assert run.error is not None
    assert "selects no machine" in run.error["message"]


def test_a_volume_that_came_in_the_very_moment_belongs_to_the_set(
    shop: Project, cloud: FakeCloud
) -> None:
    machine = next(one for one in cloud.instances.values() if one.tags["Name"] == "web-1")

    def attach(_: Call) -> None:
        cloud.volumes["vol-new"] = FakeVolume("vol-new", ACCOUNT, REGION, 5, {})
        machine.devices["/dev/sdz"] = "vol-new"

    cloud.rules.append(during("snapshots.create", attach))
    shop.plan(selection={"resources": ["web-1"]})
    shop.back_up()
    (point,) = shop.points()
    assert len(point.primary.members) == 3
    assert {member.cloud_id for member in point.primary.members} == set(cloud.snapshots)


def test_a_volume_that_left_in_the_very_moment_makes_the_set_partial(
    shop: Project, cloud: FakeCloud
) -> None:
    machine = next(one for one in cloud.instances.values() if one.tags["Name"] == "web-1")
    gone = machine.volumes[1]
    cloud.rules.append(during("snapshots.create", lambda _: cloud.detach(gone)))
    shop.plan(selection={"resources": ["web-1"]})
    run = shop.back_up()
    assert run.state is RunState.FAILED
    (point,) = shop.points()
    assert point.state is PointState.PARTIAL
    states = {member.volume_id: member.state for member in point.primary.members}
    assert states[gone] is MemberState.MISSING
    assert gone in (point.error or {})["message"]


def test_a_snapshot_that_the_cloud_breaks_makes_the_set_partial(
    shop: Project, cloud: FakeCloud
) -> None:
    cloud.snapshots_complete = False
    shop.plan(selection={"resources": ["web-1"]})
    run = shop.start("backup.run", "nightly")
    attempt = shop.core.begin(shop.core.worker())
    for position in (0, 1, 2):
        attempt.perform(position)
    first, second = cloud.snapshots
    cloud.complete(first)
    cloud.fail(second)
    assert finish(attempt) is not None
    (point,) = shop.points()
    assert point.state is PointState.PARTIAL
    assert second in (point.error or {})["message"]
    assert shop.run(run).state is RunState.FAILED


def test_a_cloud_whose_clock_is_behind_has_its_time_to_show_what_it_made(
    shop: Project, cloud: FakeCloud
) -> None:
    shop.plan(selection={"resources": ["web-1"]})
    cloud.rules.append(invisible("snapshots.create", looks=2))
    shop.start("backup.run", "nightly")
    attempt = shop.core.begin(shop.core.worker())
    for position in (0, 1, 2):
        attempt.perform(position)
    table, taken_at = tables.recovery_points, shop.points()[0].taken_at
    assert taken_at is not None
    with shop.core.database.write() as tx:
        tx.execute(sa.update(table).values(taken_at=taken_at - timedelta(minutes=10)))
    assert finish(attempt) is None
    assert shop.points()[0].state is PointState.COMPLETE


def test_a_cloud_that_lets_nobody_look_leaves_open_what_reconciliation_finds(
    shop: Project, cloud: FakeCloud
) -> None:
    """The Run ends without knowing; later the ledger finds that it had happened after all."""
    shop.plan(selection={"resources": ["web-1"]})
    cloud.rules.append(lose_reply("snapshots.create"))
    cloud.rules.append(refuse("snapshots.find", CloudUnreachable("no answer"), times=99))
    run = shop.back_up()
    assert run.state is RunState.FAILED
    (point,) = shop.points()
    assert point.state is PointState.FAILED
    assert len(cloud.snapshots) == 2
    cloud.rules.clear()

    begun = {run.kind: run for run in map(shop.run_of, shop.core.timetable.tick())}
    assert shop.core.carry_out() is None
    assert shop.run(begun["ledger.reconcile"]).result == {"open": 1, "found": 1, "unseen": []}
    (point,) = shop.points()
    assert point.state is PointState.COMPLETE
    assert {(one.error, one.completed_at is None) for one in (point, point.primary)} == {
        (None, False)
    }
    assert {member.cloud_id for member in point.primary.members} == set(cloud.snapshots)
    assert shop.run(run).state is RunState.FAILED, "what was told is not rewritten"
    assert shop.core.timetable.tick() == []


def test_a_cloud_that_lets_nobody_wait_is_asked_again_by_reconciliation(
    shop: Project, cloud: FakeCloud
) -> None:
    """The snapshots are whole; only the look at them was refused, and that was no end."""
    cloud.snapshots_complete = False
    shop.plan(selection={"resources": ["web-1"]})
    cloud.rules.append(refuse("snapshots.find", CloudDenied("no"), times=1))
    run = shop.back_up()
    assert (run.state, (run.error or {})["code"]) == (RunState.FAILED, "cloud_denied")
    assert shop.points()[0].state is PointState.RUNNING
    for snapshot in list(cloud.snapshots):
        cloud.complete(snapshot)

    shop.core.timetable.tick()
    assert shop.core.carry_out() is None
    assert shop.points()[0].state is PointState.COMPLETE
    assert shop.run(run).state is RunState.FAILED


def test_a_cancelled_run_keeps_what_is_complete_and_removes_the_rest(
    shop: Project, cloud: FakeCloud
) -> None:
    cloud.snapshots_complete = False
    shop.plan(selection={"match": "tag:env = production"})
    run = shop.start("backup.run", "nightly")
    attempt = shop.core.begin(shop.core.worker())
    for position in (0, 1, 2):
        attempt.perform(position)
    done = shop.points()[0]
    for member in done.primary.members:
        assert member.cloud_id is not None
        cloud.complete(member.cloud_id)

    cancelled: list[bool] = []

    def cancel(_: Call) -> None:
        if not cancelled:
            cancelled.append(True)
            shop.core.runs.cancel(shop.olga, "shop", run.id)

    cloud.rules.append(during("snapshots.find", cancel, times=1))
    finish(attempt)
    shop.core.carry_out()
    ended = shop.run(run)
    assert (ended.state, ended.cancelled_by) == (RunState.CANCELLED, "olga")
    assert [point.id for point in shop.points()] == [done.id], "the others are gone"
    assert shop.points()[0].state is PointState.COMPLETE
    assert set(cloud.snapshots) == {member.cloud_id for member in done.primary.members}


def test_what_turns_out_to_be_complete_is_so_whatever_came_after(
    shop: Project, cloud: FakeCloud
) -> None:
    """The worker died with the call on its way, the Run was cancelled, and the set is whole."""
    shop.plan(selection={"resources": ["web-1"]})
    run = shop.start("backup.run", "nightly")
    start = clock.now()
    cloud.rules.append(Rule("snapshots.create", after=kill))
    with pytest.raises(Killed):
        finish(shop.core.begin(shop.core.worker()))
    shop.core.runs.cancel(shop.olga, "shop", run.id)
    with clock.set_clock(lambda: start + 3 * LEASE):
        shop.core.carry_out()
    assert shop.run(run).state is RunState.CANCELLED
    (point,) = shop.points()
    for one in (point, point.primary):
        assert (one.state, one.error) == (PointState.COMPLETE, None)
        assert one.completed_at is not None


def test_a_call_that_came_late_has_its_time_to_show_by_our_own_clock(
    shop: Project, cloud: FakeCloud
) -> None:
    """The Run waited an hour for its turn, and the cloud's clock is hours behind."""
    cloud.snapshots_complete = False
    started: list[timedelta] = []

    def behind(made: Call) -> None:
        for one in made.made:
            was = cloud.snapshots[one].what
            cloud.snapshots[one].what = replace(was, started_at=was.started_at - 5 * HOUR)
            started.append(5 * HOUR)
            cloud.hide(one, 2)

    cloud.rules.append(Rule("snapshots.create", after=behind))
    shop.start("recovery_point.create", "web-1")
    asked = clock.now()
    with clock.set_clock(lambda: asked + HOUR):
        attempt = shop.core.begin(shop.core.worker())
        attempt.perform(0)
        for one in list(cloud.snapshots):
            cloud.complete(one)
        assert finish(attempt) is None
    assert len(started) == 2
    assert shop.points()[0].state is PointState.COMPLETE


def test_what_is_not_shown_in_its_time_is_missing(shop: Project, cloud: FakeCloud) -> None:
    cloud.snapshots_complete = False
    cloud.rules.append(vanishing("snapshots.create"))
    shop.start("recovery_point.create", "web-1")
    start, ticks = clock.now(), itertools.count()
    with clock.set_clock(lambda: start + timedelta(seconds=20 * next(ticks))):
        shop.core.carry_out()
    assert shop.points()[0].state is PointState.FAILED


def test_a_lock_that_the_cloud_refuses_fails_the_run_and_the_rest_goes_on(
    shop: Project, cloud: FakeCloud
) -> None:
    shop.core.environments.create(
        shop.ada,
        "shop",
        name="dr",
        kit="fake",
        account=ACCOUNT,
        regions=["there-1"],
        key=None,
        options={},
    )
    cloud.rules.append(refuse("locks.lock", CloudDenied("may not ec2:LockSnapshot"), times=9))
    shop.plan(
        selection={"resources": ["web-1"]},
        lock={"mode": "governance", "for": "7d"},
        copies=[{"environment": "dr", "region": "there-1"}],
    )
    run = shop.back_up()
    assert run.state is RunState.FAILED
    (point,) = shop.points()
    assert (point.state, point.lock) == (PointState.COMPLETE, None)
    kinds = {each.kind for each in shop.core.runs.list(shop.olga, "shop", shop.page()).items}
    assert {"copies.run", "retention.apply"} <= kinds
