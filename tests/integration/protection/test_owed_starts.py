"""Whoever stops a machine owes its start, over refusals, crashes and what people do meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from mavis_core.errors import CloudDenied, CloudError, MavisError
from mavis_core.protection.catalogue import reconciliation
from mavis_core.protection.restore import starts
from mavis_core.protection.restore.in_place import UNDO
from mavis_core.protection.restore.model import Disks, RestoreState
from mavis_core.scheduling.model import RunState
from mavis_core.testing.cloud import Call, Rule, during, refuse
from restore_scene import LATER, TAKEN, Scene, Template, freeze, kill, make_template

TEN_MINUTES = timedelta(minutes=11)
AGAIN = "by itself, every ten minutes"


@pytest.fixture(scope="module")
def templates(tmp_path_factory: pytest.TempPathFactory) -> tuple[Template, Template]:
    """Return the scene before and after a restore in place."""
    first = make_template(tmp_path_factory.mktemp("template"))
    scene = first.copy(tmp_path_factory.mktemp("replaced"))
    scene.done("restore.in_place")
    return first, freeze(scene)


@pytest.fixture
def scene(templates: tuple[Template, Template], tmp_path: Path) -> Iterator[Scene]:
    made = templates[0].copy(tmp_path / "scene")
    yield made
    made.core.close()


@pytest.fixture
def replaced(templates: tuple[Template, Template], tmp_path: Path) -> Iterator[Scene]:
    made = templates[1].copy(tmp_path / "replaced")
    yield made
    made.core.close()


def deny(action: str, *, times: int = 1, skip: int = 0) -> Rule:
    rule = refuse(action, CloudDenied(f"may not {action}"), times=times)
    rule.skip = skip
    return rule


def owes(scene: Scene) -> list[tuple[str, str]]:
    return [line for line in scene.open_lines() if line[0] == starts.ACTION]


def check_owed(scene: Scene) -> None:
    assert scene.web.state == "stopped"
    assert owes(scene) == [(starts.ACTION, scene.web.id)]


def check_paid(scene: Scene, state: str = "running") -> None:
    assert scene.web.state == state
    assert scene.open_lines() == []


def reconcile(scene: Scene) -> MavisError | None:
    """Let ten minutes pass, and what is due then be done; return the last error."""
    scene.pass_time(TEN_MINUTES)
    with scene.later():
        scene.core.timetable.tick()
        return scene.carry_out()


def fail_to_start(scene: Scene, action: str = "restore.in_place") -> MavisError:
    """Carry a Run out whose machine cannot be started at the end."""
    resource = scene.restore.id if action == "restore.undo" else None
    scene.cloud.rules.append(deny("power.start"))
    scene.ask(action, resource)
    error = scene.carry_out()
    assert isinstance(error, CloudDenied)
    return error


# Paid by reconciliation


def test_a_start_that_is_refused_is_owed_told_and_made_by_itself(scene: Scene) -> None:
    error = fail_to_start(scene)
    check_owed(scene)
    told = (scene.newest_run().error or {})["message"]
    assert told == error.message == (scene.restore.error or {})["message"]
    assert told.startswith("may not power.start; Mavis tries again")
    assert AGAIN in told
    assert reconcile(scene) is None
    check_paid(scene)
    assert scene.bytes_at(scene.web) == list(TAKEN)


def test_as_long_as_it_is_refused_it_is_tried_every_ten_minutes(scene: Scene) -> None:
    fail_to_start(scene)
    scene.cloud.rules.append(deny("power.start", times=3))
    for _ in range(3):
        reconcile(scene)
        check_owed(scene)
        run = scene.newest_run()
        assert (run.kind, run.result["found"]) == (reconciliation.ACTION, 0)
        assert "may not power.start" in run.result["unseen"][0]
    reconcile(scene)
    check_paid(scene)


@pytest.mark.parametrize(
    ("action", "skip"),
    [
        pytest.param("power.start", 0, id="the start"),
        pytest.param("instances.describe", 1, id="a look at it"),
    ],
)
def test_on_the_way_back_nothing_is_left_but_the_start(
    scene: Scene, action: str, skip: int
) -> None:
    def refused(_: Call) -> None:
        scene.cloud.rules.append(deny(action, skip=skip))
        raise CloudDenied("may not attach")

    scene.cloud.rules.append(Rule("volumes.attach", before=refused))
    scene.ask("restore.in_place")
    error = scene.carry_out()
    assert error is not None
    assert error.message.startswith(f"may not attach; may not {action}; Mavis tries again")
    check_owed(scene)
    restore = scene.restore
    assert (restore.state, restore.made.nothing) == (RestoreState.FAILED, True)
    assert (restore.error or {})["message"] == error.message
    assert scene.web.volumes == scene.old
    reconcile(scene)
    check_paid(scene)


def test_a_cancelled_run_whose_machine_does_not_start_says_so(scene: Scene) -> None:
    def cancel(_: Call) -> None:
        scene.core.runs.cancel(scene.project.olga, "shop", scene.newest_run().id)
        scene.cloud.rules.append(deny("power.start"))

    scene.cloud.rules.append(during("volumes.detach", cancel))
    scene.ask("restore.in_place")
    error = scene.carry_out()
    assert isinstance(error, CloudDenied)
    assert AGAIN in error.message
    assert scene.restore.state is RestoreState.CANCELLED
    check_owed(scene)
    reconcile(scene)
    check_paid(scene)
    assert scene.bytes_at(scene.web) == list(LATER)


def test_an_undo_owes_it_whether_it_goes_back_or_not(replaced: Scene) -> None:
    replaced.cloud.rules.append(deny("volumes.attach"))
    error = fail_to_start(replaced, "restore.undo")
    assert error.message.startswith("may not volumes.attach; may not power.start; Mavis tries")
    check_owed(replaced)
    assert (replaced.restore.state, replaced.restore.disks) == (RestoreState.COMPLETE, Disks.NEW)
    reconcile(replaced)
    check_paid(replaced)

    error = fail_to_start(replaced, "restore.undo")
    assert AGAIN in error.message
    check_owed(replaced)
    assert (replaced.restore.state, replaced.restore.disks) == (RestoreState.UNDONE, Disks.OLD)
    reconcile(replaced)
    check_paid(replaced)
    assert replaced.bytes_at(replaced.web) == list(LATER)


def test_a_cancelled_undo_owes_it_too(replaced: Scene) -> None:
    def cancel(_: Call) -> None:
        replaced.core.runs.cancel(replaced.project.olga, "shop", replaced.newest_run().id)
        replaced.cloud.rules.append(deny("power.start"))

    replaced.cloud.rules.append(during("power.stop", cancel))
    replaced.ask("restore.undo", replaced.restore.id)
    error = replaced.carry_out()
    assert error is not None
    assert AGAIN in error.message
    assert replaced.newest_run().state is RunState.FAILED
    assert replaced.restore.state is RestoreState.COMPLETE
    check_owed(replaced)
    reconcile(replaced)
    check_paid(replaced)


def test_a_machine_that_was_not_running_owes_nothing(scene: Scene) -> None:
    scene.web.state = "stopped"
    scene.cloud.rules.append(deny("volumes.attach"))
    scene.ask("restore.in_place")
    assert isinstance(scene.carry_out(), CloudDenied)
    check_paid(scene, "stopped")


def test_a_worker_that_dies_while_it_starts_the_machine_goes_on(scene: Scene) -> None:
    fail_to_start(scene)
    scene.pass_time(TEN_MINUTES)
    with scene.later():
        scene.cloud.rules.append(during("power.start", kill))
        scene.core.timetable.tick()
        assert scene.dies()
    check_owed(scene)
    with scene.later():
        assert scene.carry_out() is None
    check_paid(scene)


# Between the disks


def strand(scene: Scene) -> None:
    scene.cloud.rules.append(deny("volumes.attach", times=99))
    scene.ask("restore.in_place")
    assert isinstance(scene.carry_out(), CloudDenied)
    assert scene.restore.state is RestoreState.STRANDED
    scene.cloud.rules.clear()
    check_owed(scene)


def test_between_the_disks_only_the_undo_starts_it(scene: Scene) -> None:
    strand(scene)
    scene.core.new_timetable().tick()
    assert scene.newest_run().kind == "restore.in_place", "nobody else can do anything about it"
    scene.project.start(reconciliation.ACTION)
    assert scene.carry_out() is None
    check_owed(scene)

    scene.cloud.rules.append(deny("volumes.attach", times=99))
    scene.ask("restore.undo", scene.restore.id)
    assert isinstance(scene.carry_out(), CloudDenied)
    assert scene.restore.state is RestoreState.STRANDED
    check_owed(scene)

    scene.cloud.rules.clear()
    scene.done("restore.undo", scene.restore.id)
    check_paid(scene)
    assert scene.bytes_at(scene.web) == list(LATER)


def test_of_a_stranded_machine_that_is_gone_nothing_is_owed(scene: Scene) -> None:
    strand(scene)
    scene.cloud.vanish(scene.web.id)
    scene.ask("restore.undo", scene.restore.id)
    assert isinstance(scene.carry_out(), CloudError)
    assert scene.open_lines() == []


# One line a machine


def test_an_undo_starts_a_machine_that_an_earlier_run_could_not_start(scene: Scene) -> None:
    fail_to_start(scene)
    check_owed(scene)
    scene.cloud.rules.append(during("volumes.detach", lambda _: check_owed(scene)))
    scene.done("restore.undo", scene.restore.id)
    check_paid(scene)
    assert scene.bytes_at(scene.web) == list(LATER)


def test_a_next_restore_in_place_does_so_too(scene: Scene) -> None:
    fail_to_start(scene)
    scene.cloud.rules.append(during("volumes.detach", lambda _: check_owed(scene)))
    scene.done("restore.in_place")
    check_paid(scene)


def test_a_run_waits_until_another_has_let_go_of_the_machine(scene: Scene) -> None:
    fail_to_start(scene)
    scene.ask("restore.undo", scene.restore.id)
    undo = scene.newest_run()

    def begin_undo(_: Call) -> None:
        scene.core.carry_out_only("restore.undo")

    scene.cloud.rules.append(during("power.start", begin_undo))
    with scene.later(TEN_MINUTES):
        scene.core.timetable.tick()
        scene.core.carry_out_only(reconciliation.ACTION)
    ended = scene.project.run(undo)
    assert "another Run has" in (ended.error or {})["message"]
    check_paid(scene)
    assert scene.bytes_at(scene.web) == list(TAKEN)
    assert scene.restore.state is RestoreState.COMPLETE


# What people do meanwhile


def by_hand(scene: Scene, action: str) -> None:
    scene.ask(action, scene.web.id)
    assert scene.carry_out() is None


def test_a_stop_that_somebody_asks_mavis_for_is_the_last_word(scene: Scene) -> None:
    fail_to_start(scene)
    by_hand(scene, "resource.stop")
    reconcile(scene)
    check_paid(scene, "stopped")


def test_a_stop_in_the_middle_of_a_restore_is_so_too(scene: Scene) -> None:
    def stop(_: Call) -> None:
        scene.ask("resource.stop", scene.web.id)
        scene.core.carry_out_only("resource.stop")

    scene.cloud.rules.append(during("volumes.detach", stop))
    scene.done("restore.in_place")
    check_paid(scene, "stopped")


def start_elsewhere(scene: Scene) -> None:
    scene.web.state = "running"


def start_and_stop_elsewhere(scene: Scene) -> None:
    scene.web.state = "running"
    scene.web.state = "stopped"


def start_here_and_stop_elsewhere(scene: Scene) -> None:
    by_hand(scene, "resource.start")
    scene.web.state = "stopped"


def vanish(scene: Scene) -> None:
    scene.cloud.vanish(scene.web.id)


@pytest.mark.parametrize(
    ("meanwhile", "state"),
    [
        pytest.param(start_elsewhere, "running", id="started"),
        pytest.param(start_and_stop_elsewhere, "running", id="started and stopped elsewhere"),
        pytest.param(start_here_and_stop_elsewhere, "stopped", id="started here, stopped there"),
        pytest.param(vanish, "", id="gone"),
    ],
)
def test_once_paid_it_is_never_started_again(
    scene: Scene, meanwhile: Callable[[Scene], None], state: str
) -> None:
    fail_to_start(scene)
    meanwhile(scene)
    reconcile(scene)
    assert scene.open_lines() == []
    left = scene.cloud.instances.get(scene.point.instance_id)
    assert (left.state if left else "") == state
    if left is None:
        return
    left.state = "stopped"
    reconcile(scene)
    check_paid(scene, "stopped")


def test_an_undo_leaves_a_machine_stopped_that_somebody_has_stopped(scene: Scene) -> None:
    fail_to_start(scene)
    by_hand(scene, "resource.stop")
    scene.done("restore.undo", scene.restore.id)
    reconcile(scene)
    check_paid(scene, "stopped")
    assert scene.bytes_at(scene.web) == list(LATER)


def test_the_old_volumes_go_also_where_the_machine_does_not_run(scene: Scene) -> None:
    fail_to_start(scene)
    scene.cloud.rules.append(deny("power.start", times=2))
    with scene.later(UNDO + timedelta(hours=1)):
        scene.core.timetable.tick()
        assert scene.carry_out() is None
        assert scene.restore.state is RestoreState.FINAL
        check_owed(scene)
