"""Locks in the cloud: never shorter, never softer, and every copy of a point has its own."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from copy_scene import (
    AWAY,
    Template,
    calls_of,
    carry_on,
    copy_to,
    freeze,
    kill,
    later,
    made_in,
    nth,
    scene,
    take,
)
from core_double import ACCOUNT, Core, Project, call
from mavis_core import clock
from mavis_core.contract import LockMode
from mavis_core.errors import (
    CloudDenied,
    ConfirmationNeeded,
    Conflict,
    Forbidden,
    InvalidInput,
    MavisError,
    NotFound,
)
from mavis_core.protection.points.model import Lock, PointState, RecoveryPoint
from mavis_core.scheduling.model import Run, RunState
from mavis_core.testing.cloud import FakeCloud, Rule, lose_reply, refuse

DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Template:
    return freeze(tmp_path_factory.mktemp("base"), _copied)


@pytest.fixture
def shop(base: Template, tmp_path: Path) -> Iterator[Project]:
    made = base.copy(tmp_path / "shop")
    yield made
    made.core.close()


@pytest.fixture
def cloud(shop: Project) -> FakeCloud:
    return shop.core.cloud


def _copied(core: Core, cloud: FakeCloud) -> None:
    shop = scene(core, cloud)
    copy_to(shop, take(shop), "dr")


@pytest.fixture
def point(shop: Project) -> RecoveryPoint:
    return shop.points()[0]


def ask(shop: Project, action: str, point: RecoveryPoint, **arguments: str) -> Run:
    """Ask for it as the administrator, with a preview."""
    runs = shop.core.runs
    shown = runs.preview(shop.ada, "shop", action=action, resource=point.id, arguments=arguments)
    return runs.apply(shop.ada, "shop", shown.id, hash=shown.hash, confirm=shown.confirm)


def done(shop: Project, action: str, point: RecoveryPoint, **arguments: str) -> Run:
    run = ask(shop, action, point, **arguments)
    shop.core.carry_out()
    return shop.run(run)


def locked(cloud: FakeCloud) -> set[tuple[LockMode, datetime] | None]:
    """Return how the snapshots are locked, each way once."""
    return {
        (one.lock.mode, one.lock.until) if one.lock else None for one in cloud.snapshots.values()
    }


def test_a_lock_reaches_every_complete_copy(
    shop: Project, point: RecoveryPoint, cloud: FakeCloud
) -> None:
    until = clock.now() + 7 * DAY
    run = done(shop, "recovery_point.lock", point, mode="governance", until=clock.iso(until))
    assert run.state is RunState.SUCCEEDED
    assert len(cloud.snapshots) == 4
    assert locked(cloud) == {(LockMode.GOVERNANCE, until)}
    assert shop.points()[0].lock == Lock(LockMode.GOVERNANCE, until)


def test_a_length_counts_from_when_it_was_asked_for(
    shop: Project, point: RecoveryPoint, cloud: FakeCloud
) -> None:
    run = ask(shop, "recovery_point.lock", point, mode="governance", **{"for": "7d"})
    with later(timedelta(hours=1)):
        shop.core.carry_out()
    assert locked(cloud) == {(LockMode.GOVERNANCE, run.created_at + 7 * DAY)}


def test_of_a_compliance_lock_there_is_no_undo_and_it_is_confirmed(
    shop: Project, point: RecoveryPoint, cloud: FakeCloud
) -> None:
    with pytest.raises(ConfirmationNeeded):
        shop.core.runs.start(
            shop.ada,
            "shop",
            action="recovery_point.lock",
            resource=point.id,
            arguments={"mode": "compliance", "for": "1d"},
        )
    assert done(shop, "recovery_point.lock", point, mode="compliance", **{"for": "1d"})
    with pytest.raises(Conflict, match="compliance lock until"):
        ask(shop, "recovery_point.unlock", point)
    assert {lock and lock[0] for lock in locked(cloud)} == {LockMode.COMPLIANCE}


def test_a_governance_lock_can_be_taken_away(
    shop: Project, point: RecoveryPoint, cloud: FakeCloud
) -> None:
    done(shop, "recovery_point.lock", point, mode="governance", **{"for": "7d"})
    assert done(shop, "recovery_point.unlock", point).state is RunState.SUCCEEDED
    assert locked(cloud) == {None}
    assert shop.points()[0].lock is None


@pytest.mark.parametrize(
    ("first", "second", "outcome"),
    [
        pytest.param(("governance", "9d"), ("governance", "2d"), None, id="shorter"),
        pytest.param(("compliance", "9d"), ("governance", "2d"), None, id="softer"),
        pytest.param(
            ("governance", "2d"), ("governance", "9d"), (LockMode.GOVERNANCE, 9), id="longer"
        ),
        pytest.param(
            ("governance", "9d"), ("compliance", "2d"), (LockMode.COMPLIANCE, 9), id="firmer"
        ),
        pytest.param(
            ("compliance", "2d"), ("governance", "9d"), (LockMode.COMPLIANCE, 9), id="longer, firm"
        ),
    ],
)
def test_a_lock_is_never_made_shorter_or_softer(
    shop: Project,
    point: RecoveryPoint,
    cloud: FakeCloud,
    first: tuple[str, str],
    second: tuple[str, str],
    outcome: tuple[LockMode, int] | None,
) -> None:
    start = clock.now()
    with clock.set_clock(lambda: start):
        done(shop, "recovery_point.lock", point, mode=first[0], **{"for": first[1]})
        if outcome is None:
            with pytest.raises(Conflict, match="is locked until"):
                ask(shop, "recovery_point.lock", point, mode=second[0], **{"for": second[1]})
            return
        done(shop, "recovery_point.lock", point, mode=second[0], **{"for": second[1]})
    mode, days = outcome
    assert locked(cloud) == {(mode, start + days * DAY)}
    assert shop.points()[0].lock == Lock(mode, start + days * DAY)


def test_a_copy_that_becomes_complete_later_is_locked_as_its_point_is(
    shop: Project, cloud: FakeCloud
) -> None:
    (point,) = shop.points()
    done(shop, "recovery_point.lock", point, mode="governance", **{"for": "7d"})
    assert copy_to(shop, point, "away").state is RunState.SUCCEEDED
    assert len(made_in(cloud, ACCOUNT)) == 2
    assert len(locked(cloud)) == 1
    assert None not in locked(cloud)


def test_a_plans_lock_is_on_its_points_when_they_are_complete(
    shop: Project, cloud: FakeCloud
) -> None:
    shop.plan(
        lock={"mode": "governance", "for": "3d"},
        copies=[{"environment": "away", "region": AWAY}],
    )
    assert shop.back_up().state is RunState.SUCCEEDED
    point = shop.points()[0]
    assert point.lock is not None
    assert [copy.state for copy in point.copies] == [PointState.COMPLETE] * 2
    assert locked(cloud) == {None, (LockMode.GOVERNANCE, point.lock.until)}
    assert sum(one.lock is not None for one in cloud.snapshots.values()) == 4


def test_where_one_copy_cannot_be_locked_the_point_does_not_say_that_it_is(
    shop: Project, point: RecoveryPoint, cloud: FakeCloud
) -> None:
    cloud.rules.append(refuse("locks.lock", CloudDenied("may not ec2:LockSnapshot"), region=AWAY))
    run = done(shop, "recovery_point.lock", point, mode="governance", **{"for": "7d"})
    assert run.state is RunState.FAILED
    assert "1 of 2 copies not locked" in (run.error or {})["message"]
    assert "dr / there-1: may not" in (run.error or {})["message"]
    assert shop.points()[0].lock is None
    assert done(shop, "recovery_point.lock", point, mode="governance", **{"for": "8d"})
    assert shop.points()[0].lock is not None
    assert len(locked(cloud)) == 1


def test_an_unlock_that_fails_leaves_all_copies_locked_as_they_were(
    shop: Project, point: RecoveryPoint, cloud: FakeCloud
) -> None:
    done(shop, "recovery_point.lock", point, mode="governance", **{"for": "7d"})
    before = locked(cloud)
    cloud.rules.append(refuse("locks.unlock", CloudDenied("may not"), region=AWAY))
    run = done(shop, "recovery_point.unlock", point)
    assert run.state is RunState.FAILED
    assert (locked(cloud), len(before)) == (before, 1)
    assert shop.points()[0].lock is not None
    assert done(shop, "recovery_point.unlock", point).state is RunState.SUCCEEDED
    assert locked(cloud) == {None}


def test_a_point_that_is_unlocked_in_part_does_not_say_that_it_is_locked(
    shop: Project, point: RecoveryPoint, cloud: FakeCloud
) -> None:
    done(shop, "recovery_point.lock", point, mode="governance", **{"for": "7d"})
    cloud.rules.append(refuse("locks.unlock", CloudDenied("may not"), region=AWAY))
    cloud.rules.append(refuse("locks.lock", CloudDenied("may not"), times=9))
    assert done(shop, "recovery_point.unlock", point).state is RunState.FAILED
    assert None in locked(cloud)
    assert shop.points()[0].lock is None


def test_a_lost_answer_is_asked_again(
    shop: Project, point: RecoveryPoint, cloud: FakeCloud
) -> None:
    cloud.rules.append(lose_reply("locks.lock", times=3))
    run = done(shop, "recovery_point.lock", point, mode="governance", **{"for": "7d"})
    assert run.state is RunState.SUCCEEDED
    assert len(locked(cloud)) == 1


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        pytest.param({}, InvalidInput, id="nothing"),
        pytest.param({"mode": "governance"}, InvalidInput, id="no end"),
        pytest.param({"mode": "iron", "for": "7d"}, InvalidInput, id="mode"),
        pytest.param({"mode": "governance", "for": "7"}, InvalidInput, id="no unit"),
        pytest.param({"mode": "governance", "for": "1h"}, InvalidInput, id="too short"),
        pytest.param({"mode": "governance", "until": "2020-01-01T00:00Z"}, InvalidInput, id="past"),
        pytest.param({"mode": "governance", "until": "2090-01-01"}, InvalidInput, id="no zone"),
        pytest.param({"mode": "governance", "until": "soon"}, InvalidInput, id="no moment"),
        pytest.param({"mode": "governance", "for": "7d", "x": "y"}, InvalidInput, id="unknown"),
    ],
)
def test_what_is_no_lock_is_refused_with_its_reason(
    shop: Project, point: RecoveryPoint, arguments: dict[str, str], error: type[MavisError]
) -> None:
    with pytest.raises(error):
        ask(shop, "recovery_point.lock", point, **arguments)


def test_an_operator_may_not_lock(shop: Project, point: RecoveryPoint) -> None:
    with pytest.raises(Forbidden):
        shop.start("recovery_point.lock", point.id, mode="governance", **{"for": "7d"})


def test_a_point_of_another_project_does_not_exist(shop: Project, point: RecoveryPoint) -> None:
    shop.core.projects.create(shop.ada, name="other", title="")
    with pytest.raises(NotFound):
        shop.core.runs.preview(
            call("ada", shop.ada.scopes),
            "other",
            action="recovery_point.unlock",
            resource=point.id,
            arguments={},
        )


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Template:
    """Return a project that has been asked to lock a point with two copies."""

    def prepare(core: Core, cloud: FakeCloud) -> None:
        shop = scene(core, cloud)
        point = take(shop)
        copy_to(shop, point, "dr")
        ask(shop, "recovery_point.lock", point, mode="compliance", **{"for": "7d"})

    return freeze(tmp_path_factory.mktemp("asked"), prepare)


def test_a_worker_that_is_killed_at_any_call_leaves_all_locked_alike(
    asked: Template, tmp_path: Path
) -> None:
    calls = calls_of(asked, tmp_path / "clean")
    for position, moment in itertools.product(range(len(calls)), ("before", "after")):
        shop = asked.copy(tmp_path / f"{position}-{moment}")
        cloud, where = shop.core.cloud, f"killed {moment} {calls[position].action} ({position})"
        cloud.rules.append(nth(calls, position, **{moment: kill}))
        assert carry_on(shop) == 1, where
        lock = shop.points()[0].lock
        assert lock is not None, where
        assert locked(cloud) == {(LockMode.COMPLIANCE, lock.until)}, where
        shop.core.close()


@pytest.fixture(scope="module")
def unlocking(tmp_path_factory: pytest.TempPathFactory) -> Template:
    """Return a project that has been asked to unlock a point with two copies."""

    def prepare(core: Core, cloud: FakeCloud) -> None:
        shop = scene(core, cloud)
        point = take(shop)
        copy_to(shop, point, "dr")
        done(shop, "recovery_point.lock", point, mode="governance", **{"for": "7d"})
        ask(shop, "recovery_point.unlock", point)

    return freeze(tmp_path_factory.mktemp("unlocking"), prepare)


def refused_unlock() -> Rule:
    return refuse("locks.unlock", CloudDenied("may not"), region=AWAY)


def test_a_worker_that_is_killed_while_it_locks_again_leaves_all_locked_alike(
    unlocking: Template, tmp_path: Path
) -> None:
    """One of them is refused, and the next attempt would not be: it locks again all the same."""
    first = unlocking.copy(tmp_path / "clean")
    first.core.cloud.rules.append(refused_unlock())
    first.core.carry_out()
    calls = first.core.cloud.calls
    first.core.close()
    assert {"locks.unlock", "locks.lock"} <= {each.action for each in calls}
    for position, moment in itertools.product(range(len(calls)), ("before", "after")):
        shop = unlocking.copy(tmp_path / f"{position}-{moment}")
        cloud, where = shop.core.cloud, f"killed {moment} {calls[position].action} ({position})"
        cloud.rules += [nth(calls, position, **{moment: kill}), refused_unlock()]
        carry_on(shop)
        lock = shop.points()[0].lock
        wanted = None if lock is None else (lock.mode, lock.until)
        assert locked(cloud) == {wanted}, where
        shop.core.close()


@pytest.mark.parametrize("moment", ["before", "after"])
def test_an_unlock_that_is_cancelled_locks_again(
    unlocking: Template, tmp_path: Path, moment: str
) -> None:
    shop = unlocking.copy(tmp_path / "shop")
    cloud, (lock,) = shop.core.cloud, locked(shop.core.cloud)

    def cancel(_: object) -> None:
        (run,) = shop.core.runs.list(shop.olga, "shop", shop.page(), state="running").items
        shop.core.runs.cancel(shop.olga, "shop", run.id)

    cloud.rules.append(Rule("locks.unlock", **{moment: cancel}))  # type: ignore[arg-type]
    shop.core.carry_out()
    assert locked(cloud) == {lock}
    assert shop.points()[0].lock is not None
    newest = shop.core.runs.list(shop.olga, "shop", shop.page()).items[0]
    assert (newest.kind, newest.state) == ("recovery_point.unlock", RunState.CANCELLED)
    shop.core.close()


def test_an_unlock_that_ends_in_part_does_not_say_that_it_is_locked(
    unlocking: Template, tmp_path: Path
) -> None:
    """It was cancelled, and the cloud does not let it lock again."""
    shop = unlocking.copy(tmp_path / "shop")
    cloud = shop.core.cloud

    def cancel(_: object) -> None:
        (run,) = shop.core.runs.list(shop.olga, "shop", shop.page(), state="running").items
        shop.core.runs.cancel(shop.olga, "shop", run.id)

    cloud.rules.append(Rule("locks.unlock", after=cancel, region=AWAY))
    cloud.rules.append(refuse("locks.lock", CloudDenied("may not"), times=9))
    shop.core.carry_out()
    assert None in locked(cloud)
    assert shop.points()[0].lock is None
    shop.core.close()
