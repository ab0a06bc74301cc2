"""What may happen once happens once, on both databases, whoever else is at it."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager
from datetime import timedelta

import pytest
import sqlalchemy as sa

from core_double import ACCOUNT, PERSON, PLATFORM, REGION, Core, Project, at_once, call, finish
from mavis_core import clock
from mavis_core.access import Role
from mavis_core.changes.model import Call, Intent
from mavis_core.changes.replies import Reply
from mavis_core.changes.undertakings import Undertakings
from mavis_core.db import tables
from mavis_core.db.paging import PageRequest
from mavis_core.errors import CloudDenied, Conflict, Forbidden, Interrupted, MavisError
from mavis_core.protection.restore import starts
from mavis_core.records import Outcome, Phase
from mavis_core.scheduling.execution import LEASE, Execution
from mavis_core.scheduling.model import Run, RunState, StepState
from mavis_core.testing.cloud import FakeCloud, during, lose_reply, refuse

ROUNDS = 8


@pytest.fixture
def shop(shop_core: Core, cloud: FakeCloud) -> Project:
    cloud.launch(ACCOUNT, REGION, "web-1", sizes=(8, 20))
    project = shop_core.shop()
    project.discover()
    return project


def all_runs(shop: Project) -> list[Run]:
    return list(shop.core.runs.list(shop.olga, "shop", PageRequest(200)).items)


def add_environment(shop: Project, name: str) -> None:
    shop.core.environments.create(
        call("ada", PLATFORM),
        "shop",
        name=name,
        kit="fake",
        account=ACCOUNT,
        regions=[REGION],
        key=None,
        options={},
    )


def after(wait: timedelta) -> AbstractContextManager[None]:
    """Let it be `wait` later inside the block."""
    then = clock.now() + wait
    return clock.set_clock(lambda: then)


# The whole way


def test_a_snapshot_goes_from_request_to_record(shop: Project, cloud: FakeCloud) -> None:
    cloud.rules.append(lose_reply("snapshots.create"))
    run = shop.start("recovery_point.create", "web-1")
    assert shop.core.carry_out() is None
    done = shop.run(run)
    assert done.state is RunState.SUCCEEDED
    assert [step.state for step in done.steps] == [StepState.DONE] * 3
    (point,) = shop.points()
    assert point.state == "complete"
    assert {member.cloud_id for member in point.primary.members} == set(cloud.snapshots)
    assert len(cloud.snapshots) == 2
    told = [r for r in shop.core.records() if r.correlation_id == run.correlation_id]
    story = [r for r in told if not r.action.startswith("step.")]
    assert [(r.phase, r.outcome) for r in story] == [
        (Phase.INTENT, None),
        (Phase.INTENT, None),
        (Phase.OUTCOME, Outcome.OK),
        (Phase.OUTCOME, Outcome.OK),
    ]


# Asking


def test_a_preview_applied_twice_at_once_gives_one_run(shop: Project) -> None:
    for _ in range(ROUNDS):
        before = len(all_runs(shop))
        shown = shop.core.runs.preview(
            shop.olga, "shop", action="recovery_point.create", resource="web-1", arguments={}
        )

        def apply(preview: str = shown.id, hash: str = shown.hash) -> str:
            return shop.core.runs.apply(shop.olga, "shop", preview, hash=hash, confirm=None).id

        assert len(set(at_once(*[apply] * 3))) == 1
        assert len(all_runs(shop)) == before + 1


def test_a_request_sent_twice_at_once_gives_one_run(shop: Project) -> None:
    """Others in the same project are at it, too; none gives up."""
    core = shop.core

    def act() -> Reply:
        return Reply(202, {}, shop.start("recovery_point.create", "web-1").id)

    for number in range(ROUNDS):
        before = len(all_runs(shop))
        keys = [f"first-{number}", f"second-{number}"] * 2
        answers = at_once(
            *[lambda key=key: core.replies.once(shop.olga, key, "f1", act) for key in keys]
        )
        told = [answer for answer in answers if isinstance(answer, tuple)]
        assert len(told) == len(keys), answers
        assert sorted(replayed for _, replayed in told) == [False, False, True, True]
        assert len({reply.body for reply, _ in told}) == 2
        assert len(all_runs(shop)) == before + 2


def test_two_administrators_who_demote_each_other_leave_one(shop: Project) -> None:
    projects = shop.core.projects
    ada, bob = call("ada", PLATFORM), call("bob", PERSON)
    for _ in range(ROUNDS):
        keeper, other = (ada, bob)
        if not any(m.subject == "user:ada" and m.role == "admin" for m in _members(shop)):
            keeper, other = (bob, ada)
        projects.put_member(keeper, "shop", f"user:{other.principal.name}", Role.ADMIN)
        at_once(
            lambda: projects.put_member(ada, "shop", "user:bob", Role.VIEWER),
            lambda: projects.remove_member(bob, "shop", "user:ada"),
        )
        assert sum(member.role is Role.ADMIN for member in _members(shop)) >= 1


def _members(shop: Project) -> tuple[object, ...]:
    return shop.core.projects.members(shop.olga, "shop")


def test_the_same_member_put_twice_at_once_is_there_once(shop: Project) -> None:
    ada = call("ada", PLATFORM)
    for number in range(ROUNDS):
        subject = f"user:new-{number}"

        def put(subject: str = subject) -> None:
            shop.core.projects.put_member(ada, "shop", subject, Role.VIEWER)

        assert at_once(*[put] * 3) == [None] * 3


def test_a_project_made_twice_at_once_is_made_once(shop_core: Core) -> None:
    ada = call("ada", PLATFORM)
    for number in range(ROUNDS):
        answers = at_once(
            *[lambda n=number: shop_core.projects.create(ada, name=f"twin-{n}", title="")] * 3
        )
        assert sum(isinstance(answer, Conflict) for answer in answers) == 2
    assert len(shop_core.projects.list(ada, PageRequest()).items) == ROUNDS


def test_a_key_removed_by_many_at_once_is_removed_once(shop_core: Core) -> None:
    value = {"access_key_id": "A", "secret_access_key": "B"}
    known = {"fake": {"access_key_id": True, "secret_access_key": True}}
    for number in range(ROUNDS):
        name = f"key-{number}"
        admin = call("ada", PLATFORM)
        shop_core.vault.store(admin, name=name, kind="fake", value=value, known=known)
        done = at_once(*[lambda name=name: shop_core.vault.remove(call("ada", PLATFORM), name)] * 4)
        assert sorted(type(each).__name__ for each in done) == ["NoneType", *["NotFound"] * 3]
        removed = [each for each in shop_core.records() if each.action == "key.remove"]
        assert len(removed) == number + 1


def test_an_environment_removed_while_a_run_is_asked_for_leaves_no_run_without_one(
    shop: Project,
) -> None:
    ada = call("ada", PLATFORM)
    for number in range(ROUNDS):
        name = f"side-{number}"
        add_environment(shop, name)
        removed, asked = at_once(
            lambda n=name: shop.core.environments.remove(ada, "shop", n),
            lambda n=name: shop.start("inventory.discover", environment=n),
        )
        assert isinstance(removed, MavisError) != isinstance(asked, MavisError)


def test_two_looks_at_a_new_environment_add_each_resource_once(
    shop: Project, cloud: FakeCloud
) -> None:
    for more in range(12):
        cloud.launch(ACCOUNT, REGION, f"web-{more + 2}", sizes=(1,))
    for number in range(ROUNDS):
        add_environment(shop, f"side-{number}")
        gate = threading.Barrier(2)  # both have read the cloud before either writes
        rule = during("inventory.discover", lambda _, gate=gate: gate.wait(10), times=2)
        cloud.rules.append(rule)
        for _ in range(2):
            shop.start("inventory.discover", environment=f"side-{number}")
        attempts = [shop.core.begin(shop.core.worker()) for _ in range(2)]
        assert at_once(*[lambda a=attempt: finish(a) for attempt in attempts]) == [None, None]
        found = shop.core.resources.list(
            shop.olga, "shop", PageRequest(200), environment=f"side-{number}", gone=True
        ).items
        ids = [resource.cloud_id for resource in found]
        assert len(ids) == len(set(ids)) == len(cloud.instances) + len(cloud.volumes)


# Doing


def test_of_many_workers_exactly_one_gets_a_run(shop: Project) -> None:
    workers = [shop.core.worker() for _ in range(4)]
    for _ in range(ROUNDS):
        run = shop.start("recovery_point.create", "web-1")

        def take(worker: Execution) -> str:
            (due,) = worker.due(1)
            flow_run = f"flow-{due.run_id}-{worker.worker}"
            worker.dispatch(due, flow_run)
            attempt = worker.claim(due.run_id, flow_run)
            error = finish(attempt)
            assert error is None
            return worker.worker

        answers = at_once(*[lambda w=worker: take(w) for worker in workers])
        won = [answer for answer in answers if isinstance(answer, str)]
        assert len(won) == 1, answers
        lost = [answer for answer in answers if not isinstance(answer, str)]
        assert all(isinstance(answer, (Forbidden, ValueError)) for answer in lost), lost
        assert shop.run(run).attempt == 1
    assert len(shop.core.cloud.snapshots) == 2 * ROUNDS


def test_a_claim_that_is_renewed_lasts_and_one_that_is_not_ends(shop: Project) -> None:
    run = shop.start("recovery_point.create", "web-1")
    first, second = shop.core.worker(), shop.core.worker()
    shop.core.begin(first)
    start = clock.now()
    for seconds in range(5, 40, 5):
        with clock.set_clock(lambda s=seconds: start + timedelta(seconds=s)):
            assert second.due(1) == []
            first.renew([run.id])
            second.renew([run.id])  # it is not its own
    with clock.set_clock(lambda: start + timedelta(seconds=36) + LEASE):
        assert [due.run_id for due in second.due(1)] == [run.id]


def test_a_run_that_ended_since_it_was_found_due_stays_ended(shop: Project) -> None:
    run = shop.start("recovery_point.create", "web-1")
    first, second = shop.core.worker(), shop.core.worker()
    attempt = shop.core.begin(first)
    with after(2 * LEASE):
        (due,) = second.due(1)
        assert finish(attempt) is None
        assert not second.dispatch(due, "flow-late")
    assert shop.run(run).state is RunState.SUCCEEDED


def test_a_claim_renewed_since_it_was_found_due_stays(shop: Project) -> None:
    run = shop.start("recovery_point.create", "web-1")
    first, second = shop.core.worker(), shop.core.worker()
    attempt = shop.core.begin(first)
    with after(2 * LEASE):
        (due,) = second.due(1)
        first.renew([run.id])
        assert not second.dispatch(due, "flow-late")
        assert finish(attempt) is None


def test_a_worker_that_slept_through_the_next_attempt_changes_nothing(
    shop: Project, cloud: FakeCloud
) -> None:
    run = shop.start("recovery_point.create", "web-1")
    first, second = shop.core.worker(), shop.core.worker()
    asleep = shop.core.begin(first)
    with after(2 * LEASE):
        awake = shop.core.begin(second)
        before = shop.run(run)
        with pytest.raises(Interrupted):
            asleep.perform(0)
        with pytest.raises(Interrupted):
            asleep.succeed()
        asleep.fail(CloudDenied("of an attempt that nobody waits for"))
        asleep.release()
        assert shop.run(run) == before
        assert finish(awake) is None
    assert len(cloud.snapshots) == 2
    outcomes = [r for r in shop.core.records() if r.phase is Phase.OUTCOME]
    assert [r.outcome for r in outcomes if r.action == "recovery_point.create"] == [Outcome.OK]


def test_a_worker_overtaken_in_the_middle_of_a_call_leaves_one_set(
    shop: Project, cloud: FakeCloud
) -> None:
    """It made the snapshots and slept; the next attempt finds and adopts them."""
    run = shop.start("recovery_point.create", "web-1")
    first, second = shop.core.worker(), shop.core.worker()
    asleep = shop.core.begin(first)
    now = clock.now()

    def overtake(_: object) -> None:
        with clock.set_clock(lambda: now + 2 * LEASE):
            assert shop.core.carry_out(second) is None

    rule = during("snapshots.create", overtake)
    rule.before, rule.after = None, overtake
    cloud.rules.append(rule)
    assert isinstance(finish(asleep), Interrupted)
    assert shop.run(run).state is RunState.SUCCEEDED
    assert len(cloud.snapshots) == 2
    (point,) = shop.points()
    assert point.state == "complete"


# Machines in hand


def test_of_runs_that_would_have_a_machine_in_hand_at_once_one_has_it(shop: Project) -> None:
    undertakings = Undertakings(shop.core.database)

    def unless_owed(tx: sa.Connection) -> list[Intent] | None:
        table = tables.intents
        owed = tx.scalar(sa.select(table.c.id).where(table.c.action == starts.ACTION).limit(1))
        return None if owed else []

    runs = [shop.start("recovery_point.create", "web-1") for _ in range(4)]
    machine = Call(starts.ACTION, "i-1", "", REGION)
    works = [shop.core.begin(shop.core.worker()).run.work for _ in runs]
    taken = at_once(
        *[
            lambda work=work: undertakings.take_over(shop.olga, work, machine, unless_owed)  # type: ignore[misc]
            for work in works
        ]
    )
    assert len([one for one in taken if isinstance(one, Intent)]) == 1
    assert taken.count(None) == len(runs) - 1


def test_a_machine_that_was_left_stopped_is_started_by_itself(
    shop: Project, cloud: FakeCloud
) -> None:
    core = shop.core
    (web,) = cloud.instances.values()
    shop.start("recovery_point.create", "web-1")
    assert core.carry_out() is None
    (point,) = shop.points()
    cloud.rules.append(refuse("power.start", CloudDenied("may not start")))
    shown = core.runs.preview(
        shop.olga, "shop", action="restore.in_place", resource=point.id, arguments={}
    )
    core.runs.apply(shop.olga, "shop", shown.id, hash=shown.hash, confirm=shown.confirm)
    assert isinstance(core.carry_out(), CloudDenied)
    assert web.state == "stopped"
    core.timetable.tick()
    assert core.carry_out() is None
    assert web.state == "running"
    assert core.new_timetable().tick() == []
