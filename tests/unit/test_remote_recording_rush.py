"""While much is being recorded, what can wait waits: for a while, and where there is room."""

from __future__ import annotations

from pathlib import Path

import pytest

from mavis_core.objects import FolderObjects, ObjectStore
from mavis_core.remote.model import EndReason
from mavis_core.remote.recording.recorder import Recorder
from mavis_core.remote.recording.rush import Rush
from mavis_core.remote.recording.spool import Room, Spool
from mavis_core.remote.recording.uploading import Uploader
from recording_scene import HEADER, KEY, wait_for


class Hand:
    """A clock that goes where it is put."""

    at_s = 100.0

    def __call__(self) -> float:
        return self.at_s


def test_a_rush_is_much_at_once_and_over_soon() -> None:
    hand = Hand()
    rush = Rush(1000, hand)
    rush.note(500)
    assert not rush.on
    rush.note(1)
    assert rush.on
    hand.at_s += 0.5
    assert rush.on, "it was so a moment ago"
    hand.at_s += 0.5
    assert not rush.on


def test_what_comes_slowly_is_none() -> None:
    hand = Hand()
    rush = Rush(1000, hand)
    for _ in range(100):
        rush.note(499)
        assert not rush.on
        hand.at_s += 0.5


def test_what_comes_before_a_pause_does_not_count_after_it() -> None:
    hand = Hand()
    rush = Rush(1000, hand)
    rush.note(10_000)
    hand.at_s += 60
    rush.note(1)
    assert not rush.on


@pytest.mark.parametrize("end", ["the rush is over", "the spool is half full", "it lasts too long"])
def test_in_a_rush_nothing_is_stored_until(end: str, tmp_path: Path) -> None:
    hand = Hand()
    room = Room(1 << 20)
    room.rush = Rush(1, hand)
    store = ObjectStore(FolderObjects(tmp_path / "store"))
    patience_s = 0.3 if end == "it lasts too long" else 3600
    uploader = Uploader(store, KEY, patience_s=patience_s)
    spool = Spool(tmp_path / "spool", room)
    it = Recorder(spool.new(HEADER), on_chunk=lambda each: uploader.add(each.folder))
    it.output(b"much")
    it.close(0, EndReason.EXITED)
    uploader.start()
    try:
        if end != "it lasts too long":
            uploader.add(it.folder)  # wakes a thread, which goes on waiting
            assert uploader.waiting == 1
            assert not list(store.keys(""))
        if end == "the rush is over":
            hand.at_s += 10
        elif end == "the spool is half full":
            room.change(1 << 19)
        wait_for(lambda: not uploader.waiting)
    finally:
        uploader.stop()
        spool.close()
    assert [key for key in store.keys("") if key.endswith("manifest.jsonl")]
