"""Taking Runs up and letting go of them."""

from __future__ import annotations

import pytest

from core_double import ACCOUNT, REGION, Core, Project, finish
from mavis_core import clock
from mavis_core.errors import CloudThrottled, CloudUnreachable, Unavailable
from mavis_core.scheduling.execution import LEASE, Execution
from mavis_core.scheduling.model import RunState, StepState
from mavis_core.testing.cloud import FakeCloud, during, refuse


@pytest.fixture
def shop(core: Core, cloud: FakeCloud) -> Project:
    cloud.launch(ACCOUNT, REGION, "web-1", sizes=(8, 20))
    project = core.shop()
    project.discover()
    return project


def test_what_is_bound_or_claimed_is_at_hand_until_it_ends(shop: Project) -> None:
    """A worker that counted only what it has begun would bind everything that waits."""
    worker, other = shop.core.worker(), shop.core.worker()
    for _ in range(3):
        shop.start("recovery_point.create", "web-1")
    assert worker.at_hand() == 0
    first, second, _ = worker.due(3)
    assert worker.dispatch(first, "flow-1")
    assert worker.dispatch(second, "flow-2")
    assert (worker.at_hand(), other.at_hand()) == (2, 0)
    attempt = worker.claim(first.run_id, "flow-1")
    assert worker.at_hand() == 2
    assert finish(attempt) is None
    assert worker.at_hand() == 1
    later = clock.now() + 3 * LEASE
    with clock.set_clock(lambda: later):
        assert worker.at_hand() == 0


def test_a_worker_leaves_alone_what_it_does_not_know_how_to_do(shop: Project) -> None:
    run = shop.start("recovery_point.create", "web-1")
    core = shop.core
    jobs = {action: job for action, job in core.jobs.items() if action != "recovery_point.create"}
    older = Execution(core.database, core.projects, jobs, worker="of an older release")
    assert older.due(10) == []
    assert [due.run_id for due in core.worker().due(10)] == [run.id]


def test_trouble_of_the_appliance_ends_an_attempt_and_not_the_run(
    shop: Project, cloud: FakeCloud
) -> None:
    def full(_: object) -> None:
        raise Unavailable("the disk is full")

    cloud.rules.append(during("snapshots.create", full))
    run = shop.start("recovery_point.create", "web-1")
    worker = shop.core.worker()
    assert isinstance(finish(shop.core.begin(worker)), Unavailable)
    now = shop.run(run)
    assert now.state is RunState.RUNNING
    assert (now.steps[0].state, now.steps[0].detail) == (StepState.WAITING, "the disk is full")
    assert worker.due(1) == [], "the claim runs out first: ten attempts are not made in a second"
    later = clock.now() + 2 * LEASE
    with clock.set_clock(lambda: later):
        assert shop.core.carry_out() is None
    assert shop.run(run).state is RunState.SUCCEEDED
    assert len(cloud.snapshots) == 2


@pytest.mark.parametrize(
    "error", [CloudUnreachable("no answer"), CloudThrottled("slow down")], ids=lambda e: e.code
)
def test_a_look_that_fails_does_not_end_the_waiting(
    shop: Project, cloud: FakeCloud, error: CloudUnreachable
) -> None:
    seen: list[tuple[StepState, str]] = []
    run = shop.start("recovery_point.create", "web-1")

    def note(_: object) -> None:
        step = shop.run(run).steps[1]
        seen.append((step.state, step.detail))

    cloud.rules += [refuse("snapshots.find", error), during("snapshots.find", note)]
    assert shop.core.carry_out() is None
    assert seen == [(StepState.WAITING, error.message)]
    assert shop.run(run).state is RunState.SUCCEEDED


def test_a_released_run_is_due_at_once_and_goes_on_where_it_was(
    shop: Project, cloud: FakeCloud
) -> None:
    run = shop.start("recovery_point.create", "web-1")
    first = shop.core.begin(shop.core.worker())
    first.perform(0)
    first.release()
    second = shop.core.begin(shop.core.worker())
    assert second.pending() == [1, 2]
    assert finish(second) is None
    done = shop.run(run)
    assert done.attempt == 2
    (point,) = shop.points()
    assert done.result["recovery_point"] == point.id
    assert {member.cloud_id for member in point.primary.members} == set(cloud.snapshots)


def test_a_run_that_is_alive_after_all_is_not_given_up(shop: Project) -> None:
    run = shop.start("recovery_point.create", "web-1")
    worker = shop.core.worker()
    now = clock.now()
    for turn in range(10):
        later = now + turn * 3 * LEASE
        with clock.set_clock(lambda later=later: later):
            attempt = shop.core.begin(worker)
    assert attempt.run.attempt == 10
    later += 3 * LEASE
    with clock.set_clock(lambda: later):
        (due,) = shop.core.worker().due(1)
        worker.renew([run.id])
        assert shop.core.worker().give_up(due)
        assert shop.run(run).state is RunState.RUNNING
        assert finish(attempt) is None
    assert shop.run(run).state is RunState.SUCCEEDED
