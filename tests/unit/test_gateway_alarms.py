"""Alarms of recording: each begins once and ends once, over restarts too, and says what to do."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from core_double import Core
from mavis_core.remote.alarms import Alarm, Hindrance
from mavis_core.remote.recording import Health
from mavis_hub.gateway import alarms as module
from mavis_hub.gateway.alarms import Alarms

WELL = Health(10 << 20, 100 << 20, alarm=False, waiting=0, error=None, troubles={})
DOWN = replace(WELL, waiting=3, error="S3 does not answer")
FULL = replace(WELL, used_bytes=81 << 20, alarm=True)


@dataclass
class Scene:
    """A clock, a database, and a recording that is as the test says."""

    core: Core
    path: Path
    now: float = 1000.0
    health: Health = WELL
    alarms: Alarms = field(init=False)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        self.alarms = Alarms(self.core.database, lambda: self.health, self.path)

    def look(self, health: Health | None = None, *, after_s: float = 1.0) -> list[Hindrance]:
        self.health = health or self.health
        self.now += after_s
        self.alarms.look()
        return [each.what for each in self.alarms.standing]

    def told(self) -> list[tuple[str, str, str | None]]:
        found = [each for each in self.core.records() if each.action.startswith("recording.alarm")]
        return [(each.action, each.object, each.outcome) for each in found]


@pytest.fixture
def scene(core: Core, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    made = Scene(core, tmp_path / "state" / "alarms.json")
    monkeypatch.setattr(module.time, "monotonic", lambda: made.now)
    return made


STORE = [
    ("recording.alarm", "recordings/store", "failed"),
    ("recording.alarm_end", "recordings/store", "ok"),
]


def test_a_store_that_is_down_is_told_once_and_so_is_its_end(scene: Scene) -> None:
    assert scene.look(WELL) == []
    assert scene.look(DOWN) == []  # it may answer the next moment
    for _ in range(10):
        found = scene.look(DOWN)
    assert found == [Hindrance.STORE]
    (alarm,) = scene.alarms.standing
    assert alarm.text == "The object store takes no recordings: 3 wait in a spool that is 10 % full"
    assert "goes there by itself" in alarm.mend
    assert alarm.why == "S3 does not answer"
    assert Alarm.from_json(alarm.to_json()) == alarm
    assert scene.look(WELL) == []
    assert scene.told() == STORE


def test_a_store_that_fails_for_a_moment_is_no_alarm(scene: Scene) -> None:
    for _ in range(5):
        assert scene.look(DOWN, after_s=3) == []
        assert scene.look(WELL, after_s=3) == []
    assert scene.told() == []


def test_a_restart_neither_ends_an_alarm_nor_begins_it_anew(scene: Scene) -> None:
    scene.look(DOWN)
    scene.look(DOWN, after_s=6)
    (before,) = scene.alarms.standing
    scene.restart()
    assert scene.look(replace(DOWN, error=None)) == [Hindrance.STORE]  # it was not tried yet
    assert scene.look(DOWN) == [Hindrance.STORE]
    assert scene.alarms.standing[0].since == before.since
    assert scene.look(replace(DOWN, error=None)) == []  # it has taken something
    assert scene.told() == STORE


def test_what_was_over_while_nobody_looked_ends_at_the_next_start(scene: Scene) -> None:
    scene.look(DOWN)
    scene.look(DOWN, after_s=6)
    scene.restart()
    assert scene.look(WELL) == []
    assert scene.told() == STORE


def test_a_spool_that_fills_and_a_recording_that_cannot_be_stored_are_told(scene: Scene) -> None:
    assert scene.look(FULL) == [Hindrance.SPOOL]
    assert scene.alarms.standing[0].text == "The spool of recordings is 81 % full: 81 of 100 MiB"
    assert scene.look(replace(FULL, troubles={"ses_1": "the chunk is not what was recorded"})) == [
        Hindrance.SPOOL,
        Hindrance.DAMAGE,
    ]
    damage = scene.alarms.standing[1]
    assert "ses_1" not in damage.text  # another project's, maybe
    assert damage.why == "ses_1: the chunk is not what was recorded"
    assert scene.look(WELL) == []
    assert [action for action, *_ in scene.told()] == ["recording.alarm"] * 2 + [
        "recording.alarm_end"
    ] * 2


def test_what_the_database_does_not_take_is_told_all_the_same_and_recorded_later(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:

        def refuse(*_: object) -> None:
            raise OSError("the disk is full")

        patch.setattr(module.records, "write", refuse)
        with pytest.raises(OSError, match="full"):
            scene.look(FULL)
    assert [each.what for each in scene.alarms.standing] == [Hindrance.SPOOL]
    assert scene.told() == []
    scene.look(FULL)
    assert scene.told() == [("recording.alarm", "recordings/spool", "failed")]


@pytest.mark.parametrize("content", [b"", b"[]", b'{"x": 1}', b'{"store": "yesterday"}'])
def test_a_state_that_nobody_can_read_is_none(scene: Scene, content: bytes) -> None:
    scene.path.parent.mkdir()
    scene.path.write_bytes(content)
    scene.restart()
    assert scene.look(FULL) == [Hindrance.SPOOL]
