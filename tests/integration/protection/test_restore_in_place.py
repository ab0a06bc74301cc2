"""Restores in place: the old state or the new one, whatever the cloud refuses; undo and forget."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from core_double import ACCOUNT, REGION
from mavis_core import clock
from mavis_core.errors import (
    CloudDenied,
    CloudError,
    CloudInUse,
    CloudQuota,
    CloudUnreachable,
    CloudVanished,
    Conflict,
)
from mavis_core.protection.restore.in_place import UNDO
from mavis_core.protection.restore.model import Disks, RestoreState
from mavis_core.scheduling.model import RunState
from mavis_core.testing.cloud import ACTIONS, Call, Rule, during, refuse
from restore_scene import LATER, TAKEN, Scene, Template, freeze, kill, make_template, nth

LATE = UNDO + timedelta(hours=1)
Again = Callable[[], Scene]


@pytest.fixture(scope="module")
def templates(tmp_path_factory: pytest.TempPathFactory) -> tuple[Template, Template]:
    """Return the scene before and after a restore in place."""
    first = make_template(tmp_path_factory.mktemp("template"))
    scene = first.copy(tmp_path_factory.mktemp("replaced"))
    scene.done("restore.in_place")
    return first, freeze(scene)


def maker(template: Template, folder: Path) -> Iterator[Again]:
    numbers, made = itertools.count(), list[Scene]()

    def again() -> Scene:
        made.append(template.copy(folder / str(next(numbers))))
        return made[-1]

    yield again
    for scene in made:
        scene.core.close()


@pytest.fixture
def scenes(templates: tuple[Template, Template], tmp_path: Path) -> Iterator[Again]:
    """Return what makes one scene after the other."""
    yield from maker(templates[0], tmp_path)


@pytest.fixture
def scene(scenes: Again) -> Scene:
    return scenes()


@pytest.fixture
def after(templates: tuple[Template, Template], tmp_path: Path) -> Iterator[Again]:
    """Return what makes one scene after the other in which a restore in place is complete."""
    yield from maker(templates[1], tmp_path)


@pytest.fixture
def replaced(after: Again) -> Scene:
    return after()


def changing(scene: Scene) -> list[Call]:
    """Return the calls of a scene that changed something."""
    return [call for call in scene.cloud.calls if ACTIONS[call.action] not in ("read", "block")]


def check_old(scene: Scene) -> None:
    """The instance runs as it did, with the volumes that it had; the new ones are gone."""
    assert scene.web.state == "running"
    assert scene.web.volumes == scene.old
    assert scene.bytes_at(scene.web) == list(LATER)
    assert scene.made_by(scene.restore) == []


def check_new(scene: Scene) -> None:
    """The instance has the restored volumes, and the old ones are kept."""
    assert scene.bytes_at(scene.web) == list(TAKEN)
    assert [scene.cloud.volumes[volume].blocks for volume in scene.old] == list(LATER)


# The way there


def test_the_disks_are_replaced_and_the_old_ones_kept_and_tagged(scene: Scene) -> None:
    restore = scene.done("restore.in_place")
    check_new(scene)
    assert scene.web.state == "running"
    assert restore.undo_until is not None
    assert restore.undo_until - restore.created_at >= UNDO
    for volume in scene.old:
        tags = scene.cloud.volumes[volume].tags
        assert tags["mavis:undo-until"] == clock.iso(restore.undo_until)
        assert tags["mavis:replaced-by"] == restore.id


def test_the_new_volumes_are_made_before_the_instance_is_stopped(scene: Scene) -> None:
    scene.done("restore.in_place")
    actions = [call.action for call in changing(scene)]
    assert actions.index("power.stop") > max(
        at for at, action in enumerate(actions) if action == "volumes.create"
    )


def test_an_instance_that_was_stopped_stays_stopped(scene: Scene) -> None:
    scene.web.state = "stopped"
    scene.done("restore.in_place")
    check_new(scene)
    assert scene.web.state == "stopped"
    scene.done("restore.undo", scene.restore.id)
    assert (scene.web.state, scene.web.volumes) == ("stopped", scene.old)


def test_one_disk_alone_is_replaced_and_the_root_stays_first(scene: Scene) -> None:
    scene.done("restore.in_place", volumes=[scene.old[0]])
    assert scene.bytes_at(scene.web) == [TAKEN[0], LATER[1]]
    scene.done("restore.undo", scene.restore.id)
    assert scene.web.volumes == scene.old


def test_volumes_that_the_point_does_not_have_stay_and_are_told(scene: Scene) -> None:
    scene.done("restore.volumes", volumes=[scene.old[1]], attach_to="web-1")
    extra = scene.web.volumes[-1]
    assert extra in scene.warnings("restore.in_place")
    scene.done("restore.in_place")
    assert scene.web.devices["/dev/sdf"] == extra
    assert scene.web.volumes[0] == scene.web.devices["/dev/disk0"], "the root volume is first"
    assert [
        scene.cloud.volumes[scene.web.devices[device]].blocks
        for device in ("/dev/disk0", "/dev/disk1")
    ] == list(TAKEN)


def test_a_disk_that_was_detached_since_comes_back_at_its_device(scene: Scene) -> None:
    scene.cloud.detach(scene.old[1])
    scene.project.discover()
    scene.done("restore.in_place")
    assert scene.bytes_at(scene.web) == list(TAKEN)
    scene.done("restore.undo", scene.restore.id)
    assert scene.web.volumes == scene.old[:1]


def test_it_can_be_taken_again_without_a_discovery(scene: Scene) -> None:
    scene.done("restore.in_place")
    scene.ask("recovery_point.create", "web-1")
    assert scene.carry_out() is None
    point = scene.project.points()[0]
    assert [disk.size_gib for disk in point.manifest.disks] == [8, 20]
    assert {disk.volume_id for disk in point.manifest.disks} == set(scene.web.volumes)


def test_what_is_not_as_planned_is_left_alone(scene: Scene) -> None:
    scene.ask("restore.in_place")
    scene.cloud.detach(scene.old[1])
    error = scene.carry_out()
    assert isinstance(error, Conflict)
    assert "/dev/disk1 has nothing" in error.message
    assert scene.web.state == "running"
    assert scene.web.volumes == scene.old[:1]
    assert scene.made_by(scene.restore) == []


def test_one_instance_has_one_restore_in_place_at_a_time(scene: Scene) -> None:
    scene.ask("restore.in_place")
    with pytest.raises(Conflict, match="planned"):
        scene.ask("restore.in_place")
    assert len(scene.restores()) == 1
    assert scene.carry_out() is None


def test_an_instance_that_is_gone_is_told_from_one_to_replace(scene: Scene) -> None:
    scene.cloud.terminate(scene.web.id)
    scene.project.discover()
    with pytest.raises(Conflict) as caught:
        scene.ask("restore.in_place")
    assert "restore instance" in caught.value.mend


# Refusals on the way: the old state or the new one


def test_a_refusal_of_any_call_ends_in_the_old_state_or_in_the_new(scenes: Again) -> None:
    clean = scenes()
    clean.done("restore.in_place")
    calls = clean.cloud.calls
    for call in changing(clean):
        position = calls.index(call)
        scene = scenes()
        scene.ask("restore.in_place")
        scene.cloud.rules.append(nth(calls, position, before=_deny))
        assert isinstance(scene.carry_out(), CloudDenied), call.action
        restore = scene.restore
        if call.action == "power.start":
            check_new(scene)
            assert (restore.state, scene.web.state) == (RestoreState.COMPLETE, "stopped")
            assert (restore.error or {})["code"] == "cloud_denied"
        else:
            check_old(scene)
            assert (restore.state, restore.undo_until) == (RestoreState.FAILED, None)
        assert scene.newest_run().state is RunState.FAILED


def _deny(call: Call) -> None:
    raise CloudDenied(f"may not {call.action}")


def test_a_kill_on_the_way_back_ends_in_the_old_state_all_the_same(scenes: Again) -> None:
    def asked() -> Scene:
        scene = scenes()
        scene.ask("restore.in_place")
        scene.cloud.rules.append(Rule("volumes.attach", before=_deny, skip=1))
        return scene

    clean = asked()
    assert isinstance(clean.carry_out(), CloudDenied)
    check_old(clean)
    calls = clean.cloud.calls
    denied = [at for at, call in enumerate(calls) if call.action == "volumes.attach"][1]
    for position in range(denied + 1, len(calls)):
        if calls[position].action == calls[position - 1].action:
            continue  # one more look, or the same for the next volume
        scene = asked()
        rule = nth(calls, position, before=kill)
        rule.skip -= calls[position].action == "volumes.attach"  # the refused one was not counted
        scene.cloud.rules.append(rule)
        assert scene.dies()
        with scene.later():
            assert isinstance(scene.carry_out(), CloudDenied)
        check_old(scene)
        assert scene.restore.state is RestoreState.FAILED


def test_where_the_cloud_refuses_both_nothing_is_lost_and_an_undo_helps(scene: Scene) -> None:
    scene.cloud.rules.append(refuse("volumes.attach", CloudDenied("may not attach"), times=99))
    scene.ask("restore.in_place")
    error = scene.carry_out()
    assert isinstance(error, CloudDenied)
    restore = scene.restore
    assert (restore.state, restore.disks) == (RestoreState.STRANDED, Disks.BETWEEN)
    assert "restore undo" in (restore.error or {})["mend"]
    assert {*scene.old, *restore.made.volumes.values()} <= set(scene.cloud.volumes)
    with pytest.raises(Conflict, match="stranded"):
        scene.ask("restore.in_place")

    scene.cloud.rules.clear()
    with scene.later(LATE):  # however late: these are the only volumes
        scene.core.timetable.tick()
        scene.done("restore.undo", restore.id)
    check_old(scene)


def test_a_cloud_that_gives_no_answer_for_a_while_is_waited_for(
    templates: tuple[Template, Template], tmp_path: Path
) -> None:
    scene = templates[0].copy(tmp_path, timeout_s=60)
    rule = refuse("volumes.attach", CloudUnreachable("no answer"), times=6)
    scene.cloud.rules.append(rule)
    scene.ask("restore.in_place")
    assert scene.carry_out() is None
    check_new(scene)
    scene.core.close()


# Undo


def test_an_undo_puts_the_old_volumes_back_and_removes_the_new(replaced: Scene) -> None:
    run = replaced.ask("restore.undo", replaced.restore.id)
    told = [(effect.verb, effect.cloud_id) for effect in run.plan.effects]
    new = sorted(replaced.web.volumes)
    assert told == [
        ("stop", replaced.web.id),
        *[("detach", volume) for volume in new],
        *[("attach", volume) for volume in replaced.old],
        ("start", replaced.web.id),
        *[("delete", volume) for volume in new],
    ]
    assert replaced.carry_out() is None
    check_old(replaced)
    assert replaced.restore.state is RestoreState.UNDONE
    tags = replaced.cloud.volumes[replaced.old[0]].tags
    assert (tags["mavis:undo-until"], tags["mavis:replaced-by"]) == ("released", "")


def test_an_undo_comes_once(replaced: Scene) -> None:
    replaced.ask("restore.undo", replaced.restore.id)
    with pytest.raises(Conflict, match="undoing"):
        replaced.ask("restore.undo", replaced.restore.id)
    assert replaced.carry_out() is None
    with pytest.raises(Conflict, match="nothing to undo"):
        replaced.ask("restore.undo", replaced.restore.id)


def test_an_undo_that_comes_too_late_is_refused(replaced: Scene) -> None:
    with replaced.later(LATE), pytest.raises(Conflict, match="ended at"):
        replaced.ask("restore.undo", replaced.restore.id)


def test_an_undo_says_what_is_missing_and_changes_nothing(replaced: Scene) -> None:
    replaced.cloud.vanish(replaced.old[1])
    replaced.ask("restore.undo", replaced.restore.id)
    error = replaced.carry_out()
    assert isinstance(error, CloudVanished)
    assert replaced.old[1] in error.message
    assert replaced.web.state == "running"
    assert replaced.bytes_at(replaced.web) == list(TAKEN)
    assert replaced.restore.state is RestoreState.COMPLETE
    assert [c.action for c in changing(replaced)] == []


def test_an_undo_does_not_take_off_what_others_have_put_there(replaced: Scene) -> None:
    other = replaced.cloud.launch(ACCOUNT, REGION, "x").volumes[0]
    replaced.cloud.detach(other)
    replaced.cloud.detach(replaced.web.volumes[1])
    replaced.web.devices["/dev/disk1"] = other
    replaced.ask("restore.undo", replaced.restore.id)
    error = replaced.carry_out()
    assert isinstance(error, Conflict)
    assert other in error.message
    assert replaced.web.devices["/dev/disk1"] == other


def test_a_refusal_of_any_call_of_an_undo_ends_in_the_new_state_or_in_the_old(
    after: Again,
) -> None:
    clean = after()
    clean.done("restore.undo", clean.restore.id)
    calls = clean.cloud.calls
    for call in changing(clean):
        position = calls.index(call)
        scene = after()
        scene.ask("restore.undo", scene.restore.id)
        scene.cloud.rules.append(nth(calls, position, before=_deny))
        assert isinstance(scene.carry_out(), CloudDenied), call.action
        restore = scene.restore
        if restore.disks is Disks.NEW:
            check_new(scene)
            assert (restore.state, scene.web.state) == (RestoreState.COMPLETE, "running")
        else:
            assert restore.state is RestoreState.UNDONE
            assert scene.web.volumes == scene.old
            scene.cloud.rules.clear()
            with scene.later(timedelta(hours=2)):
                scene.core.timetable.tick()
                assert scene.carry_out() is None
            assert scene.made_by(restore) == []
            assert scene.restore.error is None


def test_an_undo_that_went_back_may_be_asked_for_again(replaced: Scene) -> None:
    replaced.cloud.rules.append(refuse("volumes.attach", CloudDenied("may not attach")))
    replaced.ask("restore.undo", replaced.restore.id)
    assert isinstance(replaced.carry_out(), CloudDenied)
    check_new(replaced)
    replaced.done("restore.undo", replaced.restore.id)
    check_old(replaced)


def test_only_the_newest_of_two_restores_in_place_can_be_undone_first(replaced: Scene) -> None:
    first = replaced.restore
    second = replaced.done("restore.in_place")
    replaced.ask("restore.undo", first.id)
    assert isinstance(replaced.carry_out(), Conflict)
    assert replaced.bytes_at(replaced.web) == list(TAKEN)
    replaced.done("restore.undo", second.id)
    replaced.done("restore.undo", first.id)
    assert replaced.web.volumes == replaced.old


# Forget


def test_the_old_volumes_go_by_themselves_when_the_undo_has_run_out(replaced: Scene) -> None:
    assert replaced.core.timetable.tick() == []
    with replaced.later(LATE):
        assert len(replaced.core.new_timetable().tick()) >= 1
        assert replaced.carry_out() is None
        assert not set(replaced.old) & set(replaced.cloud.volumes)
        assert replaced.bytes_at(replaced.web) == list(TAKEN)
        assert replaced.restore.state is RestoreState.FINAL
        with pytest.raises(Conflict, match="nothing to undo"):
            replaced.ask("restore.undo", replaced.restore.id)


def test_before_that_they_are_not_let_go(replaced: Scene) -> None:
    with pytest.raises(Conflict, match="can be undone until"):
        replaced.ask("restore.forget", replaced.restore.id)


def test_old_volumes_that_are_used_again_or_lost_our_tag_stay(replaced: Scene) -> None:
    used, foreign = replaced.old
    replaced.web.devices["/dev/sdz"] = used
    replaced.cloud.volumes[foreign].tags["mavis:replaced-by"] = "rst_another"
    with replaced.later(LATE):
        replaced.done("restore.forget", replaced.restore.id)
    assert {used, foreign} <= set(replaced.cloud.volumes)
    assert set(replaced.newest_run().result["kept"]) == {used, foreign}
    assert replaced.restore.state is RestoreState.FINAL


def test_a_volume_that_cannot_be_let_go_is_tried_again_an_hour_later(replaced: Scene) -> None:
    replaced.cloud.rules.append(refuse("volumes.delete", CloudInUse("it is locked")))
    with replaced.later(LATE):
        replaced.core.new_timetable().tick()
        assert isinstance(replaced.carry_out(), CloudError)
        assert replaced.restore.state is RestoreState.COMPLETE
        assert replaced.core.new_timetable().tick() == []
    with replaced.later(LATE + timedelta(hours=2)):
        replaced.core.new_timetable().tick()
        assert replaced.carry_out() is None
    assert replaced.restore.state is RestoreState.FINAL


def test_a_start_that_fails_leaves_the_new_disks_and_the_undo(scene: Scene) -> None:
    scene.cloud.rules.append(refuse("power.start", CloudQuota("no capacity")))
    scene.ask("restore.in_place")
    assert isinstance(scene.carry_out(), CloudQuota)
    check_new(scene)
    restore = scene.restore
    assert (restore.state, restore.disks) == (RestoreState.COMPLETE, Disks.NEW)
    scene.web.state = "running"
    scene.done("restore.undo", restore.id)
    check_old(scene)


def test_somebody_who_starts_the_instance_between_gets_the_old_state(scene: Scene) -> None:
    def start(call: Call) -> None:
        call.cloud.instances[scene.web.id].state = "running"

    scene.cloud.rules.append(during("volumes.detach", start))
    scene.ask("restore.in_place")
    assert isinstance(scene.carry_out(), CloudInUse)
    check_old(scene)
