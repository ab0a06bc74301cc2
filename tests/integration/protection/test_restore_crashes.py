"""Restores that are killed, refused, throttled or cancelled at each of their calls to the cloud.

Each table is made by doing it once and listing the calls; then it is done anew for every call.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from mavis_core.errors import Cancelled
from mavis_core.protection.restore import starts
from mavis_core.protection.restore.model import Disks, RestoreKind, RestoreState
from mavis_core.scheduling.model import RunState
from mavis_core.testing.cloud import ACTIONS, Call, lose_reply, throttle
from restore_scene import LATER, TAKEN, Scene, Template, freeze, kill, make_template, nth

DAY = timedelta(hours=25)


@dataclass(frozen=True)
class Case:
    """A kind of Run: what is asked for, and how the scene looks when it is done."""

    action: str
    done: Callable[[Scene], None]
    from_replaced: bool = False
    after: timedelta = timedelta(0)
    arguments: dict[str, Any] = field(default_factory=dict)

    def ask(self, scene: Scene) -> None:
        resource = scene.restore.id if self.from_replaced else scene.point.id
        scene.ask(self.action, resource, **self.arguments)


def check_nothing_owed(scene: Scene) -> None:
    assert starts.ACTION not in [action for action, _ in scene.open_lines()]


def untouched(scene: Scene) -> None:
    """The instance is as it was, and nobody owes its start."""
    check_nothing_owed(scene)
    assert scene.web.state == "running"
    assert scene.web.volumes[:2] == scene.old
    assert scene.bytes_at(scene.web)[:2] == list(LATER)


def volumes_there(scene: Scene) -> None:
    untouched(scene)
    restore = scene.restore
    assert (restore.kind, restore.state) == (RestoreKind.VOLUMES, RestoreState.COMPLETE)
    assert list(scene.web.devices)[2:] == ["/dev/sdf", "/dev/sdg"]
    assert scene.bytes_at(scene.web)[2:] == list(TAKEN)
    assert sorted(scene.made_by(restore)) == sorted(restore.made.volumes.values())
    assert scene.ever_made("vol-") == 2


def instance_there(scene: Scene) -> None:
    untouched(scene)
    restore = scene.restore
    assert restore.state is RestoreState.COMPLETE
    assert len(scene.cloud.instances) == 2
    instance = scene.cloud.instances[restore.made.instance_id or ""]
    assert instance.state == "running"
    assert scene.bytes_at(instance) == list(TAKEN)
    assert set(scene.made_by(restore)) == {instance.id, *instance.volumes}
    assert scene.ever_made("i-") == 1
    assert not scene.cloud.images


def replaced(scene: Scene) -> None:
    restore = scene.restore
    check_nothing_owed(scene)
    assert (restore.state, restore.disks) == (RestoreState.COMPLETE, Disks.NEW)
    assert scene.web.state == "running"
    assert scene.bytes_at(scene.web) == list(TAKEN)
    assert set(scene.web.volumes) == set(scene.made_by(restore))
    assert [scene.cloud.volumes[volume].blocks for volume in scene.old] == list(LATER)
    assert scene.ever_made("vol-") == 2


def undone(scene: Scene) -> None:
    restore = scene.restore
    assert (restore.state, restore.disks) == (RestoreState.UNDONE, Disks.OLD)
    untouched(scene)
    assert scene.made_by(restore) == []
    assert restore.made.nothing


def forgotten(scene: Scene) -> None:
    assert scene.restore.state is RestoreState.FINAL
    assert scene.bytes_at(scene.web) == list(TAKEN)
    assert not set(scene.old) & set(scene.cloud.volumes)


def verified(scene: Scene) -> None:
    untouched(scene)
    restore = scene.restore
    assert restore.state is RestoreState.COMPLETE
    nothing_left(scene)
    proof = scene.proof()
    assert (proof["ok"], proof["left"]) == (True, 0)
    assert [volume["blocks"] for volume in proof["volumes"]] == [2, 3]
    assert [check["state"] for check in proof["checks"]] == ["succeeded"]


def nothing_left(scene: Scene) -> None:
    """What the newest restore made is gone, and the row says so."""
    restore = scene.restore
    assert scene.made_by(restore) == []
    assert restore.made.nothing
    assert not scene.cloud.images
    assert not scene.cloud.groups


CASES = {
    "volumes": Case("restore.volumes", volumes_there, arguments={"attach_to": "web-1"}),
    "instance": Case("restore.instance", instance_there),
    "in_place": Case("restore.in_place", replaced),
    "undo": Case("restore.undo", undone, from_replaced=True),
    "forget": Case("restore.forget", forgotten, from_replaced=True, after=DAY),
    "verify": Case("recovery_point.verify", verified, arguments={"check": "test -f /ok"}),
}


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Template]:
    """Return the scene of each case, when its Run was asked for."""
    first = make_template(tmp_path_factory.mktemp("template"))
    scene = first.copy(tmp_path_factory.mktemp("replaced"))
    scene.done("restore.in_place")
    second = freeze(scene)
    found = {}
    for name, case in CASES.items():
        scene = (second if case.from_replaced else first).copy(tmp_path_factory.mktemp(name))
        with scene.later(case.after):
            case.ask(scene)
        found[name] = freeze(scene)
    return found


@dataclass
class Stage:
    """Sets the scene of a case, again and again."""

    case: Case
    asked: Template
    folder: Path
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def scene(self) -> Scene:
        """Return a new scene in which the Run of the case is due."""
        scene = self.asked.copy(self.folder / str(next(self._numbers)))
        scene.cloud.isolated_agents = True
        return scene

    def calls(self) -> list[Call]:
        """Return the calls of the case when nothing goes wrong."""
        scene = self.scene()
        with scene.later(self.case.after):
            assert scene.carry_out() is None
        self.case.done(scene)
        scene.core.close()
        return list(scene.cloud.calls)

    @contextmanager
    def again(self, calls: list[Call], position: int, **what: Any) -> Iterator[Scene]:
        """Set the scene for the call at `position`, and say which it was where a check fails."""
        scene = self.scene()
        if what:
            scene.cloud.rules.append(nth(calls, position, **what))
        try:
            with scene.later(self.case.after):
                yield scene
        except AssertionError as exc:
            exc.add_note(f"at call {position}, {calls[position].action}")
            raise
        finally:
            scene.core.close()


def new_looks(calls: list[Call]) -> list[int]:
    """Return the positions of calls of which the one before was of another action."""
    actions = [call.action for call in calls]
    return [at for at, action in enumerate(actions) if at == 0 or actions[at - 1] != action]


def changing(calls: list[Call]) -> list[int]:
    """Return the positions of the calls that change something."""
    looks = ("commands.reachable", "commands.result")
    return [
        position
        for position, call in enumerate(calls)
        if ACTIONS[call.action] not in ("read", "block") and call.action not in looks
    ]


@pytest.fixture(params=CASES)
def stage(request: pytest.FixtureRequest, asked: dict[str, Template], tmp_path: Path) -> Stage:
    return Stage(CASES[request.param], asked[request.param], tmp_path)


def test_a_kill_before_any_call_leaves_nothing_double_and_nothing_undone(stage: Stage) -> None:
    calls = stage.calls()
    for position in sorted({*changing(calls), *new_looks(calls)}):
        with stage.again(calls, position, before=kill) as scene:
            assert scene.dies()
            assert scene.carry_out() is None
            stage.case.done(scene)


def test_a_kill_after_any_call_that_changes_something_does_neither(stage: Stage) -> None:
    calls = stage.calls()
    for position in changing(calls):
        with stage.again(calls, position, after=kill) as scene:
            assert scene.dies()
            assert scene.carry_out() is None
            stage.case.done(scene)


def test_answers_that_are_lost_do_neither(stage: Stage) -> None:
    calls = stage.calls()
    with stage.again(calls, 0) as scene:
        actions = {calls[position].action for position in changing(calls)}
        scene.cloud.rules += [lose_reply(action) for action in actions]
        assert scene.carry_out() is None
        assert scene.cloud.rules == []
        stage.case.done(scene)


def test_throttling_of_every_call_only_takes_longer(stage: Stage) -> None:
    calls = stage.calls()
    with stage.again(calls, 0) as scene:
        scene.cloud.rules += [throttle(call.action) for call in calls]
        assert scene.carry_out() is None
        assert scene.cloud.rules == []
        stage.case.done(scene)


def test_a_person_who_cancels_gets_the_old_state(stage: Stage) -> None:
    calls = stage.calls()
    for position in sorted({*changing(calls)} & {*new_looks(calls)}):
        with stage.again(calls, position) as scene:
            scene.cloud.rules.append(nth(calls, position, before=lambda _, s=scene: cancel(s)))
            error = scene.carry_out()
            assert error is None or isinstance(error, Cancelled)
            after_cancelling(scene)


def test_a_person_who_cancels_after_a_kill_at_any_call_gets_it_too(stage: Stage) -> None:
    calls = stage.calls()
    for position in changing(calls):
        with stage.again(calls, position, after=kill) as scene:
            assert scene.dies()
            cancel(scene)
            error = scene.carry_out()
            assert error is None or isinstance(error, Cancelled)
            after_cancelling(scene)


def cancel(scene: Scene) -> None:
    scene.core.runs.cancel(scene.project.olga, "shop", scene.newest_run().id)


def after_cancelling(scene: Scene) -> None:
    """Everything is as if it had never been asked for, or as if nobody had cancelled it."""
    restore, run = scene.restore, scene.newest_run()
    assert run.state is RunState.CANCELLED
    if run.kind == "restore.forget":
        assert restore.state in (RestoreState.COMPLETE, RestoreState.FINAL)
        assert scene.bytes_at(scene.web) == list(TAKEN)
    elif run.kind == "restore.undo" and restore.state is RestoreState.COMPLETE:
        replaced(scene)
    elif run.kind == "restore.undo":
        undone(scene)
    elif restore.disks is Disks.NEW:
        replaced(scene)
    elif restore.state is RestoreState.COMPLETE:
        assert run.kind == "recovery_point.verify"
        nothing_left(scene)
    else:
        assert restore.state is RestoreState.CANCELLED
        untouched(scene)
        assert len(scene.web.volumes) == len(scene.old)
        nothing_left(scene)
