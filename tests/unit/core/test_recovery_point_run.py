"""One snapshot from request to record, with crashes, lost answers and changed minds between."""

from __future__ import annotations

import itertools
from datetime import timedelta

import pytest

from core_double import ACCOUNT, REGION, Core, Project, call, finish
from mavis_core import clock
from mavis_core.access import Role, Scope
from mavis_core.errors import (
    CloudDenied,
    CloudUnreachable,
    CloudVanished,
    Forbidden,
    Interrupted,
    InvalidInput,
    PlanChanged,
)
from mavis_core.records import Outcome, Phase
from mavis_core.scheduling.execution import LEASE
from mavis_core.scheduling.model import RunState, StepState
from mavis_core.testing.cloud import FakeCloud, during, lose_reply, refuse, throttle


@pytest.fixture
def shop(core: Core, cloud: FakeCloud) -> Project:
    cloud.launch(ACCOUNT, REGION, "web-1", sizes=(8, 20))
    project = core.shop()
    project.discover()
    return project


class Killed(BaseException):
    """Stands for kill -9: nothing catches it, nothing after it is written."""


def kill(_: object) -> None:
    raise Killed


def members(cloud: FakeCloud) -> int:
    return len(cloud.snapshots)


def test_a_snapshot_goes_from_request_to_complete(shop: Project, cloud: FakeCloud) -> None:
    run = shop.start("recovery_point.create", "web-1", description="before the upgrade")
    assert shop.core.carry_out() is None

    done = shop.run(run)
    assert done.state is RunState.SUCCEEDED
    assert [step.state for step in done.steps] == [StepState.DONE] * 3
    (point,) = shop.points()
    assert point.state == "complete"
    assert point.description == "before the upgrade"
    assert {member.cloud_id for member in point.primary.members} == set(cloud.snapshots)
    assert members(cloud) == 2


def test_every_volume_snapshot_carries_our_tags_from_its_first_moment(
    shop: Project, cloud: FakeCloud
) -> None:
    run = shop.start("recovery_point.create", "web-1")
    shop.core.carry_out()
    (point,) = shop.points()
    for made in cloud.snapshots.values():
        tags = made.what.tags
        assert tags["mavis:recovery-point"] == point.id
        assert tags["mavis:run"] == run.id
        assert tags["mavis:person"] == "olga"
        assert tags["mavis:intent"].startswith("int_")


def test_the_records_tell_the_whole_story_in_order(shop: Project) -> None:
    run = shop.start("recovery_point.create", "web-1")
    shop.core.carry_out()
    whole = [r for r in shop.core.records() if r.correlation_id == run.correlation_id]
    story = [r for r in whole if not r.action.startswith("step.")]  # test_step_records has those
    assert [(r.action, r.phase, r.outcome) for r in story] == [
        ("recovery_point.create", Phase.INTENT, None),
        ("cloud.CreateSnapshots", Phase.INTENT, None),
        ("cloud.CreateSnapshots", Phase.OUTCOME, Outcome.OK),
        ("recovery_point.create", Phase.OUTCOME, Outcome.OK),
    ]
    assert {r.person for r in story} == {"olga"}


def test_a_lost_answer_leaves_neither_orphan_nor_double(shop: Project, cloud: FakeCloud) -> None:
    cloud.rules.append(lose_reply("snapshots.create"))
    run = shop.start("recovery_point.create", "web-1")
    assert shop.core.carry_out() is None
    assert shop.run(run).state is RunState.SUCCEEDED
    assert members(cloud) == 2
    outcome = [r for r in shop.core.records() if r.action == "cloud.CreateSnapshots"][-1]
    assert outcome.data["how"] == "adopted"


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_killed_worker_leaves_neither_orphan_nor_double(
    shop: Project, cloud: FakeCloud, moment: str
) -> None:
    rule = during("snapshots.create", kill)
    if moment == "after":
        rule.before, rule.after = None, kill
    cloud.rules.append(rule)
    run = shop.start("recovery_point.create", "web-1")
    attempt = shop.core.begin(shop.core.worker())
    with pytest.raises(Killed):
        attempt.perform(0)

    second = shop.core.worker()
    assert second.due(1) == [], "the claim of the dead worker still counts"
    later = clock.now() + 2 * LEASE
    with clock.set_clock(lambda: later):
        assert shop.core.carry_out(second) is None
    done = shop.run(run)
    assert (done.state, done.attempt) == (RunState.SUCCEEDED, 2)
    assert members(cloud) == 2
    assert len({made.what.tags["mavis:intent"] for made in cloud.snapshots.values()}) == 1


def test_nothing_found_is_no_proof_until_the_settling_time_has_passed(
    tmp_path: object, cloud: FakeCloud
) -> None:
    core = Core(f"sqlite:///{tmp_path}/settle.sqlite", cloud, settle_s=3600)
    try:
        cloud.launch(ACCOUNT, REGION, "web-1", sizes=(8,))
        shop = core.shop()
        shop.discover()

        def lost(_: object) -> None:
            core.stop.set()  # do not wait for an hour: the worker ends while it waits
            raise CloudUnreachable("no answer")

        cloud.rules.append(during("snapshots.create", lost))
        run = shop.start("recovery_point.create", "web-1")
        error = finish(core.begin(core.worker()))
        assert isinstance(error, Interrupted)
        assert shop.run(run).state is RunState.RUNNING
        assert members(cloud) == 0

        core.stop.clear()
        later = clock.now() + timedelta(hours=2)
        with clock.set_clock(lambda: later):
            assert core.carry_out() is None
        assert members(cloud) == 1
    finally:
        core.close()


def test_a_clear_refusal_ends_the_run_and_is_told_everywhere(
    shop: Project, cloud: FakeCloud
) -> None:
    cloud.rules.append(refuse("snapshots.create", CloudDenied("may not ec2:CreateSnapshots")))
    run = shop.start("recovery_point.create", "web-1")
    assert isinstance(shop.core.carry_out(), CloudDenied)
    done = shop.run(run)
    assert done.state is RunState.FAILED
    assert (done.error or {})["code"] == "cloud_denied"
    assert shop.points()[0].state == "failed"
    assert members(cloud) == 0
    last = shop.core.records()[-1]
    assert (last.action, last.outcome, last.error_code) == (
        "recovery_point.create",
        Outcome.FAILED,
        "cloud_denied",
    )


def test_a_volume_that_vanished_since_discovery_leaves_nothing_half_done(
    shop: Project, cloud: FakeCloud
) -> None:
    run = shop.start("recovery_point.create", "web-1")
    instance = next(iter(cloud.instances.values()))
    cloud.detach(instance.volumes[-1])
    assert isinstance(shop.core.carry_out(), CloudVanished)
    assert shop.run(run).state is RunState.FAILED
    assert members(cloud) == 0


def test_throttling_shows_as_waiting(shop: Project, cloud: FakeCloud) -> None:
    seen: list[StepState] = []
    cloud.rules.append(throttle("snapshots.create"))
    run = shop.start("recovery_point.create", "web-1")
    cloud.rules.append(
        during("snapshots.create", lambda _: seen.append(shop.run(run).steps[0].state))
    )
    assert shop.core.carry_out() is None
    assert seen == [StepState.WAITING]


def test_a_changed_plan_is_not_carried_out(shop: Project, cloud: FakeCloud) -> None:
    run = shop.start("recovery_point.create", "web-1")
    cloud.detach(next(iter(cloud.volumes)))
    execution = shop.core.worker()
    later = shop.start("inventory.discover")
    due = execution.due(2)
    assert [each.run_id for each in due] == [run.id, later.id]
    assert execution.dispatch(due[1], "flow-discover")
    assert finish(execution.claim(later.id, "flow-discover")) is None
    assert isinstance(shop.core.carry_out(execution), PlanChanged)
    assert shop.run(run).state is RunState.REFUSED
    assert members(cloud) == 0


def test_a_person_who_lost_the_role_meanwhile_is_refused(shop: Project, cloud: FakeCloud) -> None:
    run = shop.start("recovery_point.create", "web-1")
    ada = call("ada", frozenset(Scope))
    shop.core.projects.put_member(ada, "shop", "user:olga", Role.VIEWER)
    assert isinstance(shop.core.carry_out(), Forbidden)
    assert shop.run(run).state is RunState.REFUSED
    assert members(cloud) == 0


def test_a_flow_run_that_the_run_is_not_bound_to_is_refused_and_recorded(
    shop: Project, cloud: FakeCloud
) -> None:
    run = shop.start("recovery_point.create", "web-1")
    execution = shop.core.worker()
    assert execution.dispatch(execution.due(1)[0], "flow-1")
    for run_id in (run.id, "run_unknown"):
        with pytest.raises(Forbidden):
            execution.claim(run_id, "flow-of-somebody-else")
        last = shop.core.records()[-1]
        assert (last.action, last.outcome) == ("run.claim", Outcome.REFUSED)
    assert finish(execution.claim(run.id, "flow-1")) is None
    with pytest.raises(Forbidden):
        execution.claim(run.id, "flow-1")
    assert members(cloud) == 2


@pytest.mark.parametrize(
    ("resource", "arguments", "error"),
    [
        pytest.param("", {}, InvalidInput, id="no resource"),
        pytest.param("web-1", {"volumes": []}, InvalidInput, id="unknown argument"),
        pytest.param("web-1", {"description": "a\x1b[2Jb"}, InvalidInput, id="control characters"),
        pytest.param("web-1", {"description": 7}, InvalidInput, id="number for text"),
    ],
)
def test_bad_input_makes_no_run(
    shop: Project, resource: str, arguments: dict[str, object], error: type[Exception]
) -> None:
    with pytest.raises(error):
        shop.start("recovery_point.create", resource, **arguments)
    assert shop.core.worker().due(10) == []
    assert shop.points() == []


def test_a_run_that_is_interrupted_again_and_again_ends(shop: Project, cloud: FakeCloud) -> None:
    run = shop.start("recovery_point.create", "web-1")
    now = clock.now()
    for turn in itertools.count(1):
        later = now + turn * 3 * LEASE
        with clock.set_clock(lambda later=later: later):
            execution = shop.core.worker()
            due = execution.due(1)
            if not due or execution.give_up(due[0]):
                break
            assert execution.dispatch(due[0], f"flow-{turn}")
            execution.claim(run.id, f"flow-{turn}")
    assert turn == 11
    assert shop.run(run).state is RunState.FAILED
    assert shop.points()[0].state == "failed"
