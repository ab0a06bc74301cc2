"""What the records tell of the steps of a Run."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator

import pytest

from core_double import ACCOUNT, REGION, Core, Project, finish
from mavis_core import clock
from mavis_core.errors import CloudDenied, CloudThrottled, Interrupted, Unavailable
from mavis_core.records import Kind, Origin, Outcome, Phase, Record
from mavis_core.scheduling.execution import LEASE
from mavis_core.scheduling.model import RunState
from mavis_core.scheduling.step_records import StepLog
from mavis_core.testing.cloud import FakeCloud, during, refuse

LOGGER = logging.getLogger("mavis.test.steps")


@pytest.fixture
def shop(core: Core, cloud: FakeCloud) -> Project:
    cloud.launch(ACCOUNT, REGION, "web-1", sizes=(8, 20))
    project = core.shop()
    project.discover()
    return project


@pytest.fixture(autouse=True)
def lines() -> Iterator[None]:
    handler = StepLog()
    logging.getLogger().addHandler(handler)
    yield
    logging.getLogger().removeHandler(handler)


def steps(shop: Project, run_id: str) -> list[Record]:
    """The records of a Run's steps, oldest first."""
    told = [each for each in shop.core.records() if each.data.get("run") == run_id]
    return [each for each in told if each.action.startswith("step.")]


def test_each_step_tells_its_beginning_and_its_end(shop: Project) -> None:
    run = shop.start("recovery_point.create", "web-1")
    assert shop.core.carry_out() is None
    told = steps(shop, run.id)
    names = [step.name for step in shop.run(run).steps]
    assert [(each.action, each.data["step"], each.outcome) for each in told] == [
        line
        for name in names
        for line in (("step.begin", name, None), ("step.end", name, Outcome.OK))
    ]
    for each in told:
        assert (each.kind, each.phase, each.origin) == (
            Kind.OPERATION,
            Phase.EVENT,
            Origin.OBSERVED,
        )
        assert (each.correlation_id, each.project) == (run.correlation_id, run.project_id)
        assert (each.person, each.object, each.data["attempt"]) == ("olga", run.subject, 1)
    end = told[-1].data
    assert clock.parse(end["started_at"]) <= clock.parse(end["ended_at"])
    assert (end["position"], end["steps"]) == (len(names), len(names))


def test_the_calls_of_a_step_lie_between_its_beginning_and_its_end(shop: Project) -> None:
    run = shop.start("recovery_point.create", "web-1")
    shop.core.carry_out()
    story = [r.action for r in shop.core.records() if r.correlation_id == run.correlation_id]
    assert story[:5] == [
        "recovery_point.create",
        "step.begin",
        "cloud.CreateSnapshots",
        "cloud.CreateSnapshots",
        "step.end",
    ]
    assert story[-1] == "recovery_point.create"


def test_a_step_that_fails_says_with_what(shop: Project, cloud: FakeCloud) -> None:
    cloud.rules.append(refuse("snapshots.create", CloudDenied("may not ec2:CreateSnapshots")))
    run = shop.start("recovery_point.create", "web-1")
    assert isinstance(shop.core.carry_out(), CloudDenied)
    last = steps(shop, run.id)[-1]
    assert (last.action, last.outcome, last.error_code) == (
        "step.end",
        Outcome.FAILED,
        CloudDenied.code,
    )
    assert "may not ec2:CreateSnapshots" in last.data["message"]
    assert last.summary.startswith("Step 3 of 3 failed: ")


def test_a_step_that_is_interrupted_begins_again_in_the_next_attempt(
    shop: Project, cloud: FakeCloud
) -> None:
    def full(_: object) -> None:
        raise Unavailable("the disk is full")

    cloud.rules.append(during("snapshots.create", full))
    run = shop.start("recovery_point.create", "web-1")
    assert isinstance(finish(shop.core.begin(shop.core.worker())), Unavailable)
    later = clock.now() + 2 * LEASE
    with clock.set_clock(lambda: later):
        assert shop.core.carry_out() is None
    told = [(each.action, each.data["attempt"], each.error_code) for each in steps(shop, run.id)]
    assert told[:4] == [
        ("step.begin", 1, None),
        ("step.end", 1, "unavailable"),
        ("step.begin", 2, None),
        ("step.end", 2, None),
    ]
    assert "is interrupted" in steps(shop, run.id)[1].summary


def test_what_is_waited_for_is_told_once(shop: Project, cloud: FakeCloud) -> None:
    cloud.rules += [refuse("snapshots.find", CloudThrottled("slow down"))] * 3
    run = shop.start("recovery_point.create", "web-1")
    assert shop.core.carry_out() is None
    waits = [each for each in steps(shop, run.id) if each.action == "step.wait"]
    assert [each.summary for each in waits] == ["Step 2 of 3 waits: slow down"]


def test_lines_of_a_step_are_records_of_its_own_story(shop: Project, cloud: FakeCloud) -> None:
    secret = "hunter2-hunter2"

    def say(_: object) -> None:
        LOGGER.info("nobody needs this")
        LOGGER.warning("the cloud said password=%s", secret)

    cloud.rules.append(during("snapshots.create", say))
    run = shop.start("recovery_point.create", "web-1")
    LOGGER.warning("not of a step")
    assert shop.core.carry_out() is None
    (line,) = [each for each in steps(shop, run.id) if each.action == "step.log"]
    assert (line.data["level"], line.data["logger"], line.data["position"]) == (
        "warning",
        LOGGER.name,
        1,
    )
    assert secret not in str(line.to_json())
    actions = [each.action for each in steps(shop, run.id)]
    assert actions[:3] == ["step.begin", "step.log", "step.end"]


def test_lines_of_the_threads_of_a_step_are_the_step_s(shop: Project, cloud: FakeCloud) -> None:
    def say(_: object) -> None:
        assert threading.current_thread().name.startswith("discover")
        LOGGER.warning("a region is slow")

    cloud.rules.append(during("inventory.discover", say))
    run = shop.start("inventory.discover")
    assert shop.core.carry_out() is None
    assert "a region is slow" in [each.data.get("text") for each in steps(shop, run.id)]


def test_a_flood_of_lines_is_bounded_and_counted(shop: Project, cloud: FakeCloud) -> None:
    def flood(_: object) -> None:
        for number in range(80):
            LOGGER.error("line %d %s", number, "x" * 5000)

    cloud.rules.append(during("snapshots.create", flood))
    run = shop.start("recovery_point.create", "web-1")
    assert shop.core.carry_out() is None
    told = steps(shop, run.id)
    logged = [each for each in told if each.action == "step.log"]
    assert len(logged) == 50
    assert max(len(each.data["text"]) for each in logged) == 1000
    assert next(each for each in told if each.action == "step.end").data["more_lines"] == 30


def test_a_step_that_a_person_ends_says_so(shop: Project, cloud: FakeCloud) -> None:
    run = shop.start("recovery_point.create", "web-1")

    def cancel(_: object) -> None:
        shop.core.runs.cancel(shop.olga, "shop", run.id)

    cloud.rules.append(during("snapshots.create", cancel))
    shop.core.carry_out()
    assert shop.run(run).state is RunState.CANCELLED
    told = [(each.action, each.error_code, each.data["step"]) for each in steps(shop, run.id)]
    first = shop.run(run).steps[0].name
    assert told == [
        ("step.begin", None, first),
        ("step.end", "cancelled", first),
        ("step.begin", None, "Clean up"),
        ("step.end", None, "Clean up"),
    ]


def test_an_attempt_that_lost_its_claim_tells_nothing_more(shop: Project, cloud: FakeCloud) -> None:
    worker = shop.core.worker()
    run = shop.start("recovery_point.create", "web-1")
    first = shop.core.begin(worker)

    def overtake(_: object) -> None:
        later = clock.now() + 3 * LEASE
        with clock.set_clock(lambda: later):
            shop.core.begin(shop.core.worker())

    cloud.rules.append(during("snapshots.create", overtake))
    with pytest.raises(Interrupted):
        first.perform(0)
    assert [each.action for each in steps(shop, run.id)] == ["step.begin"]
