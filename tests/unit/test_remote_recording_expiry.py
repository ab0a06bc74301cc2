"""What is over its period goes and leaves a tombstone; what a hold is about stays."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mavis_core import clock
from mavis_core.errors import Damaged, NotFound, Unavailable
from mavis_core.remote.model import EndReason
from mavis_core.remote.recording import Library, Outcome, Tombstone, expire, read_tombstone
from mavis_core.remote.recording.expiry import is_held
from mavis_core.remote.recording.manifests import fingerprint
from mavis_core.remote.recording.model import Ending
from recording_scene import HEADER, KEY, Scene, small_chunks, wait_for

KEYS = {fingerprint(KEY.public_key()): KEY.public_key()}
NOW = datetime(2032, 6, 15, 12, tzinfo=UTC)
OLD, NEW = "ses_old", "ses_new"
PROJECT = HEADER.project_id


@dataclass(frozen=True)
class AHold:
    project_id: str = PROJECT
    person: str | None = None
    correlation_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    found = Scene(tmp_path)
    for session_id, days in ((OLD, 40), (NEW, 10)):
        with clock.set_clock(lambda days=days: NOW - timedelta(days=days)), small_chunks(50):
            it = found.recordings.open(
                replace(HEADER, session_id=session_id, started_at=clock.now())
            )
            it.output(b"shown\r\n")
            it.marker("second chunk")
            it.close(0, EndReason.EXITED)
    wait_for(lambda: len(found.stored) == 2)
    with clock.set_clock(lambda: NOW):
        yield found
    found.recordings.close()


def expired(scene: Scene, *holds: AHold, days: int = 30) -> Outcome:
    return expire(scene.store, KEY, KEYS, keep_days=days, holds=lambda: holds)


def keys(scene: Scene, session_id: str) -> list[str]:
    return [key.rpartition("/")[2] for key in scene.store.keys(f"{PROJECT}/{session_id}/")]


def test_what_is_over_its_period_leaves_a_tombstone(scene: Scene) -> None:
    library = Library(scene.store, KEYS)
    manifest = library.manifest(PROJECT, OLD)
    assert expired(scene, days=0) == expired(scene, days=41) == Outcome((), (), ())
    assert expired(scene) == Outcome((OLD,), (), ())
    assert keys(scene, OLD) == ["erased.jsonl"]
    assert library.verify(PROJECT, NEW) == ()
    left = read_tombstone(scene.store, KEYS, PROJECT, OLD)
    assert (left.header, left.chain, left.chunks) == (manifest.header, manifest.chain, 2)
    assert (left.erased_at, left.keep_days) == (NOW, 30)
    with pytest.raises(NotFound, match="was erased"):
        library.manifest(PROJECT, OLD)
    with pytest.raises(NotFound):
        read_tombstone(scene.store, KEYS, PROJECT, NEW)
    assert expired(scene) == Outcome((), (), ())
    path = scene.objects.folder / "objects" / PROJECT / OLD / "erased.jsonl"
    path.write_bytes(path.read_bytes().replace(b"alice", b"mallo"))
    with pytest.raises(Damaged):
        read_tombstone(scene.store, KEYS, PROJECT, OLD)
    library.close()


@pytest.mark.parametrize(
    ("hold", "holds"),
    [
        (AHold(), True),
        (AHold(project_id="prj_other"), False),
        (AHold(person="alice"), True),
        (AHold(person="bob"), False),
        (AHold(correlation_id="cor_1"), False),
        (AHold(since=NOW - timedelta(days=41)), True),
        (AHold(since=NOW - timedelta(days=39)), False),
        (AHold(until=NOW - timedelta(days=39)), True),
        (AHold(until=NOW - timedelta(days=41)), False),
    ],
    ids=str,
)
def test_what_a_hold_is_about_stays(scene: Scene, hold: AHold, holds: bool) -> None:
    assert expired(scene, hold) == Outcome(*((), (OLD,), ()) if holds else ((OLD,), (), ()))
    assert (keys(scene, OLD) == ["erased.jsonl"]) is not holds


def test_a_hold_is_about_every_recording_that_it_touches() -> None:
    header, ending = HEADER, Ending(HEADER.started_at + timedelta(hours=2), EndReason.EXITED)
    middle = HEADER.started_at + timedelta(hours=1)
    assert is_held(header, ending, [AHold(since=middle, until=middle + timedelta(minutes=1))])


@pytest.mark.parametrize("step", range(8))
def test_a_run_that_breaks_off_is_ended_by_the_next(
    scene: Scene, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = [step]

    def removed(key: str) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise Unavailable("down")
        type(scene.store).remove(scene.store, key)

    with monkeypatch.context() as patch, suppress(Unavailable):
        patch.setattr(scene.store, "remove", removed)
        expired(scene)
    before = keys(scene, OLD)
    assert "erased.jsonl" in before
    assert expired(scene).erased == ((OLD,) if len(before) > 1 else ())
    assert keys(scene, OLD) == ["erased.jsonl"]
    assert isinstance(read_tombstone(scene.store, KEYS, PROJECT, OLD), Tombstone)


def test_what_the_store_must_keep_and_what_cannot_be_read_is_told(scene: Scene) -> None:
    path = scene.objects.folder / "objects" / PROJECT / OLD / "manifest.jsonl"
    path.write_bytes(path.read_bytes().replace(b"alice", b"mallo"))
    assert expired(scene, days=5) == Outcome((NEW,), (), (OLD,))
